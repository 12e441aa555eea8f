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

/** Keeps them up to date until `stop`. */
export function keepGauges({ store, guard, metrics, clock, log }: Ground): Rounds {
  let failing = false;
  return inRounds(clock, {
    first: 0,
    every: everyMs,
    async round() {
      const { runs, deadLetters, reviews } = await store.reads.backlog();
      for (const status of openStatuses) metrics.queueDepth.set({ state: status }, runs[status]);
      metrics.deadLetters.set(deadLetters);
      metrics.reviewsPending.set(reviews);
      await showBreakers(guard, metrics);
      failing = false;
    },
    failed(err) {
      if (!failing) log.warn({ err }, "the backlog could not be counted; it is tried again");
      failing = true;
    },
  });
}
