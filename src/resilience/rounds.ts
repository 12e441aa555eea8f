/**
 * Work that is done again and again, one round at a time.
 *
 *   pausing ──the pause is over──▶ in a round ──it ended, well or not──▶ pausing
 *      └──────────── stop ───────────┴──▶ stopped, when the round that went on has ended
 */
import type { Clock } from "./clock.ts";

export interface Rounds {
  /** Aborts the round's signal and waits for its end. No round begins any more. */
  stop(): Promise<void>;
}

export interface RoundsOptions {
  /** Milliseconds before the first round; `every`. */
  readonly first?: number;
  /** Milliseconds from the end of a round to the next. */
  readonly every: number;
  /** May resolve to another pause before the next round, in milliseconds. The signal aborts when the service stops. */
  readonly round: (signal: AbortSignal) => Promise<number | void>;
  /** Told of a round that threw; the next one comes all the same. */
  readonly failed: (error: unknown) => void;
}

export function inRounds(clock: Clock, { first, every, round, failed }: RoundsOptions): Rounds {
  const over = new AbortController();
  let going: Promise<void> = Promise.resolve();
  let timer = clock.after(first ?? every, begin);

  function begin(): void {
    going = once();
  }
  async function once(): Promise<void> {
    let pause: number | void = undefined;
    try {
      pause = await round(over.signal);
    } catch (error) {
      failed(error);
    }
    if (!over.signal.aborted) timer = clock.after(pause ?? every, begin);
  }
  return {
    async stop() {
      over.abort(new Error("the service stops"));
      timer.cancel();
      await going;
    },
  };
}
