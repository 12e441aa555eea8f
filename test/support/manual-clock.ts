import type { Clock } from "../../src/resilience/clock.ts";

/** A clock that stands still until it is advanced; what became due is called in the order of its time. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  /** Timers that wait. */
  readonly pending: number;
}

export function manualClock(start = Date.UTC(2026, 10, 24, 12)): ManualClock {
  let now = start;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.push(timer);
      return {
        cancel() {
          timers = timers.filter((other) => other !== timer);
        },
      };
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const due = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        now = Math.max(now, due.at);
        due.fn();
      }
      now = until;
    },
    get pending() {
      return timers.length;
    },
  };
}
