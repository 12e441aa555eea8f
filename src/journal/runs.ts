/** Runs: started with their event, claimed under a lease and a fence, put down with a verdict. */
import type { ActionStatus } from "../domain/action.ts";
import { Conflict, LeaseLost } from "../domain/errors.ts";
import type { Claim, ClaimKey, NewRun, ReplayRequest, Verdict } from "../domain/ports.ts";
import type { Wake } from "../domain/queue.ts";
import { isFinal, statesBefore } from "../domain/run.ts";
import type { DecidedBy, RunStatus, WaitingFor } from "../domain/run.ts";
import { bodyFrom, eventFrom, integer, integerOrNull, marks, runFrom, text, textOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql, SqlValue, Transaction } from "./sql.ts";

export function* insertRuns(
  tx: Transaction,
  event: string,
  orderAt: number,
  generation: number,
  runs: readonly NewRun[],
): Sql<string[]> {
  for (const run of runs) {
    const superseded = run.concurrency?.supersede ? yield* supersede(tx, run, orderAt) : null;
    yield* sql.run(
      `INSERT INTO runs (id, event, route, agent, generation, mode, status, reason, due_at, concurrency_key,
         concurrency_limit, order_at, config_hash, prompt_hash, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      run.id,
      event,
      run.route,
      run.agent,
      generation,
      run.mode,
      superseded === null ? "queued" : "cancelled",
      superseded,
      superseded === null ? tx.now : null,
      run.concurrency?.key ?? null,
      run.concurrency?.limit ?? null,
      orderAt,
      run.configHash,
      run.promptHash,
      tx.now,
      tx.now,
    );
    tx.changed("run", run.id);
  }
  return runs.map((run) => run.id);
}

/**
 * Cancels what waits under the same key with an older event. Returns why the new run itself is out of date when a
 * newer event came first: providers promise no order.
 */
function* supersede(tx: Transaction, run: NewRun, orderAt: number): Sql<string | null> {
  const key = run.concurrency?.key ?? "";
  const newer = yield* sql.get(
    `SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND order_at > ? AND status <> 'cancelled'`,
    key,
    run.agent,
    orderAt,
  );
  if (newer) return `superseded: ${text(newer, "id")} is for a newer event`;
  const older = yield* sql.all(
    `SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND order_at <= ? AND status IN ('queued', 'waiting')`,
    key,
    run.agent,
    orderAt,
  );
  for (const row of older)
    yield* finish(tx, text(row, "id"), "cancelled", `superseded by ${run.id}, for a newer event`);
  return null;
}

/** A claimable run: due, and its key is neither held by as many as may hold it nor wanted by an older run. */
const claimable = `
  r.due_at IS NOT NULL AND r.due_at <= ? AND r.status IN ('queued', 'waiting', 'running')
  AND (r.concurrency_key IS NULL OR r.holds_key = 1 OR (
    (SELECT count(*) FROM runs h WHERE h.concurrency_key = r.concurrency_key AND h.agent = r.agent
       AND h.holds_key = 1 AND h.id <> r.id) < r.concurrency_limit
    AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.concurrency_key = r.concurrency_key AND o.agent = r.agent
       AND o.status = 'queued' AND o.id < r.id)))`;

export function* dueRuns(now: number, limit: number, agent?: string): Sql<Wake[]> {
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
export function* dueAgents(now: number): Sql<string[]> {
  const rows = yield* sql.all(
    `WITH RECURSIVE named (agent) AS (
       SELECT min(agent) FROM runs WHERE due_at IS NOT NULL
       UNION ALL
       SELECT (SELECT min(r.agent) FROM runs r WHERE r.due_at IS NOT NULL AND r.agent > named.agent)
       FROM named WHERE named.agent IS NOT NULL)
     SELECT agent FROM named
     WHERE EXISTS (SELECT 1 FROM runs r WHERE r.agent = named.agent AND r.due_at <= ?)`,
    now,
  );
  return rows.map((row) => text(row, "agent"));
}

export function* nextDue(now: number): Sql<number | null> {
  const row = yield* sql.get("SELECT min(due_at) AS at FROM runs WHERE due_at > ?", now);
  return row ? integerOrNull(row, "at") : null;
}

export function* claim(tx: Transaction, id: string, owner: string, leaseMs: number): Sql<Claim | null> {
  const before = yield* sql.get(`SELECT r.* FROM runs r WHERE r.id = ? AND ${claimable}`, id, tx.now);
  if (!before) return null;
  const crashed = text(before, "status") === "running" ? 1 : 0;
  yield* sql.run(
    `UPDATE runs SET status = 'running', lease_owner = ?, due_at = ?, fence = fence + 1, crashes = crashes + ?,
       holds_key = concurrency_key IS NOT NULL, waiting_for = NULL, updated_at = ?
     WHERE id = ?`,
    owner,
    tx.now + leaseMs,
    crashed,
    tx.now,
    id,
  );
  tx.changed("run", id);
  const after = yield* sql.get("SELECT * FROM runs WHERE id = ?", id);
  const event = yield* sql.get("SELECT * FROM events WHERE id = ?", text(before, "event"));
  if (!after || !event) throw new Error(`run ${id} or its event vanished while it was claimed`);
  return {
    run: runFrom(after),
    event: { ...eventFrom(event, tx.vault), body: bodyFrom(event, tx.vault) },
    fence: integer(after, "fence"),
    crashes: integer(after, "crashes"),
  };
}

/** Throws LeaseLost unless the run is still running under this fence. */
export function* assertClaimed(key: ClaimKey): Sql<void> {
  const row = yield* sql.get(
    "SELECT 1 FROM runs WHERE id = ? AND fence = ? AND status = 'running'",
    key.run,
    key.fence,
  );
  if (!row) throw new LeaseLost(key.run);
}

/** A run that gets on is not what kills its workers: crashes count in a row, without progress in between. */
export function* progressed(run: string): Sql<void> {
  yield* sql.run("UPDATE runs SET crashes = 0 WHERE id = ? AND crashes > 0", run);
}

export function* extendLease(tx: Transaction, key: ClaimKey, leaseMs: number): Sql<void> {
  yield* assertClaimed(key);
  yield* sql.run("UPDATE runs SET due_at = ? WHERE id = ?", tx.now + leaseMs, key.run);
}

/** The process that held them is gone: their leases end now. */
export function* releaseOrphans(tx: Transaction): Sql<number> {
  return yield* sql.run("UPDATE runs SET due_at = ? WHERE status = 'running'", tx.now);
}

export function* parkedFor(service: string): Sql<number> {
  const row = yield* sql.get(
    "SELECT count(*) AS n FROM runs WHERE status = 'waiting' AND json_extract(waiting_for, '$.service') = ?",
    service,
  );
  return row ? integer(row, "n") : 0;
}

export function* settle(tx: Transaction, key: ClaimKey, verdict: Verdict): Sql<DecidedBy | null> {
  yield* assertClaimed(key);
  yield* putDown(tx, key, verdict);
  const row = yield* sql.get("SELECT decided_by FROM runs WHERE id = ?", key.run);
  return row ? (textOrNull(row, "decided_by") as DecidedBy | null) : null;
}

function* putDown(tx: Transaction, key: ClaimKey, verdict: Verdict): Sql<void> {
  switch (verdict.kind) {
    case "done":
      yield* finish(tx, key.run, "succeeded", verdict.summary, 1);
      return;
    case "rejected":
    case "cancelled":
      yield* finish(tx, key.run, verdict.kind, verdict.reason);
      return;
    case "dead":
      yield* finish(tx, key.run, "dead", verdict.reason, 1);
      return;
    case "retryAt":
      yield* wait(tx, key.run, {
        kind: "retry",
        reason: verdict.reason,
        until: verdict.at,
        ...serviceOf(verdict.service),
      });
      yield* sql.run(
        `UPDATE runs SET attempts = attempts + 1, parked_since = NULL,
           streak_count = CASE WHEN streak_service IS ? THEN streak_count + 1 ELSE 1 END, streak_service = ?
         WHERE id = ?`,
        verdict.service,
        verdict.service,
        key.run,
      );
      return;
    case "parkUntil":
      yield* wait(tx, key.run, {
        kind: "service",
        reason: verdict.reason,
        service: verdict.service,
        until: verdict.until,
      });
      yield* sql.run(
        `UPDATE runs SET attempts = max(0, attempts - ?), parked_since = coalesce(parked_since, ?),
           streak_count = 0, streak_service = NULL WHERE id = ?`,
        verdict.giveBack,
        tx.now,
        key.run,
      );
      return;
    case "awaitReview":
      yield* awaitReview(tx, key.run, verdict.reason);
  }
}

const serviceOf = (service: string | null): { service?: string } => (service === null ? {} : { service });

function* wait(tx: Transaction, run: string, waitingFor: WaitingFor): Sql<void> {
  yield* move(
    tx,
    run,
    "waiting",
    "due_at = ?, waiting_for = ?",
    waitingFor.until,
    JSON.stringify(waitingFor),
  );
}

/** Held for a person, unless one approved something while the run was under way: then it goes on at once. */
function* awaitReview(tx: Transaction, run: string, reason: string): Sql<void> {
  const ready = yield* sql.get(
    `SELECT 1 FROM actions a WHERE a.run = ? AND a.status = 'planned' AND NOT EXISTS (
       SELECT 1 FROM json_each(a.needs) n JOIN actions d ON d.run = a.run AND d.name = n.value WHERE d.status <> 'done')`,
    run,
  );
  if (ready) {
    yield* move(tx, run, "queued", "due_at = ?, holds_key = 0, waiting_for = NULL", tx.now);
    return;
  }
  const waitingFor: WaitingFor = { kind: "person", reason, until: null };
  yield* move(
    tx,
    run,
    "awaiting_review",
    "due_at = NULL, holds_key = 0, parked_since = NULL, waiting_for = ?",
    JSON.stringify(waitingFor),
  );
}

/** Puts a reviewed run back to work, when it is not at work already. */
export function* requeueReviewed(tx: Transaction, run: string): Sql<void> {
  const row = yield* sql.get("SELECT status FROM runs WHERE id = ?", run);
  if (row && text(row, "status") === "awaiting_review") {
    yield* move(tx, run, "queued", "due_at = ?, waiting_for = NULL", tx.now);
  }
}

export function* cancel(tx: Transaction, run: string, reason: string): Sql<void> {
  const row = yield* sql.get("SELECT status FROM runs WHERE id = ?", run);
  if (!row) throw new Conflict("not_found", `there is no run ${run}`);
  const status = text(row, "status") as RunStatus;
  if (status === "running" || isFinal(status)) {
    throw new Conflict(
      "wrong_state",
      `run ${run} is ${status}: only queued, waiting and held runs can be cancelled`,
    );
  }
  yield* finish(tx, run, "cancelled", reason);
}

/** Ends a run: what it had not begun is skipped, what it had begun and not seen the end of is uncertain. */
function* finish(tx: Transaction, run: string, status: RunStatus, reason: string, attempts = 0): Sql<void> {
  yield* move(
    tx,
    run,
    status,
    `due_at = NULL, holds_key = 0, lease_owner = NULL, waiting_for = NULL, parked_since = NULL,
     reason = ?, attempts = attempts + ?`,
    reason,
    attempts,
  );
  yield* endActions(tx, run, ["planned", "awaiting_review"], "skipped", `the run ended: ${reason}`);
  yield* endActions(
    tx,
    run,
    ["executing"],
    "uncertain",
    "the run ended before it was known whether this took effect",
  );
}

function* endActions(
  tx: Transaction,
  run: string,
  from: readonly ActionStatus[],
  to: ActionStatus,
  reason: string,
): Sql<void> {
  for (const row of yield* sql.all(
    `SELECT id FROM actions WHERE run = ? AND status IN (${marks(from)})`,
    run,
    ...from,
  )) {
    const id = text(row, "id");
    yield* sql.run(
      "UPDATE actions SET status = ?, reason = ?, updated_at = ? WHERE id = ?",
      to,
      reason,
      tx.now,
      id,
    );
    tx.changed("action", id);
  }
}

/** The one place that changes a run's status: only along the legal transitions. */
function* move(tx: Transaction, run: string, to: RunStatus, set: string, ...values: SqlValue[]): Sql<void> {
  const from = statesBefore(to);
  const moved = yield* sql.run(
    `UPDATE runs SET status = ?, updated_at = ?, ${set} WHERE id = ? AND status IN (${marks(from)})`,
    to,
    tx.now,
    ...values,
    run,
    ...from,
  );
  if (moved !== 1) throw new Error(`run ${run} can't become ${to} from the state it is in`);
  tx.changed("run", run);
}

export function* replay(tx: Transaction, { event, runs }: ReplayRequest): Sql<string[]> {
  const row = yield* sql.get("SELECT received_at AS at FROM events WHERE id = ?", event);
  return yield* insertRuns(tx, event, integer(row ?? {}, "at"), yield* nextGeneration(event), runs);
}

/** A generation above all earlier ones of the event, so that (event, agent, generation) stays unique. */
export function* nextGeneration(event: string): Sql<number> {
  const row = yield* sql.get("SELECT max(generation) AS n FROM runs WHERE event = ?", event);
  return (row ? (integerOrNull(row, "n") ?? -1) : -1) + 1;
}
