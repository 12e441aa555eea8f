/** What is held is told of once, whatever dies when: the notice is started in the transaction that holds it. */
import type { NewRun } from "../domain/ports.ts";
import { nextNotice } from "./generations.ts";
import { integer, text } from "./rows.ts";
import { insertRuns } from "./runs.ts";
import { sql } from "./sql.ts";
import type { Sql, Transaction } from "./sql.ts";

/** Starts the notice, unless the run is not held after all, or everything that it holds was told of before. */
export function* announce(tx: Transaction, run: string, notice: NewRun): Sql<void> {
  const held = yield* sql.get(
    "SELECT event, order_at FROM runs WHERE id = ? AND status = 'awaiting_review'",
    run,
  );
  if (!held) return;
  const news = yield* sql.run(
    `UPDATE actions SET announced = 1
     WHERE run = ? AND status IN ('awaiting_review', 'uncertain') AND announced = 0`,
    run,
  );
  if (news === 0) return;
  const event = text(held, "event");
  // Two agents may come to hold actions for one event at the same moment, in two processes.
  yield* sql.lock(`notices of ${event}`);
  yield* insertRuns(tx, event, integer(held, "order_at"), yield* nextNotice(event), [notice]);
}
