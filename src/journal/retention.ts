/**
 * Retention, a few rows at a time, so that nobody waits for it: first content goes; keys and the outline of what happened
 * stay. When those are old too, the keys go, and then the outline, which a key must not outlive: who takes a key looks at
 * what it stands for.
 */
import type { KeyPlace } from "../domain/ports.ts";
import { openStatuses } from "../domain/run.ts";
import { integer, marks, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql } from "./sql.ts";

const idsOf = (rows: readonly Row[]): string[] => rows.map((row) => text(row, "id"));
const open = openStatuses.map((status) => `'${status}'`).join(", ");

export function* eraseContent(before: number, limit: number): Sql<number> {
  const unread = yield* eraseUnread(before, limit);
  const found = yield* sql.all(
    `SELECT e.id FROM events e WHERE e.received_at < ? AND e.body IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM runs r WHERE r.event = e.id AND r.status IN (${open}))
       ORDER BY e.received_at LIMIT ? FOR UPDATE SKIP LOCKED`,
    before,
    limit,
  );
  const ids = yield* withoutBegun(idsOf(found));
  if (ids.length > 0) yield* eraseContentOf(ids);
  return Math.max(unread, ids.length);
}

export function* eraseContentOf(ids: readonly string[]): Sql<void> {
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
}

/** What could not be read has no event to be erased with. */
function* eraseUnread(before: number, limit: number): Sql<number> {
  const ids = idsOf(
    yield* sql.all(
      "SELECT id FROM deliveries WHERE received_at < ? AND body IS NOT NULL ORDER BY received_at LIMIT ?",
      before,
      limit,
    ),
  );
  if (ids.length === 0) return 0;
  // By the age as well: it is what the index of those with a body is of.
  return yield* sql.run(
    `UPDATE deliveries SET body = NULL WHERE received_at < ? AND body IS NOT NULL AND id IN (${marks(ids)})`,
    before,
    ...ids,
  );
}

/** Without those that someone began to run again before they were held; from now on that has to wait. */
function* withoutBegun(ids: readonly string[]): Sql<string[]> {
  const begun = new Set(yield* eventsWithOpenRuns(ids));
  return ids.filter((id) => !begun.has(id));
}

export function* eventsWithOpenRuns(ids: readonly string[]): Sql<string[]> {
  if (ids.length === 0) return [];
  const rows = yield* sql.all(
    `SELECT DISTINCT event FROM runs WHERE event IN (${marks(ids)}) AND status IN (${open})`,
    ...ids,
  );
  return rows.map((row) => text(row, "event"));
}

/** The keys go first; a day is more than looking through all of them takes. */
const afterKeysMs = 86_400_000;
/** An event may have been delivered any number of times. */
const mostDeliveries = 2_000;

export function* eraseHistory(before: number, limit: number): Sql<number> {
  const deeds = yield* eraseDeeds(before, limit);
  const unread = yield* eraseOldUnread(before, limit);
  const outlines = yield* eraseOutlines(before - afterKeysMs, limit);
  return deeds + unread + outlines;
}

/** Ids sort by time: the oldest deeds are the first. */
function* eraseDeeds(before: number, limit: number): Sql<number> {
  const oldest = yield* sql.all("SELECT id, at FROM audit ORDER BY id LIMIT ?", limit);
  const ids = idsOf(oldest.filter((row) => integer(row, "at") < before));
  return ids.length === 0 ? 0 : yield* sql.run(`DELETE FROM audit WHERE id IN (${marks(ids)})`, ...ids);
}

function* eraseOldUnread(before: number, limit: number): Sql<number> {
  const ids = idsOf(
    yield* sql.all(
      "SELECT id FROM deliveries WHERE received_at < ? AND event IS NULL ORDER BY received_at LIMIT ?",
      before,
      limit,
    ),
  );
  if (ids.length === 0) return 0;
  return yield* sql.run(
    `DELETE FROM deliveries WHERE received_at < ? AND event IS NULL AND id IN (${marks(ids)})`,
    before,
    ...ids,
  );
}

function* eraseOutlines(before: number, limit: number): Sql<number> {
  const found = yield* sql.all(
    `SELECT e.id FROM events e WHERE e.received_at < ? AND e.body IS NULL AND NOT EXISTS (
         SELECT 1 FROM runs r WHERE r.event = e.id AND (r.status IN (${open}) OR r.updated_at >= ?))
       ORDER BY e.received_at LIMIT ? FOR UPDATE SKIP LOCKED`,
    before,
    before,
    limit,
  );
  const ids = yield* withoutBegun(idsOf(found));
  if (ids.length === 0) return 0;
  const crowd = yield* sql.get(
    `SELECT received_at FROM deliveries WHERE event IN (${marks(ids)}) ORDER BY received_at LIMIT 1 OFFSET ?`,
    ...ids,
    mostDeliveries,
  );
  if (crowd)
    return yield* sql.run(
      `DELETE FROM deliveries WHERE event IN (${marks(ids)}) AND received_at <= ?`,
      ...ids,
      integer(crowd, "received_at"),
    );
  const runs = `SELECT id FROM runs WHERE event IN (${marks(ids)})`;
  for (const table of ["attempts", "steps", "actions"])
    yield* sql.run(`DELETE FROM ${table} WHERE run IN (${runs})`, ...ids);
  yield* sql.run(`DELETE FROM runs WHERE event IN (${marks(ids)})`, ...ids);
  yield* sql.run(`DELETE FROM deliveries WHERE event IN (${marks(ids)})`, ...ids);
  return yield* sql.run(`DELETE FROM events WHERE id IN (${marks(ids)})`, ...ids);
}

/** In the order of the keys themselves: an index of their ages would cost every webhook a write. */
export function* eraseKeys(before: number, limit: number, after: KeyPlace | null): Sql<KeyPlace | null> {
  const from = [after?.scope ?? "", after?.key ?? ""];
  const rows = yield* sql.all(
    "SELECT scope, key, created_at FROM keys WHERE (scope, key) > (?, ?) ORDER BY scope, key LIMIT ?",
    ...from,
    limit,
  );
  const [last] = rows.slice(-1);
  if (!last) return null;
  const place = { scope: text(last, "scope"), key: text(last, "key") };
  if (rows.some((row) => integer(row, "created_at") < before))
    yield* sql.run(
      `DELETE FROM keys WHERE (scope, key) > (?, ?) AND (scope, key) <= (?, ?) AND created_at < ?
         AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = keys.ref AND r.status IN (${open}))
         AND NOT EXISTS (SELECT 1 FROM actions a JOIN runs r ON r.id = a.run
           WHERE a.id = keys.ref AND r.status IN (${open}))`,
      ...from,
      place.scope,
      place.key,
      before,
    );
  return rows.length < limit ? null : place;
}
