/** What people decide: approve exactly what they saw, edit it within its schema, reject it, cancel, replay. */
import { actionKinds } from "../domain/action-kinds.ts";
import { referencesIn } from "../domain/action.ts";
import { Conflict } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Journal, Reads } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import type { WorkTable } from "./table.ts";
import { failPoint } from "../resilience/fail-points.ts";

export interface Review {
  /** Throws Conflict: not_found, stale_hash, wrong_state, invalid_edit. */
  approve(action: string, decision: { hash: string; edited?: JsonObject; by: string }): Promise<void>;
  /** `hash`: of the payload that was seen, where it is said. Throws Conflict: not_found, stale_hash, wrong_state. */
  reject(action: string, decision: { hash?: string; reason: string; by: string }): Promise<void>;
  cancelRun(run: string, reason: string): Promise<void>;
}

export function createReview(
  journal: Journal,
  reads: Pick<Reads, "action">,
  queue: Queue,
  table: () => Pick<WorkTable, "agents">,
): Review {
  return {
    async approve(id, { hash, edited, by }) {
      if (edited) await assertEdit(reads, table(), id, edited);
      const { queued } = await journal.approve(id, hash, edited ?? null, by);
      failPoint("review.decided");
      if (queued) queue.publish([]);
    },
    async reject(id, { hash, reason, by }) {
      // What is held has one payload until it is decided, so that this can't come too late.
      const action = hash === undefined ? null : await reads.action(id);
      if (action && action.hash !== hash)
        throw new Conflict(
          "stale_hash",
          `action ${id} has another payload: look at it again before rejecting`,
        );
      const { queued } = await journal.reject(id, reason, by);
      failPoint("review.decided");
      if (queued) queue.publish([]);
    },
    async cancelRun(run, reason) {
      await journal.cancel(run, reason);
      queue.publish([]);
    },
  };
}

/** An edit passes the kind's schema and the policy again, and may not bring in references the plan did not have. */
async function assertEdit(
  reads: Pick<Reads, "action">,
  { agents }: Pick<WorkTable, "agents">,
  id: string,
  edited: JsonObject,
): Promise<void> {
  const action = await reads.action(id);
  if (!action) throw new Conflict("not_found", `there is no action ${id}`);
  const foreign = referencesIn(edited).find((name) => !action.needs.includes(name));
  if (foreign !== undefined)
    throw new Conflict(
      "invalid_edit",
      `the edit refers to ${foreign}, which ${action.name} does not build on`,
    );
  const parsed = referencesIn(edited).length > 0 ? null : actionKinds[action.kind].safeParse(edited);
  if (parsed?.success === false) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Conflict("invalid_edit", `the edit does not fit ${action.kind}: ${issues.join("; ")}`);
  }
  const entry = agents.get(action.agent);
  const limit = entry?.agent.passes?.({ kind: action.kind, input: edited }, entry.policy) ?? null;
  if (limit !== null) throw new Conflict("invalid_edit", `the edit passes a limit of the policy: ${limit}`);
}
