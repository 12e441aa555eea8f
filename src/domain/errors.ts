/** What the sender of a request is told, and with which status. `message` is for people and holds no secret. */
export class Rejection extends Error {
  override readonly name = "Rejection";
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 503;
  readonly code: string;
  readonly retryAfterSeconds: number | null;

  constructor(
    status: Rejection["status"],
    code: string,
    message: string,
    options: { retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}

/** Stored content can't be opened: its row was changed or moved. */
export class ContentDamaged extends Error {
  override readonly name = "ContentDamaged";
}

/**
 * Whose fault a failed call was, which decides what happens next:
 *
 * unavailable   5xx, refused or reset connection     retry 1/4/16 s; counts for the breaker; parks when it opens
 * timeout       no answer in time                    as unavailable
 * rate-limited  429, or a vendor's rate limit on 403 park (Retry-After obeyed); counts for nothing
 * unauthorized  401, 402, 403                        pauses the destination, parks, alerts
 * invalid       other 4xx                            permanent: the run is dead at once
 */
export type FaultKind = "unavailable" | "timeout" | "rate-limited" | "unauthorized" | "invalid";

/** A call to a service that failed. `effect` says whether the service may have acted all the same. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly service: string;
  readonly kind: FaultKind;
  /** none: certainly nothing happened. unknown: the request left and no clear answer came. */
  readonly effect: "none" | "unknown";
  readonly status: number | null;
  readonly retryAfterMs: number | null;
  /** A few words that may be shown anywhere: the vendor's code, its id of the request, what to look at. */
  readonly hint: string | null;

  constructor(
    service: string,
    kind: FaultKind,
    message: string,
    options: {
      effect?: "none" | "unknown";
      status?: number;
      retryAfterMs?: number | null;
      hint?: string | null;
      cause?: unknown;
    } = {},
  ) {
    super(`${service}: ${message}`, { cause: options.cause });
    this.service = service;
    this.kind = kind;
    this.effect = options.effect ?? "none";
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.hint = options.hint ?? null;
  }
}

/**
 * The call was not made: the service's breaker is open, it is paused, or it is not our turn yet. Nothing was spent.
 * `by` says whose doing it is: a wait for the service has a maximum age, one that is ours (a person's pause, our own
 * rate limit) has none.
 */
export class ServiceClosed extends Error {
  override readonly name = "ServiceClosed";
  readonly service: string;
  /** When it is worth trying again, in milliseconds since the epoch. */
  readonly until: number;
  readonly by: "service" | "ours";

  constructor(service: string, until: number, reason: string, by: ServiceClosed["by"] = "service") {
    super(`${service}: ${reason}`);
    this.service = service;
    this.until = until;
    this.by = by;
  }
}

/** The event can never be worked on as it is: the run is dead at once, whatever the number of attempts. */
export class EventFault extends Error {
  override readonly name = "EventFault";
}

/** Another worker has the run now (the lease ran out): stop, write nothing more. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor(run: string) {
    super(`run ${run} is no longer ours: its lease ran out and it was claimed again`);
  }
}

/** The journal could not write. Nothing was stored; the sender is asked to come back. */
export class JournalUnavailable extends Error {
  override readonly name = "JournalUnavailable";
}

/** A person's decision that no longer fits: unknown id, stale hash, or already decided. */
export class Conflict extends Error {
  override readonly name = "Conflict";
  readonly code: "not_found" | "stale_hash" | "wrong_state" | "invalid_edit";
  constructor(code: Conflict["code"], message: string) {
    super(message);
    this.code = code;
  }
}
