/**
 * One call to a vendor: made under the call's signal, and, when it fails, told as a ServiceError. Everything that the
 * destinations share about the wire is here: which failure certainly had no effect, which may have had one, when to
 * come back, and that no credential and no address gets into a message.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { ZodError } from "zod";
import type { FaultKind } from "../domain/errors.ts";
import { ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { Call } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Turns } from "../resilience/turns.ts";
import { redactText } from "../observability/redact.ts";

/** What a vendor answered instead of what was asked for. */
export interface Refusal {
  readonly status: number;
  /** In the vendor's words; it is redacted and cut before anyone sees it. */
  readonly detail: string;
  header(name: string): string | null;
  /** Where the vendor says more than its status does. */
  readonly kind?: FaultKind;
  readonly retryAfterMs?: number;
  /** The answer proves that nothing happened, though its kind alone would leave that open. */
  readonly effect?: "none";
}

/** Reads an SDK's error; null when no answer came (then it is a transport fault). */
export type ReadRefusal = (error: unknown) => Refusal | null;

/** read: nothing can have happened, however it fails. write: an unclear failure may have had its effect. */
export type Intent = "read" | "write";

/** `requests`: how many `fn` makes, for the vendor's rate; one, where it is left out. */
export type Attempt = <T>(call: Call, intent: Intent, fn: () => Promise<T>, requests?: number) => Promise<T>;

/** What every destination is given. */
export interface Deps {
  readonly clock: Clock;
  readonly turns: Pick<Turns, "take" | "stayAway">;
}

interface Wire {
  /** Values that no message may show. */
  readonly secrets: string[];
  readonly read: ReadRefusal;
  /** What the vendor's rate is a rate of. */
  readonly counted: "all" | "writes";
}

const currentSignal = new AsyncLocalStorage<AbortSignal>();

/**
 * Makes the function that every request of one vendor goes through. It waits for the request's turn at the vendor's
 * rate (ServiceClosed, when that takes too long), and rejects as soon as the signal aborts, whatever the SDK underneath
 * does; `boundFetch` and the agents of `hubspot.ts` tear the connection down at the same moment.
 */
export function createAttempt(service: string, { clock, turns }: Deps, wire: Wire): Attempt {
  const conceal = concealing(wire.secrets);
  const turn = async (call: Call, intent: Intent, requests: number): Promise<void> => {
    if (wire.counted === "writes" && intent === "read") return;
    await turns.take(service, requests, call.signal);
  };
  return async (call, intent, fn, requests = 1) => {
    try {
      call.signal.throwIfAborted();
      await turn(call, intent, requests);
    } catch (error) {
      throw call.signal.aborted ? timedOut(service, call.signal, "none") : error;
    }
    const aborted = rejectOnAbort(call.signal);
    try {
      return await Promise.race([currentSignal.run(call.signal, fn), aborted.promise]);
    } catch (error) {
      if (error instanceof ServiceError || error instanceof ServiceClosed) throw error;
      if (call.signal.aborted) throw timedOut(service, call.signal, intent === "read" ? "none" : "unknown");
      if (error instanceof ZodError) throw unreadable(service, intent, error);
      const refusal = wire.read(error);
      if (!refusal) throw transportFault(service, intent, error, conceal);
      const fault = refused(service, intent, refusal, clock, conceal);
      if (fault.kind === "rate-limited") await turns.stayAway(service, fault.retryAfterMs ?? limitedMs);
      throw fault;
    } finally {
      aborted.release();
    }
  };
}

/** How long a vendor that limits us without saying for how long is left alone. */
const limitedMs = 10_000;

/** `fetch` that also obeys the signal of the attempt it is called in: for SDKs that take a fetch but no signal. */
export const boundFetch: typeof fetch = (input, init) => {
  const signals = [currentSignal.getStore(), init?.signal].filter((signal) => signal != null);
  return fetch(input, { ...init, signal: AbortSignal.any(signals) });
};

export const attemptSignal = (): AbortSignal | undefined => currentSignal.getStore();

// ── Plain JSON requests ──────────────────────────────────────────────────────────────────────────────────────────

/** An answer that is no JSON, or not of the 2xx kind. */
export class UnexpectedAnswer extends Error {
  override readonly name = "UnexpectedAnswer";
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;

