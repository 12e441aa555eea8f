/**
 * PostgreSQL, behind one file: sessions that answer statements, with a limit on every wait, and what its errors mean.
 *
 * A session pipelines: what it is asked at the same time goes over in one trip. Give it statements of this room only;
 * they are translated once and prepared, so a pooler in between has to keep sessions (pgbouncer: session mode).
 */
import { createHash } from "node:crypto";
import type { Client, ClientConfig, Pool, PoolClient, PoolConfig, QueryResult } from "pg";
import { JournalUnavailable } from "../domain/errors.ts";
import { addressFor, unreachable, unreadable } from "./postgres-address.ts";
import type { Answer, Row, Rows, SqlValue, Statement } from "./sql.ts";

/** All in milliseconds. */
export interface Limits {
  readonly connect: number;
  readonly lock: number;
  readonly statement: number;
  /** For a server that is there and says nothing; then the connection is cut. */
  readonly answer: number;
  /** A process that stops in the middle of a transaction loses its locks. */
  readonly idleInTransaction: number;
}

/** Two of them in a row are less than the ten seconds that the most impatient sender waits. */
export const usualLimits: Limits = {
  connect: 3_000,
  lock: 3_000,
  statement: 4_000,
  answer: 5_000,
  idleInTransaction: 10_000,
};

export interface PoolOptions {
  readonly url: string;
  readonly size: number;
  readonly limits: Limits;
}

/** Throws an Error without the address, which holds a password. */
export async function openPool({ url, size, limits }: PoolOptions): Promise<Pool> {
  const { default: pg } = await import("pg");
  const options: PoolConfig & { pipeline: boolean } = {
    connectionString: addressFor(url),
    max: size,
    connectionTimeoutMillis: limits.connect,
    idleTimeoutMillis: 60_000,
    statement_timeout: limits.statement,
    lock_timeout: limits.lock,
    query_timeout: limits.answer,
    idle_in_transaction_session_timeout: limits.idleInTransaction,
    keepAlive: true,
    application_name: "signalbox",
    pipeline: true,
    types: {
      // Counts and times fit into a number.
      getTypeParser: (oid: Parameters<typeof pg.types.getTypeParser>[0], format?: "text" | "binary") =>
        oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format),
    } as NonNullable<PoolConfig["types"]>,
  };
  try {
    const pool = new pg.Pool(options);
    // A connection that breaks says so to nobody who waits for it, too: whoever uses it is told by its statements, and the
    // pool replaces it when one is needed.
    pool.on("error", () => {});
    pool.on("connect", (client) => client.on("error", () => {}));
    return pool;
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * One connection. `answer` is how long a statement may take, in milliseconds; 0: as long as it takes. Throws an Error that
 * says why there is none, without the address.
 */
export async function openClient(url: string, answer: number): Promise<Client> {
  const { default: pg } = await import("pg");
  let client: Client;
  try {
    const options: ClientConfig & { pipeline: boolean } = {
      connectionString: addressFor(url),
      connectionTimeoutMillis: usualLimits.connect,
      query_timeout: answer,
      keepAlive: true,
      application_name: "signalbox",
      // So that a connection whose answer is late is cut, and nobody waits for its goodbye.
      pipeline: true,
    };
    client = new pg.Client(options);
  } catch (error) {
    throw unreadable(error);
  }
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw unreachable(error);
  }
}

/** `now`: whose clock tells the time; null for the server's. */
export class Session {
  readonly #client: PoolClient;
  readonly #now: (() => number) | null;

  constructor(client: PoolClient, now: (() => number) | null) {
    this.#client = client;
    this.#now = now;
  }

