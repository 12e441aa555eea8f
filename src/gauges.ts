/**
 * Gauges of what all processes share: what waits in the journal, and the breakers. Each process shows them, so that
 * whichever is asked tells the truth; over a fleet their maximum counts, not their sum.
 */
import { openStatuses } from "./domain/run.ts";
import { showBreakers } from "./guarding.ts";
import type { Ground } from "./parts.ts";
import { inRounds } from "./resilience/rounds.ts";
import type { Rounds } from "./resilience/rounds.ts";

const everyMs = 10_000;
/** How long whoever reads the metrics waits for a journal that does not answer; then they get what was counted last. */
const patienceMs = 2_000;

export interface Gauges extends Rounds {
  /** Counts now. Resolves when it is done, or could not be. */
  refresh(): Promise<void>;
}

/** Keeps them up to date until `stop`. */
export function keepGauges({ store, guard, metrics, clock, log }: Ground): Gauges {
  let failing = false;
  let counting: Promise<void> | null = null;
  const count = async (): Promise<void> => {
    const { runs, deadLetters, reviews } = await store.reads.backlog();
    for (const status of openStatuses) metrics.queueDepth.set({ state: status }, runs[status]);
    metrics.deadLetters.set(deadLetters);
    metrics.reviewsPending.set(reviews);
    await showBreakers(guard, metrics);
    failing = false;
  };
  // Whoever asks while it counts is told the same.
  const once = (): Promise<void> => (counting ??= count().finally(() => (counting = null)));
  const rounds = inRounds(clock, {
    first: 0,
    every: everyMs,
    round: once,
    failed(err) {
      if (!failing) log.warn({ err }, "the backlog could not be counted; it is tried again");
      failing = true;
    },
  });
  return {
    ...rounds,
    async refresh() {
      let giveUp = (): void => {};
      const late = clock.after(patienceMs, () => giveUp());
      try {
        await Promise.race([once(), new Promise<void>((resolve) => (giveUp = resolve))]);
      } catch {
        // The next round says so, once.
      } finally {
        late.cancel();
      }
    },
  };
}
