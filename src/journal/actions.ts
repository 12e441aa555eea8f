/** Actions: planned with their step, begun under their key, ended once, and decided by people where they are held. */
import { actionStatesBefore } from "../domain/action.ts";
import type { ActionStatus } from "../domain/action.ts";
import { Conflict } from "../domain/errors.ts";
import { isFinal } from "../domain/run.ts";
import { hashJson } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ActionOutcome, BeginOptions, BeginResult, ClaimKey, PlanRecord } from "../domain/ports.ts";
import type { Action } from "../domain/action.ts";
import { actionFrom, integer, marks, text, textOrNull } from "./rows.ts";
import { assertClaimed, holdRun, progressed, requeueReviewed } from "./runs.ts";
import type { HeldRun } from "./runs.ts";
import { recordStep } from "./steps.ts";
import { sql } from "./sql.ts";
import type { Row, Rows, Scope, Sql, SqlValue, Transaction } from "./sql.ts";
import { place } from "./vault.ts";

export function* actionsOf({ vault }: Pick<Scope, "vault">, run: string): Sql<Action[]> {
  const rows = yield* sql.all("SELECT * FROM actions WHERE run = ? ORDER BY position", run);
  return rows.map((row) => actionFrom(row, vault));
}

export function* actionById({ vault }: Pick<Scope, "vault">, id: string): Sql<Action | null> {
  const row = yield* sql.get("SELECT * FROM actions WHERE id = ?", id);
  return row ? actionFrom(row, vault) : null;
}

const actionRows = {
  table: "actions",
  columns: [
    "id",
    "run",
    "position",
    "agent",
    "name",
    "kind",
    "subject",
    "key",
    "status",
    "input",
    "hash",
    "needs",
    "reason",
    "created_at",
    "updated_at",
  ],
  unlessThere: null,
} as const satisfies Rows;

export function* recordPlan(tx: Transaction, claim: ClaimKey, { step, actions }: PlanRecord): Sql<void> {
  yield* recordStep(tx, claim, step);
  const rows = actions.map((action, position) => ({
    id: action.id,
    run: action.run,
    position,
    agent: action.agent,
    name: action.name,
    kind: action.kind,
    subject: action.subject,
    key: action.key,
    status: action.status,
    input: tx.vault.sealText(JSON.stringify(action.input), place.actionInput(action.id)),
    hash: action.hash,
    needs: JSON.stringify(action.needs),
    reason: action.reason,
    created_at: tx.now,
    updated_at: tx.now,
  }));
  yield* sql.insert(actionRows, ...rows);
  for (const { id } of actions) tx.changed("action", id);
}

export function* beginAction(
  tx: Transaction,
  claim: ClaimKey,
  id: string,
  { takeOver, cap }: BeginOptions = {},
): Sql<BeginResult> {
  yield* assertClaimed(claim);
  const action = yield* required(tx, id);
  const used = yield* takeKey(tx, action);
  const holder = used ? text(used, "ref") : null;
  if (used && holder !== id && holder !== takeOver) {
    const samePayload = textOrNull(used, "payload_hash") === action.hash;
    return { go: false, samePayload, holder: yield* required(tx, text(used, "ref")) };
  }
  if (cap && action.status === "planned" && (yield* isCapped(tx, action, cap))) {
    if (!used)
      yield* sql.run("DELETE FROM keys WHERE scope = 'action' AND key = ? AND ref = ?", action.key, id);
    const reason = `more than ${cap.limit} actions of ${action.agent} within ${inWords(cap.withinMs)}`;
    yield* move(tx, id, "awaiting_review", "reason = ?", reason);
    return { go: false, capped: true };
  }
  if (used) {
    yield* sql.run(
      "UPDATE keys SET ref = ?, payload_hash = ? WHERE scope = 'action' AND key = ?",
      id,
      action.hash,
      action.key,
    );
  }
  yield* move(tx, id, "executing", "attempts = attempts + 1, intent_at = ?", tx.now);
  return { go: true };
}

/** The lock keeps two processes from taking the last place both. */
function* isCapped(
  tx: Transaction,
  { id, agent }: Action,
  { limit, withinMs }: NonNullable<BeginOptions["cap"]>,
): Sql<boolean> {
  const approved = yield* sql.get("SELECT 1 FROM actions WHERE id = ? AND decided_by IS NOT NULL", id);
  if (approved) return false;
  yield* sql.lock(`cap of ${agent}`);
  const begun = yield* sql.get(
    `SELECT count(*) AS n FROM (
       SELECT 1 FROM actions WHERE agent = ? AND intent_at > ? AND decided_by IS NULL
         AND status NOT IN ('planned', 'awaiting_review') LIMIT ?) AS begun`,
    agent,
    tx.now - withinMs,
    limit,
  );
  return begun !== undefined && integer(begun, "n") >= limit;
}

const inWords = (ms: number): string => (ms === 3_600_000 ? "an hour" : `${ms / 1_000} s`);

