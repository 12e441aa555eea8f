/** What becomes of a run whose attempt failed: pure, error × circumstances → verdict. */
import { EventFault, ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { ServiceGuard, Verdict } from "../domain/ports.ts";
import type { Run } from "../domain/run.ts";
import { redactText } from "../observability/redact.ts";
import { retryDelay } from "../resilience/retry.ts";
import type { Turns } from "../resilience/turns.ts";

export interface Circumstances {
  readonly run: Run;
  readonly now: number;
  /** How much later than the service it may come back: this run goes behind those that are parked already. */
  readonly rampMs: number;
  /** Set when the service of the error is closed by now (its breaker opened, or it was paused). */
  readonly closed: Awaited<ReturnType<ServiceGuard["closed"]>>;
  readonly parkForMs: number;
}

/** While a service is down, those that wait for it look in one after another, besides the one that is to be the next probe. */
const lookInMs = 2_000;
const longestRampMs = 1_800_000;
/** How long a rate limit is waited out when the vendor does not say. */
const rateLimitMs = 30_000;

/**
 * How far behind the others that are parked already a run comes. A service that is down wakes all of them as soon as it
 * is back (see waking.ts), so this only has to hold where nobody could tell them. Otherwise they come at its rate.
 */
export const rampFor = (
  turns: Pick<Turns, "after">,
  service: string,
  parked: number,
  isDown: boolean,
): number => Math.min(isDown ? parked * lookInMs : turns.after(service, parked), longestRampMs);

export function verdictFor(error: unknown, at: Circumstances): Verdict {
  if (error instanceof EventFault) return { kind: "dead", reason: redactText(error.message) };
  if (error instanceof ServiceClosed)
    return park(error.service, error.until, redactText(error.message), at, error.by);
  if (error instanceof ServiceError) return serviceVerdict(error, at);
  return retry(
    `our own fault: ${redactText(error instanceof Error ? error.message : String(error))}`,
    null,
    at,
  );
}

function serviceVerdict(error: ServiceError, at: Circumstances): Verdict {
  const reason = redactText(error.message);
  switch (error.kind) {
    case "invalid":
      return { kind: "dead", reason };
    case "rate-limited":
      return park(error.service, at.now + obeyed(error.retryAfterMs ?? rateLimitMs, at), reason, at);
    case "unauthorized":
      return park(error.service, at.closed?.until ?? at.now + rateLimitMs, reason, at, at.closed?.by);
    case "unavailable":
    case "timeout": {
      const asked = obeyed(error.retryAfterMs ?? 0, at);
      if (!at.closed) return retry(reason, error.service, at, asked);
      const { until, by } = at.closed;
      const why = `${error.service}: ${redactText(at.closed.reason)}`;
      return park(error.service, Math.max(until, at.now + asked), why, at, by);
    }
  }
}

/** What a vendor asks for, but no longer than a run may wait: then it is dead, and a person decides. */
const obeyed = (retryAfterMs: number, at: Circumstances): number => Math.min(retryAfterMs, at.parkForMs);

function park(
  service: string,
  until: number,
  reason: string,
  at: Circumstances,
  by: ServiceClosed["by"] = "service",
): Verdict {
  const since = at.run.parkedSince;
  if (by === "service" && since !== null && at.now - since >= at.parkForMs) {
    return {
      kind: "dead",
      reason: `parked for ${Math.round((at.now - since) / 60_000)} minutes without success: ${reason}`,
    };
  }
  const askAt = Math.max(until, at.now);
  return {
    kind: "parkUntil",
    until: askAt + at.rampMs,
    ...(by === "service" ? { askAt } : {}),
    reason,
    service,
    by,
    giveBack: at.closed?.by === "service" && at.run.streak?.service === service ? at.run.streak.count : 0,
  };
}

function retry(reason: string, service: string | null, at: Circumstances, askedMs = 0): Verdict {
  const delay = retryDelay(at.run.attempts + 1);
  if (delay === null) return { kind: "dead", reason: `failed ${at.run.attempts + 1} times: ${reason}` };
  return { kind: "retryAt", at: at.now + Math.max(delay, askedMs), reason, service };
}
