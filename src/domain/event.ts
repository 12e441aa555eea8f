/**
 * routed: at least one route started a run (a notification's expansion counts).
 * unrouted: stored, but no route matched. inactive: only disabled routes matched.
 */
export type EventStatus = "routed" | "unrouted" | "inactive";

/** A route whose expression threw on this event: it counts as no match, is shown, and can be replayed. */
export interface RoutingFault {
  readonly route: string;
  /** Which part failed. */
  readonly part: "if" | "concurrency.key";
  readonly message: string;
}

/** An event as stored. `body` is what the sender signed (or, for one item of a batch, that item), byte for byte. */
export interface StoredEvent {
  /** Ours: `evt_` and a time-ordered UUID. */
  readonly id: string;
  /** The name under `sources:` in the configuration. */
  readonly source: string;
  /** The provider's own event type: `customer.subscription.deleted`, `pull_request.opened`, `message.received`. */
  readonly type: string;
  /** The provider's id for the event. */
  readonly providerId: string;
  /** Milliseconds since the epoch, when the request was received. */
  readonly receivedAt: number;
  /** Milliseconds since the epoch by the provider's clock, where it says; orders superseding. */
  readonly occurredAt: number | null;
  readonly status: EventStatus;
  readonly bodyHash: string;
  readonly body: Uint8Array;
  /** Request headers that were kept: never credentials or signatures. */
  readonly headers: Readonly<Record<string, string>>;
  readonly faults: readonly RoutingFault[];
}

/** A request's signature and what it is over, to verify the events that it brought again. Never shown. */
export interface SignedRequest {
  /** Path and query, where they are signed. */
  readonly url: string | null;
  /** Those that the signature needs beside the kept ones of the event. */
  readonly headers: Readonly<Record<string, string>>;
  /** The request's, of which a batch's events are parts. */
  readonly body: Uint8Array;
}

/** Stands where the sender's address would: nobody sent it, it was read from the provider's record. */
export const healedAddress = "healed";

/**
 * How one request of a sender ended: accepted (first copy), duplicate, or malformed (signed but unreadable: kept with
 * its raw bytes, no event). Requests that are not authentic are counted, never stored.
 */
export type DeliveryResult = "accepted" | "duplicate" | "malformed";

export interface Delivery {
  readonly id: string;
  readonly source: string;
  readonly event: string | null;
  readonly result: DeliveryResult;
  readonly receivedAt: number;
  readonly remoteAddress: string;
  /** Which of the source's secrets matched (0 = first); null where the source has none (OIDC). */
  readonly secretIndex: number | null;
  /** Why it was malformed. */
  readonly reason: string | null;
}

/** Signed requests of a source that could not be read, as long as their bytes are kept; the latest of them. */
export interface Unreadable {
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly lastAt: number;
  readonly reason: string | null;
}
