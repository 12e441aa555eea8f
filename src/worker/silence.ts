/** The alarm for a source that used to send and has fallen silent: whatever broke, nobody else would tell. */
import type { Reads, State } from "../domain/ports.ts";
import type { Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { inRounds } from "../resilience/rounds.ts";
import type { Rounds } from "../resilience/rounds.ts";

export interface SilenceParts {
  readonly reads: Pick<Reads, "events">;
  readonly state: State;
  readonly sources: () => ReadonlyMap<string, Source>;
  readonly clock: Clock;
  readonly log: Log;
  readonly onSilent: (source: string, message: string) => void;
}

const hourMs = 3_600_000;
const lookEveryMs = hourMs / 6;
/** Fewer say nothing about how often a source sends. */
const fewest = 10;
const remembered = 50;
const shortestSilenceMs = 24 * hourMs;
const patience = 3;

/**
 * How long a source has been silent, in milliseconds, if that is unusual for it; else null. Unusual is longer than three
 * times the longest pause between its last 50 events, and longer than a day: a quiet weekend is no alarm for a source
 * that has had one before. A source of fewer than 10 events is not judged.
 *
 * @param times when its last events were received, milliseconds since the epoch, in any order
 */
export function unusualSilence(times: readonly number[], now: number): number | null {
  if (times.length < fewest) return null;
  const newestFirst = times.toSorted((a, b) => b - a).slice(0, remembered);
  const pauses = newestFirst.slice(1).map((at, index) => (newestFirst[index] ?? at) - at);
  const silent = now - (newestFirst[0] ?? now);
  return silent > Math.max(shortestSilenceMs, patience * Math.max(...pauses)) ? silent : null;
}

/** Looks every ten minutes, the first time after ten: what was missed during a downtime comes in first. */
export function startSilenceAlarm(parts: SilenceParts): Rounds {
  return inRounds(parts.clock, {
    every: lookEveryMs,
    round: () => look(parts),
    failed: (err) => parts.log.warn({ err }, "silence of sources could not be judged"),
  });
}

/** Tells of each silence once, also over a restart. */
async function look({ reads, state, sources, clock, onSilent }: SilenceParts): Promise<void> {
  for (const { name, active } of sources().values()) {
    if (!active) continue;
    const { items } = await reads.events({ source: name, limit: remembered });
    const times = items.map((event) => event.receivedAt);
    const silent = unusualSilence(times, clock.now());
    if (silent === null) continue;
    const last = Math.max(...times);
    const told = await state.get("meta", `silence:${name}`);
    if (told?.value === last) continue;
    if (!(await state.put("meta", `silence:${name}`, last, told?.version ?? 0))) continue;
    const hours = Math.floor(silent / hourMs);
    onSilent(name, `${name} has sent nothing for ${hours} hours, longer than it ever paused lately`);
  }
}
