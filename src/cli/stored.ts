/** The journal as it stands, read beside a service or without one; nothing is written. */
import type { EventSummary, ListQuery, Reads, RunRecord } from "../domain/ports.ts";
import { lookIntoSqlite } from "../journal/sqlite-look.ts";
import type { Look } from "../journal/sqlite-look.ts";
import { createVault } from "../journal/vault.ts";
import { systemClock } from "../resilience/clock.ts";
import { parseDuration } from "../config/scalars.ts";
import type { Context } from "./context.ts";
import { Failure, usage } from "./failure.ts";
import { dataFolder } from "./service.ts";

export async function openStored(context: Context): Promise<Look> {
  const { databaseUrl, encryptionKeys } = context.environment;
  const vault = createVault(encryptionKeys);
  try {
    if (databaseUrl === null) return lookIntoSqlite(dataFolder(context), { vault, clock: systemClock });
    const { lookIntoPostgres } = await import("../journal/postgres-look.ts");
    return await lookIntoPostgres({ url: databaseUrl, clock: systemClock, vault });
  } catch (error) {
    throw new Failure(
      `the journal can't be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** `7d`, or a time with its zone. Milliseconds since the epoch. */
export function timeOf(option: string, text: string): number {
  const span = parseDuration(text);
  if (span !== null) return systemClock.now() - span;
  const at = /^\d{4}-\d{2}-\d{2}(?:T.*(?:Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw usage(`${option} ${text} is no time`, "It is a span such as 24h or 7d, or 2026-11-24T08:00:00Z.");
  return at;
}

export interface Past {
  readonly event: EventSummary;
  /** Parsed; null when it is no JSON, or was erased. */
  readonly payload: unknown;
  /** The latest run of each agent. */
  readonly runs: readonly RunRecord[];
}

/** The newest first; at most `limit`, and whether there are more. */
export async function pastEvents(
  reads: Reads,
  query: Omit<ListQuery, "limit" | "cursor">,
  limit: number,
): Promise<{ past: Past[]; more: boolean }> {
  const found: EventSummary[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: EventSummary[]; next: string | null } = await reads.events({
      ...query,
      limit: 200,
      ...(cursor === null ? {} : { cursor }),
    });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && found.length <= limit);
  const past: Past[] = [];
  for (const event of found.slice(0, limit)) {
    const stored = await reads.event(event.id);
    if (stored === null) continue;
    const latest = new Map<string, { id: string; generation: number }>();
    for (const { id, agent, generation } of stored.runs)
      if ((latest.get(agent)?.generation ?? -1) < generation) latest.set(agent, { id, generation });
    const runs: RunRecord[] = [];
    for (const { id } of latest.values()) {
      const run = await reads.run(id);
      if (run !== null) runs.push(run);
    }
    past.push({ event, payload: parsedBody(stored.body), runs });
  }
  return { past, more: found.length > limit || cursor !== null };
}

/** Null when it is no JSON, or was erased. */
export function parsedBody(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return null;
  }
}
