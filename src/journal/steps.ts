/** Steps of a run: recorded when they end, read back by a retry. */
import type { ClaimKey } from "../domain/ports.ts";
import type { DecidedBy } from "../domain/run.ts";
import type { StepRecord } from "../domain/step.ts";
import { stepFrom } from "./rows.ts";
import { assertClaimed, progressed } from "./runs.ts";
import type { Connection } from "./sqlite-driver.ts";
import { place } from "./vault.ts";
import type { Transaction } from "./writer.ts";

export const stepsOf = (db: Connection, run: string): StepRecord[] =>
  db
    .all("SELECT * FROM steps WHERE run = ? ORDER BY started_at, rowid", run)
    .map((row) => stepFrom(row, db.vault));

export function recordStep(tx: Transaction, claim: ClaimKey, step: StepRecord): void {
  assertClaimed(tx, claim);
  tx.db.run(
    `INSERT OR REPLACE INTO steps (run, name, schema_version, output, started_at, ended_at, usage)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    step.run,
    step.name,
    step.schemaVersion,
    tx.db.vault.sealText(JSON.stringify(step.output), place.stepOutput(step.run, step.name)),
    step.startedAt,
    step.endedAt,
    step.usage === null ? null : JSON.stringify(step.usage),
  );
  progressed(tx, claim.run);
  tx.changed("run", claim.run);
}

export function recordDecision(
  tx: Transaction,
  claim: ClaimKey,
  step: StepRecord,
  by: DecidedBy,
  why: string,
): void {
  recordStep(tx, claim, step);
  tx.db.run("UPDATE runs SET decided_by = ?, decided_why = ? WHERE id = ?", by, why, claim.run);
}
