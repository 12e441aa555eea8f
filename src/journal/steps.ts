/** Steps of a run: recorded when they end, read back by a retry. */
import type { ClaimKey } from "../domain/ports.ts";
import type { DecidedBy } from "../domain/run.ts";
import type { StepRecord } from "../domain/step.ts";
import { stepFrom } from "./rows.ts";
import { assertClaimed, progressed } from "./runs.ts";
import { sql } from "./sql.ts";
import type { Scope, Sql, Transaction } from "./sql.ts";
import { place } from "./vault.ts";

export function* stepsOf({ vault }: Pick<Scope, "vault">, run: string): Sql<StepRecord[]> {
  const rows = yield* sql.all("SELECT * FROM steps WHERE run = ? ORDER BY started_at, position, name", run);
  return rows.map((row) => stepFrom(row, vault));
}

export function* recordStep(tx: Transaction, claim: ClaimKey, step: StepRecord): Sql<void> {
  yield* assertClaimed(claim);
  yield* sql.run(
    `INSERT INTO steps (run, name, schema_version, output, started_at, ended_at, usage, position)
     VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(position), 0) + 1 FROM steps WHERE run = ?))
     ON CONFLICT (run, name) DO UPDATE SET schema_version = excluded.schema_version, output = excluded.output,
       started_at = excluded.started_at, ended_at = excluded.ended_at, usage = excluded.usage,
       position = excluded.position`,
    step.run,
    step.name,
    step.schemaVersion,
    tx.vault.sealText(JSON.stringify(step.output), place.stepOutput(step.run, step.name)),
    step.startedAt,
    step.endedAt,
    step.usage === null ? null : JSON.stringify(step.usage),
    step.run,
  );
  yield* progressed(claim.run);
  tx.changed("run", claim.run);
}

export function* recordDecision(
  tx: Transaction,
  claim: ClaimKey,
  step: StepRecord,
  by: DecidedBy,
  why: string,
): Sql<void> {
  yield* recordStep(tx, claim, step);
  yield* sql.run("UPDATE runs SET decided_by = ?, decided_why = ? WHERE id = ?", by, why, claim.run);
}
