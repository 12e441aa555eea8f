/**
 * The journal's file and its folder.
 *
 * The folder's lock is an exclusive transaction on a second file, held as long as the process lives: the operating
 * system gives it back after kill -9, where a pid file would have to be believed.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { migrations } from "./migrations/index.ts";
import { integer } from "./rows.ts";
import { Connection, isBroken, isBusy } from "./sqlite-driver.ts";
import { inspect, orDamaged, requireFile } from "./sqlite-health.ts";
import type { Vault } from "./vault.ts";

export interface HeldFolder {
  readonly file: string;
  /** Whether a journal was begun here before. */
  readonly used: boolean;
  /** From now on a journal that is gone is missed. */
  begun(): void;
  release(): void;
}

/** The folder, made and locked, and the journal's file in it. Throws when another process holds it. */
export function holdFolder(folder: string): HeldFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(folder);
  const used = integer(lock.get("PRAGMA user_version") ?? {}, "user_version") > 0;
  return {
    file: join(folder, "journal.db"),
    used,
    begun: () => {
      // In exclusive mode the lock outlasts the commit.
      if (!used) lock.exec("PRAGMA user_version = 1; COMMIT; BEGIN EXCLUSIVE");
    },
    release: () => lock.close(),
  };
}

function lockFolder(folder: string): Connection {
  const lock = new Connection(join(folder, "lock.db"));
  try {
    lock.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (isBroken(error))
      throw new Error(
        `${join(folder, "lock.db")} can't be used. It holds nothing: delete it while no signalbox runs on the folder, and start again`,
        { cause: error },
      );
    if (!isBusy(error)) throw error;
    throw new Error(
      `the data folder ${folder} is in use by another signalbox process: stop it, or set SIGNALBOX_DATA_DIR to another folder`,
      { cause: error },
    );
  }
}

/**
 * `thorough`: after an I/O error all of the file is checked before it is believed. `used`: there has to be one.
 * Throws JournalDamaged, or an Error when a newer version wrote it.
 */
export function openFile(
  file: string,
  options: { maxPages?: number | undefined; vault: Vault | undefined; thorough: boolean; used: boolean },
): Connection {
  requireFile(file, options.used);
  inspect(file, options.thorough);
  const db = new Connection(file, options.vault);
  try {
    return orDamaged(file, () => prepared(db, file, options.maxPages));
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepared(db: Connection, file: string, maxPages: number | undefined): Connection {
  // FULL on every opening: SQLite falls back to NORMAL for a WAL file, and an acknowledged event could be lost.
  db.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON",
  );
  // Each write has a savepoint, and a savepoint copies the pages it changes: into memory, not into a file of its own.
  db.exec("PRAGMA temp_store = MEMORY");
  // Dedupe keys are spread over their whole index: 16 MB keep some hundred thousand of them at hand.
  db.exec("PRAGMA cache_size = -16000");
  if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`);
  migrate(db, file);
  return db;
}

function migrate(db: Connection, file: string): void {
  const version = integer(db.get("PRAGMA user_version") ?? {}, "user_version");
  if (version > migrations.length) {
    throw new Error(
      `${file} was written by a newer version of signalbox (schema ${version}): install that version`,
    );
  }
  migrations.slice(version).forEach((sql, index) => {
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${version + index + 1}; COMMIT`);
  });
}
