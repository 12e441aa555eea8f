/** What becomes of a run whose attempt failed: pure, error × circumstances → verdict. */
import { EventFault, ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { Verdict } from "../domain/ports.ts";
import type { Run } from "../domain/run.ts";
import { redactText } from "../observability/redact.ts";
import { retryDelay } from "../resilience/retry.ts";

export interface Circumstances {
  readonly run: Run;
  readonly now: number;
  /** How many runs are parked for the same service already: this one goes behind them. */
  readonly parked: number;
  /** Set when the service of the error is closed by now (its breaker opened, or it was paused). */
  readonly closed: { readonly until: number; readonly reason: string } | null;
  readonly parkForMs: number;
}

/** Parked runs come back one after another, so that a service that has just recovered is not knocked over. */
const rampStepMs = 200;
const rampMs = 60_000;
/** How long a rate limit is waited out when the vendor does not say. */
const rateLimitMs = 30_000;
/** What a service has to answer with before a parked run is given up on is the operator's to say; waits are bounded. */
const longestParkMs = 3_600_000;

export function verdictFor(error: unknown, at: Circumstances): Verdict {
  if (error instanceof EventFault) return { kind: "dead", reason: redactText(error.message) };
  if (error instanceof ServiceClosed) return park(error.service, error.until, redactText(error.message), at);
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
      return park(
        error.service,
        at.now + Math.min(error.retryAfterMs ?? rateLimitMs, longestParkMs),
        reason,
        at,
      );
    case "unauthorized":
      return park(error.service, at.closed?.until ?? at.now + rateLimitMs, reason, at);
    case "unavailable":
    case "timeout":
      return at.closed
        ? park(error.service, at.closed.until, `${error.service}: ${redactText(at.closed.reason)}`, at)
        : retry(reason, error.service, at);
  }
}

function park(service: string, until: number, reason: string, at: Circumstances): Verdict {
  const since = at.run.parkedSince;
  if (since !== null && at.now - since >= at.parkForMs) {
    return {
      kind: "dead",
      reason: `parked for ${Math.round((at.now - since) / 60_000)} minutes without success: ${reason}`,
    };
  }
  return {
    kind: "parkUntil",
    until: Math.max(until, at.now) + Math.min(at.parked * rampStepMs, rampMs),
    reason,
    service,
    giveBack: at.run.streak?.service === service ? at.run.streak.count : 0,
  };
}

function retry(reason: string, service: string | null, at: Circumstances): Verdict {
  const delay = retryDelay(at.run.attempts + 1);
  if (delay === null) return { kind: "dead", reason: `failed ${at.run.attempts + 1} times: ${reason}` };
  return { kind: "retryAt", at: at.now + delay, reason, service };
}
