/**
 * Queries as generators that yield their statements, so that both databases run the very same ones: SQLite answers each
 * at once, with nothing running in between; PostgreSQL when its answer arrives.
 *
 * Statements are written in what both understand; `?` marks the values. What SQLite has no need of, having one writer at
 * a time, it leaves out: FOR UPDATE, and locks.
 */
import type { Change } from "../domain/ports.ts";
import type { Vault } from "./vault.ts";

export type SqlValue = string | number | null | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

/** Rows that go into a table, many in one statement where the database gains by it. */
export interface Rows {
  readonly table: string;
  readonly columns: readonly string[];
  /** What tells a row from another, where one that is there already is left as it is; null where that is an error. */
  readonly unlessThere: readonly string[] | null;
}

export type Statement =
  | {
      readonly want: "changes" | "row" | "rows";
      readonly text: string;
      readonly values: readonly SqlValue[];
    }
  | { readonly want: "inserted"; readonly into: Rows; readonly rows: readonly Row[] }
  | { readonly want: "lock"; readonly key: string }
  | { readonly want: "now" }
  /** Of several queries, none of which has to wait for another. */
  | { readonly want: "each"; readonly statements: readonly Statement[] };

export type Answer =
  number | Row | readonly Row[] | readonly boolean[] | { readonly each: readonly Answer[] } | undefined;

/** A query that ends with a `T`. An error of a statement ends it: none catches one. */
export type Sql<T> = Generator<Statement, T, Answer>;

export const sql = {
  /** Ends with how many rows changed. */
  *run(text: string, ...values: SqlValue[]): Sql<number> {
    return (yield { want: "changes", text, values }) as number;
  },
  *get(text: string, ...values: SqlValue[]): Sql<Row | undefined> {
    return (yield { want: "row", text, values }) as Row | undefined;
  },
  *all(text: string, ...values: SqlValue[]): Sql<readonly Row[]> {
    return (yield { want: "rows", text, values }) as readonly Row[];
  },
  /** Ends with which of the rows are new. */
  *insert<R extends Rows>(
    into: R,
    ...rows: Readonly<Record<R["columns"][number], SqlValue>>[]
  ): Sql<readonly boolean[]> {
    if (rows.length === 0) return [];
    return (yield { want: "inserted", into, rows }) as readonly boolean[];
  },
  /** The time, for a query that only reads: in milliseconds since the epoch, by the database's clock where it is shared. */
  *now(): Sql<number> {
    return (yield { want: "now" }) as number;
  },
  /** Until the end of the transaction no other has the lock of this name. */
  *lock(key: string): Sql<void> {
    yield { want: "lock", key };
  },
};

/**
 * Runs queries in step: where several of them insert into one table, it is one statement; what else they ask at the same
 * time is asked at the same time. None may depend on what another of them writes.
 */
export function* together<T>(queries: readonly Sql<T>[]): Sql<T[]> {
  const running = queries.map((query) => ({ query, step: query.next(), answers: 0 }));
  for (;;) {
    const asking = running.flatMap((one) => (one.step.done === true ? [] : [{ one, asked: one.step.value }]));
    if (asking.length === 0) return running.map(({ step }) => step.value as T);
    const go = (one: (typeof running)[number], answer: Answer): void => {
      one.step = one.query.next(answer);
      one.answers += 1;
    };
    const inserting = asking.flatMap(({ one, asked }) => (asked.want === "inserted" ? [{ one, asked }] : []));
    if (inserting.length < asking.length) {
      const others = asking.filter(({ asked }) => asked.want !== "inserted");
      const answer = yield { want: "each", statements: others.map(({ asked }) => asked) };
      const { each } = answer as { each: readonly Answer[] };
      for (const [at, { one }] of others.entries()) go(one, each[at]);
      continue;
    }
    // Whoever is furthest behind goes first, and so the others come to be where it is.
    const last = inserting.reduce((a, b) => (b.one.answers < a.one.answers ? b : a));
    const { into } = last.asked;
    const same = inserting.filter(({ asked }) => asked.into === into);
    const rows = same.flatMap(({ asked }) => asked.rows);
    const inserted = (yield { want: "inserted", into, rows }) as readonly boolean[];
    let from = 0;
    for (const { one, asked } of same) go(one, inserted.slice(from, (from += asked.rows.length)));
  }
}

/** What a query knows of its surroundings. */
export interface Scope {
  /** Seals what is written, opens what is read. */
  readonly vault: Vault;
}

/** A query that writes has one time, and says what it changed, which is told once it is stored. */
export interface Transaction extends Scope {
  /** In milliseconds since the epoch, by the database's clock where it is shared. */
  readonly now: number;
  /** A time of this process's clock, by the one that `now` is of. */
  ours(time: number): number;
  changed(kind: Change["kind"], id: string): void;
}

export interface Database {
  /** Several processes have it: nothing that one of them holds is up to another. */
  readonly shared: boolean;
  /**
   * Resolves with what the query ended with once it is durable. Rejects with what it threw; then nothing is stored. The
   * query may be made more than once: it must come from nothing but its arguments.
   */
  write<T>(query: (tx: Transaction) => Sql<T>): Promise<T>;
  /**
   * The same, in one transaction with others that come at the same time and share none of its keys. Null: alone.
   */
  gather<T>(query: (tx: Transaction) => Sql<T>, keys: readonly string[] | null): Promise<T>;
  /** Sees every write that has resolved. */
  read<T>(query: (scope: Scope) => Sql<T>): Promise<T>;
  subscribe(listener: (change: Change) => void): () => void;
  /** See Journal. */
  trouble(): string | null;
  close(): Promise<void>;
}
