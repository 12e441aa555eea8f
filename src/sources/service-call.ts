/** One HTTP call to a provider's API, with its deadline. What an answer means is the caller's to say. */
import { ServiceError } from "../domain/errors.ts";
import type { FaultKind } from "../domain/errors.ts";
import { deadline } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";

const callTimeoutMs = 30_000;

export interface ServiceCall {
  readonly service: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  /** For errors, in place of the URL. */
  readonly what: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: URLSearchParams;
  readonly body?: Readonly<Record<string, unknown>>;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly retryAfter: string | null;
  readonly headers: Headers;
}

/** Resolves to any answer. Throws ServiceError `unavailable` without a connection, `timeout` without an answer in time. */
export async function callService(call: ServiceCall): Promise<ServiceAnswer> {
  const limit = deadline(call.clock, callTimeoutMs, call.signal);
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: {
        accept: "application/json",
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...(call.body ? { "content-type": "application/json" } : {}),
        ...call.headers,
      },
      // A redirect would carry the token to another address.
      redirect: "error",
      signal: limit.signal,
      ...(call.form ? { body: call.form } : call.body ? { body: JSON.stringify(call.body) } : {}),
    });
    return {
      status: response.status,
      bytes: Buffer.from(await response.arrayBuffer()),
      retryAfter: response.headers.get("retry-after"),
      headers: response.headers,
    };
  } catch (error) {
    const kind = limit.signal.aborted ? "timeout" : "unavailable";
    const message = kind === "timeout" ? "did not answer in time" : "could not be reached";
    throw new ServiceError(call.service, kind, `${call.what} ${message}`, { cause: error });
  } finally {
    limit.done();
  }
}

/** The JSON object in an answer; null when it holds none. */
export function objectIn({ bytes }: ServiceAnswer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** `answer` as the error it is; its Retry-After is read as seconds or a date. */
export function answeredBadly(
  { service, what, clock }: Pick<ServiceCall, "service" | "what" | "clock">,
  kind: FaultKind,
  { status, retryAfter }: Pick<ServiceAnswer, "status" | "retryAfter">,
  detail = "",
): ServiceError {
  return new ServiceError(service, kind, `${what} answered HTTP ${status}${detail}`, {
    status,
    retryAfterMs: waitOf(retryAfter, clock.now()),
  });
}

function waitOf(retryAfter: string | null, now: number): number | null {
  if (retryAfter === null) return null;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now;
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}
