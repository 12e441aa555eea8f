/** A person's word on a held action: exactly the shown payload, or an edited one, which passes schema and policy again. */
import { useState } from "preact/hooks";
import type { JsonObject } from "../domain/json.ts";
import { send } from "./api.ts";
import type { ActionRow } from "./api.ts";
import { Fault, useAsking } from "./asking.tsx";

export function Review({ of: action }: { readonly of: ActionRow }) {
  const [edited, setEdited] = useState<string | null>(null);
  const [reason, setReason] = useState("");
  const { fault, isAsking, ask, setFault } = useAsking();
  const path = `/api/actions/${encodeURIComponent(action.id)}`;
  const approve = () => {
    const change = edited === null ? {} : readEdit(edited);
    if (change === null) setFault("What was edited is no JSON object.");
    else ask(() => send("POST", `${path}/approve`, { hash: action.hash, ...change }));
  };
  const reject = () => ask(() => send("POST", `${path}/reject`, { reason }));
  const id = `reason-${action.id}`;
  return (
    <div class="review">
      {edited !== null && (
        <label>
          Payload
          <textarea
            rows={12}
            spellcheck={false}
            value={edited}
            onInput={(input) => setEdited(input.currentTarget.value)}
          />
        </label>
      )}
      <div class="line">
        <button disabled={isAsking} onClick={approve}>
          {action.status === "uncertain" ? "Do it again" : edited === null ? "Approve" : "Approve as edited"}
        </button>
        <button
          class="quiet"
          disabled={isAsking}
          onClick={() => setEdited(edited === null ? JSON.stringify(action.input, null, 2) : null)}
        >
          {edited === null ? "Edit" : "Leave it as it was"}
        </button>
      </div>
      <div class="line">
        <label for={id}>Why not</label>
        <input id={id} value={reason} onInput={(input) => setReason(input.currentTarget.value)} />
        <button class="quiet" disabled={isAsking || reason.trim() === ""} onClick={reject}>
          Reject
        </button>
      </div>
      <Fault of={fault} />
    </div>
  );
}

function readEdit(text: string): { edited: JsonObject } | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? { edited: value as JsonObject }
      : null;
  } catch {
    return null;
  }
}
