/**
 * Which keys the content is sealed with, and sealing all of it with the current one.
 *
 * The journal remembers the id of every key that it ever sealed with, so that a missing key is noticed at the start and
 * not by the first reader. Sealing anew forgets those that nothing is sealed with any more:
 * plain or old ──batch by batch──▶ current ──all batches done──▶ ids forgotten ──▶ file rewritten, old pages gone.
 * It may be cut off at any point and started again.
 */
import { recordDeed } from "./audit.ts";
import { text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql, SqlValue, Transaction } from "./sql.ts";
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

/** Throws an Error that says which key is missing; notes the current one before anything is sealed with it. */
export function* requireKeys(tx: Transaction): Sql<void> {
  const { keyId, keyIds } = tx.vault;
  // Again when another process noted its own meanwhile.
  for (let isNoted = false; !isNoted;) {
    const { ids: known, version } = yield* remembered();
    const missing = known.filter((id) => !keyIds.includes(id));
    if (missing.length > 0) {
      const ids = missing.join(", ");
      throw new Error(
        keyId === null
          ? `the journal holds encrypted content (key ${ids}): set ${envName} to the key that it was written with`
          : `the journal holds content of a key (${ids}) that ${envName} lacks: add it behind the new one, separated by a comma`,
      );
    }
    isNoted =
      keyId === null ||
      known.includes(keyId) ||
      (yield* putState(tx, "meta", key, { keys: [...known, keyId] }, version));
  }
}

/** Nothing is sealed with any key but the current one: the others are forgotten, and the audit says so. */
export function* endSealing(tx: Transaction, id: string, sealed: number): Sql<void> {
  const { keyId } = tx.vault;
  for (let isForgotten = false; !isForgotten;) {
    const { version } = yield* remembered();
    isForgotten = yield* putState(tx, "meta", key, { keys: keyId === null ? [] : [keyId] }, version);
  }
  const deed = { by: "shell", address: null, deed: "rekey", object: null, reason: null } as const;
  yield* recordDeed(tx, id, { ...deed, details: { key: keyId, sealed } });
}

export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** Tell its rows apart, and order them. */
  readonly ids: readonly string[];
  readonly place: (row: Row) => string;
}

export const sealedColumns: readonly SealedColumn[] = [
  { table: "events", column: "body", ids: ["id"], place: (row) => place.eventBody(text(row, "id")) },
  { table: "events", column: "headers", ids: ["id"], place: (row) => place.eventHeaders(text(row, "id")) },
  { table: "events", column: "evidence", ids: ["id"], place: (row) => place.eventEvidence(text(row, "id")) },
  {
    table: "signed_requests",
    column: "evidence",
    ids: ["id"],
    place: (row) => place.requestEvidence(text(row, "id")),
  },
  {
    table: "signed_requests",
    column: "body",
    ids: ["id"],
    place: (row) => place.requestBody(text(row, "id")),
  },
  {
    table: "deliveries",
    column: "body",
    ids: ["received_at", "id"],
    place: (row) => place.deliveryBody(text(row, "id")),
  },
  {
    table: "steps",
    column: "output",
    ids: ["run", "name"],
    place: (row) => place.stepOutput(text(row, "run"), text(row, "name")),
  },
  { table: "actions", column: "input", ids: ["id"], place: (row) => place.actionInput(text(row, "id")) },
];

const batch = 200;

export interface SealedBatch {
  /** How many values it sealed anew. */
  readonly sealed: number;
  /** The ids of its last row; null when there was none left. */
  readonly last: readonly SqlValue[] | null;
}

/** Seals the next rows after those of `after`. */
export function* sealBatch(
  { vault }: Transaction,
  { table, column, ids, place: placeOf }: SealedColumn,
  after: readonly SqlValue[] | null,
): Sql<SealedBatch> {
  const names = ids.join(", ");
  const marks = ids.map(() => "?").join(", ");
  const rows = yield* sql.all(
    `SELECT ${names}, ${column} AS value FROM ${table}
     WHERE ${column} IS NOT NULL ${after === null ? "" : `AND (${names}) > (${marks})`}
     ORDER BY ${names} LIMIT ${batch} FOR UPDATE`,
    ...(after ?? []),
  );
  let sealed = 0;
  let last: readonly SqlValue[] | null = null;
  for (const row of rows) {
    last = ids.map((name) => row[name] ?? null);
    const value = sealedAnew(vault, row["value"] ?? null, placeOf(row));
    if (value === null) continue;
    yield* sql.run(
      `UPDATE ${table} SET ${column} = ? WHERE ${column} IS NOT NULL AND (${names}) = (${marks})`,
      value,
      ...last,
    );
    sealed += 1;
  }
  return { sealed, last };
}

/** Null when there is nothing to do: sealed with the current key already, or erased. */
function sealedAnew(vault: Vault, value: SqlValue, at: string): SqlValue {
  if (value instanceof Uint8Array)
    return sealedBy(value) === vault.keyId ? null : vault.sealBytes(vault.openBytes(value, at), at);
  if (typeof value !== "string" || sealedBy(value) === vault.keyId || value === "null" || value === "{}")
    return null;
  return vault.sealText(vault.openText(value, at), at);
}
