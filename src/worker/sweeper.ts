/** Housekeeping on a timer: has the queue look for runs it may have missed, keeps the gauges true. */
import { openStatuses } from "../domain/run.ts";
import type { Reads, State } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";

export interface SweeperParts {
  readonly reads: Reads;
  readonly state: State;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const everyMs = 10_000;
/** A flush for nothing else each time: often enough to know to the minute since when the service was down. */
const aliveEveryMs = 60_000;

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

async function sweep({ reads, state, queue, clock, metrics }: SweeperParts): Promise<void> {
  failPoint("sweeper.publish");
  queue.publish([]);
  const { runs, deadLetters, reviews } = await reads.backlog();
  for (const status of openStatuses) metrics.queueDepth.set({ state: status }, runs[status]);
  metrics.deadLetters.set(deadLetters);
  metrics.reviewsPending.set(reviews);
  await stampAlive(state, clock.now());
}

/** When the service was last known to be up, in milliseconds since the epoch; null before its first start. */
export async function lastAlive(state: State): Promise<number | null> {
  const stamp = await state.get("meta", "alive");
  return typeof stamp?.value === "number" ? stamp.value : null;
}

async function stampAlive(state: State, now: number): Promise<void> {
  const stamp = await state.get("meta", "alive");
  if (typeof stamp?.value === "number" && now - stamp.value < aliveEveryMs) return;
  await state.put("meta", "alive", now, stamp?.version ?? 0);
}