  constructor(status: number, headers: Headers, body: unknown) {
    super(`HTTP ${status}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

export interface JsonRequest {
  readonly method: "GET" | "POST" | "PUT";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * Sends JSON and reads JSON; to be called inside an attempt. Redirects are not followed: they would carry credentials
 * and repeat writes elsewhere. Throws UnexpectedAnswer, or what `fetch` throws.
 */
export async function requestJson(url: string, request: JsonRequest): Promise<unknown> {
  const response = await boundFetch(url, {
    method: request.method,
    redirect: "manual",
    headers: {
      accept: "application/json",
      "user-agent": "signalbox",
      ...(request.body === undefined ? {} : { "content-type": "application/json; charset=utf-8" }),
      ...request.headers,
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  });
  const text = await response.text();
  const body = parseJson(text);
  if (!response.ok || body === undefined) {
    throw new UnexpectedAnswer(response.status, response.headers, body);
  }
  return body;
}

/** How an UnexpectedAnswer is told; `detail` picks the vendor's words out of its body. */
export const readUnexpected =
  (detail: (body: unknown) => string): ReadRefusal =>
  (error) =>
    error instanceof UnexpectedAnswer
      ? {
          status: error.status,
          detail: error.body === undefined ? "the answer is not JSON" : detail(error.body),
          header: (name) => error.headers.get(name),
        }
      : null;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Which fault a status is. A 2xx here is an answer that could not be read. */
function kindOf(status: number): FaultKind {
  if (status === 429) return "rate-limited";
  if (status === 408) return "timeout";
  if (status === 401 || status === 402 || status === 403) return "unauthorized";
  if (status === 423 || status === 425 || status >= 500 || status < 300) return "unavailable";
  return "invalid";
}

function refused(
  service: string,
  intent: Intent,
  refusal: Refusal,
  clock: Clock,
  conceal: (text: string) => string,
): ServiceError {
  const kind = refusal.kind ?? kindOf(refusal.status);
  const unclear = kind === "unavailable" || kind === "timeout";
  const detail = conceal(refusal.detail).replace(/\s+/g, " ").trim().slice(0, 300);
  return new ServiceError(service, kind, `answered ${refusal.status}${detail === "" ? "" : `: ${detail}`}`, {
    effect: refusal.effect ?? (unclear && intent === "write" ? "unknown" : "none"),
    status: refusal.status,
    retryAfterMs: refusal.retryAfterMs ?? retryAfter(refusal.header("retry-after"), clock),
  });
}

/** `Retry-After` in seconds or as a date; null when it is missing or makes no sense. */
export function retryAfter(value: string | null, clock: Clock): number | null {
  if (value === null || value.trim() === "") return null;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(value) - clock.now();
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : null;
}

/** The vendor answered, and what it answered does not have its documented shape. */
const unreadable = (service: string, intent: Intent, error: ZodError): ServiceError => {
  const fields = error.issues.map((issue) => issue.path.join(".")).slice(0, 3);
  return new ServiceError(
    service,
    "unavailable",
    `the answer has not the documented shape (${fields.join(", ")})`,
    {
      effect: intent === "read" ? "none" : "unknown",
    },
  );
};

/** The connection never stood, so no request can have left on it. */
const neverConnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "EINVAL",
  "EDNS",
  "ETLS",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

function transportFault(
  service: string,
  intent: Intent,
  error: unknown,
  conceal: (text: string) => string,
): ServiceError {
  const codes = errorCodes(error);
  const unconnected = codes.find((code) => neverConnected.has(code));
  if (unconnected !== undefined) {
    return new ServiceError(service, "unavailable", `cannot be reached (${unconnected})`);
  }
  const what = codes[0] ?? conceal(messageOf(error)).slice(0, 200);
  return new ServiceError(service, "unavailable", `gave no clear answer (${what})`, {
    effect: intent === "read" ? "none" : "unknown",
  });
}

/** Codes of an error and of what it wraps: `fetch`, Octokit, Stripe and happy eyeballs all hide the system's own. */
function errorCodes(error: unknown, depth = 0): string[] {
  if (depth > 5 || typeof error !== "object" || error === null) return [];
  const own = "code" in error && typeof error.code === "string" ? [error.code] : [];
  const wrapped = ["cause", "detail", "exception"].flatMap((name) =>
    name in error ? errorCodes((error as Record<string, unknown>)[name], depth + 1) : [],
  );
  const several =
    error instanceof AggregateError ? error.errors.flatMap((e) => errorCodes(e, depth + 1)) : [];
  return [...own, ...wrapped, ...several];
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "unknown failure");

function timedOut(service: string, signal: AbortSignal, effect: "none" | "unknown"): ServiceError {
  const why = signal.reason instanceof Error ? signal.reason.message : "the call was given up";
  return new ServiceError(service, "timeout", redactText(why), { effect });
}

function rejectOnAbort(signal: AbortSignal): { promise: Promise<never>; release(): void } {
  let abort = () => {};
  const promise = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    signal.addEventListener("abort", abort, { once: true });
  });
  return { promise, release: () => signal.removeEventListener("abort", abort) };
}

const concealing = (secrets: string[]) => {
  const known = secrets.filter((secret) => secret.length >= 6);
  return (text: string): string =>
    redactText(known.reduce((out, secret) => out.replaceAll(secret, "[redacted]"), text));
};

/**
 * A refused creation under an id of ours may mean that we made it before: then that is the result. A look-up that
 * fails as well leaves the first refusal standing, unless it says that the vendor cannot be asked now.
 */
export async function orExisting<T>(create: Promise<T>, find: () => Promise<T | null>): Promise<T> {
  try {
    return await create;
  } catch (error) {
    if (!isInvalid(error)) throw error;
    const existing = await find().catch((failure: unknown) => {
      throw isInvalid(failure) ? error : failure;
    });
    if (existing !== null) return existing;
    throw error;
  }
}

const isInvalid = (error: unknown): boolean => error instanceof ServiceError && error.kind === "invalid";

// ── Texts and ids ────────────────────────────────────────────────────────────────────────────────────────────────

/** Hidden in Markdown; how an action of unknown outcome is found again. */
export const hiddenMarker = (key: string): string => `<!-- signalbox:${key} -->`;

/** The same base URL with or without a final slash. */
export const trimSlash = (url: string): string => url.replace(/\/+$/, "");

export const filled = (...values: (string | undefined)[]): boolean =>
  values.every((value) => value !== undefined && value.trim() !== "");
