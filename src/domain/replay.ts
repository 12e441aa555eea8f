/** Which stored events are run again, what is known of their bytes before they are, and how a large replay gets on. */
import type { ActionKind } from "./action-kinds.ts";
import type { RunStatus } from "./run.ts";

/** One event, that of one run (for its agent alone), or all that match. Times in milliseconds since the epoch. */
export interface ReplayFilter {
  readonly event?: string;
  readonly run?: string;
  readonly source?: string;
  readonly type?: string;
  readonly agent?: string;
  readonly status?: RunStatus;
  /** Runs that are dead letters now: not those that were discarded or run again. */
  readonly deadLetters?: boolean;
  /** Runs whose reason has this text in it. */
  readonly cause?: string;
  readonly since?: number;
  readonly until?: number;
}

/** What the new runs may come to, by what the latest runs of the same events and agents came to. */
export interface ReplayCost {
  /**
   * Of their model calls in US dollars. Runs of which no earlier one says are taken for the average of the others; null
   * when none says.
   */
  readonly usd: number | null;
  /** How many of each kind they may take; those that took effect before are not repeated. */
  readonly actions: Partial<Readonly<Record<ActionKind, number>>>;
}

export interface Replayed {
  /** Events that match. */
  readonly events: number;
  /** Runs that were, are being, or in a dry run would be, started. */
  readonly count: number;
  /** None while a paced replay starts them. */
  readonly runs: readonly string[];
  readonly cost: ReplayCost;
  /** Events whose signature was found right again. */
  readonly verified: number;
  /** Events that can't be verified again, counted by reason: they are run again all the same. */
  readonly unverified: readonly { readonly reason: string; readonly events: number }[];
  /** Events that are not run again, since they are not what was received. */
  readonly refused: readonly { readonly event: string; readonly reason: string }[];
  /** The paced replay that starts them; null where all were started at once. */
  readonly replay: ReplayJob | null;
}

export const replayStatuses = ["running", "done", "cancelled"] as const;

/** A paced replay. */
export interface ReplayJob {
  /** `rpl_` and a time-ordered UUID. */
  readonly id: string;
  /** Its `until` is fixed at the start: what comes later does not belong to it. */
  readonly filter: ReplayFilter;
  readonly status: (typeof replayStatuses)[number];
  /** How many runs it starts in a minute, at most. */
  readonly perMinute: number;
  /** What was counted when it was asked for. */
  readonly expected: { readonly events: number; readonly runs: number };
  /** How many events it has dealt with, and how many runs it has started. */
  readonly events: number;
  readonly runs: number;
  /** Events that were not run again, since they are not what was received. */
  readonly refused: number;
  /** How whoever asked for it was known, as in the audit. */
  readonly by: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * What verifying a stored event again came to.
 *
 * verified    the stored bytes are those that were signed; `secretIndex` says under which secret of today (0 = first)
 * failed      the stored bytes are not those that were received
 * impossible  the bytes are those that were received, or erased, but there is nothing, or no secret any more, to check
 *             their signature with
 */
export type Verification =
  | { readonly result: "verified"; readonly secretIndex: number | null }
  | { readonly result: "failed" | "impossible"; readonly reason: string };
