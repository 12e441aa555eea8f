/**
 * The journal on PostgreSQL (13 or newer), for any number of processes. The queries are those of SQLite; what they
 * would disturb each other in, they lock: see sql.ts and concurrency.ts.
 */
import type { Clock } from "../resilience/clock.ts";
import { partsOn } from "./journal.ts";
import type { JournalParts } from "./journal.ts";
import { createReads } from "./reads.ts";
import { PostgresChanges } from "./postgres-changes.ts";
import { openPool, usualLimits } from "./postgres-driver.ts";
import type { Limits } from "./postgres-driver.ts";
import { prepareServer } from "./postgres-schema.ts";
import { PostgresWriter } from "./postgres-writer.ts";
import { requireKeys } from "./sealing.ts";
import { createVault } from "./vault.ts";
import type { Vault } from "./vault.ts";

export interface PostgresOptions {
  /** postgresql://user:password@host:5432/name */
  readonly url: string;
  readonly clock: Clock;
  /** Seals content at rest; without it new content is stored plain. */
  readonly vault?: Vault;
  /** Connections of this process for its work; lists and counts have two more. */
  readonly connections?: number;
  /** Whose clock leases and due times are by: the database's, unless a test owns the time. */
  readonly timeFrom?: "database" | "clock";
  /** How long to wait for what, where it is not as usual. */
  readonly limits?: Partial<Limits>;
}

const defaultConnections = 8;
const readConnections = 2;
/** Lists and counts may take longer, and nobody else waits for them. */
const listLimits = { statement: 15_000, answer: 16_000 };

/**
 * Throws an Error when the server can't be reached or can't hold the journal, when a newer version wrote to it, or when it
 * holds content that is sealed with a key which is not there.
 */
export async function openPostgresJournal(options: PostgresOptions): Promise<JournalParts> {
  const { url, clock, vault = createVault([]), timeFrom = "database" } = options;
  const limits = { ...usualLimits, ...options.limits };
  await prepareServer(url, limits.answer);
  const pool = await openPool({ url, size: options.connections ?? defaultConnections, limits });
  const readPool = await openPool({
    url,
    size: readConnections,
    limits: { ...limits, ...listLimits, ...options.limits },
  });
  const parts = { clock, vault, timeFrom };
  const reader = new PostgresWriter({ ...parts, pool: readPool, onChanges: () => {} });
  const changes = new PostgresChanges({ url, clock, read: (query) => reader.read(query) });
  const writer = new PostgresWriter({ ...parts, pool, onChanges: (made) => changes.made(made) });
  const close = async (): Promise<void> => {
    changes.close();
    await Promise.all([writer.close(), reader.close()]);
  };
  try {
    await writer.write(requireKeys);
  } catch (error) {
    await close();
    throw error;
  }
  const journal = partsOn({
    shared: true,
    write: (query) => writer.write(query),
    gather: (query, keys) => writer.gather(query, keys),
    read: (query) => writer.read(query),
    subscribe: (listener) => changes.subscribe(listener),
    trouble: () => writer.trouble(),
    close,
  });
  return { ...journal, reads: createReads({ read: (query) => reader.read(query) }) };
}
