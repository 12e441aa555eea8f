/** Seals all that a data folder holds with the current key; nothing else may run on the folder meanwhile. */
import type { Clock } from "../resilience/clock.ts";
import { createIds } from "../resilience/ids.ts";
import { endSealing, requireKeys, sealBatch, sealedColumns } from "./sealing.ts";
import type { SealedBatch, SealedColumn } from "./sealing.ts";
import type { Connection } from "./sqlite-driver.ts";
import type { SqlValue, Transaction } from "./sql.ts";
import { holdFolder, openFile } from "./sqlite-file.ts";
import { envName } from "./vault.ts";
import type { Vault } from "./vault.ts";

/**
 * Seals everything in the data folder with the first key. Returns how many values it sealed anew. Throws when a service
 * runs on the folder, when there is no key, or when one that is needed is missing.
 */
export function rekey({ folder, vault, clock }: { folder: string; vault: Vault; clock: Clock }): number {
  if (vault.keyId === null) throw new Error(`${envName} is not set: there is no key to encrypt with`);
  const held = holdFolder(folder);
  try {
    const db = openFile(held.file, { vault, thorough: false, used: held.used });
    try {
      const now = clock.now();
      const tx: Transaction = { vault, now, ours: (time) => time, changed: () => {} };
      db.answer(requireKeys(tx), now);
      const count = sealedColumns.reduce((sum, column) => sum + sealColumn(db, tx, column), 0);
      db.answer(endSealing(tx, createIds(clock)("aud"), count), now);
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

function sealColumn(db: Connection, tx: Transaction, column: SealedColumn): number {
  let count = 0;
  for (let after: readonly SqlValue[] | null = null; ;) {
    db.exec("BEGIN IMMEDIATE");
    const { sealed, last }: SealedBatch = db.answer(sealBatch(tx, column, after), tx.now);
    db.exec("COMMIT");
    if (last === null) return count;
    after = last;
    count += sealed;
  }
}
