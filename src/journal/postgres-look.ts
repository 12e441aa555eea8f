/** Reads the journal on PostgreSQL beside the services that write it: nothing of it is changed or migrated. */
import type { Clock } from "../resilience/clock.ts";
import { migrations } from "./migrations/index.ts";
import { openPool, usualLimits } from "./postgres-driver.ts";
import { versionAt } from "./postgres-schema.ts";
import { PostgresWriter } from "./postgres-writer.ts";
import { createReads } from "./reads.ts";
import type { Look } from "./sqlite-look.ts";
import type { Vault } from "./vault.ts";

export interface PostgresLookParts {
  readonly url: string;
  readonly vault: Vault;
  readonly clock: Clock;
}

/** Throws when the server can't be reached, or when the journal in it is of another version than this program, or is none. */
export async function lookIntoPostgres({ url, vault, clock }: PostgresLookParts): Promise<Look> {
  const version = await versionAt(url, usualLimits.answer);
  if (version === 0) throw new Error("there is no journal in DATABASE_URL: nothing was stored there yet");
  if (version !== migrations.length)
    throw new Error(
      "the journal in DATABASE_URL is of an earlier version: start the service of this version on it first",
    );
  const pool = await openPool({ url, size: 2, limits: usualLimits });
  const reader = new PostgresWriter({ pool, clock, vault, timeFrom: "database", onChanges: () => {} });
  return { reads: createReads({ read: (query) => reader.read(query) }), close: () => reader.close() };
}
