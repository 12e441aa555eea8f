/** What a replay runs again: the events that its filter names, page by page, each with the runs it would start. */
import { expansionAgent } from "../domain/run.ts";
import type { Run } from "../domain/run.ts";
import type { ListQuery, NewRun, Reads } from "../domain/ports.ts";
import type { Wake } from "../domain/queue.ts";
import type { ReplayFilter, Verification } from "../domain/replay.ts";

export interface TargetParts {
  readonly reads: Reads;
  /** Null when there is no such event. */
  readonly verify: (event: string) => Promise<Verification | null>;
  readonly runsFor: (
    event: { id: string; source: string; type: string; receivedAt: number },
    payload: unknown,
  ) => readonly NewRun[];
  readonly expansionOf: (source: string) => NewRun;
}

export interface Target {
  readonly event: string;
  readonly runs: readonly NewRun[];
  /** Runs that the event had before. */
  readonly before: readonly Run[];
  readonly verification: Verification;
}

export interface TargetPage {
  readonly targets: readonly Target[];
  /** After which row of the list the next page begins; null when this was the last one. */
  readonly next: string | null;
}

/** What the queue is told of runs that were just stored. */
export const wakesOf = (runs: readonly NewRun[]): Wake[] =>
  runs.map(({ id, agent }) => ({ run: id, agent, number: 0 }));

/** `cursor` is the `next` of an earlier page. Lists are newest first, so that what comes in meanwhile changes nothing. */
export async function targetPage(
  parts: TargetParts,
  filter: ReplayFilter,
  limit: number,
  cursor?: string,
): Promise<TargetPage> {
  const { rows, next } = await rowsOf(parts.reads, filter, limit, cursor);
  const targets: Target[] = [];
  for (const row of rows) {
    // A long replay must not keep requests waiting: reading and verifying alone would never let them in.
    await nextTurn();
    const target = await targetOf(parts, filter, row);
    if (target) targets.push(target);
  }
  return { targets, next };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** An event, for all agents that match today or for one; `run` is the row of the list that named it. */
interface Row {
  readonly event: string;
  readonly agent: string | null;
  readonly run: string | null;
}

async function rowsOf(
  reads: Reads,
  filter: ReplayFilter,
  limit: number,
  cursor: string | undefined,
): Promise<{ rows: readonly Row[]; next: string | null }> {
  if (filter.event !== undefined)
    return { rows: [{ event: filter.event, agent: filter.agent ?? null, run: null }], next: null };
  if (filter.run !== undefined) {
    const found = await reads.run(filter.run);
    return { rows: found ? [{ event: found.run.event, agent: found.run.agent, run: null }] : [], next: null };
  }
  const { event: _event, run: _run, ...rest } = filter;
  const query: ListQuery = { ...rest, limit, ...(cursor === undefined ? {} : { cursor }) };
  if (byRun(filter)) {
    const { items, next } = await reads.runs(query);
    return { rows: items.map(({ id, event, agent }) => ({ event, agent, run: id })), next };
  }
  const { items, next } = await reads.events(query);
  return { rows: items.map(({ id }) => ({ event: id, agent: null, run: null })), next };
}

/** Whether the filter says something of runs: then those runs' agents alone work on their events again. */
const byRun = ({ status, agent, deadLetters, cause }: ReplayFilter): boolean =>
  status !== undefined || agent !== undefined || deadLetters === true || cause !== undefined;

async function targetOf(parts: TargetParts, filter: ReplayFilter, row: Row): Promise<Target | null> {
  const verification = await parts.verify(row.event);
  if (verification?.result === "failed") return { event: row.event, runs: [], before: [], verification };
  const event = verification && (await parts.reads.event(row.event));
  if (!event) return null;
  // One agent may have worked on an event several times; its latest run that matches stands for all of them.
  if (row.run !== null && event.runs.some((run) => isLater(run, row) && fits(run, filter))) return null;
  const wanted = (agent: string) => row.agent === null || row.agent === agent;
  const runs = event.runs.some((run) => run.agent === expansionAgent)
    ? wanted(expansionAgent)
      ? [parts.expansionOf(event.source)]
      : []
    : routed(parts, event).filter((run) => wanted(run.agent));
  return { event: event.id, runs, before: event.runs, verification };
}

const isLater = (run: Run, row: Row): boolean =>
  run.agent === row.agent && row.run !== null && run.id > row.run;

const fits = (run: Run, { status, deadLetters, cause, since, until }: ReplayFilter): boolean =>
  (status === undefined || run.status === status) &&
  (deadLetters !== true || (run.status === "dead" && run.cleared === null)) &&
  (cause === undefined || (run.reason ?? "").toLowerCase().includes(cause.toLowerCase())) &&
  (since === undefined || run.createdAt >= since) &&
  (until === undefined || run.createdAt < until);

function routed(
  parts: TargetParts,
  event: { id: string; source: string; type: string; receivedAt: number; body: Uint8Array },
): readonly NewRun[] {
  const payload = parsed(event.body);
  return payload === undefined ? [] : parts.runsFor(event, payload);
}

/** Bodies that retention erased, or that are no JSON, can't be replayed. */
function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
