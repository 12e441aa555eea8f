/** The ports that rooms meet at. Each has one contract suite, run against every implementation. */
import type { ActionKind, DestinationName } from "./action-kinds.ts";
import type { Action, ActionRef, ActionStatus } from "./action.ts";
import type { AttemptPlace } from "./attempt.ts";
import type { AuditEntry } from "./audit.ts";
import type { ServiceClosed } from "./errors.ts";
import type { Delivery, SignedRequest, StoredEvent } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";
import type { DecidedBy, Mode, Run } from "./run.ts";
import type { Wake } from "./queue.ts";
import type { Readers } from "./readers.ts";
import type { HealedItem, Identified, RawRequest, Source, Verified } from "./source.ts";
import type { StepRecord } from "./step.ts";

export type * from "./deciding.ts";
export type * from "./reads.ts";

// ── Journal: the system of record ────────────────────────────────────────────────────────────────────────────────

/** A run to start for an event. */
export interface NewRun {
  readonly id: string;
  readonly route: string | null;
  readonly agent: string;
  readonly mode: Mode;
  readonly concurrency: {
    readonly key: string;
    readonly limit: number;
    readonly supersede: boolean;
  } | null;
  readonly configHash: string;
  readonly promptHash: string | null;
  /** The run whose held actions it tells of. */
  readonly about?: string;
}

export interface Acceptance {
  /** Its body is hashed by the journal where `bodyHash` is not known yet. */
  readonly event: Omit<StoredEvent, "bodyHash"> & Partial<Pick<StoredEvent, "bodyHash">>;
  readonly dedupeKeys: readonly string[];
  readonly runs: readonly NewRun[];
}

export interface AcceptRequest {
  /** The request that brought it; null for items that an expansion read. */
  readonly delivery: Omit<Delivery, "event" | "result" | "reason"> | null;
  /** Several for a batch: all are stored, or none. */
  readonly items: readonly Acceptance[];
  /** What the request was signed with; left out where nothing may be kept of it. */
  readonly signed?: SignedRequest;
  /** Moves a cursor in the same transaction; the whole request fails when its version is no longer `expected`. */
  readonly cursor?: {
    readonly key: string;
    readonly value: string;
    readonly expected: number;
  };
  /** Keeps no delivery of what is known already: a record that is read again and again holds mostly that. */
  readonly newsOnly?: boolean;
}

export interface AcceptedItem {
  /** Of the stored event, or of the first copy when it is a duplicate. */
  readonly event: string;
  readonly duplicate: boolean;
  /**
   * Runs that were started. For a duplicate none, unless its event never completed: then the copy means "try again", and
   * the agents whose runs are dead (or whose route failed) get a run of the next generation.
   */
  readonly runs: readonly string[];
}

export interface Claim {
  readonly run: Run;
  readonly event: StoredEvent;
  /** Rises with each claim. Every write of a worker carries it, and fails with LeaseLost once it is outdated. */
  readonly fence: number;
  /** How often in a row the process died while it held this run, without the run's getting on in between. */
  readonly crashes: number;
  /** When the first run that acted on the event, an earlier one of the same agent, was created; null when none did. */
  readonly actedFirstAt: number | null;
}

export type ClaimKey = Pick<Claim, "fence"> & { readonly run: string };

/** What a worker says of a run when it puts it down. */
export type Verdict =
  | { readonly kind: "done"; readonly summary: string }
  | { readonly kind: "rejected"; readonly reason: string }
  | { readonly kind: "cancelled"; readonly reason: string }
  | { readonly kind: "dead"; readonly reason: string }
  /** Counts an attempt. */
  | {
      readonly kind: "retryAt";
      readonly at: number;
      readonly reason: string;
      readonly service: string | null;
    }
  /**
   * Counts none; `giveBack` attempts of the current streak are returned. A wait that is ours does not age the run.
   * `askAt`: when the service may be asked again. One of the runs that wait for it is due no later than that.
   */
  | {
      readonly kind: "parkUntil";
      readonly until: number;
      readonly askAt?: number;
      readonly reason: string;
      readonly service: string;
      readonly by: ServiceClosed["by"];
      readonly giveBack: number;
    }
  /** `notice` is started with it where something is held that no notice told of yet. */
  | { readonly kind: "awaitReview"; readonly reason: string; readonly notice?: NewRun };

