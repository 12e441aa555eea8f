/**
 * A copy of the journal, and putting one back.
 *
 * backUp   read ──▶ FILE.part, whole and by itself (no log) ──▶ flushed ──▶ checked ──▶ FILE.   The service may run.
 * restore  checked ──▶ copied beside the journal ──▶ the journal moved aside ──▶ the copy in its place. It must not run.
 *
 * Either may be cut off at any point: what was there before is there still, or stands beside it under a dated name.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../resilience/clock.ts";
import { migrations } from "./migrations/index.ts";
import { Connection } from "./sqlite-driver.ts";
import { holdFolder } from "./sqlite-file.ts";
import { JournalDamaged, orDamaged, verifyFile } from "./sqlite-health.ts";

export interface Copied {
  readonly bytes: number;
  readonly events: number;
  readonly runs: number;
}

/** What stands in the journal's log belongs to it: it goes where the file goes. */
const companions = ["", "-wal", "-shm"];

function flush(path: string): void {
  const at = openSync(path, "r");
  try {
    fsyncSync(at);
  } finally {
    closeSync(at);
  }
}

/**
 * Content stays sealed as it is. Throws when there is no journal in the folder, when it is damaged, or when `to` can't be
 * written; then `to` is as it was.
 */
export function backUp(folder: string, to: string): Copied {
  const file = join(folder, "journal.db");
  if (!existsSync(file)) throw new Error(`there is no journal in ${folder}: nothing was stored there yet`);
  if (!existsSync(dirname(to))) throw new Error(`there is no folder ${dirname(to)} to back up into`);
  const part = `${to}.part`;
  rmSync(part, { force: true });
  // SQLite would make it readable for all.
  closeSync(openSync(part, "wx", 0o600));
  try {
    orDamaged(file, () => {
      const db = new Connection(file, undefined, true);
      try {
        db.exec("PRAGMA busy_timeout = 5000");
        db.run("VACUUM INTO ?", part);
      } finally {
        db.close();
      }
    });
    flush(part);
    const { events, runs } = verifyFile(part);
    const bytes = statSync(part).size;
    renameSync(part, to);
    flush(dirname(to));
    return { bytes, events, runs };
  } finally {
    rmSync(part, { force: true });
  }
}

/** Where the journal that was there is now; null when there was none. */
export interface Restored extends Copied {
  readonly aside: string | null;
}

/**
 * Throws when a service holds the folder, and when the back-up is damaged, is none, or was written by a newer version; then
 * nothing was changed.
 */
export function restore(folder: string, from: string, clock: Clock): Restored {
  if (!existsSync(from)) throw new Error(`there is no file ${from}`);
  const held = holdFolder(folder);
  try {
    const fresh = `${held.file}.restoring`;
    copyFileSync(from, fresh);
    try {
      const { schema, events, runs } = verifyBackUp(from, fresh);
      if (schema > migrations.length)
        throw new Error(
          `${from} was written by a newer version of signalbox (schema ${schema}): install that`,
        );
      flush(fresh);
      const aside = moveAside(held.file, clock);
      renameSync(fresh, held.file);
      flush(folder);
      held.begun();
      return { bytes: statSync(held.file).size, events, runs, aside };
    } finally {
      for (const suffix of companions) rmSync(`${fresh}${suffix}`, { force: true });
    }
  } finally {
    held.release();
  }
}

/** What is wrong is said of the file that was named, not of the copy that was looked at. */
function verifyBackUp(from: string, copy: string): ReturnType<typeof verifyFile> {
  try {
    return verifyFile(copy);
  } catch (error) {
    if (!(error instanceof JournalDamaged)) throw error;
    throw new Error(
      `the back-up ${from} is damaged, or is none (${error.found}): nothing was changed; name another`,
      { cause: error },
    );
  }
}

/** Moves a journal's file, and its log with it, out of the way. Returns its new name; null when there was none. */
export function moveAside(file: string, clock: Clock): string | null {
  const stamp = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-");
  const aside = file.replace(/\.db$/, `-until-${stamp}.db`);
  let moved = false;
  for (const suffix of companions) {
    if (!existsSync(`${file}${suffix}`)) continue;
    renameSync(`${file}${suffix}`, `${aside}${suffix}`);
    moved = true;
  }
  return moved ? aside : null;
}
