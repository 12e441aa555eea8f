/**
 * Stands before every call to a service. Two things can close it:
 *
 * breaker  the service fails (5xx, time-outs): the state machine of breaker.ts, kept in the journal.
 * pause    our credentials are refused (401, 402, 403), or a person paused it. A pause after a refusal is tried again
 *          after a while, longer each time; a person's pause lasts until it is taken back, whatever else happens.
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
  /** Since when. */
  readonly since: number;
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
  /** Services that are listed although nothing has moved their breakers yet. */
  readonly known?: () => readonly string[];
  readonly state: State;
  readonly clock: Clock;
  readonly settings: () => BreakerSettings;
  /** Told of every change of a breaker's state, and of every pause: for metrics, log and alerts. */
  readonly onChange: (change: GuardChange) => void;
}

export interface GuardChange {
  readonly service: string;
  readonly state: Breaker["state"] | "paused" | "resumed";
  readonly reason: string | null;
  /** Who paused or resumed it; refusal: the service, with what it answered. */
  readonly by?: Pause["by"];
}

export interface Guard extends ServiceGuard {
  list(): Promise<BreakerView[]>;
  /** By a person. Pausing it again replaces the reason. */
  pause(service: string, reason: string): Promise<void>;
  /** Ends a pause, a person's or one after a refusal. False when there was none. */
  resume(service: string): Promise<boolean>;
}

type Closed = NonNullable<Awaited<ReturnType<ServiceGuard["closed"]>>>;

interface Entry {
  readonly as: "call" | "probe";
  /** The pause, over by then, that the call is the trial of. */
  readonly trialOf: Pause | null;
}

/** Whether the pause is still the one that was there, over by then, when the call was let in. */
const isSame = (pause: Pause | null, trialOf: Pause | null): boolean =>
  pause?.by === "refusal" && pause.times === trialOf?.times;

const refusalPauseMs = 300_000;
const longestRefusalPauseMs = 3_600_000;
/** A person's pause has no end of its own. Resuming wakes those who wait; this is for one that was cut short. */
const personPauseRecheckMs = 900_000;

export function createGuard({ state, clock, settings, onChange, known = () => [] }: GuardParts): Guard {
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

  /** Returns what it was before. */
  async function setPause(
    service: string,
    next: (before: Pause | null) => Pause | null,
  ): Promise<Pause | null> {
    for (;;) {
      const stored = await state.get("pause", service);
      const before = (stored?.value ?? null) as Pause | null;
      const value = next(before);
      if (value === before) return before;
      if (await state.put("pause", service, value as Json, stored?.version ?? 0)) return before;
    }
  }

  function closedBy(pause: Pause): Closed | null {
    const until = pause.until ?? clock.now() + personPauseRecheckMs;
    if (until <= clock.now()) return null;
    return { until, reason: pause.reason, by: pause.by === "person" ? "ours" : "service" };
  }

  /** Becomes the probe when the open time is over; throws ServiceClosed when there is no way. */
  async function enter(service: string): Promise<Entry> {
    const pause = await pauseOf(service);
    const shut = pause && closedBy(pause);
    if (shut) throw new ServiceClosed(service, shut.until, shut.reason, shut.by);
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
    return { as: probe ? "probe" : "call", trialOf: pause };
  }

  async function leave(service: string, as: Entry["as"], result: CallResult, reason: string): Promise<void> {
    await change(service, (breaker) => {
      // A call from before the breaker opened says nothing about the probe that is under way now.
      const mine = as === "probe" ? breaker.state === "half-open" : breaker.state === "closed";
      return mine ? report(breaker, result, clock.now(), settings(), reason) : breaker;
    });
  }

  /** Of several calls that are refused together, one is the first, and the others say nothing new. */
  async function refused(service: string, error: ServiceError, trialOf: Pause | null): Promise<void> {
    const isKnown = (pause: Pause | null) => pause !== null && !isSame(pause, trialOf);
    const before = await setPause(service, (pause) => {
      if (isKnown(pause)) return pause;
      const times = (pause?.times ?? 0) + 1;
      const lasts = Math.min(refusalPauseMs * 2 ** (times - 1), longestRefusalPauseMs);
      return {
        by: "refusal",
        reason: `it refuses our credentials (${error.message})`,
        times,
        until: clock.now() + lasts,
        since: pause?.since ?? clock.now(),
      };
    });
    if (!isKnown(before)) onChange({ service, state: "paused", reason: error.message, by: "refusal" });
  }

  /** A call from before the refusal says nothing about it: only one that tried again after it ends the pause. */
  async function accepted(service: string, trialOf: Pause): Promise<void> {
    const before = await setPause(service, (pause) => (isSame(pause, trialOf) ? null : pause));
    if (isSame(before, trialOf)) onChange({ service, state: "resumed", reason: null, by: "refusal" });
  }

  return {
    async call(service, fn, signal) {
      const { as, trialOf } = await enter(service);
      try {
        const value = await fn();
        await leave(service, as, "success", "");
        if (trialOf) await accepted(service, trialOf);
        return value;
      } catch (error) {
        const failed =
          signal?.aborted !== true &&
          error instanceof ServiceError &&
          (error.kind === "unavailable" || error.kind === "timeout");
        await leave(
          service,
          as,
          failed ? "failure" : "neutral",
          error instanceof Error ? error.message : String(error),
        );
        if (error instanceof ServiceError && error.kind === "unauthorized")
          await refused(service, error, trialOf);
        throw error;
      }
    },

    async closed(service) {
      const pause = await pauseOf(service);
      const shut = pause && closedBy(pause);
      if (shut) return shut;
      const stored = await state.get("breaker", service);
      const breaker = stored ? (stored.value as Breaker) : closedBreaker;
      const admission = admit(breaker, clock.now(), settings());
      return admission.allowed
        ? null
        : {
            until: admission.until,
            reason: `its breaker is open: ${breaker.reason ?? ""}`,
            by: "service",
          };
    },

    async pause(service, reason) {
      await setPause(service, () => ({ by: "person", reason, times: 0, until: null, since: clock.now() }));
      onChange({ service, state: "paused", reason, by: "person" });
    },

    async resume(service) {
      const before = await setPause(service, () => null);
      if (before) onChange({ service, state: "resumed", reason: null, by: "person" });
      return before !== null;
    },

    async list() {
      const breakers = new Map((await state.list("breaker")).map((row) => [row.key, row.value as Breaker]));
      const pauses = new Map((await state.list("pause")).map((row) => [row.key, row.value as Pause | null]));
      // What is no service (`all`, an agent) is of interest while it is paused.
      const paused = [...pauses].flatMap(([name, pause]) =>
        pause || (name !== "all" && !name.startsWith("agent:")) ? [name] : [],
      );
      return [...new Set([...breakers.keys(), ...paused, ...known()])].sort().map((service): BreakerView => {
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
