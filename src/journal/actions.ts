/** Actions: planned with their step, begun under their key, ended once, and decided by people where they are held. */
import { actionStatesBefore } from "../domain/action.ts";
import type { ActionStatus } from "../domain/action.ts";
import { Conflict } from "../domain/errors.ts";
import { isFinal } from "../domain/run.ts";
import type { RunStatus } from "../domain/run.ts";
import { hashJson } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ActionOutcome, BeginResult, ClaimKey, PlanRecord } from "../domain/ports.ts";
import type { Action } from "../domain/action.ts";
import { actionFrom, marks, text, textOrNull } from "./rows.ts";
import { assertClaimed, progressed, requeueReviewed } from "./runs.ts";
import { recordStep } from "./steps.ts";
import { sql } from "./sql.ts";
import type { Scope, Sql, SqlValue, Transaction } from "./sql.ts";
import { place } from "./vault.ts";

export function* actionsOf({ vault }: Pick<Scope, "vault">, run: string): Sql<Action[]> {
  const rows = yield* sql.all("SELECT * FROM actions WHERE run = ? ORDER BY position", run);
  return rows.map((row) => actionFrom(row, vault));
}

export function* actionById({ vault }: Pick<Scope, "vault">, id: string): Sql<Action | null> {
  const row = yield* sql.get("SELECT * FROM actions WHERE id = ?", id);
  return row ? actionFrom(row, vault) : null;
}

export function* recordPlan(tx: Transaction, claim: ClaimKey, { step, actions }: PlanRecord): Sql<void> {
  yield* recordStep(tx, claim, step);
  for (const [position, action] of actions.entries()) {
    yield* sql.run(
      `INSERT INTO actions (id, run, position, agent, name, kind, subject, key, status, input, hash, needs, reason,
         created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      action.id,
      action.run,
      position,
      action.agent,
      action.name,
      action.kind,
      action.subject,
      action.key,
      action.status,
      tx.vault.sealText(JSON.stringify(action.input), place.actionInput(action.id)),
      action.hash,
      JSON.stringify(action.needs),
      action.reason,
      tx.now,
      tx.now,
    );
    tx.changed("action", action.id);
  }
}

export function* beginAction(
  tx: Transaction,
  claim: ClaimKey,
  id: string,
  takeOver?: string,
): Sql<BeginResult> {
  yield* assertClaimed(claim);
  const action = yield* required(tx, id);
  const used = yield* sql.get(
    "SELECT ref, payload_hash FROM keys WHERE scope = 'action' AND key = ?",
    action.key,
  );
  const holder = used ? text(used, "ref") : null;
  if (used && holder !== id && holder !== takeOver) {
    const samePayload = textOrNull(used, "payload_hash") === action.hash;
    return { go: false, samePayload, holder: yield* required(tx, text(used, "ref")) };
  }
  yield* sql.run(
    `INSERT INTO keys (scope, key, ref, payload_hash, created_at) VALUES ('action', ?, ?, ?, ?)
     ON CONFLICT (scope, key) DO UPDATE SET ref = excluded.ref, payload_hash = excluded.payload_hash`,
    action.key,
    id,
    action.hash,
    tx.now,
  );
  yield* move(tx, id, "executing", "attempts = attempts + 1, intent_at = ?", tx.now);
  return { go: true };
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
  const action = yield* required(tx, id);
  assertHeld(action);
  yield* assertAlive(action.run);
  if (action.hash !== hash) {
    throw new Conflict(
      "stale_hash",
      `action ${id} has changed since it was shown: look at it again before approving`,
    );
  }
  const input = edited ?? action.input;
  yield* move(
    tx,
    id,
    "planned",
    "input = ?, hash = ?, decided_by = ?, decided_at = ?, reason = NULL, attempts = 0, intent_at = NULL",
    tx.vault.sealText(JSON.stringify(input), place.actionInput(id)),
    hashJson({ kind: action.kind, input }),
    by,
    tx.now,
  );
  yield* requeueReviewed(tx, action.run);
  return yield* decided(action.run);
}

export function* reject(tx: Transaction, id: string, reason: string, by: string): Sql<Decided> {
  const action = yield* required(tx, id);
  assertHeld(action);
  yield* move(tx, id, "rejected", "reason = ?, decided_by = ?, decided_at = ?", reason, by, tx.now);
  yield* skipDependents(tx, action);
  const held = yield* sql.get(
    "SELECT 1 FROM actions WHERE run = ? AND status IN ('awaiting_review', 'uncertain')",
    action.run,
  );
  if (!held) yield* requeueReviewed(tx, action.run);
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

function* assertAlive(run: string): Sql<void> {
  const row = yield* sql.get("SELECT status FROM runs WHERE id = ?", run);
  const status = row ? (text(row, "status") as RunStatus) : "dead";
  if (isFinal(status)) throw new Conflict("wrong_state", `run ${run} is ${status}: replay it instead`);
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
