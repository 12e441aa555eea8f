/** A database for each test file, on the one PostgreSQL of a run of the tests. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { startPostgres } from "./postgres.ts";
import { serverOfThisRun } from "./run-servers.ts";

export interface TestDatabase {
  readonly url: string;
  /** One statement, on a connection that is none of the journal's. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Empties every table. */
  empty(): Promise<void>;
}

/** As fast as it can be without being a server that the journal refuses. */
const forTests = [
  "autovacuum=off",
  "wal_level=minimal",
  "max_wal_senders=0",
  "checkpoint_timeout=1d",
  "max_wal_size=4GB",
];

/** TRUNCATE makes new files, which a test that stored three rows pays for with a second on a slow disk. */
const emptyAll = `DO $$ DECLARE name text; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'signalbox_schema' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$`;

/** A database of its own, on the server of this run; gone with the server. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = await serverOfThisRun(inject("servers"), "postgres", (at) => startPostgres(forTests, at));
  const name = `test_${randomBytes(6).toString("hex")}`;
  const maker = new pg.Client({ connectionString: server });
  await maker.connect();
  try {
    await maker.query(`CREATE DATABASE ${name}`);
  } finally {
    await maker.end();
  }
  const url = server.replace(/postgres$/, name);
  const pool = new pg.Pool({ connectionString: url, max: 2, allowExitOnIdle: true });
  // The server ends before the pool does.
  pool.on("error", () => {});
  const query = async (text: string, values: readonly unknown[] = []) =>
    (await pool.query<Record<string, unknown>>(text, [...values])).rows;
  return {
    url,
    query,
    async empty() {
      await query(emptyAll);
    },
  };
}
