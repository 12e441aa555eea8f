/**
 * The SQLite driver, behind one file: `node:sqlite` where this Node has it (22.13 and later), else
 * @photostructure/sqlite, which has the same API and ships prebuilt binaries. See docs/adr/0001.
 * Bind strings, numbers, Buffers and null only: nothing else behaves alike in both.
 */
import { createRequire } from "node:module";
import type { Answer, Row, Rows, Sql, SqlValue, Statement } from "./sql.ts";
import { createVault } from "./vault.ts";
import type { Vault } from "./vault.ts";
import type { DatabaseSyncInstance, StatementSyncInstance } from "@photostructure/sqlite";

const require = createRequire(import.meta.url);

interface SqliteModule {
  readonly DatabaseSync: new (path: string, options: { readOnly: boolean }) => DatabaseSyncInstance;
}

/** For whoever has to load it elsewhere: in a process of its own. */
export function driverModule(): string {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const builtIn = major > 22 || (major === 22 && minor >= 13);
  return builtIn ? "node:sqlite" : require.resolve("@photostructure/sqlite");
}

/** There is one writer at a time: what it reads stays as it is. */
const forUpdate = / FOR UPDATE( SKIP LOCKED)?$/;

const insertions = new Map<Rows, string>();
function insertion(into: Rows): string {
  const marks = into.columns.map(() => "?").join(", ");
  const text = `INSERT INTO ${into.table} (${into.columns.join(", ")}) VALUES (${marks})${
    into.unlessThere === null ? "" : " ON CONFLICT DO NOTHING"
  }`;
  insertions.set(into, text);
  return text;
}

/** One connection with its prepared statements. Holds the database object, which must outlive its statements. */
export class Connection {
  readonly #db: DatabaseSyncInstance;
  readonly #statements = new Map<string, StatementSyncInstance>();

  /** Seals and opens content; what it is given here it is for all that this connection writes and reads. */
  readonly vault: Vault;

  /** One that only reads leaves the file and its log as they are, also when it is closed. */
  constructor(path: string, vault: Vault = createVault([]), readOnly = false) {
    this.vault = vault;
    const { DatabaseSync: Database } = require(driverModule()) as SqliteModule;
    this.#db = new Database(path, { readOnly });
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }
  /** Returns how many rows changed. */
  run(sql: string, ...values: SqlValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }
  get(sql: string, ...values: SqlValue[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined;
  }
  all(sql: string, ...values: SqlValue[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }
  /** Row by row, as they are read. */
  *each(sql: string, ...values: SqlValue[]): Generator<Row> {
    yield* this.#prepared(sql).iterate(...values) as Iterable<Row>;
  }
  /** Answers every statement of a query at once: nothing runs in between. `now` is the time of all of them. */
  answer<T>(query: Sql<T>, now: number): T {
    let step = query.next();
    while (step.done !== true) step = query.next(this.#answerOne(step.value, now));
    return step.value;
  }
  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #answerOne(asked: Statement, now: number): Answer {
    switch (asked.want) {
      case "changes":
        return this.run(asked.text, ...asked.values);
      case "row":
        return this.get(asked.text, ...asked.values);
      case "rows":
        return this.all(asked.text, ...asked.values);
      case "inserted":
        return asked.rows.map((row) => this.#insert(asked.into, row));
      case "now":
        return now;
      case "lock":
        return undefined;
      case "each":
        return { each: asked.statements.map((one) => this.#answerOne(one, now)) };
    }
  }

  #insert(into: Rows, row: Row): boolean {
    const text = insertions.get(into) ?? insertion(into);
    return this.run(text, ...into.columns.map((column) => row[column] ?? null)) === 1;
  }

  #prepared(sql: string): StatementSyncInstance {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql.replace(forUpdate, ""));
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const resultCode = (error: unknown): number | null =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : null;

/** SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB: what the connection believes may differ from what is on disk. */
export const isBroken = (error: unknown): boolean => [10, 11, 26].includes(resultCode(error) ?? -1);
/** SQLITE_FULL, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_READONLY, SQLITE_CANTOPEN, and the broken ones. */
export const isUnavailable = (error: unknown): boolean =>
  isBroken(error) || [5, 6, 8, 13, 14].includes(resultCode(error) ?? -1);
/** SQLITE_IOERR: the disk failed, which says nothing of what is in the file. */
export const isIoError = (error: unknown): boolean => resultCode(error) === 10;
/** SQLITE_FULL: there is no space on the disk. */
export const isFull = (error: unknown): boolean => resultCode(error) === 13;
/** SQLITE_BUSY: another process holds it. */
export const isBusy = (error: unknown): boolean => resultCode(error) === 5;
