/**
 * Whether the journal's file can be believed. SQLite notices damage only when it comes by the page, which may be in the
 * middle of somebody's webhook: so it is looked for when the file is opened, before anything is accepted.
 *
 * Always         the header, the schema, and both ends of every table.
 * Small files    every page (`quick_check`): a tenth of a second at most.
 * Large files    every page after an I/O error, and when `signalbox doctor` asks. At each start that would cost seconds.
 */
import { existsSync, statSync } from "node:fs";
import { integer, text } from "./rows.ts";
import { Connection, isBroken, isIoError } from "./sqlite-driver.ts";

/** Up to here, in bytes, all of a file is checked at each start. */
const smallFile = 16_000_000;

/** Nothing was changed. The message says what was found and what to do. */
class JournalDamaged extends Error {
  override readonly name = "JournalDamaged";

  constructor(file: string, found: string, cause?: unknown) {
    super(
      `the journal ${file} is damaged (${found}). Nothing was changed. Put a back-up in its place with ` +
        "`signalbox restore FILE`, or save what can be read of it with `signalbox salvage`",
      { cause },
    );
  }
}

/** Turns what SQLite says of a file that it can't read into JournalDamaged; other errors pass. */
export function orDamaged<T>(file: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (!isBroken(error) || isIoError(error)) throw error;
    throw new JournalDamaged(file, error instanceof Error ? error.message : String(error), error);
  }
}

/**
 * `thorough`: every page, however large the file is. Throws JournalDamaged.
 */
export function checkFile(db: Connection, file: string, thorough: boolean): void {
  orDamaged(file, () => {
    const tables = db.all("SELECT name, sql FROM sqlite_schema WHERE type = 'table'");
    for (const table of tables) {
      const name = `"${text(table, "name").replaceAll('"', '""')}"`;
      const order = /WITHOUT ROWID/i.test(text(table, "sql")) ? "1" : "rowid";
      for (const way of ["ASC", "DESC"]) db.get(`SELECT * FROM ${name} ORDER BY ${order} ${way} LIMIT 1`);
    }
    if (!thorough && statSync(file).size > smallFile) return;
    const found = text(db.get("PRAGMA quick_check(1)") ?? {}, "quick_check");
    if (found !== "ok") throw new JournalDamaged(file, found.split("\n")[0] ?? found);
  });
}

/** A journal that is gone or empty is no new one: what was done before would be done again. Throws JournalDamaged. */
export function requireFile(file: string): void {
  if (!existsSync(file)) throw new JournalDamaged(file, "the file is gone");
  if (statSync(file).size === 0) throw new JournalDamaged(file, "the file is empty");
}

/** All of a file, read by a connection of its own: also while a service writes to it. Throws JournalDamaged. */
export function verifyFile(file: string): { schema: number; events: number; runs: number } {
  return orDamaged(file, () => {
    const db = new Connection(file);
    try {
      checkFile(db, file, true);
      const count = (table: string): number =>
        integer(db.get(`SELECT count(*) AS n FROM ${table}`) ?? { n: 0 }, "n");
      const schema = integer(db.get("PRAGMA user_version") ?? {}, "user_version");
      const known = db.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'events'");
      if (!known) throw new JournalDamaged(file, "it is a database, but no journal of signalbox");
      return { schema, events: count("events"), runs: count("runs") };
    } finally {
      db.close();
    }
  });
}
