/**
 * Gap healing: fetches, after a downtime and on a schedule, what providers did not manage to deliver. One source at a time:
 *
 *   due ──lease──▶ reading its record from the healed point, a part at a time; each part's events and the moved point are
 *    │             one transaction, so that a crash repeats at most one part, all of it duplicates
 *    │               ├── read to the end ──────────▶ due again after `every`
 *    │               ├── many parts read ──────────▶ due again at once, after the other sources
 *    │               ├── limited, closed, failed ──▶ due when the provider or its breaker says, or in a minute
 *    │               └── lease or point lost ──────▶ someone else heals it; due after `every`
 *    └── leased by another process ──▶ due when that lease ends
 *
 * The healed point stays a little behind the clock: a record may show an event late. What lies between is read again.
 * A source with a change feed has its cursor for all this: its feed is read on, that is all.
 */
import { Conflict, JournalUnavailable, ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { AcceptedItem, Inbox } from "../domain/ports.ts";
import type { Healed, HealRequest, Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { readFeed } from "./expansion.ts";
import type { ExpansionParts } from "./expansion.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { inRounds } from "../resilience/rounds.ts";
import type { Rounds } from "../resilience/rounds.ts";

export interface HealingParts extends Omit<ExpansionParts, "renewWatch"> {
  readonly inbox: Pick<Inbox, "acceptExpansion" | "acceptHealed">;
  readonly log: Log;
  readonly metrics: Metrics;
  /** In milliseconds: how often, and how far back at most. */
  readonly settings: () => { readonly every: number; readonly reach: number };
  /** What the routes of a source ask for. */
  readonly wanted: (source: string) => Pick<HealRequest, "types" | "wants">;
  /** Something was lost, or can't be healed until a person acts. */
  readonly onTrouble: (source: string, message: string) => void;
  /** When the service was last known to be up before this start; null: never. */
  readonly aliveBefore: number | null;
  /** Null where the journal is this process's alone: then whoever held a lease is gone. */
  readonly owner: string | null;
}

interface HealResult {
  /** Events that the provider's record held. */
  readonly read: number;
  /** Events that were not known. */
  readonly healed: number;
  /** Events that were. */
  readonly known: number;
  /** Runs of known events that were started again. */
  readonly restarted: number;
  /** The record holds more: the next round goes on. */
  readonly more: boolean;
}

export interface Healing {
  /**
   * Heals one source now, from `since` (milliseconds since the epoch) or the healed point on. Throws Conflict when there
   * is nothing to heal it from or it is being healed, ServiceError, ServiceClosed, JournalUnavailable.
   */
  heal(source: string, since?: number): Promise<HealResult>;
  /** Up to when nothing is missing; null for sources that are not healed, or were not yet. */
  healedUntil(source: string): Promise<number | null>;
  /** Heals every source from time to time, until `stop`. */
  begin(): { stop(): Promise<void> };
  /** Aborts what was asked for by hand. */
  stop(): void;
}

const leaseMs = 120_000;
const settleMs = 120_000;
const aliveMarginMs = 120_000;
const partsPerRound = 50;
const soonMs = 1_000;
/** After a failure, and the longest until a source that a reload added is seen. */
const againMs = 60_000;

type Heal = (source: Source, turn: Pick<Round, "since" | "signal">) => Promise<HealResult>;

export function createHealing(parts: HealingParts): Healing {
  const { clock } = parts;
  const stopped = new AbortController();
  const busy = new Set<string>();
  let first = true;

  const exclusively: Heal = async (source, turn) => {
    if (busy.has(source.name)) throw new Leased(source.name, clock.now() + againMs);
    busy.add(source.name);
    try {
      return await leased(parts, source.name, (extend) => round(parts, source, { ...turn, first, extend }));
    } finally {
      busy.delete(source.name);
    }
  };

  return {
    async heal(name, since) {
      const source = parts.sources().get(name);
      if (!source) throw new Conflict("not_found", `there is no source ${name}`);
      if (!heals(source))
        throw new Conflict(
          "wrong_state",
          `source ${name} can't be healed: it is inactive, or you have to set its credentials under \`healing\``,
        );
      return exclusively(source, { since, signal: stopped.signal });
    },
    healedUntil: async (name) => (await pointOf(parts, name)).at,
    begin: () => healInTurn(parts, exclusively, () => (first = false)),
    stop: () => stopped.abort(new Error("the service stops")),
  };
}

function healInTurn(parts: HealingParts, heal: Heal, onRound: () => void): Rounds {
  const { clock, log } = parts;
  const dueAt = new Map<string, number>();

  async function healDue(signal: AbortSignal): Promise<number> {
    for (const source of parts.sources().values()) {
      if (signal.aborted) break;
      if (!heals(source) || (dueAt.get(source.name) ?? 0) > clock.now()) continue;
      dueAt.set(source.name, clock.now() + (await waitAfter(source, signal)));
    }
    onRound();
    const next = Math.min(clock.now() + againMs, ...dueAt.values());
    return Math.max(soonMs, next - clock.now());
  }

  /** Heals, and says in how many milliseconds it is due again. Never throws. */
  async function waitAfter(source: Source, signal: AbortSignal): Promise<number> {
    const { every } = parts.settings();
    try {
      const { more } = await heal(source, { since: undefined, signal });
      return more ? soonMs : every;
    } catch (error) {
      if (signal.aborted) return every;
      if (error instanceof Leased) return Math.max(soonMs, error.until - clock.now());
      if (error instanceof ServiceError && error.kind === "invalid")
        parts.onTrouble(source.name, `its gaps can't be healed: ${error.message}`);
      log.warn({ source: source.name, err: error }, "healing: not done; it is tried again");
      return pauseAfter(error, every, clock.now());
    }
  }

  return inRounds(clock, {
    first: 0,
    every: againMs,
    round: healDue,
    failed: (err) => log.error({ err }, "healing failed; it is tried again"),
  });
}

const heals = ({ active, heal, expand }: Source): boolean => active && Boolean(heal ?? expand);

function pauseAfter(error: unknown, every: number, now: number): number {
  if (error instanceof ServiceClosed) return Math.min(every, Math.max(soonMs, error.until - now));
  if (!(error instanceof ServiceError)) return Math.min(every, againMs);
  if (error.kind === "rate-limited") return Math.max(soonMs, error.retryAfterMs ?? every);
  return error.kind === "unavailable" || error.kind === "timeout"
    ? Math.max(error.retryAfterMs ?? 0, Math.min(every, againMs))
    : every;
}

// ── One round ────────────────────────────────────────────────────────────────────────────────────────────────────

interface Round {
  readonly since: number | undefined;
  /** The first since the start: then the downtime before it counts. */
  readonly first: boolean;
  readonly signal: AbortSignal;
  extend(): Promise<void>;
}

async function round(parts: HealingParts, source: Source, { since, ...turn }: Round): Promise<HealResult> {
  if (source.heal) return healRecord(parts, source.name, source.heal.bind(source), { since, ...turn });
  // Without a cursor the mailbox was just connected; where it stands is noted elsewhere.
  if ((await parts.state.get("cursor", source.name)) === null)
    return { read: 0, healed: 0, known: 0, restarted: 0, more: false };
  // Its cursor says where to go on from; a time asks for what the feed may have passed over.
  const { read, fresh } = await readFeed(parts, source.name, turn.signal, since !== undefined);
  count(parts, source.name, fresh, 0);
  return { read, healed: fresh, known: read - fresh, restarted: 0, more: false };
}

async function healRecord(
  parts: HealingParts,
  name: string,
  heal: NonNullable<Source["heal"]>,
  { since, first, signal, extend }: Round,
): Promise<HealResult> {
  const { guard, inbox, clock } = parts;
  let { at: reached, version } = await pointOf(parts, name);
  if (reached === null) {
    // Kept before anything is read: a first round that fails must not make the next one begin later.
    reached = firstPoint(parts, first);
    await inbox.acceptHealed(name, [], { value: new Date(reached).toISOString(), expected: version });
    version += 1;
  }
  const from = since ?? withinReach(parts, name, reached);
  const record = heal({ ...parts.wanted(name), since: from, signal })[Symbol.asyncIterator]();
  const total = { read: 0, healed: 0, known: 0, restarted: 0 };
  const mostParts = since === undefined ? partsPerRound : Number.POSITIVE_INFINITY;
  try {
    for (let part = 0; part < mostParts; part += 1) {
      const next: IteratorResult<Healed, unknown> = await guard.call(`source:${name}`, () => record.next());
      if (next.done === true) return { ...total, more: false };
      failPoint("healing.read");
      reached = Math.max(reached, Math.min(next.value.until, clock.now() - settleMs));
      const point = { value: new Date(reached).toISOString(), expected: version };
      const accepted = await inbox.acceptHealed(name, next.value.items, point);
      failPoint("healing.stored");
      version += 1;
      const { fresh, restarted } = newsIn(accepted);
      count(parts, name, fresh, restarted);
      total.read += accepted.length;
      total.healed += fresh;
      total.known += accepted.length - fresh;
      total.restarted += restarted;
      await extend();
    }
    return { ...total, more: true };
  } finally {
    await record.return?.();
  }
}

/** For a source that was never healed: the downtime before this start, if there was a start before it. */
function firstPoint({ aliveBefore, clock, settings }: HealingParts, first: boolean): number {
  const now = clock.now();
  const up = first && aliveBefore !== null ? aliveBefore - aliveMarginMs : now;
  return Math.max(up, now - settings().reach);
}

/** What is out of reach is told, not passed over in silence. */
function withinReach({ clock, settings, onTrouble }: HealingParts, name: string, reached: number): number {
  const reachable = clock.now() - settings().reach;
  if (reached >= reachable) return reached;
  onTrouble(
    name,
    `what it sent between ${new Date(reached).toISOString()} and ${new Date(reachable).toISOString()} and could not ` +
      "deliver is out of reach (`healing.reach`) and has to be looked for at the provider",
  );
  return reachable;
}

const newsIn = (accepted: readonly AcceptedItem[]): { fresh: number; restarted: number } => ({
  fresh: accepted.filter((item) => !item.duplicate).length,
  restarted: accepted.reduce((sum, item) => sum + (item.duplicate ? item.runs.length : 0), 0),
});

function count({ metrics, log }: HealingParts, source: string, fresh: number, restarted: number): void {
  if (fresh === 0 && restarted === 0) return;
  metrics.eventsReceived.inc({ source, result: "healed" }, fresh);
  log.info({ source, healed: fresh, restarted }, "healing: events that had not been delivered");
}

/** Stored by `Inbox.acceptHealed`. */
async function pointOf(
  { state }: HealingParts,
  name: string,
): Promise<{ at: number | null; version: number }> {
  const stored = await state.get("cursor", `heal:${name}`);
  const at = typeof stored?.value === "string" ? Date.parse(stored.value) : Number.NaN;
  return { at: Number.isNaN(at) ? null : at, version: stored?.version ?? 0 };
}

// ── One healer per source ────────────────────────────────────────────────────────────────────────────────────────

/** Another process has it, at most until then. */
class Leased extends Conflict {
  readonly until: number;
  constructor(source: string, until: number) {
    super("wrong_state", `source ${source} is being healed; try again when that has ended`);
    this.until = until;
  }
}

/** A lease only saves double work: the version of the healed point is what keeps two healers from undoing each other. */
async function leased<T>(
  { state, clock, owner }: HealingParts,
  name: string,
  work: (extend: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const key = `healing:${name}`;
  const held = await state.get("meta", key);
  const lease = held?.value as { owner: string | null; until: number } | undefined;
  const isOthers = owner !== null && lease?.owner !== owner;
  if (lease && isOthers && lease.until > clock.now()) throw new Leased(name, lease.until);
  let version = held?.version ?? 0;
  const write = async (until: number): Promise<boolean> => {
    const written = await state.put("meta", key, { owner, until }, version);
    if (written) version += 1;
    return written;
  };
  const extend = async (): Promise<void> => {
    if (!(await write(clock.now() + leaseMs))) throw new Leased(name, clock.now() + leaseMs);
  };
  await extend();
  failPoint("healing.leased");
  try {
    return await work(extend);
  } finally {
    // A lease that can't be given back runs out by itself.
    await write(0).catch((error: unknown) => {
      if (!(error instanceof JournalUnavailable)) throw error;
    });
  }
}
