/** A service that is free again is told to those that wait for it: they come one after another, at the rate it takes. */
import type { Journal } from "../domain/ports.ts";
import type { GuardChange } from "../resilience/guard.ts";
import type { Turns } from "../resilience/turns.ts";

export interface WakingParts {
  readonly journal: Pick<Journal, "wakeParked">;
  readonly turns: Pick<Turns, "after">;
}

/** So that one that has just recovered is not knocked over. */
const closestMs = 100;

/** Resolves to how many waited. */
export const wake = ({ journal, turns }: WakingParts, service: string): Promise<number> =>
  journal.wakeParked(service, Math.max(closestMs, turns.after(service, 1)));

/** Whether a change says that a service is free again; what a person resumes is woken by who resumes it. */
export const isFree = ({ state, by }: GuardChange): boolean =>
  state === "closed" || (state === "resumed" && by === "refusal");
