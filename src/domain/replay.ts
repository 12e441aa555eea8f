/** Which stored events are run again, and what is known of their bytes before they are. */
import type { RunStatus } from "./run.ts";

/** One event, that of one run (for its agent alone), or all that match. Times in milliseconds since the epoch. */
export interface ReplayFilter {
  readonly event?: string;
  readonly run?: string;
  readonly source?: string;
  readonly type?: string;
  readonly agent?: string;
  readonly status?: RunStatus;
  readonly since?: number;
  readonly until?: number;
}

export interface Replayed {
  /** Events that match. */
  readonly events: number;
  /** Runs that were, or in a dry run would be, started. */
  readonly count: number;
  readonly runs: readonly string[];
  /** Events whose signature was found right again. */
  readonly verified: number;
  /** Events that can't be verified again, counted by reason: they are run again all the same. */
  readonly unverified: readonly { readonly reason: string; readonly events: number }[];
  /** Events that are not run again, since they are not what was received. */
  readonly refused: readonly { readonly event: string; readonly reason: string }[];
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
