/** Housekeeping on a timer: tells the queue of runs it may have lost, keeps the gauges true, erases old content. */
import { openStatuses } from "../domain/run.ts";
import type { Journal, Queue, Reads } from "../domain/ports.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Clock } from "../resilience/clock.ts";

export interface SweeperParts {
  readonly journal: Journal;
  readonly reads: Reads;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly retentionMs: () => number;
}

const everyMs = 10_000;
const publishAtOnce = 500;
const eraseAtOnce = 200;

export function startSweeper(parts: SweeperParts): { stop(): Promise<void> } {
  let stopped = false;
  let sweeping: Promise<void> = Promise.resolve();
  let timer = parts.clock.after(0, tick);
  function tick(): void {
    sweeping = sweep(parts)
      .catch((error: unknown) => parts.log.error({ err: error }, "the sweeper failed; it tries again"))
      .finally(() => {
        if (!stopped) timer = parts.clock.after(everyMs, tick);
      });
  }
  return {
    stop: async () => {
      stopped = true;
      timer.cancel();
      await sweeping;
    },
  };
}

async function sweep({ journal, reads, queue, clock, metrics, retentionMs }: SweeperParts): Promise<void> {
  queue.publish(await journal.dueRuns(publishAtOnce));
  const { runs, dead, reviews } = await reads.backlog();
  for (const status of openStatuses) metrics.queueDepth.set({ state: status }, runs[status]);
  metrics.deadLetters.set(dead);
  metrics.reviewsPending.set(reviews);
  await journal.eraseContent(clock.now() - retentionMs(), eraseAtOnce);
}
