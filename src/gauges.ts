/**
 * Gauges of what all processes share: what waits in the journal, and the breakers. Each process shows them, so that
 * whichever is asked tells the truth; over a fleet their maximum counts, not their sum.
 */
import { openStatuses } from "./domain/run.ts";
import { showBreakers } from "./guarding.ts";
import type { Ground } from "./parts.ts";

const everyMs = 10_000;

/** Keeps them up to date until `stop`. */
export function keepGauges({ store, guard, metrics, clock, log }: Ground): { stop(): Promise<void> } {
  let stopped = false;
  let looking: Promise<void> = Promise.resolve();
  let failing = false;
  let timer = clock.after(0, tick);

  async function look(): Promise<void> {
    const { runs, deadLetters, reviews } = await store.reads.backlog();
    for (const status of openStatuses) metrics.queueDepth.set({ state: status }, runs[status]);
    metrics.deadLetters.set(deadLetters);
    metrics.reviewsPending.set(reviews);
    await showBreakers(guard, metrics);
  }

  function tick(): void {
    looking = look()
      .then(
        () => false,
        (error: unknown) => {
          if (!failing) log.warn({ err: error }, "the backlog could not be counted; it is tried again");
          return true;
        },
      )
      .then((failed) => {
        failing = failed;
        if (!stopped) timer = clock.after(everyMs, tick);
        return undefined;
      });
  }

  return {
    async stop() {
      stopped = true;
      timer.cancel();
      await looking;
    },
  };
}
