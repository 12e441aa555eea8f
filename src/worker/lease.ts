/**
 * Holds a run's lease while it is worked on.
 *
 * held     extended every `heartbeatMs`; each success moves the end of the lease.
 * failing  an extension did not get through (the journal can't be written to): asked again, soon.
 * lost     another worker has the run, or what is left of the lease fell under `marginMs`: the signal aborts, and with
 *          it every request that is under way. So a request never outlives the lease that it was made under.
 * stopped  the run was put down.
 *
 * Times are counted from before the journal was asked, and only as durations: the clocks need not agree.
 */
import { LeaseLost } from "../domain/errors.ts";
import type { ClaimKey, Journal } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";

/** A crashed worker's run can be claimed by another after this. */
export const leaseMs = 9_000;
const heartbeatMs = 3_000;
const retryMs = 500;
/** Longer than a request takes to be torn down, with the clock's unevenness. */
const marginMs = 2_000;

export interface Lease {
  readonly signal: AbortSignal;
  stop(): void;
}

/** `since`: when the claim was asked for, which the journal answered with a lease of `leaseMs`. */
export function holdLease(
  journal: Pick<Journal, "extendLease">,
  clock: Clock,
  key: ClaimKey,
  since: number,
): Lease {
  const lost = new AbortController();
  let until = since + leaseMs;
  let stopped = false;
  let beating = clock.after(heartbeatMs, beat);
  let watching = clock.after(until - marginMs - clock.now(), watch);

  function beat(): void {
    void extend().then(again);
  }
  /** Ends with how long to wait for the next time. */
  async function extend(): Promise<number> {
    const asked = clock.now();
    try {
      await journal.extendLease(key, leaseMs);
      until = asked + leaseMs;
      return heartbeatMs;
    } catch (error) {
      if (error instanceof LeaseLost) lost.abort(error);
      return retryMs;
    }
  }
  function again(ms: number): void {
    if (!stopped && !lost.signal.aborted) beating = clock.after(ms, beat);
  }
  function watch(): void {
    if (stopped) return;
    const left = until - marginMs - clock.now();
    if (left <= 0) lost.abort(new LeaseLost(key.run));
    else watching = clock.after(left, watch);
  }

  return {
    signal: lost.signal,
    stop: () => {
      stopped = true;
      beating.cancel();
      watching.cancel();
    },
  };
}
