/** An attempt at a run that did not end it well: what a person needs to know before it is tried again. */

/** The verdicts that are no success, and `lost` for a worker that ended, or lost its lease, before it said anything. */
export const attemptEnds = [
  "retryAt",
  "parkUntil",
  "awaitReview",
  "rejected",
  "cancelled",
  "dead",
  "lost",
] as const;
export type AttemptEnd = (typeof attemptEnds)[number];

export interface Attempt {
  /** Of the first attempt that this record stands for: 1 is the run's first. */
  readonly number: number;
  /** How many attempts in a row ended exactly like this one: a run that waits for a service comes back for hours. */
  readonly times: number;
  /** Of the first of them; milliseconds since the epoch. */
  readonly startedAt: number;
  /** Of the last of them. */
  readonly endedAt: number;
  readonly end: AttemptEnd;
  /** The step or the action it was at: `gather`, `decide`, an action's name; null before the first. */
  readonly at: string | null;
  /** Whose fault it was, where it was a service's. */
  readonly service: string | null;
  /** Redacted. */
  readonly error: string;
  /** Whether it counted among the attempts that a run has. */
  readonly counted: boolean;
}

/** What the worker knows of an attempt beside its verdict. */
export interface AttemptPlace {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly at: string | null;
}
