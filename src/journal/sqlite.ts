/** The journal on SQLite: one file in the data folder, WAL, synchronous=FULL, one process at a time. */
import type { Clock } from "../resilience/clock.ts";
import { partsOn } from "./journal.ts";
import type { JournalParts } from "./journal.ts";
import type { Connection } from "./sqlite-driver.ts";
import { holdFolder, openFile } from "./sqlite-file.ts";
import { requireKeys } from "./sealing.ts";
import type { Vault } from "./vault.ts";
import { inspectMeanwhile, isSmall } from "./sqlite-health.ts";
import { Writer } from "./writer.ts";

export interface SqliteOptions {
  /** Created with mode 0700 when it is missing. */
  readonly folder: string;
  readonly clock: Clock;
  /** Seals content at rest; without it new content is stored plain. */
  readonly vault?: Vault;
  /** Limits the file, to test a full disk. */
  readonly maxPages?: number;
  /** Calls back in the next turn of the event loop: a test that owns it holds flushes back. */
  readonly turn?: (next: () => void) => void;
}

/**
 * Throws when another process holds the folder, when the file was written by a newer version, or when it holds content
 * that is sealed with a key which is not there.
 */
export function openSqliteJournal({ folder, clock, maxPages, vault, turn }: SqliteOptions): JournalParts {
  const held = holdFolder(folder);
  const open = (again: boolean): Connection => {
    const db = openFile(held.file, { maxPages, vault, thorough: again, used: again || held.used });
    held.begun();
    const now = clock.now();
    db.answer(requireKeys({ now, vault: db.vault, ours: (time) => time, changed: () => {} }), now);
    return db;
  };
  let writer: Writer;
  try {
    writer = new Writer(open, clock, turn);
  } catch (error) {
    held.release();
    throw error;
  }
  // A small one was read when it was opened.
  const check = isSmall(held.file)
    ? null
    : inspectMeanwhile(held.file, (damage) => writer.foundDamaged(damage));
  return partsOn({
    shared: false,
    write: (query) => writer.write(query),
    gather: (query) => writer.write(query),
    read: async (query) => writer.read(query),
    subscribe: (listener) => writer.subscribe(listener),
    trouble: () => writer.trouble(),
    close: async () => {
      if (check) await check.stop();
      writer.close();
      held.release();
    },
  });
}