export interface PlanRecord {
  readonly step: StepRecord;
  readonly actions: readonly Action[];
}

export type BeginResult =
  | { readonly go: true }
  /** The key was used before, by `holder`: with the same payload (its result can be taken over), or with another one. */
  | { readonly go: false; readonly samePayload: boolean; readonly holder: Action }
  /** Its agent has begun as many as it may: the action is held for review now. */
  | { readonly go: false; readonly capped: true };

export interface BeginOptions {
  /** A holder of the key, of unknown outcome, that was looked up and found to have had no effect. */
  readonly takeOver?: string;
  /**
   * How many actions of its agent may be begun within `withinMs`. What a person approved is neither counted nor held, nor
   * is what was begun before and has to be repeated; what certainly had no effect does not count.
   */
  readonly cap?: { readonly limit: number; readonly withinMs: number };
}

export interface ActionOutcome {
  readonly status: Extract<ActionStatus, "planned" | "done" | "failed" | "skipped" | "uncertain">;
  readonly ref?: ActionRef;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

/** An event with how it came and what it was signed with. */
export interface Receipt {
  readonly event: StoredEvent;
  /** Retention took its content. */
  readonly erased: boolean;
  /** Of its first copy; null for what an expansion read. */
  readonly delivery: Delivery | null;
  readonly signed: SignedRequest | null;
}

export interface ReplayRequest {
  readonly event: string;
  readonly runs: readonly NewRun[];
}

/**
 * All writes are durable (flushed) when their promise resolves; writes that arrive together share one flush.
 * Throws JournalUnavailable when the disk or the database can't take it: then nothing of that write was stored.
 */
export interface Journal {
  /** The one transaction of acceptance: delivery, event, dedupe keys, runs (also of "try again"), superseding, cursor. */
  accept(request: AcceptRequest): Promise<AcceptedItem[]>;
  /** Keeps a signed but unreadable request. */
  keepMalformed(delivery: Omit<Delivery, "event" | "result">, body: Uint8Array): Promise<void>;

  /** Agents that have due runs. */
  dueAgents(): Promise<string[]>;
  /** What could be claimed now, of one agent or of all, oldest first: due, not leased, their concurrency key free. */
  dueRuns(limit: number, agent?: string): Promise<Wake[]>;
  /** When the next waiting run becomes due, in milliseconds since the epoch; null when none waits. */
  nextDue(): Promise<number | null>;
  /** Takes the lease; null when the run is not due, not free, or its concurrency key is taken. */
  claim(run: string, owner: string, leaseMs: number): Promise<Claim | null>;
  /** Throws LeaseLost. */
  extendLease(claim: ClaimKey, leaseMs: number): Promise<void>;
  /**
   * Puts a run down that was not finished: queued again, due now or after `delayMs`, its concurrency key kept, no attempt
   * and no crash counted. Throws LeaseLost.
   */
  handBack(claim: ClaimKey, delayMs?: number): Promise<void>;
  /** Frees the runs of a process that is gone (embedded profile, at start). Returns how many. */
  releaseOrphans(): Promise<number>;

