/** One HTTP call to a Google endpoint, with its deadline, and its failures as ServiceError. */
import { ServiceError } from "../domain/errors.ts";
import type { FaultKind } from "../domain/errors.ts";
import { deadline } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";

const callTimeoutMs = 30_000;

export interface GoogleCall {
  readonly service: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly method: "GET" | "POST";
  readonly url: string;
  /** For errors, in place of the URL. */
  readonly what: string;
  readonly token?: string;
  readonly form?: URLSearchParams;
  readonly body?: Readonly<Record<string, unknown>>;
}

export interface GoogleAnswer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Resolves for 2xx, 400, 401 and 404, which mean different things to different callers. Throws ServiceError for
 * everything else: no connection, no answer in time, rate limits, 403, 5xx, and a body that is no JSON object.
 */
export async function callGoogle(call: GoogleCall): Promise<GoogleAnswer> {
  const limit = deadline(call.clock, callTimeoutMs, call.signal);
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: {
        accept: "application/json",
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...(call.body ? { "content-type": "application/json" } : {}),
      },
      // A redirect would carry the token to another address.
      redirect: "error",
      signal: limit.signal,
      ...(call.form ? { body: call.form } : call.body ? { body: JSON.stringify(call.body) } : {}),
    });
    const json = asObject(await response.text());
    const fault = faultOf(response.status, json);
    if (fault) throw failure(call, fault, response.status, response.headers.get("retry-after"));
    if (json === null && response.ok) throw failure(call, "unavailable", response.status, null);
    return { status: response.status, json: json ?? {} };
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    const kind = limit.signal.aborted ? "timeout" : "unavailable";
    const message = kind === "timeout" ? "did not answer in time" : "could not be reached";
    throw new ServiceError(call.service, kind, `${call.what} ${message}`, { cause: error });
  } finally {
    limit.done();
  }
}

function asObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Google tells rate limits from missing rights only by the `reason`: both are 403. */
function faultOf(status: number, json: Record<string, unknown> | null): FaultKind | null {
  if (status === 429) return "rate-limited";
  if (status === 403)
    return /rateLimitExceeded|quotaExceeded/i.test(reasonsOf(json)) ? "rate-limited" : "unauthorized";
  if (status >= 500) return "unavailable";
  return (status >= 200 && status < 300) || [400, 401, 404].includes(status) ? null : "invalid";
}

function reasonsOf(json: Record<string, unknown> | null): string {
  const error = json?.["error"];
  return error !== null && typeof error === "object" && "errors" in error ? JSON.stringify(error.errors) : "";
}

function failure(call: GoogleCall, kind: FaultKind, status: number, retryAfter: string | null): ServiceError {
  return new ServiceError(call.service, kind, `${call.what} answered HTTP ${status}`, {
    status,
    retryAfterMs: waitOf(retryAfter, call.clock.now()),
  });
}

/** Retry-After is a number of seconds or a date. */
function waitOf(retryAfter: string | null, now: number): number | null {
  if (retryAfter === null) return null;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now;
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}
