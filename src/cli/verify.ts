/** `signalbox verify EVENT`: whether its stored bytes are still those that its sender signed. */
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { idOf } from "./lists.ts";
import { connect } from "./service.ts";
import type { VerificationView } from "./service.ts";

export async function verify(context: Context, id: string, options: { url?: string }): Promise<void> {
  const { terminal } = context;
  const path = `/api/events/${idOf(id, "evt")}/verify`;
  const found = await connect(context, options.url).post<VerificationView>(path, {});
  if (terminal.json) terminal.printJson(found);
  if (found.result === "verified") {
    if (!terminal.json) terminal.print(`${id}  verified${bySecret(found.secretIndex)}`);
    return;
  }
  const changed = found.result === "failed";
  throw new Failure(`${id} ${changed ? "was changed" : "can't be verified again"}: ${found.reason}`, {
    hint: changed
      ? "It is not replayed. Look for what wrote to the data folder, and restore a backup."
      : "Its bytes are not known to have changed, so a replay runs it.",
  });
}

const bySecret = (index: number | null): string =>
  index === null ? "" : `, under secret ${index} (0 = first)`;
