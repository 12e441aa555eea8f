/** The line from inbox to settled run, on a real SQLite journal, with agents and destinations that a test makes up. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { destinationNames } from "../../src/domain/action-kinds.ts";
import type { ActionKind, DestinationName } from "../../src/domain/action-kinds.ts";
import type { ActionRef } from "../../src/domain/action.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import type { ActionExecutor, Decider, Destination } from "../../src/domain/ports.ts";
import type { ReviewSettings } from "../../src/domain/review-notice.ts";
import type { Mode, RunStatus } from "../../src/domain/run.ts";
import type { Json } from "../../src/domain/json.ts";
import type { Source } from "../../src/domain/source.ts";
import { createAttempt } from "../../src/destinations/http.ts";
import { createInbox } from "../../src/inbox/accept.ts";
import { compileRoute } from "../../src/inbox/routing.ts";
import type { RouteOptions } from "../../src/inbox/routing.ts";
import type { JournalParts } from "../../src/journal/journal.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { createEmbeddedQueue } from "../../src/queue/embedded.ts";
import { defaultBreaker } from "../../src/resilience/breaker.ts";
import { createGuard } from "../../src/resilience/guard.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { createTurns } from "../../src/resilience/turns.ts";
import type { Rate } from "../../src/resilience/rate.ts";
import { createReview } from "../../src/worker/review.ts";
import { isFree, wake } from "../../src/worker/waking.ts";
import { createWorker } from "../../src/worker/worker.ts";
import { manualClock } from "./clock.ts";
import type { ManualClock } from "./clock.ts";

export interface LineOptions {
  readonly agent: AgentDefinition;
  readonly mode?: Mode;
  /** Of the route as it is now; null: it is gone. As when the run was made, where it is left out. */
  readonly modeToday?: Mode | null;
  readonly concurrency?: RouteOptions["concurrency"];
  readonly executors?: Partial<Record<ActionKind, ActionExecutor>>;
  readonly unconfigured?: readonly DestinationName[];
  readonly reads?: Partial<Record<DestinationName, object>>;
  readonly decider?: Decider;
  readonly source?: Source;
  readonly parkForMs?: number;
  /** Instead of a SQLite journal in a folder of its own. */
  readonly store?: JournalParts;
  /** Limits the journal's file, as a full disk does. */
  readonly maxPages?: number;
  readonly actionsPerHour?: number;
  /** Runs at the same time; 4, where it is left out. */
  readonly hands?: number;
  readonly reviews?: Partial<ReviewSettings>;
  readonly rates?: Partial<Record<DestinationName, readonly Rate[]>>;
}

/** Stands for a vendor: remembers what took effect, by key. */
export function recordingExecutor(
  over: Partial<ActionExecutor> & {
    readonly before?: (attempt: number, key: string) => void;
    readonly after?: (attempt: number) => void;
  } = {},
): ActionExecutor & { readonly effects: string[]; readonly attempts: () => number } {
  const effects: string[] = [];
  let attempts = 0;
  const { before, after, ...rest } = over;
  return {
    repeat: "lookup",
    settleMs: 0,
    lookup: async (_input, key) => (effects.includes(key) ? { id: `found-${key}` } : null),
    execute: async (_input, key): Promise<ActionRef> => {
      attempts += 1;
      before?.(attempts, key);
      effects.push(key);
      after?.(attempts);
      return { id: `made-${attempts}`, code: "CODE" };
    },
    ...rest,
    effects,
    attempts: () => attempts,
  };
}

const rulesOnly: Decider = {
  decide: async (request) => ({
    decision: request.rules() as Json,
    decidedBy: "rules",
    why: "test",
    prompt: null,
    usage: null,
  }),
};

