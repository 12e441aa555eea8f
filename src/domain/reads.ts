/** What the dashboard, the CLI and the duties of the service read of the journal. */
import type { ActionKind } from "./action-kinds.ts";
import type { Action, ActionStatus } from "./action.ts";
import type { Attempt } from "./attempt.ts";
import type { AuditQuery, AuditRecord } from "./audit.ts";
import type { Delivery, EventStatus, StoredEvent, Unreadable } from "./event.ts";
import type { DecidedBy, openStatuses, Run, RunStatus } from "./run.ts";
import type { StepRecord } from "./step.ts";

export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}
export interface ListQuery {
  readonly limit: number;
  readonly cursor?: string;
  readonly source?: string;
  readonly type?: string;
  readonly agent?: string;
  readonly status?: string;
  readonly run?: string;
  readonly event?: string;
  /** Runs that are dead letters: dead, not discarded, not run again. */
  readonly deadLetters?: boolean;
  /** Runs whose reason has this text in it, in capitals or not. */
  readonly cause?: string;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly until?: number;
}
export interface EventSummary extends Omit<StoredEvent, "body"> {
  readonly runs: {
    readonly id: string;
    readonly agent: string;
    readonly status: RunStatus;
  }[];
}
export interface Overview {
  readonly events: Readonly<Record<EventStatus, number>>;
  readonly runs: Readonly<Record<RunStatus, number>>;
  readonly actions: Readonly<Record<ActionStatus, number>>;
  readonly decided: Readonly<Record<DecidedBy, number>>;
  readonly deadLetters: number;
  /** When the run that could have been claimed longest became due; null when none can. */
  readonly oldestDueAt: number | null;
}
/** What is still to be done: few rows, however many events were ever received. */
export interface Backlog {
  readonly runs: Readonly<Record<(typeof openStatuses)[number], number>>;
  readonly deadLetters: number;
  /** Actions that wait for a person. */
  readonly reviews: number;
  readonly oldestDueAt: number | null;
}
export interface SourceActivity {
  readonly source: string;
  readonly events: number;
  readonly lastEventAt: number | null;
  /** Which secret signed its latest delivery that was signed with one (0 = first), and when; null before the first. */
  readonly lastSecret: { readonly index: number; readonly at: number } | null;
  readonly unreadable: Unreadable | null;
}

export interface RunRecord {
  readonly run: Run;
  readonly steps: StepRecord[];
  readonly actions: Action[];
  /** Attempts that did not end well, oldest first. */
  readonly attempts: Attempt[];
}

/** What the latest run of an event that says so came to: the best guess at what another one will. */
export interface PastCost {
  readonly event: string;
  readonly agent: string;
  /** Of its model calls in US dollars; null when it made none, or their price is not known. */
  readonly costUsd: number | null;
  readonly actions: Partial<Readonly<Record<ActionKind, number>>>;
}

/** Read-only; lists are newest first, and a cursor stays right while new rows come in. */
export interface Reads {
  events(query: ListQuery): Promise<Page<EventSummary>>;
  event(id: string): Promise<(StoredEvent & { deliveries: Delivery[]; runs: Run[] }) | null>;
  runs(query: ListQuery): Promise<Page<Run>>;
  run(id: string): Promise<RunRecord | null>;
  actions(query: ListQuery): Promise<Page<Action>>;
  action(id: string): Promise<Action | null>;
  overview(): Promise<Overview>;
  /** The part of the overview that may be asked for all the time. */
  backlog(): Promise<Backlog>;
  sourceActivity(): Promise<SourceActivity[]>;
  /** By event and agent, for events that had runs. */
  pastCosts(events: readonly string[]): Promise<PastCost[]>;
  audit(query: AuditQuery): Promise<Page<AuditRecord>>;
}
