import type { Clock } from "../../src/resilience/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time on, firing what becomes due in order, and lets pending promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Timers that wait. */
  pending(): number;
}

/** Time that stands still until a test moves it. */
export function manualClock(start = Date.parse("2026-11-24T12:00:00Z")): ManualClock {
  let now = start;
  let timers: { at: number; fn: () => void }[] = [];
  // Group commit and sockets finish on the event loop, not on promises alone.
  const settle = async () => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + Math.max(0, ms), fn };
      timers.push(timer);
      return {
        cancel: () => {
          timers = timers.filter((other) => other !== timer);
        },
      };
    },
    pending: () => timers.length,
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((timer) => timer !== next);
        now = Math.max(now, next.at);
        next.fn();
        await settle();
      }
      now = end;
      await settle();
    },
  };
}