export function openLine(options: LineOptions, clock: ManualClock = manualClock(), folder?: string) {
  const at = folder ?? mkdtempSync(join(tmpdir(), "signalbox-line-"));
  const store =
    options.store ??
    openSqliteJournal({
      folder: at,
      clock,
      ...(options.maxPages === undefined ? {} : { maxPages: options.maxPages }),
    });
  const ids = createIds(clock);
  const metrics = createMetrics();
  const queue = createEmbeddedQueue(store.journal, clock, silentLog);
  const route = compileRoute({
    name: "all",
    source: options.source?.name ?? "github",
    events: ["*"],
    agent: options.agent.name,
    mode: options.mode ?? "auto",
    enabled: true,
    concurrency: options.concurrency,
  });
  const inbox = createInbox({
    journal: store.journal,
    queue,
    table: () => ({ routes: [route], configHash: "config", promptHash: () => "prompt" }),
    clock,
    ids,
    log: silentLog,
  });
  const turns = createTurns({
    state: store.state,
    clock,
    ratesOf: (service) => (options.rates as Record<string, readonly Rate[]>)?.[service] ?? [],
  });
  const guard = createGuard({
    state: store.state,
    clock,
    settings: () => defaultBreaker,
    onChange: (change) => {
      if (isFree(change)) void wake({ ...store, turns }, change.service);
    },
  });
  const destinations = Object.fromEntries(
    destinationNames.map((name): [DestinationName, Destination] => {
      const attempt = createAttempt(
        name,
        { clock, turns },
        { secrets: [], read: () => null, counted: "all" },
      );
      const actions = Object.entries(options.executors ?? {})
        .filter(([kind]) => kind.startsWith(`${name}.`))
        .map(([kind, executor]): [string, ActionExecutor] => [
          kind,
          {
            ...executor,
            execute: (input, key, call) => attempt(call, "write", () => executor.execute(input, key, call)),
          },
        ]);
      const reads = options.reads?.[name];
      return [
        name,
        {
          name,
          configured: !options.unconfigured?.includes(name),
          actions: Object.fromEntries(actions),
          ...(reads ? { reads: () => reads as never } : {}),
        },
      ];
    }),
  ) as Record<DestinationName, Destination>;
  const dead: string[] = [];
  const capped: string[] = [];
  const renewed: string[] = [];
  const worker = createWorker({
    ...store,
    queue,
    inbox,
    guard,
    turns,
    clock,
    ids,
    log: silentLog,
    metrics,
    destinations,
    decider: options.decider ?? rulesOnly,
    sources: () => new Map(options.source ? [[options.source.name, options.source]] : []),
    renewWatch: async (source) => void renewed.push(source),
    table: () => ({
      agents: new Map([[options.agent.name, { agent: options.agent, policy: {} }]]),
      modeOf: () => (options.modeToday === undefined ? (options.mode ?? "auto") : options.modeToday),
      parkForMs: options.parkForMs ?? 86_400_000,
      actionsPerHour: () => options.actionsPerHour ?? 1_000_000,
      reviews: { to: () => ["auto"], places: [], adminUrl: null, slack: null, ...options.reviews },
    }),
    onDead: (run) => dead.push(run),
    onCapped: (agent, limit) => capped.push(`${agent} ${limit}`),
    owner: "test",
  });
  const source: Source = options.source ?? {
    name: "github",
    type: "github",
    active: true,
    maxBodyBytes: 1_000,
    keptHeaders: [],
    evidence: null,
    verify: () => ({ secretIndex: 0 }),
    identify: () => [],
  };
  return {
    ...store,
    clock,
    folder: at,
    guard,
    turns,
    queue,
    inbox,
    metrics,
    dead,
    capped,
    renewed,
    review: createReview(store.journal, store.reads, queue, () => ({
      agents: new Map([[options.agent.name, { agent: options.agent, policy: {} }]]),
    })),
    start: () => worker.start({ total: options.hands ?? 4, perAgent: options.hands ?? 4 }),
    /** Receives an event and resolves to the id of the run it started. */
    async receive(
      payload: Json = {},
      over: { type?: string; id?: string; occurredAt?: number } = {},
    ): Promise<string> {
      const body = Buffer.from(JSON.stringify(payload));
      const id = over.id ?? ids("evt");
      const request = {
        method: "POST",
        url: "/",
        query: new URLSearchParams(),
        headers: {},
        body,
        remoteAddress: "127.0.0.1",
        receivedAt: clock.now(),
      };
      const [item] = await inbox.accept(source, request, { secretIndex: 0 }, [
        {
          providerId: id,
          type: over.type ?? "pull_request.opened",
          occurredAt: over.occurredAt ?? null,
          dedupeKeys: [`id:${id}`],
          body,
          payload,
          ...(options.source?.expand ? { notification: { mailbox: "m" } } : {}),
        },
      ]);
      return item?.runs[0] ?? "";
    },
    /** Moves time on until the run is in one of the states; fails after two days of it. */
    async until(run: string, ...statuses: RunStatus[]) {
      for (let step = 0; step < 2_000; step += 1) {
        const found = await store.reads.run(run);
        if (found && statuses.includes(found.run.status)) return found;
        await clock.advance(step < 200 ? 250 : 60_000);
      }
      throw new Error(`run ${run} never became ${statuses.join(" or ")}`);
    },
    async close(keep = false) {
      await worker.stop(0);
      await store.journal.close();
      if (!keep) rmSync(at, { recursive: true, force: true });
    },
  };
}

export type Line = ReturnType<typeof openLine>;
