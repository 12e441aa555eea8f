/**
 * Replays: new runs of stored events under today's configuration, counted first, with the same once-only actions.
 * Each event is verified again before it is run again, and in a count too: one whose bytes changed is not.
 */
import { expansionAgent } from "../domain/run.ts";
import type { Journal, ListQuery, NewRun, Reads } from "../domain/ports.ts";
import type { Queue, Wake } from "../domain/queue.ts";
import type { Replayed, ReplayFilter, Verification } from "../domain/replay.ts";
import { failPoint } from "../resilience/fail-points.ts";

export interface ReplayParts {
  readonly journal: Journal;
  readonly reads: Reads;
  readonly queue: Queue;
  /** Null when there is no such event. */
  readonly verify: (event: string) => Promise<Verification | null>;
  readonly runsFor: (
    event: { id: string; source: string; type: string; receivedAt: number },
    payload: unknown,
  ) => readonly NewRun[];
  readonly expansionOf: (source: string) => NewRun;
}

const pageSize = 200;

/** An empty filter is refused by the caller: replaying everything has to be asked for by a time range. */
export async function replay(parts: ReplayParts, filter: ReplayFilter, dryRun: boolean): Promise<Replayed> {
  const targets = await targetsOf(parts, filter);
  const runs: Wake[] = [];
  const refused: Replayed["refused"][number][] = [];
  const unverified = new Map<string, number>();
  let verified = 0;
  let count = 0;
  for (const [id, agents] of targets) {
    // A long replay must not keep requests waiting: reading and verifying alone would never let them in.
    await nextTurn();
    const verification = await parts.verify(id);
    if (verification?.result === "failed") {
      refused.push({ event: id, reason: verification.reason });
      continue;
    }
    const event = verification && (await parts.reads.event(id));
    if (!event) continue;
    if (verification.result === "verified") verified += 1;
    else unverified.set(verification.reason, (unverified.get(verification.reason) ?? 0) + 1);
    const fresh = newRuns(parts, event, agents);
    count += fresh.length;
    if (dryRun || fresh.length === 0) continue;
    failPoint("replay.begin");
    await parts.journal.replay({ event: id, runs: fresh });
    failPoint("replay.stored");
    runs.push(...fresh.map((run) => ({ run: run.id, agent: run.agent, number: 0 })));
  }
  if (runs.length > 0) parts.queue.publish(runs);
  return {
    events: targets.size,
    count,
    runs: runs.map((wake) => wake.run),
    verified,
    unverified: [...unverified].map(([reason, events]) => ({ reason, events })),
    refused,
  };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Events by id, each with the agents that are to work on it again; null = all that match today. */
async function targetsOf(parts: ReplayParts, filter: ReplayFilter): Promise<Map<string, Set<string> | null>> {
  const targets = new Map<string, Set<string> | null>();
  if (filter.event !== undefined) {
    targets.set(filter.event, filter.agent === undefined ? null : new Set([filter.agent]));
    return targets;
  }
  if (filter.run !== undefined) {
    const found = await parts.reads.run(filter.run);
    if (found) targets.set(found.run.event, new Set([found.run.agent]));
    return targets;
  }
  const byRun = filter.status !== undefined || filter.agent !== undefined;
  for await (const item of byRun ? runsMatching(parts.reads, filter) : eventsMatching(parts.reads, filter)) {
    if (item.agent === null) targets.set(item.event, null);
    else targets.set(item.event, (targets.get(item.event) ?? new Set()).add(item.agent));
  }
  return targets;
}

async function* pages<T>(
  read: (cursor?: string) => Promise<{ items: T[]; next: string | null }>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    yield* page.items;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}

const query = (filter: ReplayFilter, cursor?: string): ListQuery => {
  const { event: _event, run: _run, ...rest } = filter;
  return { ...rest, limit: pageSize, ...(cursor === undefined ? {} : { cursor }) };
};

async function* eventsMatching(
  reads: Reads,
  filter: ReplayFilter,
): AsyncGenerator<{ event: string; agent: null }> {
  for await (const event of pages((cursor) => reads.events(query(filter, cursor))))
    yield { event: event.id, agent: null };
}

async function* runsMatching(
  reads: Reads,
  filter: ReplayFilter,
): AsyncGenerator<{ event: string; agent: string }> {
  for await (const run of pages((cursor) => reads.runs(query(filter, cursor))))
    yield { event: run.event, agent: run.agent };
}

function newRuns(
  parts: ReplayParts,
  event: {
    id: string;
    source: string;
    type: string;
    receivedAt: number;
    body: Uint8Array;
    runs: { agent: string }[];
  },
  agents: Set<string> | null,
): NewRun[] {
  const wanted = (agent: string) => agents === null || agents.has(agent);
  if (event.runs.some((run) => run.agent === expansionAgent)) {
    return wanted(expansionAgent) ? [parts.expansionOf(event.source)] : [];
  }
  const payload = parsed(event.body);
  return payload === undefined ? [] : parts.runsFor(event, payload).filter((run) => wanted(run.agent));
}

/** Bodies that retention erased, or that are no JSON, can't be replayed. */
function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
