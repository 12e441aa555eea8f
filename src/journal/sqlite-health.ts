/**
 * Whether the journal's file can be believed. SQLite notices damage only when it comes by the page, which may be in the
 * middle of somebody's webhook: so it is looked for when the file is opened, before anything is accepted.
 *
 * Always         the header, the schema, and both ends of every table.
 * Small files    every page (`quick_check`): a tenth of a second at most.
 * Large files    every page too, which takes seconds: by a process of its own while the service works, at
 *                once after an I/O error, and when `signalbox doctor` asks.
 *
 * It is looked at by a connection that only reads: one that writes brings what stands in the log into the file when it is
 * closed, and the log may be that of another file.
 */
import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { integer, text } from "./rows.ts";
import { Connection, driverModule, isBroken, isIoError } from "./sqlite-driver.ts";

/** Up to here, in bytes, all of a file is checked at each start. */
const smallFile = 16_000_000;

/** Nothing was changed. The message says what was found and what to do. */
export class JournalDamaged extends Error {
  override readonly name = "JournalDamaged";
  readonly found: string;

  constructor(file: string, found: string, cause?: unknown) {
    super(
      `the journal ${file} is damaged (${found}). Nothing was changed. Put a back-up in its place with ` +
        "`signalbox restore FILE`, or save what can be read of it with `signalbox salvage`",
      { cause },
    );
    this.found = found;
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
export function inspect(file: string, thorough: boolean): void {
  if (!existsSync(file) || statSync(file).size === 0) return;
  orDamaged(file, () => {
    const db = new Connection(file, undefined, true);
    try {
      checkFile(db, file, thorough || isSmall(file));
      const version = integer(db.get("PRAGMA user_version") ?? {}, "user_version");
      if (version === 0 && db.get("SELECT 1 FROM sqlite_schema LIMIT 1"))
        throw new JournalDamaged(file, "it is a database of another program");
    } finally {
      db.close();
    }
  });
}

const sizeOf = (file: string): number => (existsSync(file) ? statSync(file).size : 0);

export const isSmall = (file: string): boolean => sizeOf(file) + sizeOf(`${file}-wal`) <= smallFile;

function checkFile(db: Connection, file: string, everyPage: boolean): void {
  orDamaged(file, () => {
    const tables = db.all("SELECT name, sql FROM sqlite_schema WHERE type = 'table'");
    for (const table of tables) {
      const name = `"${text(table, "name").replaceAll('"', '""')}"`;
      const order = /WITHOUT ROWID/i.test(text(table, "sql")) ? "1" : "rowid";
      for (const way of ["ASC", "DESC"]) db.get(`SELECT * FROM ${name} ORDER BY ${order} ${way} LIMIT 1`);
    }
    if (!everyPage) return;
    const found = text(db.get("PRAGMA quick_check(1)") ?? {}, "quick_check");
    if (found !== "ok") throw new JournalDamaged(file, oneLine(found));
  });
}

/** A journal that is gone or empty is no new one: what was done before would be done again. Throws JournalDamaged. */
export function requireFile(file: string, used: boolean): void {
  if (sizeOf(file) > 0) return;
  const state = existsSync(file) ? "empty" : "gone";
  if (used) throw new JournalDamaged(file, `the file is ${state}`);
  // SQLite would delete the log, taking the file for a new one.
  if (sizeOf(`${file}-wal`) > 0)
    throw new JournalDamaged(file, `the file is ${state}, and its log, journal.db-wal, is there`);
}

const oneLine = (found: string): string =>
  found.replace("*** in database main ***", "").replaceAll(/\s+/g, " ").trim();

/** A program of its own: `argv` are the driver and the file. Answers what was found, or SQLite's error. */
const checkSource = `
const [driver, file] = process.argv.slice(1);
const answer = (value) => process.stdout.write(JSON.stringify(value));
try {
  const { DatabaseSync } = require(driver);
  const db = new DatabaseSync(file, { readOnly: true });
  const { quick_check: found } = db.prepare("PRAGMA quick_check(1)").get();
  db.close();
  answer({ found });
} catch (error) {
  answer({ message: String(error), errcode: error.errcode });
}
`;

type CheckAnswer = { readonly found: string } | { readonly message: string; readonly errcode?: number };

/**
 * Reads every page while the service works. A check that can't be made says nothing; `done` when it has ended.
 *
 * By a process, since a thread can't be ended in the middle of a check: the driver of Node 20 takes the whole process with it.
 */
export function inspectMeanwhile(
  file: string,
  onDamage: (damage: JournalDamaged) => void,
): { readonly done: Promise<void>; stop(): Promise<void> } {
  const args = ["--no-warnings", "-e", checkSource, driverModule(), file];
  let stopped = false;
  let ended: () => void;
  const done = new Promise<void>((resolve) => (ended = resolve));
  const child = execFile(process.execPath, args, { env: {} }, (_, output) => {
    if (!stopped) tell(output);
    ended();
  });
  function tell(output: string): void {
    if (output === "") return;
    const answer = JSON.parse(output) as CheckAnswer;
    if ("found" in answer) {
      if (answer.found !== "ok") onDamage(new JournalDamaged(file, oneLine(answer.found)));
      return;
    }
    const error = Object.assign(new Error(answer.message), { errcode: answer.errcode });
    if (isBroken(error) && !isIoError(error)) onDamage(new JournalDamaged(file, answer.message, error));
  }
  return {
    done,
    stop: () => {
      stopped = true;
      child.kill("SIGKILL");
      return done;
    },
  };
}

/** All of a file, read by a connection of its own: also while a service writes to it. Throws JournalDamaged. */
export function verifyFile(file: string): { schema: number; events: number; runs: number } {
  return orDamaged(file, () => {
    const db = new Connection(file, undefined, true);
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