  /** Begins a transaction; resolves to its time. */
  async begin(): Promise<number> {
    const begun = this.plain("BEGIN ISOLATION LEVEL READ COMMITTED");
    const [now] = await all([this.#time(), begun.then(() => 0)]);
    return now ?? 0;
  }

  async plain(text: string): Promise<QueryResult> {
    try {
      return await this.#client.query(text);
    } catch (error) {
      throw new PostgresFault(error);
    }
  }

  async answer(asked: Statement): Promise<Answer> {
    switch (asked.want) {
      case "changes":
        return (await this.#query(asked.text, asked.values)).rowCount ?? 0;
      case "row":
        return (await this.#query(asked.text, asked.values)).rows[0];
      case "rows":
        return (await this.#query(asked.text, asked.values)).rows;
      case "inserted":
        return this.#insert(asked.into, asked.rows);
      case "now":
        return this.#time();
      case "lock":
        await this.#query("SELECT pg_advisory_xact_lock(?)", [lockNumber(asked.key)]);
        return undefined;
      case "each":
        return { each: await all(inLockOrder(asked.statements, (one) => this.answer(one))) };
    }
  }

  async #time(): Promise<number> {
    if (this.#now) return this.#now();
    const { rows } = await this.#query(
      "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now",
      [],
    );
    return Number(rows[0]?.["now"]);
  }

  async #query(text: string, values: readonly SqlValue[]): Promise<QueryResult<Row>> {
    try {
      return await this.#client.query<Row>({ ...prepared(text), values: values.map(storable) });
    } catch (error) {
      throw new PostgresFault(error);
    }
  }

  async #insert(into: Rows, rows: readonly Row[]): Promise<boolean[]> {
    const tell = (row: Row): string => (into.unlessThere ?? []).map((name) => String(row[name])).join("\0");
    // Two transactions that insert the same keys do so in the same order, and neither waits for the other in a circle.
    const ordered = into.unlessThere === null ? rows : rows.toSorted((a, b) => (tell(a) < tell(b) ? -1 : 1));
    const asked = inParts(ordered).map((part) =>
      this.#query(
        insertion(into, part.length),
        part.flatMap((row) => into.columns.map((name) => row[name] ?? null)),
      ),
    );
    const found = (await all(asked)).flatMap((result) => result.rows);
    if (into.unlessThere === null) return rows.map(() => true);
    const fresh = new Set(found.map(tell));
    return rows.map((row) => fresh.delete(tell(row)));
  }
}

/** Waits for all of them, also when one fails: nothing of a transaction is under way when it is rolled back. */
async function all<T>(answers: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(answers);
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

/** Asks for locks in one order, so that nobody waits for another in a circle; the rest as it comes. */
function inLockOrder<T>(statements: readonly Statement[], ask: (one: Statement) => Promise<T>): Promise<T>[] {
  const answers = new Map<Statement, Promise<T>>();
  const locks = statements.flatMap((one) => (one.want === "lock" ? [one] : []));
  for (const one of locks.toSorted((a, b) => (a.key < b.key ? -1 : 1))) answers.set(one, ask(one));
  return statements.map((one) => answers.get(one) ?? ask(one));
}

export const lockNumber = (key: string): string =>
  createHash("sha256").update(`signalbox ${key}`).digest().readBigInt64BE().toString();

/** A text of PostgreSQL holds any character but NUL, which JSON of a stranger may bring. */
const storable = (value: SqlValue): SqlValue =>
  typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value;

interface Prepared {
  readonly text: string;
  /** Absent for a statement whose text depends on how much it is asked for: there are too many of those to keep. */
  readonly name?: string;
}
const translated = new Map<string, Prepared>();
const mostTranslated = 1_000;
const longList = /\((\?, ){8}/;
/** Rises when a migration of a newer process has changed what prepared statements bring. */
let era = 0;

function prepared(text: string): Prepared {
  const known = translated.get(text);
  if (known) return known;
  let mark = 0;
  const numbered = text.replace(/\?/g, () => `$${(mark += 1)}`);
  const isList = longList.test(text) && !text.startsWith("INSERT");
  const made = isList ? { text: numbered } : { text: numbered, name: `s${era}_${translated.size}` };
  if (translated.size < mostTranslated) translated.set(text, made);
  return made;
}

const largestPart = 64;
/**
 * In parts of 64, 32, 16 … rows, which go over in one trip: so there are seven statements for a table to prepare, and not
 * one for each number of rows. Arrays, for one statement of any number, cost twice as much on both sides.
 */
function inParts(rows: readonly Row[]): (readonly Row[])[] {
  const parts: (readonly Row[])[] = [];
  for (let from = 0, size = largestPart; from < rows.length;) {
    while (size > rows.length - from) size /= 2;
    parts.push(rows.slice(from, from + size));
    from += size;
  }
  return parts;
}

const insertions = new Map<Rows, Map<number, string>>();
function insertion(into: Rows, size: number): string {
  const bySize = insertions.get(into) ?? new Map<number, string>();
  insertions.set(into, bySize);
  const known = bySize.get(size);
  if (known !== undefined) return known;
  const row = `(${into.columns.map(() => "?").join(", ")})`;
  const unless =
    into.unlessThere === null ? "" : ` ON CONFLICT DO NOTHING RETURNING ${into.unlessThere.join(", ")}`;
  const text = `INSERT INTO ${into.table} (${into.columns.join(", ")}) VALUES ${Array(size).fill(row).join(", ")}${unless}`;
  bySize.set(size, text);
  return text;
}

/** What the driver says of an answer that is late. */
export const silence = "Query read timeout";

/** What the server, or the connection to it, answered instead. Never thrown by a query itself. */
export class PostgresFault extends Error {
  override readonly name = "PostgresFault";
  /** SQLSTATE; null when the connection failed. */
  readonly code: string | null;

  constructor(error: unknown) {
    super(error instanceof Error ? error.message : String(error));
    const isAnswer = error instanceof Error && "severity" in error && "code" in error;
    this.code = isAnswer ? String(error.code) : null;
  }

  /** Nothing is known of the connection any more, or it is about to end. */
  get isLost(): boolean {
    return this.code === null || /^(08|57P0[1235])/.test(this.code);
  }

  /** The server is there and says nothing. */
  get isSilence(): boolean {
    return this.message === silence;
  }

  /** Nothing was wrong with the transaction, and nothing of it is stored: serialization, deadlock, a changed table. */
  get isWorthRepeating(): boolean {
    return ["40001", "40P01", changedTable].includes(this.code ?? "");
  }

  /** It is the server that stores nothing for anybody now: away, refusing, read-only, without room, its disk failing. */
  get isServers(): boolean {
    return this.code === null || /^(08|28|3D|53|57P|58|XX|25006)/.test(this.code);
  }

  get isNoRoom(): boolean {
    return this.code?.startsWith("53") === true;
  }

  /**
   * What the rest of the program is told. Unavailable are SQLSTATE's classes 08 connection, 28 and 3D refused, 53 no room,
   * 57 time-outs and shutdowns, 58 and XX its disk, and single ones: read-only, idle too long, waited too long for a lock.
   * Of other errors a message is kept only where it holds none of our values.
   */
  inOurWords(): Error {
    const code = this.code ?? "connection";
    if (this.code === null || /^(08|28|3D|53|57|58|XX|25006|25P03|25P04|55P03|40)/.test(this.code))
      return new JournalUnavailable(`PostgreSQL could not do it: ${this.message} (${code})`);
    return new Error(
      `PostgreSQL refused a write: ${/^(23|42)/.test(code) ? this.message : "see the code"} (${code})`,
    );
  }
}

/** "cached plan must not change result type" */
const changedTable = "0A000";

/** A migration of a newer process changed what prepared statements bring: each is prepared anew. */
export function prepareAnew(): void {
  era += 1;
  translated.clear();
}
