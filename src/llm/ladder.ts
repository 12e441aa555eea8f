/**
 * Whom to ask next, as a pure function of what was tried: the whole policy of failover in one place.
 *
 * Each model of the chain is asked once, and a second time only when that is likely to help:
 *   no connection, 5xx              after a short wait (its Retry-After, when that is at most five seconds)
 *   429 with a short Retry-After    after that wait; without one, or with a longer one, the next model is quicker
 *   an answer the schema refuses    at once, with the issues, so that the model can repair it
 * Everything else (time-out, refusal, cut answer, bad key, bad request, open breaker, a cap) leads to the next model, and
 * after the last one to the rules. When the caller's own time is over, nobody is asked any more.
 */
import type { FaultKind } from "../domain/errors.ts";

export type AttemptOutcome =
  | { readonly kind: "decided" }
  | {
      readonly kind: "mismatch";
      readonly text: string;
      readonly issues: readonly string[];
      readonly requestId: string | null;
    }
  | { readonly kind: "refusal" | "truncated"; readonly requestId: string | null }
  | {
      readonly kind: "failed";
      readonly fault: FaultKind;
      readonly status: number | null;
      readonly retryAfterMs: number | null;
      /** The vendor's code and request id, what to look at: ServiceError's `hint`. */
      readonly hint: string | null;
    }
  /** Not called: its breaker is open, or it is paused, until then, in milliseconds since the epoch. */
  | { readonly kind: "closed"; readonly until: number; readonly why: string }
  /** Not called: it might have passed a cap. */
  | { readonly kind: "capped"; readonly why: string }
  /** Our own fault, such as a schema that can't be sent. */
  | { readonly kind: "broken" }
  /** The caller's signal aborted. */
  | { readonly kind: "aborted" };

export interface Attempt {
  /** The model's name under `models:`. */
  readonly model: string;
  readonly outcome: AttemptOutcome;
}

export type Move =
  | { readonly kind: "ask"; readonly model: string; readonly waitMs: number; readonly repair: Repair | null }
  | { readonly kind: "accept" }
  | { readonly kind: "rules" };

export interface Repair {
  /** The answer that the schema refused. */
  readonly text: string;
  readonly issues: readonly string[];
}

export const maxAttemptsPerModel = 2;
export const longestWaitMs = 5_000;

/**
 * `chain` holds each model once, in order of preference. `chance` in [0, 1) spreads the wait, so that the runs of one
 * outage do not come back all at once.
 */
export function nextMove(chain: readonly string[], attempts: readonly Attempt[], chance: number): Move {
  const last = attempts.at(-1);
  if (last === undefined) return ask(chain[0]);
  if (last.outcome.kind === "decided") return { kind: "accept" };
  if (last.outcome.kind === "aborted") return { kind: "rules" };
  const asked = attempts.filter((attempt) => attempt.model === last.model).length;
  if (asked < maxAttemptsPerModel) {
    if (last.outcome.kind === "mismatch") return ask(last.model, 0, last.outcome);
    const waitMs = worthRepeatingAfter(last.outcome, chance);
    if (waitMs !== null) return ask(last.model, waitMs);
  }
  return ask(chain[chain.indexOf(last.model) + 1]);
}

function ask(model: string | undefined, waitMs = 0, repair: Repair | null = null): Move {
  if (model === undefined) return { kind: "rules" };
  return {
    kind: "ask",
    model,
    waitMs,
    repair: repair === null ? null : { text: repair.text, issues: repair.issues },
  };
}

function worthRepeatingAfter(outcome: AttemptOutcome, chance: number): number | null {
  if (outcome.kind !== "failed") return null;
  if (outcome.fault !== "unavailable" && outcome.fault !== "rate-limited") return null;
  if (outcome.retryAfterMs !== null)
    return outcome.retryAfterMs <= longestWaitMs ? outcome.retryAfterMs : null;
  return outcome.fault === "unavailable" ? 500 + chance * 1_000 : null;
}

/**
 * Whether no model could be reached, as opposed to answering badly or costing too much: then another time may be better.
 * `attempts` are all that were made.
 */
export const isOutage = (attempts: readonly Attempt[]): boolean =>
  attempts.length > 0 &&
  attempts.every(
    ({ outcome }) =>
      outcome.kind === "closed" ||
      outcome.kind === "aborted" ||
      (outcome.kind === "failed" && outcome.fault !== "invalid"),
  );

/** A model of the chain, in the words for people. */
export type Labels = ReadonlyMap<string, { readonly label: string; readonly timeoutMs: number }>;

/** Why the attempts did not lead to a decision: their causes in order, nothing of what was sent or answered. */
export function explain(attempts: readonly Attempt[], labels: Labels): string {
  const causes: { text: string; times: number }[] = [];
  for (const { model, outcome } of attempts) {
    const named = labels.get(model);
    const text = cause(named?.label ?? model, outcome, named?.timeoutMs ?? null);
    const before = causes.at(-1);
    if (before?.text === text) before.times += 1;
    else causes.push({ text, times: 1 });
  }
  return causes.map(({ text, times }) => (times > 1 ? `${text} (${times} times)` : text)).join("; ");
}

function cause(label: string, outcome: AttemptOutcome, timeoutMs: number | null): string {
  switch (outcome.kind) {
    case "decided":
      return `${label} answered`;
    case "mismatch":
      return `${label} gave an answer that the schema refuses${request(outcome)}`;
    case "refusal":
      return `${label} refused to answer${request(outcome)}`;
    case "truncated":
      return `${label}'s answer was cut off at its limit of tokens${request(outcome)}`;
    case "closed":
      return `${label} is not asked until ${new Date(outcome.until).toISOString()} (${outcome.why})`;
    case "capped":
      return outcome.why;
    case "broken":
      return `${label} could not be asked because of a fault on our side`;
    case "aborted":
      return `the time for a decision ran out while ${label} was asked`;
    case "failed":
      return failure(label, outcome, timeoutMs);
  }
}

const request = ({ requestId }: { readonly requestId: string | null }): string =>
  requestId === null ? "" : ` (request ${requestId})`;

function failure(
  label: string,
  { fault, status, hint }: Extract<AttemptOutcome, { kind: "failed" }>,
  timeoutMs: number | null,
): string {
  const details = [status, hint].filter((part) => part !== null).join(", ");
  const answered = details === "" ? "" : ` (${details})`;
  switch (fault) {
    case "timeout":
      return `${label} did not answer in time${timeoutMs === null ? "" : ` (${timeoutMs / 1_000} s)`}`;
    case "unavailable":
      return `${label} was unavailable${answered}`;
    case "rate-limited":
      return `${label} was rate-limited${answered}`;
    case "unauthorized":
      return `${label} did not accept the API key or the account has no credit${answered}`;
    case "invalid":
      return `${label} rejected the request${answered}`;
  }
}
