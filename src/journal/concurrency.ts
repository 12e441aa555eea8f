/**
 * Concurrency keys: at most so many runs of an agent at work for one pull request, customer or thread, in their order.
 *
 * A run takes its key when it is claimed, keeps it while it is parked, and gives it back when it ends or is held for a
 * person. Of those that are queued for a key only the oldest is due, and only while the key has room: however many wait
 * for one key, nobody who looks for work comes by them. Whoever gives a key back, or stops waiting for it, gives the next
 * one its turn in the same transaction, under the key's lock.
 */
import { sha256 } from "../domain/json.ts";
import { runStatuses, statesBefore } from "../domain/run.ts";
import { text, textOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql, Transaction } from "./sql.ts";

/** A concurrency key belongs to one agent. */
export interface Key {
  readonly agent: string;
  readonly key: string;
}

const longestKey = 400;

/** Whatever an expression made of an event's content, an index has room for it. */
export const storedKey = (key: string): string =>
  key.length <= longestKey ? key : `${key.slice(0, longestKey / 2)}…${sha256(key)}`;

export const keyOf = (row: Row): Key | null => {
  const key = textOrNull(row, "concurrency_key");
  return key === null ? null : { agent: text(row, "agent"), key };
};

/** Whoever takes a key, gives it back, or waits for it, does so one after another. */
export const lockKey = ({ agent, key }: Key): Sql<void> => sql.lock(`run ${agent} ${key}`);

/** The oldest run that is queued for the key becomes due, when the key has room for it. */
export function* giveTurn(tx: Transaction, { agent, key }: Key): Sql<void> {
  yield* sql.run(
    `UPDATE runs SET due_at = ?
     WHERE due_at IS NULL AND id = (
       SELECT q.id FROM runs q WHERE q.concurrency_key = ? AND q.agent = ? AND q.status = 'queued' ORDER BY q.id LIMIT 1)
     AND concurrency_limit > (
       SELECT count(*) FROM runs h WHERE h.concurrency_key = ? AND h.agent = ? AND h.holds_key = 1)`,
    tx.now,
    key,
    agent,
    key,
    agent,
  );
}

/**
 * States in which no run is ever claimed. Told which ones to look for instead, SQLite goes by the index of states, and sorts
 * all that is due for the first ten.
 */
const never = runStatuses
  .filter((status) => !statesBefore("running").includes(status))
  .map((status) => `'${status}'`)
  .join(", ");

/**
 * A claimable run: due, and its key is neither held by as many as may hold it nor wanted by an older run. The oldest is
 * asked for, and not whether there is an older one: for that PostgreSQL may read the table from end to end.
 */
export const claimable = `
  r.due_at IS NOT NULL AND r.due_at <= ? AND r.status NOT IN (${never})
  AND (r.concurrency_key IS NULL OR r.holds_key = 1 OR (
    (SELECT count(*) FROM runs h WHERE h.concurrency_key = r.concurrency_key AND h.agent = r.agent
       AND h.holds_key = 1 AND h.id <> r.id) < r.concurrency_limit
    AND r.id <= coalesce((SELECT o.id FROM runs o WHERE o.concurrency_key = r.concurrency_key AND o.agent = r.agent
       AND o.status = 'queued' ORDER BY o.id LIMIT 1), r.id)))`;
