/** The one transaction that everything received goes through: delivery, event, dedupe keys, route matches, runs. */
import { healedAddress } from "../domain/event.ts";
import type { AcceptRequest, Acceptance, AcceptedItem, Inbox, Journal, NewRun } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import { expansionAgent, pressAgent } from "../domain/run.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Ids } from "../resilience/ids.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { routeEvent } from "./routing.ts";
import type { Route, Routed } from "./routing.ts";

/** What is in force: replaced as a whole when the configuration is reloaded. */
export interface RoutingTable {
  readonly routes: readonly Route[];
  readonly configHash: string;
  promptHash(agent: string): string | null;
}

export interface InboxParts {
  readonly journal: Journal;
  readonly queue: Queue;
  readonly table: () => RoutingTable;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
}

/** The inbox, and the runs that today's configuration would start for an event that is stored already. */
export interface Router extends Inbox {
  runsFor(
    event: { id: string; source: string; type: string; receivedAt: number },
    payload: unknown,
  ): NewRun[];
  expansionOf(source: string): NewRun;
}

export function createInbox({ journal, queue, table, clock, ids, log }: InboxParts): Router {
  const newRun = (part: Pick<NewRun, "route" | "agent" | "mode" | "concurrency">): NewRun => ({
    ...part,
    id: ids("run"),
    configHash: table().configHash,
    promptHash: table().promptHash(part.agent),
  });

  const route = (event: { id: string; source: string; type: string; receivedAt: number }, payload: unknown) =>
    routeEvent(table().routes, { ...event, receivedAt: new Date(event.receivedAt) }, payload);

  /** One at a time for each key. */
  const ofSystem = (agent: string, key: string): NewRun =>
    newRun({ route: null, agent, mode: "auto", concurrency: { key, limit: 1, supersede: false } });

  /** A notification has no content of its own: a run of the system reads what it announces. */
  const expansionOf = (source: string): NewRun => ofSystem(expansionAgent, source);

  function acceptance(
    source: string,
    receivedAt: number,
    headers: Record<string, string>,
    item: Identified,
  ): Acceptance {
    const id = ids("evt");
    const system = item.notification
      ? expansionOf(source)
      : item.press
        ? ofSystem(pressAgent, item.press.about)
        : null;
    const routed = system
      ? { status: "routed" as const, faults: [], runs: [system] }
      : withRuns(route({ id, source, type: item.type, receivedAt }, item.payload));
    for (const fault of routed.faults)
      log.warn({ event: id, ...fault }, "a route's expression failed on an event");
    return {
      event: {
        id,
        source,
        type: item.type,
        providerId: item.providerId,
        receivedAt,
        occurredAt: item.occurredAt,
        status: routed.status,
        body: item.body,
        ...(item.bodyHash === undefined ? {} : { bodyHash: item.bodyHash }),
        headers,
        faults: routed.faults,
      },
      dedupeKeys: item.dedupeKeys,
      runs: routed.runs,
    };
  }

  const withRuns = (routed: Routed) => ({ ...routed, runs: routed.matches.map(newRun) });

  async function store(request: AcceptRequest): Promise<AcceptedItem[]> {
    failPoint("accept.begin");
    const accepted = await journal.accept(request);
    failPoint("accept.stored");
    const started = new Set(accepted.flatMap((item) => item.runs));
    const runs = request.items.flatMap((item) => item.runs).filter((run) => started.has(run.id));
    if (runs.length > 0) queue.publish(runs.map((run) => ({ run: run.id, agent: run.agent, number: 0 })));
    failPoint("accept.published");
    return accepted;
  }

  const delivery = (source: Source, request: RawRequest, secretIndex: number | null) => ({
    id: ids("dlv"),
    source: source.name,
    receivedAt: request.receivedAt,
    remoteAddress: request.remoteAddress,
    secretIndex,
  });

  return {
    accept: (source, request, verified, items) => {
      const headers = headersOf(request, source.keptHeaders);
      return store({
        delivery: delivery(source, request, verified.secretIndex),
        ...signedPart(source, request),
        items: items.map((item) => acceptance(source.name, request.receivedAt, headers, item)),
      });
    },
    acceptExpansion: (source, items, cursor) =>
      store({
        delivery: null,
        items: items.map((item) => acceptance(source, clock.now(), {}, item)),
        cursor: { key: source, ...cursor },
      }),
    acceptHealed: (source, items, point) => {
      const receivedAt = clock.now();
      return store({
        delivery: { id: ids("dlv"), source, receivedAt, remoteAddress: healedAddress, secretIndex: null },
        newsOnly: true,
        items: items.map(({ item, headers }) =>
          acceptance(source, receivedAt, { ...headers, "signalbox-healed": "1" }, item),
        ),
        cursor: { key: `heal:${source}`, ...point },
      });
    },
    keepMalformed: (source, request, verified, reason) =>
      journal.keepMalformed({ ...delivery(source, request, verified.secretIndex), reason }, request.body),
    expansionOf,
    runsFor: (event, payload) => route(event, payload).matches.map(newRun),
  };
}

/** Headers that are kept with the event anyway are not kept twice. */
function signedPart({ evidence, keptHeaders }: Source, request: RawRequest): Pick<AcceptRequest, "signed"> {
  if (evidence === null) return {};
  const names = evidence.headers.filter((name) => !keptHeaders.includes(name));
  return {
    signed: {
      url: evidence.url ? request.url : null,
      headers: headersOf(request, names),
      body: request.body,
    },
  };
}

function headersOf(request: RawRequest, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
