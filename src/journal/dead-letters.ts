/** How dead runs leave the dead letters: discarded by a person, or run again. They stay dead. */
import { Conflict } from "../domain/errors.ts";
import { integerOrNull, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql, Transaction } from "./sql.ts";

export function* discard(tx: Transaction, run: string, reason: string, by: string): Sql<void> {
  const row = yield* sql.get("SELECT status, cleared_at FROM runs WHERE id = ? FOR UPDATE", run);
  if (!row) throw new Conflict("not_found", `there is no run ${run}`);
  const status = text(row, "status");
  if (status !== "dead")
    throw new Conflict("wrong_state", `run ${run} is ${status}: only dead letters can be discarded`);
  if (integerOrNull(row, "cleared_at") !== null)
    throw new Conflict("wrong_state", `run ${run} is no dead letter any more: it was discarded or run again`);
  yield* sql.run(
    "UPDATE runs SET cleared_at = ?, cleared_by = ?, cleared_reason = ? WHERE id = ?",
    tx.now,
    by,
    reason,
    run,
  );
  tx.changed("run", run);
}

/**
 * The dead runs of the event and the agent whose place `again` takes. All runs of the two are asked for, which are few:
 * asked for the dead ones, a database may look through every dead run there is.
 */
export function* clearReplaced(tx: Transaction, event: string, agent: string, again: string): Sql<void> {
  const runs = yield* sql.all(
    "SELECT id, status, cleared_at FROM runs WHERE event = ? AND agent = ? FOR UPDATE",
    event,
    agent,
  );
  for (const row of runs) {
    if (text(row, "status") !== "dead" || integerOrNull(row, "cleared_at") !== null) continue;
    const run = text(row, "id");
    yield* sql.run(
      "UPDATE runs SET cleared_at = ?, cleared_by = 'replay', cleared_reason = ? WHERE id = ?",
      tx.now,
      `run again as ${again}`,
      run,
    );
    tx.changed("run", run);
  }
}
