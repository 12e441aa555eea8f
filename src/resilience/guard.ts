/**
 * Stands before every call to a service. Two things can close it:
 *
 * breaker  the service fails (5xx, time-outs): the state machine of breaker.ts, kept in the journal.
 * pause    our credentials are refused (401, 402, 403), or a person paused it. A pause after a refusal is tried again
 *          after a while, longer each time; a person's pause lasts until it is taken back.
 */
import { ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { Json } from "../domain/json.ts";
import type { ServiceGuard, State } from "../domain/ports.ts";
import { admit, closedBreaker, report } from "./breaker.ts";
import type { Breaker, BreakerSettings, CallResult } from "./breaker.ts";
import type { Clock } from "./clock.ts";
import { failPoint } from "./fail-points.ts";

export type Pause = {
  readonly by: "refusal" | "person";
  readonly reason: string;
  readonly times: number;
  readonly until: number | null;
};

export interface BreakerView {
  readonly service: string;
  readonly state: Breaker["state"];
  readonly failures: number;
  readonly openUntil: number | null;
  readonly reason: string | null;
  readonly paused: Pause | null;
}

export interface GuardParts {
  readonly state: State;
  readonly clock: Clock;
  readonly settings: () => BreakerSettings;
  /** Told of every change of a breaker's state, and of every pause: for metrics, log and alerts. */
  readonly onChange: (change: {
    service: string;
    state: Breaker["state"] | "paused";
    reason: string | null;
  }) => void;
}

export interface Guard extends ServiceGuard {
  list(): Promise<BreakerView[]>;
}

const refusalPauseMs = 300_000;
const longestRefusalPauseMs = 3_600_000;
/** A person's pause has no end of its own; those who wait look again after this. */
const personPauseRecheckMs = 60_000;

export function createGuard({ state, clock, settings, onChange }: GuardParts): Guard {
  /** Applies a pure change to the stored breaker until no one else was faster. Returns what it was before. */
  async function change(service: string, next: (breaker: Breaker) => Breaker): Promise<Breaker> {
    for (;;) {
      const stored = await state.get("breaker", service);
      const before = stored ? (stored.value as Breaker) : closedBreaker;
      const after = next(before);
      if (after === before) return before;
      if (!(await state.put("breaker", service, after as unknown as Json, stored?.version ?? 0))) continue;
      failPoint("breaker.changed");
      if (after.state !== before.state) onChange({ service, state: after.state, reason: after.reason });
      return before;
    }
  }

  async function pauseOf(service: string): Promise<Pause | null> {
    const stored = await state.get("pause", service);
    return (stored?.value ?? null) as Pause | null;
  }

  async function setPause(service: string, next: (before: Pause | null) => Pause | null): Promise<void> {
    for (;;) {
      const stored = await state.get("pause", service);
      const value = next((stored?.value ?? null) as Pause | null);
      if (await state.put("pause", service, value as Json, stored?.version ?? 0)) return;
    }
  }

  async function paused(service: string): Promise<{ until: number; reason: string } | null> {
    const pause = await pauseOf(service);
    if (!pause) return null;
    const until = pause.until ?? clock.now() + personPauseRecheckMs;
    return until > clock.now() ? { until, reason: pause.reason } : null;
  }

  /** Becomes the probe when the open time is over; throws ServiceClosed when there is no way. */
  async function enter(service: string): Promise<"call" | "probe"> {
    const pause = await paused(service);
    if (pause) throw new ServiceClosed(service, pause.until, pause.reason);
    let closedUntil: number | null = null;
    let probe = false;
    const before = await change(service, (breaker) => {
      const admission = admit(breaker, clock.now(), settings());
      closedUntil = admission.allowed ? null : admission.until;
      probe = admission.allowed && admission.next !== breaker;
      return admission.allowed ? admission.next : breaker;
    });
    if (closedUntil !== null)
      throw new ServiceClosed(service, closedUntil, `its breaker is open: ${before.reason ?? ""}`);
    return probe ? "probe" : "call";
  }

  async function leave(
    service: string,
    as: "call" | "probe",
    result: CallResult,
    reason: string,
  ): Promise<void> {
    await change(service, (breaker) => {
      // A call from before the breaker opened says nothing about the probe that is under way now.
      const mine = as === "probe" ? breaker.state === "half-open" : breaker.state === "closed";
      return mine ? report(breaker, result, clock.now(), settings(), reason) : breaker;
    });
  }

  async function refused(service: string, error: ServiceError): Promise<void> {
    await setPause(service, (before) => {
      const times = (before?.by === "refusal" ? before.times : 0) + 1;
      const lasts = Math.min(refusalPauseMs * 2 ** (times - 1), longestRefusalPauseMs);
      return {
        by: "refusal",
        reason: `it refuses our credentials (${error.message})`,
        times,
        until: clock.now() + lasts,
      };
    });
    onChange({ service, state: "paused", reason: error.message });
  }

  return {
    async call(service, fn) {
      const as = await enter(service);
      try {
        const value = await fn();
        await leave(service, as, "success", "");
        if (await pauseOf(service))
          await setPause(service, (before) => (before?.by === "refusal" ? null : before));
        return value;
      } catch (error) {
        const failed =
          error instanceof ServiceError && (error.kind === "unavailable" || error.kind === "timeout");
        await leave(
          service,
          as,
          failed ? "failure" : "neutral",
          error instanceof Error ? error.message : String(error),
        );
        if (error instanceof ServiceError && error.kind === "unauthorized") await refused(service, error);
        throw error;
      }
    },

    async closed(service) {
      const pause = await paused(service);
      if (pause) return pause;
      const stored = await state.get("breaker", service);
      const breaker = stored ? (stored.value as Breaker) : closedBreaker;
      const admission = admit(breaker, clock.now(), settings());
      return admission.allowed
        ? null
        : { until: admission.until, reason: `its breaker is open: ${breaker.reason ?? ""}` };
    },

    async list() {
      const breakers = new Map((await state.list("breaker")).map((row) => [row.key, row.value as Breaker]));
      const pauses = new Map((await state.list("pause")).map((row) => [row.key, row.value as Pause | null]));
      return [...new Set([...breakers.keys(), ...pauses.keys()])].sort().map((service): BreakerView => {
        const breaker = breakers.get(service) ?? closedBreaker;
        return {
          service,
          state: breaker.state,
          failures: breaker.state === "closed" ? breaker.failures : settings().failures,
          openUntil: breaker.state === "open" ? breaker.until : null,
          reason: breaker.reason,
          paused: pauses.get(service) ?? null,
        };
      });
    },
  };
}
