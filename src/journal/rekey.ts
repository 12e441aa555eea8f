/**
 * Which keys the content is sealed with, and sealing all of it with the current one.
 *
 * The journal remembers the id of every key that it ever sealed with, so that a missing key is noticed at the start and
 * not by the first reader. `rekey` forgets those that nothing is sealed with any more:
 * plain or old ──batch by batch──▶ current ──all batches done──▶ ids forgotten ──▶ file rewritten, old pages gone.
 * It may be cut off at any point and started again.
 */
import type { Clock } from "../resilience/clock.ts";
import { createIds } from "../resilience/ids.ts";
import { recordDeed } from "./audit.ts";
import { text } from "./rows.ts";
import type { Connection } from "./sqlite-driver.ts";
import type { Row, Sql, SqlValue } from "./sql.ts";
import { holdFolder, openFile } from "./sqlite-file.ts";
import { getState, putState } from "./state.ts";
import { envName, place, sealedBy } from "./vault.ts";
import type { Vault } from "./vault.ts";

const key = "encryption";

function* remembered(): Sql<{ ids: readonly string[]; version: number }> {
  const stored = yield* getState("meta", key);
  return {
    ids: (stored?.value as { keys: string[] } | undefined)?.keys ?? [],
    version: stored?.version ?? 0,
  };
}

function* remember(vault: Vault, ids: readonly string[], now: number): Sql<void> {
  const { version } = yield* remembered();
  yield* putState(
    { vault, now, ours: (time) => time, changed: () => {} },
    "meta",
    key,
    { keys: [...ids] },
    version,
  );
}

/** Throws an Error that says which key is missing; notes the current one before anything is sealed with it. */
export function* requireKeys(vault: Vault, now: number): Sql<void> {
  const { ids: known } = yield* remembered();
  const missing = known.filter((id) => !vault.keyIds.includes(id));
  if (missing.length > 0) {
    const ids = missing.join(", ");
    throw new Error(
      vault.keyId === null
        ? `the journal holds encrypted content (key ${ids}): set ${envName} to the key that it was written with`
        : `the journal holds content of a key (${ids}) that ${envName} lacks: add it behind the new one, separated by a comma`,
    );
  }
  if (vault.keyId !== null && !known.includes(vault.keyId))
    yield* remember(vault, [...known, vault.keyId], now);
}

interface Column {
  readonly table: string;
  readonly column: string;
  /** Further columns that `place` needs. */
  readonly ids: string;
  readonly place: (row: Row) => string;
}

const columns: readonly Column[] = [
  { table: "events", column: "body", ids: "id", place: (row) => place.eventBody(text(row, "id")) },
  { table: "events", column: "headers", ids: "id", place: (row) => place.eventHeaders(text(row, "id")) },
  { table: "events", column: "evidence", ids: "id", place: (row) => place.eventEvidence(text(row, "id")) },
  {
    table: "signed_requests",
    column: "evidence",
    ids: "id",
    place: (row) => place.requestEvidence(text(row, "id")),
  },
  { table: "signed_requests", column: "body", ids: "id", place: (row) => place.requestBody(text(row, "id")) },
  { table: "deliveries", column: "body", ids: "id", place: (row) => place.deliveryBody(text(row, "id")) },
  {
    table: "steps",
    column: "output",
    ids: "run, name",
    place: (row) => place.stepOutput(text(row, "run"), text(row, "name")),
  },
  { table: "actions", column: "input", ids: "id", place: (row) => place.actionInput(text(row, "id")) },
];

const batch = 200;

/**
 * Seals everything in the data folder with the first key. Returns how many values it sealed anew. Throws when a service
 * runs on the folder, when there is no key, or when one that is needed is missing.
 */
export function rekey({ folder, vault, clock }: { folder: string; vault: Vault; clock: Clock }): number {
  const { keyId } = vault;
  if (keyId === null) throw new Error(`${envName} is not set: there is no key to encrypt with`);
  const held = holdFolder(folder);
  try {
    const db = openFile(held.file, { vault, thorough: false, used: held.used });
    try {
      db.answer(requireKeys(vault, clock.now()), clock.now());
      const count = columns.reduce((sum, column) => sum + sealColumn(db, column, keyId), 0);
      db.answer(remember(vault, [keyId], clock.now()), clock.now());
      const details = { key: keyId, sealed: count };
      const deed = {
        by: "shell",
        address: null,
        deed: "rekey",
        object: null,
        reason: null,
        details,
      } as const;
      db.answer(recordDeed({ now: clock.now() }, createIds(clock)("aud"), deed), clock.now());
      // What was replaced still stands in free pages and in the log until the file is written anew.
      db.exec("VACUUM");
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return count;
    } finally {
      db.close();
    }
  } finally {
    held.release();
  }
}

function sealColumn(db: Connection, { table, column, ids, place: placeOf }: Column, keyId: string): number {
  let count = 0;
  for (let last = 0; ;) {
    const rows = db.all(
      `SELECT rowid AS at, ${ids}, ${column} AS value FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${batch}`,
      last,
    );
    if (rows.length === 0) return count;
    db.exec("BEGIN IMMEDIATE");
    for (const row of rows) {
      last = Number(row["at"]);
      const value = sealedAnew(db.vault, row["value"] ?? null, placeOf(row), keyId);
      if (value === null) continue;
      db.run(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`, value, last);
      count += 1;
    }
    db.exec("COMMIT");
  }
}

/** Null when there is nothing to do: sealed with the current key already, or erased. */
function sealedAnew(vault: Vault, value: SqlValue, at: string, keyId: string): SqlValue {
  if (value instanceof Uint8Array)
    return sealedBy(value) === keyId ? null : vault.sealBytes(vault.openBytes(value, at), at);
  if (typeof value !== "string" || sealedBy(value) === keyId || value === "null" || value === "{}")
    return null;
  return vault.sealText(vault.openText(value, at), at);
}
