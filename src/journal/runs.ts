/** Runs: started with their event, claimed under a lease and a fence, put down with a verdict. */
import type { ActionStatus } from "../domain/action.ts";
import type { AttemptPlace } from "../domain/attempt.ts";
import { Conflict, LeaseLost } from "../domain/errors.ts";
import type { Claim, ClaimKey, NewRun, Verdict } from "../domain/ports.ts";
import { isFinal, statesBefore } from "../domain/run.ts";
import type { DecidedBy, RunStatus, WaitingFor } from "../domain/run.ts";
import { recordAttempt, recordLostAttempt } from "./attempts.ts";
import { clearReplaced } from "./dead-letters.ts";
import { bodyFrom, eventFrom, integer, marks, runFrom, text, textOrNull } from "./rows.ts";
import { lookIn } from "./due.ts";
import { actedFirstAt } from "./generations.ts";
import { claimable, giveTurn, keyOf, lockKey, storedKey } from "./concurrency.ts";
import type { Key } from "./concurrency.ts";
import { sql } from "./sql.ts";
import type { Row, Rows, Sql, SqlValue, Transaction } from "./sql.ts";

const runRows = {
  table: "runs",
  columns: [
    "id",
    "event",
    "route",
    "agent",
    "about",
    "generation",
    "mode",
    "status",
    "reason",
    "due_at",
    "concurrency_key",
    "concurrency_limit",
    "order_at",
    "config_hash",
    "prompt_hash",
    "created_at",
    "updated_at",
  ],
  unlessThere: null,
} as const satisfies Rows;

export function* insertRuns(
  tx: Transaction,
  event: string,
  orderAt: number,
  generation: number,
  runs: readonly NewRun[],
): Sql<string[]> {
  const wanted = new Map(
    runs.flatMap((run) =>
      run.concurrency ? [[run, { agent: run.agent, key: storedKey(run.concurrency.key) }] as const] : [],
    ),
  );
  const keys = [...wanted.values()].toSorted((a, b) => (a.agent < b.agent ? -1 : 1));
  for (const key of keys) yield* lockKey(key);
  const rows = [];
  for (const run of runs) {
    const key = wanted.get(run) ?? null;
    const superseded = key && run.concurrency?.supersede ? yield* supersede(tx, key, run.id, orderAt) : null;
    if (generation > 0 && run.about === undefined) yield* clearReplaced(tx, event, run.agent, run.id);
    rows.push({
      id: run.id,
      event,
      route: run.route,
      agent: run.agent,
      about: run.about ?? null,
      generation,
      mode: run.mode,
      status: superseded === null ? "queued" : "cancelled",
      reason: superseded,
      due_at: superseded === null && key === null ? tx.now : null,
      concurrency_key: key?.key ?? null,
      concurrency_limit: run.concurrency?.limit ?? null,
      order_at: orderAt,
      config_hash: run.configHash,
      prompt_hash: run.promptHash,
      created_at: tx.now,
      updated_at: tx.now,
    });
    tx.changed("run", run.id);
  }
  yield* sql.insert(runRows, ...rows);
  for (const key of keys) yield* giveTurn(tx, key);
  return runs.map((run) => run.id);
}

export interface HeldRun {
  readonly status: RunStatus;
  readonly key: Key | null;
  readonly fence: number;
}

/** A run that nobody else changes until the transaction ends. The lock of its key comes first, as everywhere. */
export function* holdRun(run: string): Sql<HeldRun | null> {
  const known = yield* sql.get("SELECT agent, concurrency_key FROM runs WHERE id = ?", run);
  if (!known) return null;
  const key = keyOf(known);
  if (key) yield* lockKey(key);
  const row = yield* sql.get("SELECT status, fence FROM runs WHERE id = ? FOR UPDATE", run);
  return row ? { status: text(row, "status") as RunStatus, key, fence: integer(row, "fence") } : null;
}

/**
 * Cancels what waits under the same key with an older event. Returns why the new run itself is out of date when a
 * newer event came first: providers promise no order.
 */
function* supersede(tx: Transaction, key: Key, by: string, orderAt: number): Sql<string | null> {
  const newer = yield* sql.get(
    `SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND order_at > ? AND status <> 'cancelled' LIMIT 1`,
    key.key,
    key.agent,
    orderAt,
  );
  if (newer) return `superseded: ${text(newer, "id")} is for a newer event`;
  const older = yield* sql.all(
    `SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND status = 'queued' AND order_at <= ?
     UNION ALL
     SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND holds_key = 1 AND status = 'waiting' AND order_at <= ?`,
    key.key,
    key.agent,
    orderAt,
    key.key,
    key.agent,
    orderAt,
  );
  for (const row of older)
    yield* finish(tx, text(row, "id"), "cancelled", `superseded by ${by}, for a newer event`);
  return null;
}

