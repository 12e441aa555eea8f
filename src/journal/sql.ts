/**
 * Queries as generators that yield their statements, so that both databases run the very same ones: SQLite answers each
 * at once, with nothing running in between; PostgreSQL when its answer arrives.
 */
import type { Change } from "../domain/ports.ts";
import type { Vault } from "./vault.ts";

export type SqlValue = string | number | null | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

/** `?` marks the values. */
export interface Statement {
  readonly want: "changes" | "row" | "rows";
  readonly text: string;
  readonly values: readonly SqlValue[];
}
type Answer = number | Row | readonly Row[] | undefined;

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
};

/** What a query knows of its surroundings. */
export interface Scope {
  /** The time of its transaction. */
  readonly now: number;
  /** Seals what is written, opens what is read. */
  readonly vault: Vault;
}

/** A query that writes says what it changed; it is told once that is stored. */
export interface Transaction extends Scope {
  changed(kind: Change["kind"], id: string): void;
}

export interface Database {
  /** Resolves with what the query ended with once it is durable. Rejects with what it threw; then nothing is stored. */
  write<T>(query: (tx: Transaction) => Sql<T>): Promise<T>;
  /** Sees every write that has resolved. */
  read<T>(query: (scope: Scope) => Sql<T>): Promise<T>;
  subscribe(listener: (change: Change) => void): () => void;
  close(): Promise<void>;
}
