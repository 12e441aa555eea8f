/**
 * Erases what is old: content after `events`, keys and what happened after `history`. A batch at a time with a pause
 * behind it, so that webhooks and runs are stored in between; as long as there is more, up to 800 events in a second.
 *
 * The keys are looked through in their order, all of them once a day.
 */
import type { Journal, KeyPlace } from "../domain/ports.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { inRounds } from "../resilience/rounds.ts";
import type { Rounds } from "../resilience/rounds.ts";

export interface RetentionParts {
  readonly journal: Pick<Journal, "eraseContent" | "eraseHistory" | "eraseKeys">;
  readonly clock: Clock;
  readonly log: Log;
  /** In milliseconds. */
  readonly keep: () => { readonly events: number; readonly history: number };
}

const batch = 200;
const keysAtOnce = 1_000;
const pauseMs = 250;
const restMs = 10_000;
const dayMs = 86_400_000;

interface KeySearch {
  after: KeyPlace | null;
  /** When the next one begins. */
  nextAt: number;
}

export function startRetention(parts: RetentionParts): Rounds {
  const keys: KeySearch = { after: null, nextAt: 0 };
  return inRounds(parts.clock, {
    first: 0,
    every: restMs,
    round: async () => ((await erase(parts, keys)) ? pauseMs : restMs),
    failed: (err) => parts.log.error({ err }, "old content could not be erased; it is tried again"),
  });
}

/** Whether there is more to do. */
async function erase({ journal, clock, keep }: RetentionParts, keys: KeySearch): Promise<boolean> {
  const now = clock.now();
  const { events, ...kept } = keep();
  // What can be run again has to be known for as long.
  const history = Math.max(kept.history, events);
  failPoint("retention.erase");
  const erased = await journal.eraseContent(now - events, batch);
  failPoint("retention.erased");
  const gone = await journal.eraseHistory(now - history, batch);
  if (now < keys.nextAt) return erased === batch || gone > 0;
  keys.after = await journal.eraseKeys(now - history, keysAtOnce, keys.after);
  if (keys.after === null) keys.nextAt = now + dayMs;
  return keys.after !== null || erased === batch || gone > 0;
}