export function* claim(tx: Transaction, id: string, owner: string, leaseMs: number): Sql<Claim | null> {
  const due = yield* sql.get(
    "SELECT event, agent, concurrency_key, status, updated_at FROM runs WHERE id = ? AND due_at <= ?",
    id,
    tx.now,
  );
  if (!due) return null;
  const key = keyOf(due);
  if (key) yield* lockKey(key);
  const run = yield* sql.get(
    `UPDATE runs AS r SET status = 'running', lease_owner = ?, due_at = ?, fence = fence + 1,
       crashes = crashes + CASE WHEN status = 'running' THEN 1 ELSE 0 END,
       holds_key = CASE WHEN concurrency_key IS NULL THEN 0 ELSE 1 END, waiting_for = NULL, updated_at = ?
     WHERE r.id = ? AND ${claimable} RETURNING *`,
    owner,
    tx.now + leaseMs,
    tx.now,
    id,
    tx.now,
  );
  if (!run) return null;
  const crashed = text(due, "status") === "running";
  if (crashed) yield* recordLostAttempt(tx, id, integer(due, "updated_at"));
  if (crashed && integer(run, "crashes") > crashesAtOnce) {
    yield* wait(tx, id, restAfter(integer(run, "crashes"), tx.now - tx.ours(0)));
    return null;
  }
  if (key) yield* giveTurn(tx, key);
  tx.changed("run", id);
  const event = yield* sql.get("SELECT * FROM events WHERE id = ?", text(run, "event"));
  if (!event) throw new Error(`the event of run ${id} vanished while it was claimed`);
  return {
    run: runFrom(run),
    event: { ...eventFrom(event, tx.vault), body: bodyFrom(event, tx.vault) },
    fence: integer(run, "fence"),
    crashes: integer(run, "crashes"),
    actedFirstAt: yield* actedFirstAt(runFrom(run)),
  };
}

/** From then on it rests before the next attempt: a bystander is not there when the process dies again. */
const crashesAtOnce = 3;

const restAfter = (crashes: number, now: number): WaitingFor => ({
  kind: "retry",
  reason: `the process died ${crashes} times in a row while it worked on this run`,
  until: now + Math.min(2_000 * 2 ** (crashes - crashesAtOnce), 60_000),
});

/** Throws LeaseLost unless the run is still running under this fence; it stays so until the transaction ends. */
export function* assertClaimed(key: ClaimKey): Sql<void> {
  const row = yield* sql.get(
    "SELECT 1 FROM runs WHERE id = ? AND fence = ? AND status = 'running' FOR UPDATE",
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

export function* handBack(tx: Transaction, key: ClaimKey, delayMs = 0): Sql<void> {
  yield* assertClaimed(key);
  yield* move(tx, key.run, "queued", "due_at = ?, lease_owner = NULL", tx.now + delayMs);
}

/** The process that held them is gone: their leases end now. */
export function* releaseOrphans(tx: Transaction): Sql<number> {
  return yield* sql.run("UPDATE runs SET due_at = ? WHERE status = 'running'", tx.now);
}

export function* settle(
  tx: Transaction,
  key: ClaimKey,
  verdict: Verdict,
  place: AttemptPlace | null,
): Sql<DecidedBy | null> {
  const held = yield* holdRun(key.run);
  if (held?.status !== "running" || held.fence !== key.fence) throw new LeaseLost(key.run);
  if (verdict.kind !== "done") yield* recordAttempt(tx, key.run, verdict, place);
  yield* putDown(tx, key, verdict);
  // Whether it gave its key back or not: one look.
  if (held.key) yield* giveTurn(tx, held.key);
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
           streak_count = CASE WHEN streak_service IS NOT DISTINCT FROM ? THEN streak_count + 1 ELSE 1 END, streak_service = ?
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
        `UPDATE runs SET attempts = CASE WHEN attempts > ? THEN attempts - ? ELSE 0 END,
           parked_since = CASE WHEN ? = 1 THEN NULL ELSE coalesce(parked_since, ?) END,
           streak_count = CASE WHEN ? > 0 THEN 0 ELSE streak_count END,
           streak_service = CASE WHEN ? > 0 THEN NULL ELSE streak_service END WHERE id = ?`,
        verdict.giveBack,
        verdict.giveBack,
        verdict.by === "ours" ? 1 : 0,
        tx.now,
        verdict.giveBack,
        verdict.giveBack,
        key.run,
      );
      if (verdict.askAt !== undefined) yield* lookIn(tx, verdict.service, verdict.askAt);
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
    "due_at = ?, waiting_for = ?, waiting_service = ?",
    waitingFor.until === null ? null : tx.ours(waitingFor.until),
    JSON.stringify(waitingFor),
    waitingFor.service ?? null,
  );
}

/** Held for a person, unless one approved something while the run was under way: then it goes on at once. */
function* awaitReview(tx: Transaction, run: string, reason: string): Sql<void> {
  const rows = yield* sql.all("SELECT name, status, needs FROM actions WHERE run = ?", run);
  const open = rows.filter((row) => text(row, "status") !== "done").map((row) => text(row, "name"));
  const isReady = (row: Row): boolean =>
    text(row, "status") === "planned" &&
    !(JSON.parse(text(row, "needs")) as string[]).some((name) => open.includes(name));
  if (rows.some(isReady)) {
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

/** Puts a reviewed run, which is held, back to work when it is not at work already. */
export function* requeueReviewed(tx: Transaction, run: string, { status, key }: HeldRun): Sql<void> {
  if (status !== "awaiting_review") return;
  yield* move(tx, run, "queued", "due_at = ?, waiting_for = NULL", key ? null : tx.now);
  if (key) yield* giveTurn(tx, key);
}

export function* cancel(tx: Transaction, run: string, reason: string): Sql<void> {
  const held = yield* holdRun(run);
  if (!held) throw new Conflict("not_found", `there is no run ${run}`);
  const { status, key } = held;
  if (status === "running" || isFinal(status)) {
    throw new Conflict(
      "wrong_state",
      `run ${run} is ${status}: only queued, waiting and held runs can be cancelled`,
    );
  }
  yield* finish(tx, run, "cancelled", reason);
  if (key) yield* giveTurn(tx, key);
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
