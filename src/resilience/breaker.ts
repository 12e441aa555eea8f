/**
 * The breaker of one service, as a pure state machine: (state, what happened, now) → state. The journal keeps the
 * state by compare-and-set, so that a fleet has one breaker and one probe, and a restart forgets nothing.
 *
 * closed     calls pass. `failures` in a row reach the limit → open.
 * open       no calls until `until`. Then one caller may become the probe → half-open.
 * half-open  one probe is under way; everyone else is refused. It succeeds → closed; fails → open, for longer.
 *            A probe that never reports (its process died) is given up after `probeMs`, and another may try.
 *
 * Answers that say nothing about the service's health (4xx, rate limits, aborts by us) neither open nor close it:
 * a probe that ends so gives its turn back.
 */
export type Breaker =
  | {
      readonly state: "closed";
      readonly failures: number;
      readonly reason: string | null;
    }
  | {
      readonly state: "open";
      readonly until: number;
      readonly opened: number;
      readonly reason: string;
    }
  | {
      readonly state: "half-open";
      readonly probeUntil: number;
      readonly opened: number;
      readonly reason: string;
    };

export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long it stays open the first time; doubled with each failed probe. */
  readonly openForMs: number;
  readonly maxOpenForMs: number;
  readonly probeMs: number;
}

export const defaultBreaker: BreakerSettings = {
  failures: 5,
  openForMs: 30_000,
  maxOpenForMs: 300_000,
  probeMs: 120_000,
};

export const closedBreaker: Breaker = {
  state: "closed",
  failures: 0,
  reason: null,
};

/** Whether a call may be made now; `next` differs from the given state when the caller becomes the probe. */
export function admit(
  breaker: Breaker,
  now: number,
  settings: BreakerSettings,
): { readonly allowed: true; readonly next: Breaker } | { readonly allowed: false; readonly until: number } {
  switch (breaker.state) {
    case "closed":
      return { allowed: true, next: breaker };
    case "open":
      if (now < breaker.until) return { allowed: false, until: breaker.until };
      return { allowed: true, next: probing(breaker, now, settings) };
    case "half-open":
      if (now < breaker.probeUntil)
        return {
          allowed: false,
          until: Math.min(breaker.probeUntil, now + 1_000),
        };
      return { allowed: true, next: probing(breaker, now, settings) };
  }
}

const probing = (
  from: { opened: number; reason: string },
  now: number,
  settings: BreakerSettings,
): Breaker => ({
  state: "half-open",
  probeUntil: now + settings.probeMs,
  opened: from.opened,
  reason: from.reason,
});

export type CallResult = "success" | "failure" | "neutral";

/** The state after an admitted call ended. `reason` says what failed, in words for people. */
export function report(
  breaker: Breaker,
  result: CallResult,
  now: number,
  settings: BreakerSettings,
  reason: string,
): Breaker {
  switch (breaker.state) {
    case "closed": {
      if (result === "neutral") return breaker;
      if (result === "success") return breaker.failures === 0 ? breaker : closedBreaker;
      const failures = breaker.failures + 1;
      if (failures < settings.failures) return { state: "closed", failures, reason };
      return {
        state: "open",
        until: now + settings.openForMs,
        opened: 1,
        reason,
      };
    }
    case "half-open": {
      if (result === "success") return closedBreaker;
      if (result === "neutral")
        return {
          state: "open",
          until: now,
          opened: breaker.opened,
          reason: breaker.reason,
        };
      const openFor = Math.min(settings.openForMs * 2 ** breaker.opened, settings.maxOpenForMs);
      return {
        state: "open",
        until: now + openFor,
        opened: breaker.opened + 1,
        reason,
      };
    }
    case "open":
      // A call that was under way when it opened: its failure is known already, its success proves too little.
      return breaker;
  }
}
