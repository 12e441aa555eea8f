/**
 * A run is the work of one agent (or of the system) on one event.
 *
 *   queued ──claim──▶ running ──▶ succeeded | rejected | cancelled | dead         (final)
 *     ▲                 │ ├──▶ waiting (retry or park, with a reason and a time) ──claim──▶ running
 *     │                 │ └──▶ awaiting_review (a person) ──decided──▶ queued | rejected
 *     └── lease lost ───┘      (a crashed worker's run is claimed again with a higher fence)
 *
 * queued, waiting and awaiting_review runs can be cancelled (superseded, or by a person).
 * dead = in the dead-letter queue, until it is discarded or run again; it is replayed as a new run, never revived.
 */
export const runStatuses = [
  "queued",
  "running",
  "waiting",
  "awaiting_review",
  "succeeded",
  "rejected",
  "cancelled",
  "dead",
] as const;
export type RunStatus = (typeof runStatuses)[number];

/** Runs that something or someone still has to do with. */
export const openStatuses = ["queued", "running", "waiting", "awaiting_review"] as const;

const transitions: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  queued: ["running", "cancelled"],
  running: ["running", "queued", "waiting", "awaiting_review", "succeeded", "rejected", "cancelled", "dead"],
  waiting: ["running", "cancelled"],
  awaiting_review: ["queued", "rejected", "cancelled"],
  succeeded: [],
  rejected: [],
  cancelled: [],
  dead: [],
};

/** The states a run may be in for it to become `to`. The journal puts them into the WHERE of every update. */
export const statesBefore = (to: RunStatus): RunStatus[] =>
  runStatuses.filter((from) => transitions[from].includes(to));

export const isFinal = (status: RunStatus): boolean => transitions[status].length === 0;

/** auto: act. review: hold every action for a person. dry-run: record actions, never send. */
export const modes = ["auto", "review", "dry-run"] as const;
export type Mode = (typeof modes)[number];

/** dry-run is stricter than review, review than auto: a run takes the stricter of its pinned and its current mode. */
export const stricterMode = (a: Mode, b: Mode): Mode => (modes.indexOf(a) >= modes.indexOf(b) ? a : b);

/** Runs of the system carry one of these as their agent. The expansion of a notification into its items: */
export const expansionAgent = "expansion";
/** Tells people of another run's held actions: */
export const noticeAgent = "review-notice";
/** Carries out the press of a button on such a notice: */
export const pressAgent = "review-press";

export const systemAgents: readonly string[] = [expansionAgent, noticeAgent, pressAgent];

export const waitKinds = ["retry", "service", "person", "preconditions", "key", "turn"] as const;

export interface WaitingFor {
  /**
   * retry: the next attempt. service: a dependency (breaker open, 429, outage, credentials, a pause). person: a review.
   * key: another run that holds its concurrency key, or comes first. turn: a worker that is free.
   */
  readonly kind: (typeof waitKinds)[number];
  /** A sentence for people; names the service where there is one. */
  readonly reason: string;
  readonly service?: string;
  /** Milliseconds since the epoch; null while it waits for a person, a key or its turn. */
  readonly until: number | null;
}

/** How a dead run left the dead-letter queue. */
export interface Cleared {
  readonly at: number;
  /** Who discarded it, as in the audit; `replay` when it was run again. */
  readonly by: string;
  readonly reason: string;
}

/** Who made a run's decision; null until it is made. */
export type DecidedBy = "model" | "rules";

export interface Run {
  /** `run_` and a time-ordered UUID. */
  readonly id: string;
  readonly event: string;
  /** The route's name; null for a run of the system. */
  readonly route: string | null;
  readonly agent: string;
  /** The run whose held actions it tells of; null for all others. */
  readonly about: string | null;
  readonly mode: Mode;
  readonly status: RunStatus;
  readonly decidedBy: DecidedBy | null;
  /** Why a model or the rules decided, in one sentence. */
  readonly decidedWhy: string | null;
  /** Attempts that counted: parking counts none. */
  readonly attempts: number;
  /** Attempts in a row that failed because of one service; given back when its breaker opens. */
  readonly streak: { readonly service: string; readonly count: number } | null;
  readonly waitingFor: WaitingFor | null;
  /** Since when it has been parked without progress; a run parked too long dies. */
  readonly parkedSince: number | null;
  /** Why it ended as it did, for dead, cancelled and rejected runs. */
  readonly reason: string | null;
  /** Null while it is a dead letter, and for every run that is not dead. */
  readonly cleared: Cleared | null;
  readonly concurrency: { readonly key: string; readonly limit: number } | null;
  /** 0 for the run that routing started; replays count up. One run per (event, agent, generation). */
  readonly generation: number;
  readonly configHash: string;
  readonly promptHash: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}
