/**
 * Watches how often an agent's decisions fall to its rules because no model could be had.
 *
 * calm    a good part of the last hour's decisions were a model's, or there were few.
 * high    more than half of them, and at least ten, fell to the rules: told once. It is calm again when no more than a
 *         quarter do (or none was made for an hour), so that a rate around the limit is one alert and not one for every turn.
 *
 * Only decisions that a model was wanted for are counted: an agent that leaves most to its rules on purpose would
 * otherwise hide an outage. The hour is this process's own and begins anew with it.
 */
import type { Clock } from "../resilience/clock.ts";

const minuteMs = 60_000;
const minutes = 60;
const fewest = 10;
const highShare = 0.5;
const calmShare = 0.25;

interface Minute {
  readonly at: number;
  wanted: number;
  fell: number;
}

export interface FallbackWatch {
  /** A model was wanted for a decision of the agent; `fell` says that the rules had to make it. */
  decided(agent: string, fell: boolean): void;
}

export function createFallbackWatch(
  clock: Clock,
  onHigh: (agent: string, message: string) => void,
): FallbackWatch {
  const hours = new Map<string, { minutes: Minute[]; high: boolean }>();
  return {
    decided(agent, fell) {
      const at = Math.floor(clock.now() / minuteMs);
      const hour = hours.get(agent) ?? { minutes: [], high: false };
      hours.set(agent, hour);
      hour.minutes = hour.minutes.filter((minute) => minute.at > at - minutes);
      if (hour.minutes.length === 0) hour.high = false;
      let last = hour.minutes.at(-1);
      if (last?.at !== at) {
        last = { at, wanted: 0, fell: 0 };
        hour.minutes.push(last);
      }
      last.wanted += 1;
      if (fell) last.fell += 1;

      const wanted = hour.minutes.reduce((sum, minute) => sum + minute.wanted, 0);
      const fallen = hour.minutes.reduce((sum, minute) => sum + minute.fell, 0);
      if (fallen <= wanted * calmShare) hour.high = false;
      if (hour.high || fallen < fewest || fallen <= wanted * highShare) return;
      hour.high = true;
      onHigh(
        agent,
        `${fallen} of ${wanted} decisions of ${agent} in the last hour fell to its rules, because no model answered as it should`,
      );
    },
  };
}
