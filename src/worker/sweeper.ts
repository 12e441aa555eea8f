/** Housekeeping on a timer: has the queue look for runs it may have missed, and notes that the service is up. */
import type { State } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { inRounds } from "../resilience/rounds.ts";
import type { Rounds } from "../resilience/rounds.ts";

export interface SweeperParts {
  readonly state: State;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
}

const everyMs = 10_000;
/** A flush for nothing else each time: often enough to know to the minute since when the service was down. */
const aliveEveryMs = 60_000;

export function startSweeper(parts: SweeperParts): Rounds {
  return inRounds(parts.clock, {
    first: 0,
    every: everyMs,
    round: () => sweep(parts),
    failed: (err) => parts.log.error({ err }, "the sweeper failed; it tries again"),
  });
}

async function sweep({ state, queue, clock }: SweeperParts): Promise<void> {
  failPoint("sweeper.publish");
  queue.publish([]);
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
