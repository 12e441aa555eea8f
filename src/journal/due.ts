/** What there is to do, and what waits for whom: asked all the time, so each answer comes from an index. */
import type { Wake } from "../domain/queue.ts";
import type { WaitingFor } from "../domain/run.ts";
import { claimable } from "./concurrency.ts";
import { integer, integerOrNull, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql, Transaction } from "./sql.ts";

export function* dueRuns(limit: number, agent?: string): Sql<Wake[]> {
  const now = yield* sql.now();
  const rows = yield* sql.all(
    `SELECT r.id, r.agent, r.fence FROM runs r
     WHERE ${claimable} ${agent === undefined ? "" : "AND r.agent = ?"} ORDER BY r.due_at, r.id LIMIT ?`,
    ...(agent === undefined ? [now, limit] : [now, agent, limit]),
  );
  return rows.map((row) => ({
    run: text(row, "id"),
    agent: text(row, "agent"),
    number: integer(row, "fence"),
  }));
}

/** Goes from agent to agent through the index: however many runs one of them has waiting, it is one look. */
export function* dueAgents(): Sql<string[]> {
  const rows = yield* sql.all(
    `WITH RECURSIVE named (agent) AS (
       SELECT min(agent) FROM runs WHERE due_at IS NOT NULL
       UNION ALL
       SELECT (SELECT min(r.agent) FROM runs r WHERE r.due_at IS NOT NULL AND r.agent > named.agent)
       FROM named WHERE named.agent IS NOT NULL)
     SELECT agent FROM named
     WHERE EXISTS (SELECT 1 FROM runs r WHERE r.agent = named.agent AND r.due_at <= ?)`,
    yield* sql.now(),
  );
  return rows.map((row) => text(row, "agent"));
}

export function* nextDue(): Sql<number | null> {
  const row = yield* sql.get("SELECT min(due_at) AS at FROM runs WHERE due_at > ?", yield* sql.now());
  return row ? integerOrNull(row, "at") : null;
}

const resumed: WaitingFor = { kind: "service", reason: "it goes on, and waits for its turn", until: null };

export function* wakeParked(tx: Transaction, service: string, stepMs: number): Sql<number> {
  return yield* sql.run(
    `UPDATE runs SET due_at = ? + line.place * ?, waiting_for = ?
     FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM runs
           WHERE status = 'waiting' AND waiting_service = ?) AS line
     WHERE runs.id = line.id AND runs.status = 'waiting'`,
    tx.now,
    stepMs,
    JSON.stringify({ ...resumed, service }),
    service,
  );
}

/**
 * The first of those that wait for a service comes no later than `at`, in milliseconds of our clock: however far behind the
 * others each of them was put, the service is asked as soon as it may be. The one that asked last is behind the others.
 */
export function* lookIn(tx: Transaction, service: string, at: number): Sql<void> {
  const first = yield* sql.get(
    `SELECT id, due_at FROM runs WHERE status = 'waiting' AND waiting_service = ? ORDER BY due_at, id LIMIT 1`,
    service,
  );
  if (!first || integer(first, "due_at") <= tx.ours(at)) return;
  const id = text(first, "id");
  yield* sql.run("UPDATE runs SET due_at = ? WHERE id = ? AND status = 'waiting'", tx.ours(at), id);
  tx.changed("run", id);
}

/** Who is told that so many are parked comes as late as anyone may: how many more there are changes nothing. */
const countedParked = 10_000;

export function* parkedFor(service: string): Sql<number> {
  const row = yield* sql.get(
    `SELECT count(*) AS n FROM (
       SELECT 1 FROM runs WHERE status = 'waiting' AND waiting_service = ? LIMIT ${countedParked}) AS parked`,
    service,
  );
  return row ? integer(row, "n") : 0;
}
