/**
 * What a PostgreSQL must be for the journal to keep its word, and the tables in it: the migrations of SQLite, in
 * PostgreSQL's words.
 */
import type { Client, ClientBase } from "pg";
import { migrations } from "./migrations/index.ts";
import { unreachable } from "./postgres-address.ts";
import { openClient, silence } from "./postgres-driver.ts";

const oldestVersion = 130_000;

/**
 * Throws an Error that says what is wrong and how it is mended. `answer`: how long the server may take to say what it is, in
 * milliseconds.
 */
export async function prepareServer(url: string, answer: number): Promise<void> {
  const isUpToDate = await connected(await openClient(url, answer), async (client) => {
    await checkServer(client);
    return (await versionOf(client)) === migrations.length;
  });
  // It may take as long as it takes: an index on a large table, or another process that builds one.
  if (!isUpToDate) await connected(await openClient(url, 0), migrate);
}

async function connected<T>(client: Client, work: (client: Client) => Promise<T>): Promise<T> {
  try {
    return await work(client);
  } catch (error) {
    if (error instanceof Error && error.message === silence) throw unreachable(error);
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Throws an Error that says what a server is not fit for, and how that is mended. */
export async function checkServer(client: ClientBase): Promise<void> {
  const { rows } = await client.query<Record<string, string>>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS called,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('server_encoding') AS encoding, pg_is_in_recovery()::text AS standby,
       current_setting('transaction_read_only') AS read_only`,
  );
  const [is] = rows;
  if (!is) throw new Error("PostgreSQL does not say what it is");
  const faults = [
    Number(is["version"]) < oldestVersion && `it is version ${is["called"]}: signalbox needs 13 or newer`,
    is["fsync"] === "off" &&
      "fsync is off, so that a power cut loses what was acknowledged: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
    is["full_page_writes"] === "off" &&
      "full_page_writes is off, so that a power cut can damage its files: ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
    is["synchronous_commit"] === "off" &&
      "synchronous_commit is off, so that a crash loses what was acknowledged: ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf(); (or ALTER ROLE or ALTER DATABASE, where it is set for this one)",
    is["encoding"] !== "UTF8" &&
      `its database is encoded as ${is["encoding"]}: CREATE DATABASE signalbox ENCODING 'UTF8' TEMPLATE template0;`,
    (is["standby"] === "true" || is["read_only"] === "on") &&
      "it is read-only: point DATABASE_URL at the primary",
  ].filter((fault) => fault !== false);
  if (faults.length > 0) throw new Error(`PostgreSQL can't hold the journal: ${faults.join("; ")}`);
}

/** SQLite's words for it, and PostgreSQL's. Bytes are compared, as SQLite does, whatever the language of the server. */
const inOtherWords: readonly (readonly [RegExp, string])[] = [
  [/\) STRICT(, WITHOUT ROWID)?/g, ")"],
  [/\bINTEGER\b/g, "BIGINT"],
  [/\bBLOB\b/g, "BYTEA"],
  [/\bTEXT\b/g, 'TEXT COLLATE "C"'],
];
const translated = (migration: string): string =>
  inOtherWords.reduce((text, [words, others]) => text.replace(words, others), migration);

/** Any number that no other program on the same database uses. */
const migrationLock = 7_245_301_896;
const undefinedTable = "42P01";

/**
 * Brings the tables up to date, in one transaction, under a lock: of processes that start at once one does it, and the
 * others wait for it. Throws an Error when a newer version was here.
 */
async function migrate(client: ClientBase): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0");
    await client.query("SELECT pg_advisory_xact_lock($1)", [migrationLock]);
    await client.query("CREATE TABLE IF NOT EXISTS signalbox_schema (version BIGINT NOT NULL)");
    const version = await versionOf(client);
    for (const migration of migrations.slice(version)) await client.query(translated(migration));
    await client.query("DELETE FROM signalbox_schema");
    await client.query("INSERT INTO signalbox_schema (version) VALUES ($1)", [migrations.length]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    if (error instanceof Error && "code" in error && error.code === "42P07") {
      throw new Error(
        `PostgreSQL's database holds tables of another program (${error.message}): give signalbox a database of its own`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** How many migrations were made; 0 where there are no tables yet. Throws an Error when a newer version was here. */
export const versionAt = async (url: string, answer: number): Promise<number> =>
  connected(await openClient(url, answer), versionOf);

async function versionOf(client: ClientBase): Promise<number> {
  try {
    const { rows } = await client.query<{ version: string }>("SELECT version FROM signalbox_schema");
    const version = Number(rows[0]?.version ?? 0);
    if (version > migrations.length) {
      throw new Error(
        `PostgreSQL's tables were written by a newer version of signalbox (schema ${version}): install that version`,
      );
    }
    return version;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === undefinedTable) return 0;
    throw error;
  }
}
