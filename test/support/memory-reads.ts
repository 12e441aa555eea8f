/** Reads and Changes over arrays, for what only looks: the admin port and the dashboard. */
import type { Action } from "../../src/domain/action.ts";
import { actionStatuses, heldStatuses } from "../../src/domain/action.ts";
import type { Attempt } from "../../src/domain/attempt.ts";
import type { Audit, AuditRecord } from "../../src/domain/audit.ts";
import type { Delivery, StoredEvent } from "../../src/domain/event.ts";
import type { Change, Changes, ListQuery, Page, Reads } from "../../src/domain/ports.ts";
import { openStatuses, runStatuses } from "../../src/domain/run.ts";
import type { Run } from "../../src/domain/run.ts";
import type { StepRecord } from "../../src/domain/step.ts";

export interface MemoryRows {
  readonly events: StoredEvent[];
  readonly deliveries: Delivery[];
  readonly runs: Run[];
  readonly steps: StepRecord[];
  readonly actions: Action[];
  /** By run. */
  readonly attempts: Map<string, Attempt[]>;
  readonly audit: AuditRecord[];
}

export interface MemoryJournal {
  readonly rows: MemoryRows;
  readonly reads: Reads;
  readonly changes: Changes;
  readonly audit: Audit;
  /** Listeners that are subscribed now. */
  listeners(): number;
  /** Stores a row, replacing the one with its id, and tells it. */
  putEvent(event: StoredEvent): void;
  putRun(run: Run): void;
  putAction(action: Action): void;
  tell(change: Change): void;
}

export const emptyRows = (): MemoryRows => ({
  events: [],
  deliveries: [],
  runs: [],
  steps: [],
  actions: [],
  attempts: new Map(),
  audit: [],
});

export function memoryJournal(rows: MemoryRows = emptyRows()): MemoryJournal {
  const listeners = new Set<(change: Change) => void>();
  const tell = (change: Change) => {
    for (const listener of listeners) listener(change);
  };
  const put = <T extends { id: string }>(list: T[], row: T) => {
    const at = list.findIndex(({ id }) => id === row.id);
    if (at < 0) list.push(row);
    else list[at] = row;
  };
  return {
    rows,
    reads: readsOf(rows),
    changes: {
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    audit: {
      async record(entry) {
        const number = rows.audit.length + 1;
        rows.audit.push({
          ...entry,
          id: `aud_${String(number).padStart(4, "0")}`,
          at: Date.parse("2026-11-24T12:00:00Z") + number,
        });
      },
    },
    listeners: () => listeners.size,
    putEvent(event) {
      put(rows.events, event);
      tell({ kind: "event", id: event.id });
    },
    putRun(run) {
      put(rows.runs, run);
      tell({ kind: "run", id: run.id });
    },
    putAction(action) {
      put(rows.actions, action);
      tell({ kind: "action", id: action.id });
    },
    tell,
  };
}

function page<T extends { id: string }>(
  all: readonly T[],
  query: ListQuery,
  at: (row: T) => number,
  fields: (row: T) => Partial<Record<"source" | "type" | "agent" | "status" | "run" | "event", string>>,
): Page<T> {
  const found = all
    .filter((row) => query.cursor === undefined || row.id < query.cursor)
    .filter((row) => query.since === undefined || at(row) >= query.since)
    .filter((row) => query.until === undefined || at(row) < query.until)
    .filter((row) =>
      Object.entries(fields(row)).every(([name, value]) => {
        const wanted = query[name as "source"];
        return wanted === undefined || wanted === value;
      }),
    )
    .sort((a, b) => (a.id < b.id ? 1 : -1));
  const items = found.slice(0, query.limit);
  return { items, next: found.length > query.limit ? (items.at(-1)?.id ?? null) : null };
}

const isDeadLetter = ({ status, cleared }: Run) => status === "dead" && cleared === null;

function readsOf(rows: MemoryRows): Reads {
  const runsOf = (event: string) => rows.runs.filter((run) => run.event === event);
  const eventOf = (run: Run) => rows.events.find(({ id }) => id === run.event);
  const count = <K extends string>(names: readonly K[], list: readonly { readonly status: K }[]) =>
    Object.fromEntries(
      names.map((name) => [name, list.filter(({ status }) => status === name).length]),
    ) as Record<K, number>;
  return {
    events: async (query) => {
      const fields = ({ source, type, status }: StoredEvent) => ({ source, type, status });
      const found = page(rows.events, query, (event) => event.receivedAt, fields);
      return { items: found.items.map((event) => ({ ...event, runs: runsOf(event.id) })), next: found.next };
    },
    event: async (id) => {
      const event = rows.events.find((row) => row.id === id);
      const deliveries = rows.deliveries.filter((delivery) => delivery.event === id);
      return event ? { ...event, deliveries, runs: runsOf(id) } : null;
    },
    runs: async (query) =>
      page(
        rows.runs.filter(
          (run) =>
            (query.deadLetters !== true || isDeadLetter(run)) &&
            (query.cause === undefined || (run.reason ?? "").includes(query.cause)),
        ),
        query,
        (run) => run.createdAt,
        (run) => {
          const event = eventOf(run);
          return {
            agent: run.agent,
            status: run.status,
            event: run.event,
            source: event?.source ?? "",
            type: event?.type ?? "",
          };
        },
      ),
    run: async (id) => {
      const run = rows.runs.find((row) => row.id === id);
      if (!run) return null;
      const steps = rows.steps.filter((step) => step.run === id);
      const actions = rows.actions.filter((action) => action.run === id);
      return { run, steps, actions, attempts: rows.attempts.get(id) ?? [] };
    },
    actions: async (query) => {
      const fields = ({ agent, status, run, kind }: Action) => ({ agent, status, run, type: kind });
      return page(rows.actions, query, (action) => action.createdAt, fields);
    },
    action: async (id) => rows.actions.find((row) => row.id === id) ?? null,
    overview: async () => ({
      events: count(["routed", "unrouted", "inactive"], rows.events),
      runs: count(runStatuses, rows.runs),
      actions: count(actionStatuses, rows.actions),
      decided: {
        model: rows.runs.filter(({ decidedBy }) => decidedBy === "model").length,
        rules: rows.runs.filter(({ decidedBy }) => decidedBy === "rules").length,
      },
      deadLetters: rows.runs.filter(isDeadLetter).length,
      oldestDueAt: null,
    }),
    backlog: async () => ({
      runs: count(openStatuses, rows.runs),
      deadLetters: rows.runs.filter(isDeadLetter).length,
      reviews: rows.actions.filter(({ status }) => heldStatuses.some((held) => held === status)).length,
      oldestDueAt: null,
    }),
    sourceActivity: async () => [],
    pastCosts: async () => [],
    audit: async ({ limit, cursor, by, deed, object }) => {
      const found = rows.audit
        .filter((one) => cursor === undefined || one.id < cursor)
        .filter((one) => (by ?? one.by) === one.by && (deed ?? one.deed) === one.deed)
        .filter((one) => object === undefined || one.object === object)
        .reverse();
      const items = found.slice(0, limit);
      return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null };
    },
  };
}