/** Takes the key for an action where nobody has it; else returns its row, which stays so until the transaction ends. */
function* takeKey(tx: Transaction, { id, key, hash }: Action): Sql<Row | undefined> {
  for (;;) {
    const taken = yield* sql.run(
      `INSERT INTO keys (scope, key, ref, payload_hash, created_at) VALUES ('action', ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
      key,
      id,
      hash,
      tx.now,
    );
    if (taken === 1) return undefined;
    const used = yield* sql.get(
      "SELECT ref, payload_hash FROM keys WHERE scope = 'action' AND key = ? FOR UPDATE",
      key,
    );
    // Given back between the two: then it is free.
    if (used) return used;
  }
}

export function* endAction(tx: Transaction, claim: ClaimKey, id: string, outcome: ActionOutcome): Sql<void> {
  yield* assertClaimed(claim);
  const ref = outcome.ref === undefined ? null : JSON.stringify(outcome.ref);
  yield* move(
    tx,
    id,
    outcome.status,
    "ref = coalesce(?, ref), reason = ?, dry_run = ?",
    ref,
    outcome.reason ?? null,
    outcome.dryRun === true ? 1 : 0,
  );
  yield* progressed(claim.run);
  const withoutEffect = outcome.status === "planned" || outcome.status === "failed";
  if (withoutEffect)
    yield* sql.run(
      "DELETE FROM keys WHERE scope = 'action' AND ref = ? AND key = ?",
      id,
      (yield* required(tx, id)).key,
    );
}

export function* approve(
  tx: Transaction,
  id: string,
  hash: string,
  edited: JsonObject | null,
  by: string,
): Sql<Decided> {
  const { action, run } = yield* held(tx, id);
  assertHeld(action);
  if (isFinal(run.status)) {
    throw new Conflict("wrong_state", `run ${action.run} is ${run.status}: replay it instead`);
  }
  if (action.hash !== hash) {
    throw new Conflict(
      "stale_hash",
      `action ${id} has changed since it was shown: look at it again before approving`,
    );
  }
  const input = edited ?? action.input;
  if (action.status === "uncertain") yield* takeFromUncertain(action);
  yield* move(
    tx,
    id,
    "planned",
    "input = ?, hash = ?, decided_by = ?, decided_at = ?, reason = NULL, attempts = 0, intent_at = NULL, announced = 0",
    tx.vault.sealText(JSON.stringify(input), place.actionInput(id)),
    hashJson({ kind: action.kind, input }),
    by,
    tx.now,
  );
  yield* requeueReviewed(tx, action.run, run);
  return yield* decided(action.run);
}

/**
 * Whoever approves an action of unknown outcome says that it is to be done, whichever run began it first: the key is its
 * own from then on, where no more is known of the other.
 */
function* takeFromUncertain({ id, key }: Action): Sql<void> {
  yield* sql.run(
    `UPDATE keys SET ref = ? WHERE scope = 'action' AND key = ?
       AND (SELECT status FROM actions WHERE actions.id = keys.ref) = 'uncertain'`,
    id,
    key,
  );
}

export function* reject(tx: Transaction, id: string, reason: string, by: string): Sql<Decided> {
  const { action, run } = yield* held(tx, id);
  assertHeld(action);
  yield* move(tx, id, "rejected", "reason = ?, decided_by = ?, decided_at = ?", reason, by, tx.now);
  yield* skipDependents(tx, action);
  const others = yield* sql.get(
    "SELECT 1 FROM actions WHERE run = ? AND status IN ('awaiting_review', 'uncertain') LIMIT 1",
    action.run,
  );
  if (!others) yield* requeueReviewed(tx, action.run, run);
  return yield* decided(action.run);
}

interface Decided {
  readonly run: string;
  /** It goes on: nothing else is held. */
  readonly queued: boolean;
}

function* decided(run: string): Sql<Decided> {
  const queued = yield* sql.get("SELECT 1 FROM runs WHERE id = ? AND status = 'queued'", run);
  return { run, queued: queued !== undefined };
}

function* skipDependents(tx: Transaction, gone: Action): Sql<void> {
  for (const action of yield* actionsOf(tx, gone.run)) {
    const open = action.status === "planned" || action.status === "awaiting_review";
    if (!open || !action.needs.includes(gone.name)) continue;
    yield* move(tx, action.id, "skipped", "reason = ?", `it needs ${gone.name}, which was not done`);
    yield* skipDependents(tx, action);
  }
}

function assertHeld(action: Action): void {
  if (action.status === "awaiting_review" || action.status === "uncertain") return;
  throw new Conflict(
    "wrong_state",
    `action ${action.id} is ${action.status}: only a held action can be decided`,
  );
}

/** An action and its run, neither of which anybody else changes until the transaction ends. */
function* held(tx: Transaction, id: string): Sql<{ action: Action; run: HeldRun }> {
  const run = yield* holdRun((yield* required(tx, id)).run);
  if (!run) throw new Error(`the run of action ${id} is not there`);
  return { action: yield* required(tx, id), run };
}

function* required(tx: Transaction, id: string): Sql<Action> {
  const action = yield* actionById(tx, id);
  if (!action) throw new Conflict("not_found", `there is no action ${id}`);
  return action;
}

/** The one place that changes an action's status: only along the legal transitions. */
function* move(tx: Transaction, id: string, to: ActionStatus, set: string, ...values: SqlValue[]): Sql<void> {
  const from = actionStatesBefore(to);
  const moved = yield* sql.run(
    `UPDATE actions SET status = ?, updated_at = ?, ${set} WHERE id = ? AND status IN (${marks(from)})`,
    to,
    tx.now,
    ...values,
    id,
    ...from,
  );
  if (moved !== 1) throw new Error(`action ${id} can't become ${to} from the state it is in`);
  tx.changed("action", id);
}