  steps(run: string): Promise<StepRecord[]>;
  recordStep(claim: ClaimKey, step: StepRecord): Promise<void>;
  recordDecision(claim: ClaimKey, step: StepRecord, by: DecidedBy, why: string): Promise<void>;
  /** The `plan` step and its actions, together. */
  recordPlan(claim: ClaimKey, plan: PlanRecord): Promise<void>;
  actions(run: string): Promise<Action[]>;
  /** Claims the key and commits the intent; flushed before it resolves, so before the request leaves. */
  beginAction(claim: ClaimKey, action: string, options?: BeginOptions): Promise<BeginResult>;
  /** A `planned` outcome (certainly no effect) gives the key back; so does `failed`. */
  endAction(claim: ClaimKey, action: string, outcome: ActionOutcome): Promise<void>;
  /** Resolves to who decided the run, if anyone did. Records the attempt, unless it is done. */
  settle(claim: ClaimKey, verdict: Verdict, attempt?: AttemptPlace): Promise<DecidedBy | null>;
  /**
   * Makes the runs that are parked for this service due now, the oldest first, one every `stepMs`. Returns how many.
   */
  wakeParked(service: string, stepMs: number): Promise<number>;
  /** Runs parked for this service: new ones are put behind them, so that they drain one after another. */
  parkedFor(service: string): Promise<number>;

  /** A person's word on one held action. Throws Conflict. Resolves to the run, queued again once nothing is held. */
  approve(
    action: string,
    hash: string,
    edited: JsonObject | null,
    by: string,
  ): Promise<{ run: string; queued: boolean }>;
  reject(action: string, reason: string, by: string): Promise<{ run: string; queued: boolean }>;
  /** Throws Conflict when the run is running or final. */
  cancel(run: string, reason: string): Promise<void>;
  /** Null when there is none of this id. Throws ContentDamaged. */
  receipt(event: string): Promise<Receipt | null>;
  /** Takes a dead run out of the dead letters; it stays dead. Throws Conflict when it is none. */
  discard(run: string, reason: string, by: string): Promise<void>;
  /** Adds to the audit; an id that is there already changes nothing. */
  recordDeed(id: string, entry: AuditEntry): Promise<void>;
  /** New runs of stored events, a generation higher; dead runs that they take the place of leave the dead letters. */
  replay(request: ReplayRequest): Promise<string[]>;
  /**
   * Erases bodies, signatures, step outputs and action inputs of events received before `before` whose runs are all final.
   * and the bytes of older requests that could not be read. Keys stay. Returns of how many: at most `limit` of each.
   */
  eraseContent(before: number, limit: number): Promise<number>;
  /**
   * Erases what is left of events whose content is erased and whose runs have all been final since a day before `before`:
   * runs, steps, actions, attempts, deliveries; and the audit until `before`. Returns how many rows of them went; 0 when
   * there are no more. At most `limit` events at once.
   */
  eraseHistory(before: number, limit: number): Promise<number>;
  /**
   * Looks at the next `limit` keys after a place, and erases those from before `before` that no unfinished run has a part
   * in. Returns the place to go on from; null at the end.
   */
  eraseKeys(before: number, limit: number, after: KeyPlace | null): Promise<KeyPlace | null>;
  /**
   * Erases the content of events that name an address, themselves or in what was made of them, among the next `limit` after
   * an event (`""` at first). Those with open runs are left, and named. To be called until `after` is null.
   */
  forget(
    address: string,
    options: { readonly after: string; readonly limit: number; readonly dryRun: boolean },
  ): Promise<Forgotten>;
  /** Why nothing can be stored, or what is stored not be relied on, as far as is known now; null when all is well. */
  trouble(): string | null;

