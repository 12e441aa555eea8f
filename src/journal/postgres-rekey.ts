/**
 * Seals all that a PostgreSQL holds with the current key. The service may run meanwhile, once each of its processes was
 * started with the new key before the old one: one that still seals with the old key would leave content that the next
 * start can't open.
 */
import type { Clock } from "../resilience/clock.ts";
import { createIds } from "../resilience/ids.ts";
import { openClient, openPool, usualLimits } from "./postgres-driver.ts";
import { PostgresWriter } from "./postgres-writer.ts";
import { prepareServer } from "./postgres-schema.ts";
import { endSealing, requireKeys, sealBatch, sealedColumns } from "./sealing.ts";
import type { SealedBatch, SealedColumn } from "./sealing.ts";
import type { SqlValue } from "./sql.ts";
import { envName } from "./vault.ts";
import type { Vault } from "./vault.ts";

/**
 * Resolves to how many values it sealed anew. Throws an Error when there is no key, or when one that is needed is
 * missing. What was replaced is free to be overwritten; VACUUM FULL, in a quiet hour, removes it at once.
 */
export async function rekeyPostgres(parts: { url: string; vault: Vault; clock: Clock }): Promise<number> {
  const { url, vault, clock } = parts;
  if (vault.keyId === null) throw new Error(`${envName} is not set: there is no key to encrypt with`);
  await prepareServer(url, usualLimits.answer);
  // VACUUM takes as long as it takes.
  const client = await openClient(url, 0);
  const pool = await openPool({ url, size: 1, limits: usualLimits });
  const writer = new PostgresWriter({ pool, clock, vault, timeFrom: "database", onChanges: () => {} });
  try {
    await writer.write(requireKeys);
    let count = 0;
    for (const column of sealedColumns) count += await sealColumn(writer, column);
    const sealed = count;
    await writer.write((tx) => endSealing(tx, createIds(clock)("aud"), sealed));
    await client.query(`VACUUM ${[...new Set(sealedColumns.map(({ table }) => table))].join(", ")}`);
    return count;
  } finally {
    await writer.close();
    await client.end().catch(() => {});
  }
}

async function sealColumn(writer: PostgresWriter, column: SealedColumn): Promise<number> {
  const next = (after: readonly SqlValue[] | null): Promise<SealedBatch> =>
    writer.write((tx) => sealBatch(tx, column, after));
  let count = 0;
  for (let batch = await next(null); batch.last !== null; batch = await next(batch.last))
    count += batch.sealed;
  return count;
}
