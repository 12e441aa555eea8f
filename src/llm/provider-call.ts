import type { ModelPrice } from "../domain/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import type { FaultKind } from "../domain/errors.ts";
import { deadline } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";

export interface ModelOptions {
  /** The name under `models:`. */
  readonly name: string;
  /** The vendor's id of the model. */
  readonly model: string;
  /** Null or empty: the model is not configured, and every call is refused here. */
  readonly apiKey: string | null | undefined;
  /** Without it the vendor's own address, or what the SDK's `*_BASE_URL` variable says. */
  readonly baseURL?: string | undefined;
  /** From the request's first byte to the answer's last one. */
  readonly timeoutMs: number;
  /** Today's; null when it is not known, and then so is what a call cost. */
  readonly price: () => ModelPrice | null;
  readonly clock: Clock;
}

/** The name of a model's breaker. */
export const modelService = (model: { readonly provider: string; readonly model: string }): string =>
  `model:${model.provider}/${model.model}`;

/** Settles as the promise does, or rejects with the signal's reason when that aborts first. */
export function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    // Also when it was aborted: what settles later must not become an unhandled rejection.
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * One call to a provider under a deadline of our own: the SDKs' `timeout` ends with the headers, so a body that
 * stalls would hold a worker for five minutes.
 * Throws ServiceError; when the caller's signal aborts, that signal's reason, for which the provider is not to blame.
 */
export async function callProvider<T>(
  service: string,
  options: ModelOptions,
  caller: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (caller.aborted) throw caller.reason as Error;
  const limit = deadline(options.clock, options.timeoutMs, caller);
  try {
    return await untilAborted(limit.signal, call(limit.signal));
  } catch (error) {
    if (caller.aborted) throw caller.reason as Error;
    if (limit.signal.aborted)
      throw new ServiceError(service, "timeout", `gave no full answer within ${options.timeoutMs} ms`, {
        effect: "unknown",
      });
    throw blame(service, error, options.clock);
  } finally {
    limit.done();
  }
}

/** A 2xx answer whose body is not what the API promises: a proxy's page, or a base URL that leads elsewhere. */
export function unreadable(service: string, request: string | null): ServiceError {
  const what = "something other than a completion";
  const todo = "; check its base URL";
  const named = request === null ? "" : `, request ${request}`;
  return new ServiceError(service, "unavailable", `answered ${what}${bracketed(named.slice(2))}${todo}`, {
    hint: `it answered ${what}${named}${todo}`,
  });
}

export const noKey = (service: string, variable: string): ServiceError =>
  new ServiceError(service, "unauthorized", `has no API key; set ${variable}`);

/** The text of the vendor's error, for recognising causes only: it may quote what we sent, so it is never shown. */
export const vendorText = (error: unknown): string => (error instanceof Error ? error.message : "");

/** The status of an answer that the SDK threw; null when there was no answer. */
export const statusOf = (error: unknown): number | null => numberField(error, "status");

/**
 * The SDK's error as ours. It is not kept as `cause`: it holds headers, and text that may quote the request.
 * Without a status there was no (whole) answer: refused, reset, cut in the body, or no JSON.
 */
function blame(service: string, error: unknown, clock: Clock): ServiceError {
  if (error instanceof ServiceError) return error;
  const status = statusOf(error);
  if (status === null) return error instanceof SyntaxError ? unreadable(service, null) : cut(service, error);
  const code = wordField(error, "code") ?? wordField(error, "type");
  const unpaid =
    status === 402 || code === "billing_error" || /credit balance is too low/i.test(vendorText(error));
  const kind = unpaid ? "unauthorized" : kindOf(status);
  const exhausted = code === "insufficient_quota";
  const request = wordField(error, "requestID");
  const parts = [code, request === null ? null : `request ${request}`].filter((part) => part !== null);
  const todo = advice(status, unpaid || exhausted);
  return new ServiceError(
    service,
    kind,
    `answered ${status}${bracketed(parts.join(", "))}${todo}`,
    // A used-up quota is not refilled by waiting some seconds, whatever the header says.
    {
      status,
      retryAfterMs: exhausted ? null : retryAfterMs(error, clock),
      hint: `${parts.join(", ")}${todo}`.replace(/^; /, "") || null,
    },
  );
}

/** Nothing was asked: nothing is billed. */
const neverConnected = [
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
];
/** There was a connection, so the address is right. */
const lostLater = /^(?:ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_(?!CONNECT)\w+|HPE_\w+)$/;

/** Without a connection, or without one that held until the answer was whole. */
function cut(service: string, error: unknown): ServiceError {
  const code = connectionCode(error);
  const lost = code !== null && lostLater.test(code);
  const what = lost ? "the connection was lost" : "no connection";
  const todo = lost ? "" : "; check its base URL";
  return new ServiceError(service, "unavailable", `${what}${bracketed(code)}${todo}`, {
    effect: code !== null && neverConnected.includes(code) ? "none" : "unknown",
    hint: `${what}${code === null ? "" : `, ${code}`}${todo}`,
  });
}

function kindOf(status: number): FaultKind {
  if (status === 429) return "rate-limited";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 408) return "timeout";
  return status >= 500 ? "unavailable" : "invalid";
}

function advice(status: number, unpaid: boolean): string {
  if (unpaid) return "; the account has no credit left: add some, or raise its limit";
  if (status === 401) return "; check its API key";
  if (status === 403) return "; its key may not use this model: check the key's permissions";
  if (status === 404) return "; check the model's name and its base URL";
  if (status >= 300 && status < 400) return "; redirects are not followed: check its base URL";
  return "";
}

const bracketed = (text: string | null): string => (text === null || text === "" ? "" : ` (${text})`);

function field(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? (error as Record<string, unknown>)[name] : undefined;
}

function numberField(error: unknown, name: string): number | null {
  const value = field(error, name);
  return typeof value === "number" ? value : null;
}

const wordField = (error: unknown, name: string): string | null => shownWord(field(error, name));

/** Vendors' codes and ids are single short words; anything else could be a text that quotes the request. */
export const shownWord = (value: unknown): string | null =>
  typeof value === "string" && /^[\w.-]{1,64}$/.test(value) ? value : null;

function connectionCode(error: unknown): string | null {
  const causes = [error, field(error, "cause"), field(field(error, "cause"), "cause")];
  for (const cause of causes) {
    const code = wordField(cause, "code");
    if (code !== null) return code;
  }
  return null;
}

function retryAfterMs(error: unknown, clock: Clock): number | null {
  const headers = field(error, "headers");
  if (!(headers instanceof Headers)) return null;
  const text = headers.get("retry-after");
  if (text === null) return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - clock.now());
}