  close(): Promise<void>;
}

export interface Forgotten {
  /** Events, and requests that could not be read, whose content went; with `dryRun`, would go. */
  readonly erased: number;
  /** Events that name the address and are still being worked on. */
  readonly open: readonly string[];
  /** The last event that was looked at; null when there are no more. */
  readonly after: string | null;
}

export interface KeyPlace {
  readonly scope: string;
  readonly key: string;
}

/** Small durable values with a version: breakers, cursors, budgets, pauses, rates. */
export interface State {
  get(scope: StateScope, key: string): Promise<{ value: Json; version: number } | null>;
  list(scope: StateScope): Promise<{ key: string; value: Json; version: number }[]>;
  /** Compare and set; `expected` 0 means it must not exist. False when someone else was faster. */
  put(scope: StateScope, key: string, value: Json, expected: number): Promise<boolean>;
}
export type StateScope =
  "breaker" | "cursor" | "watch" | "budget" | "pause" | "rate" | "replay" | "duty" | "process" | "meta";

// ── Inbox: the door that every event comes through ───────────────────────────────────────────────────────────────

export interface Inbox {
  /** Routes and stores what an authentic request brought; resolves once it is flushed. Throws JournalUnavailable. */
  accept(
    source: Source,
    request: RawRequest,
    verified: Verified,
    items: readonly Identified[],
  ): Promise<AcceptedItem[]>;
  /** Stores what an expansion read, and moves the source's cursor, together. Throws JournalUnavailable. */
  acceptExpansion(
    source: string,
    items: readonly Identified[],
    cursor: { readonly value: string; readonly expected: number },
  ): Promise<AcceptedItem[]>;
  /**
   * Stores what was read from a provider's record, and moves the healed point of the source, together: cursor
   * `heal:<source>`, an ISO time. Throws JournalUnavailable.
   */
  acceptHealed(
    source: string,
    items: readonly HealedItem[],
    point: { readonly value: string; readonly expected: number },
  ): Promise<AcceptedItem[]>;
  /** Keeps an authentic request that could not be read. Throws JournalUnavailable. */
  keepMalformed(source: Source, request: RawRequest, verified: Verified, reason: string): Promise<void>;
}

// ── Reads are in reads.ts; here is what tells of changes ──────────────────────────────────────────────────────────────

/** Something changed in the journal; the reader looks up what it now is. Told after the commit, never before. */
export interface Change {
  readonly kind: "event" | "run" | "action" | "breaker";
  readonly id: string;
}
export interface Changes {
  subscribe(listener: (change: Change) => void): () => void;
}

// ── Destinations ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface Call {
  /** Aborts at the deadline; shorter than what is left of the lease. */
  readonly signal: AbortSignal;
}

export interface LookUp extends Call {
  /** When the request whose outcome is unknown left at the earliest, in milliseconds, by our clock. */
  readonly since: number;
}

/**
 * How an action may be repeated after an unknown outcome:
 * natural      repeating changes nothing (a set, an upsert)
 * vendor-key   the vendor takes our key or a client-supplied id
 * lookup       it can be looked up, and the look-up sees every write at once
 * weak-lookup  the look-up may lag: finding it proves it happened, not finding it proves nothing
 * never        neither (SMTP): an unknown outcome goes to a person
 */
export type Repeatability = "natural" | "vendor-key" | "lookup" | "weak-lookup" | "never";

export interface ActionExecutor {
  /** A function where it depends on the input, parsed by the kind's schema. */
  readonly repeat: Repeatability | ((input: JsonObject) => Repeatability);
  /** How long the vendor may take until a write can be seen, in milliseconds. */
  readonly settleMs: number;
  /** `input` is parsed by the kind's schema. Null when it is certainly not there (with `lookup`). Throws ServiceError. */
  lookup?(input: JsonObject, key: string, call: LookUp): Promise<ActionRef | null>;
  /** Throws ServiceError; its `effect` says whether the vendor may have acted. */
  execute(input: JsonObject, key: string, call: Call): Promise<ActionRef>;
}

export interface Destination {
  readonly name: DestinationName;
  /** False without credentials: its actions are dry runs. */
  readonly configured: boolean;
  readonly actions: Partial<Readonly<Record<ActionKind, ActionExecutor>>>;
  /** Null without credentials. Only destinations that agents read have it. */
  reads?(call: Call): Readers[keyof Readers];
}

// ── Guard: breakers and pauses around every call to a service ────────────────────────────────────────────────────

export interface ServiceGuard {
  /**
   * Calls `fn` unless the service is closed. Throws ServiceClosed without calling, or what `fn` throws.
   * Counts unavailable and timeout for the breaker; unauthorized pauses a destination. What fails once `signal` is
   * aborted was cut short by ourselves, and counts for nothing.
   */
  call<T>(service: string, fn: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Null when calls may be made; else until when not, and why. `all` and `agent:NAME` can be paused like a service. */
  closed(service: string): Promise<{ until: number; reason: string; by: ServiceClosed["by"] } | null>;
}
