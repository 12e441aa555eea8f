/** The port of a system that sends: one file per provider in sources/, one contract suite for all. */

/** A request as it came, before anything was believed of it. */
export interface RawRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly query: URLSearchParams;
  /** Lower-case names; several values of one name are joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The untouched bytes. */
  readonly body: Buffer;
  readonly remoteAddress: string;
  /** Milliseconds since the epoch when the request arrived: timestamps are judged against this, never against later. */
  readonly receivedAt: number;
}

/** The request is authentic. */
export interface Verified {
  /** Which secret matched, 0 = first; null where the provider signs with keys of its own. */
  readonly secretIndex: number | null;
  /** Items of a batch that are not addressed to us: not identified, only counted. */
  readonly foreign?: number;
}

/** One event in an authentic request. */
export interface Identified {
  readonly providerId: string;
  readonly type: string;
  /** Milliseconds since the epoch by the provider's clock, or null. */
  readonly occurredAt: number | null;
  /** Unique within the source; any of them known already makes it a duplicate. Never empty. */
  readonly dedupeKeys: readonly string[];
  /** The bytes to keep: the request's body, or one item of a batch. */
  readonly body: Buffer;
  /** SHA-256 of `body` in hex, where the source had to compute it: a large body is not hashed twice. */
  readonly bodyHash?: string;
  /** The parsed body, for routing; what `payload` is in expressions. */
  readonly payload: unknown;
  /** Set on notifications without content: the run that reads the change feed. */
  readonly notification?: { readonly mailbox: string };
  /** Set on the press of a button of ours: it is carried out by a run of the system, one at a time for what it names. */
  readonly press?: { readonly about: string };
}

/** How a stored request is answered where the provider does not take `200` with our JSON. */
export interface Acknowledgement {
  readonly status: 200 | 202;
  /** Nothing is said: the provider would read our JSON as an instruction. */
  readonly empty: boolean;
}

/** An answer to a provider's handshake; nothing is stored. */
export interface HandshakeAnswer {
  readonly status: 200;
  readonly contentType: string;
  readonly body: string;
}

export interface Expansion {
  readonly items: readonly Identified[];
  /** Where the next read starts. Stored in the same transaction as the items. */
  readonly cursor: string;
  /** The old cursor had expired, so a bounded window was read again (items dedupe). */
  readonly rescanned: boolean;
  /** The feed holds more behind `cursor` than one read takes: store this part, then expand again from there. */
  readonly more?: boolean;
}

/** What makes a provider notify us: asked for by us, and lapsing by itself. Times in milliseconds since the epoch. */
export interface Watch {
  /** The provider's id of it; null where it has none. */
  readonly id: string | null;
  /** A hash of what was asked for: mailbox, address, secret. Another one means that it has to be made anew. */
  readonly of: string;
  readonly expiresAt: number;
  /** When it is to be renewed, long before. */
  readonly renewAt: number;
}

/** active: it lasts. failing: it lasts, but could not be renewed. lapsed: its end has passed. none: not made yet. */
export const watchStates = ["active", "failing", "lapsed", "none"] as const;

/** What a notification about notifications asks for. rescan: some were lost. renew: the watch ended or will. */
type WatchNotice = "rescan" | "renew";

/** What is asked of a provider's record of its events or deliveries. */
export interface HealRequest {
  /** Milliseconds since the epoch: what is older was fetched before, or is out of reach. */
  readonly since: number;
  /** Exact event types and globs that routes of this source name; a record of more than was addressed to us is narrowed by them. */
  readonly types: readonly string[];
  /** Whether one of `types` fits. */
  wants(type: string): boolean;
  readonly signal: AbortSignal;
}

/** An event that was read from the provider's record instead of being received. */
export interface HealedItem {
  readonly item: Identified;
  /** As `keptHeaders` of a request would be. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A part of the record, older parts first. */
export interface Healed {
  readonly items: readonly HealedItem[];
  /** All that the record holds up to here is in this part and the ones before it; milliseconds since the epoch. */
  readonly until: number;
}

/** Which parts of a request a signature needs. */
interface EvidenceScheme {
  /** Lower case. */
  readonly headers: readonly string[];
  /** The signature covers the address. */
  readonly url: boolean;
}

export interface Source {
  /** The name under `sources:`. */
  readonly name: string;
  readonly type: string;
  /** False when its secrets are all unset or have expired, judged whenever it is asked: requests are answered 503 `source_inactive`. */
  readonly active: boolean;
  readonly maxBodyBytes: number;
  /** Headers worth keeping with the event (lower case). Credentials and signatures are never among them. */
  readonly keptHeaders: readonly string[];
  /**
   * What `verify` reads of a request beside its body, kept so that its events can be verified again. Null where a bearer
   * credential stands for a signature: whoever reads it could send as the provider does, so it is never kept.
   */
  readonly evidence: EvidenceScheme | null;
  /**
   * Answers a handshake that comes unsigned, by POST or GET, or null when the request is none. Asked before `verify`, so it must give
   * away nothing. May throw Rejection.
   */
  handshake?(request: RawRequest): HandshakeAnswer | null;
  /** Checks the raw bytes in constant time. Throws Rejection 401; 503 when the provider's keys can't be fetched. */
  verify(request: RawRequest): Verified | Promise<Verified>;
  /** Answers a handshake that is signed as events are, or null when the request is none. Asked after `verify`. */
  challenge?(request: RawRequest): HandshakeAnswer | null;
  /** Reads an authentic request. Throws Rejection 400 when it can't be read. */
  identify(request: RawRequest): Identified[];
  /** Asked once the events are stored, and for duplicates too. */
  acknowledgement?(events: readonly Identified[]): Acknowledgement;
  /**
   * Reads the change feed after `cursor` (null: none stored yet).
   * Throws ServiceError; an expired cursor is no error but a bounded re-scan. `again` asks for that re-scan although the
   * cursor is good.
   */
  expand?(cursor: string | null, signal: AbortSignal, again?: boolean): Promise<Expansion>;
  /** Where the feed stands now, to begin with; called at start when no cursor is stored. Throws ServiceError. */
  currentCursor?(signal: AbortSignal): Promise<string>;
  /** Types of notifications that are about the notifications themselves. */
  readonly notices?: Readonly<Record<string, WatchNotice>>;
  /**
   * Renews the watch that is held, or makes one where none is, where it is gone, or where it is not of what is configured.
   * Absent where a person sets it up. Called at start, when `renewAt` comes, and on a notice. Throws ServiceError.
   */
  keepAlive?(held: Watch | null, signal: AbortSignal): Promise<Watch>;
  /**
   * Reads what the provider may not have managed to deliver from its own record, authenticated by our credentials there;
   * absent without them. May give what was received already: it has the same dedupe keys. Iterating throws ServiceError.
   */
  heal?(request: HealRequest): AsyncIterable<Healed>;
}
