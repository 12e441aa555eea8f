/** Retention: content goes, keys and the outline of what happened stay. */
import { marks, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql } from "./sql.ts";

export function* eraseContent(before: number, limit: number): Sql<number> {
  // First, and always: what could not be read has no event to be erased with.
  yield* sql.run("UPDATE deliveries SET body = NULL WHERE received_at < ? AND body IS NOT NULL", before);
  const found = yield* sql.all(
    `SELECT e.id FROM events e WHERE e.received_at < ? AND e.body IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM runs r WHERE r.event = e.id AND r.status IN ('queued', 'running', 'waiting', 'awaiting_review'))
       ORDER BY e.received_at LIMIT ?`,
    before,
    limit,
  );
  const ids = found.map((row) => text(row, "id"));
  if (ids.length === 0) return 0;
  const runs = `SELECT id FROM runs WHERE event IN (${marks(ids)})`;
  yield* sql.run(
    `UPDATE events SET body = NULL, headers = '{}', evidence = NULL WHERE id IN (${marks(ids)})`,
    ...ids,
  );
  // A request goes with the first of its events: it holds the content of that one too.
  yield* sql.run(
    `DELETE FROM signed_requests WHERE id IN
       (SELECT id FROM deliveries WHERE event IN (${marks(ids)}) AND result = 'accepted')`,
    ...ids,
  );
  yield* sql.run(`UPDATE steps SET output = 'null' WHERE run IN (${runs})`, ...ids);
  yield* sql.run(`UPDATE actions SET input = '{}' WHERE run IN (${runs})`, ...ids);
  return ids.length;
}
