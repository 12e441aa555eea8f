/**
 * Keeps alive what makes providers notify us: Gmail's watch, Graph's subscription. Per source that has one:
 *
 *   none ──keepAlive──▶ held ──renewAt──▶ renewed …                 (state "active" while it lasts)
 *     └── failed ──▶ tried again after 1, 2, 4 … 60 minutes          (state "failing"; "lapsed" once its end has passed)
 *
 * It is also renewed at every start, which finds out at once what no longer works, and when the provider says that it
 * ends. Where the mailbox stands is noted before its first watch, and the feed is read once after each new one: what
 * arrived while there was none was announced to nobody. All of it is in the journal, so a restart changes nothing.
 */
import { JournalUnavailable, ServiceClosed } from "../domain/errors.ts";
import type { Json } from "../domain/json.ts";
import type { State } from "../domain/ports.ts";
import type { Source, Watch, watchStates } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { readFeed } from "./expansion.ts";
import type { ExpansionParts } from "./expansion.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { inRounds } from "../resilience/rounds.ts";

/** As kept in the journal, scope `watch`, under the source's name. Times in milliseconds since the epoch. */
interface WatchRecord {
  readonly watch: Watch | null;
  readonly renewedAt: number | null;
  /** In a row, since it last went well. */
  readonly failures: number;
  readonly error: string | null;
  /** It is new, and what arrived before it has not been read yet. */
  readonly unread: boolean;
}

/** What people are shown of a watch. */
interface WatchView {
  readonly id: string | null;
  readonly state: (typeof watchStates)[number];
  readonly expiresAt: number | null;
  readonly lastRenewedAt: number | null;
  readonly error: string | null;
}

export interface WatchParts extends ExpansionParts {
  readonly log: Log;
  readonly metrics: Metrics;
  /** A watch has lapsed, so its source is silent. */
  readonly onLapsed: (source: string, message: string) => void;
}

export interface Watches {
  /** Renews now. Throws ServiceError, ServiceClosed, JournalUnavailable; what failed is also in its view. */
  renew(source: string, signal: AbortSignal): Promise<void>;
  /** Null for a source whose watch is not ours to keep. */
  view(source: Source): Promise<WatchView | null>;
  /** The configuration was replaced: every watch is renewed as it now has to be. */
  reloaded(): void;
  /**
   * Looks after all of them until `stop`. Once requests are received: a provider may ask our own address before it
   * agrees.
   */
  begin(): { stop(): Promise<void> };
}

const minuteMs = 60_000;
const longestPauseMs = 60 * minuteMs;
/** However short a provider says that a watch lives. */
const shortestLifeMs = 10 * minuteMs;
const nothing: WatchRecord = { watch: null, renewedAt: null, failures: 0, error: null, unread: false };

/** The watch that is held for a source; the only one whose notifications are listened to. */
export async function heldWatch(state: State, source: string): Promise<Watch | null> {
  return (await recordOf(state, source)).record.watch;
}

export function createWatches(parts: WatchParts): Watches {
  const { clock, log, sources } = parts;
  /** By source: when it is next looked at; unset at the start. */
  const dueAt = new Map<string, number>();
  /** By source: the end of the watch whose lapse was told. */
  const toldLapse = new Map<string, number>();
  const underWay = new Map<string, Promise<void>>();

  async function renewDue(signal: AbortSignal): Promise<void> {
    for (const source of sources().values()) {
      if (signal.aborted || !source.active) continue;
      try {
        await noteCursor(parts, source, signal);
        if (!source.keepAlive) continue;
        if (clock.now() >= (dueAt.get(source.name) ?? 0)) await renew(source.name, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ source: source.name, err: error }, "a watch could not be renewed; it is tried again");
      } finally {
        await show(source).catch(() => {});
      }
    }
  }

  /** One at a time per source: two subscriptions made at once would each end the other. */
  function renew(name: string, signal: AbortSignal): Promise<void> {
    const other = underWay.get(name);
    if (other) return other;
    const mine = renewOnce(parts, name, signal)
      .then((next) => void dueAt.set(name, next))
      .catch(async (error: unknown) => {
        dueAt.set(name, clock.now() + (await pauseAfter(parts, name, error)));
        throw error;
      })
      .finally(() => underWay.delete(name));
    underWay.set(name, mine);
    return mine;
  }

  async function show(source: Source): Promise<void> {
    const view = await viewOf(parts, source);
    if (!view || view.expiresAt === null) return;
    parts.metrics.watchExpires.set({ source: source.name }, (view.expiresAt - clock.now()) / 1_000);
    if (view.state === "lapsed" && toldLapse.get(source.name) !== view.expiresAt) {
      toldLapse.set(source.name, view.expiresAt);
      parts.onLapsed(
        source.name,
        `nothing tells us of its news any more: ${view.error ?? "its watch has ended"}`,
      );
    }
  }

  return {
    renew,
    view: (source) => viewOf(parts, source),
    reloaded: () => dueAt.clear(),
    begin() {
      dueAt.clear();
      return inRounds(clock, {
        first: 0,
        every: minuteMs,
        round: renewDue,
        failed: (err) => log.error({ err }, "watches could not be looked at; it is tried again"),
      });
    },
  };
}

/** Where the feed begins: noted before anything announces what comes after it. A cursor that is there stays. */
async function noteCursor({ state }: WatchParts, source: Source, signal: AbortSignal): Promise<void> {
  if (!source.currentCursor || (await state.get("cursor", source.name)) !== null) return;
  await state.put("cursor", source.name, await source.currentCursor(signal), 0);
}

/** Resolves to when it is due again. */
async function renewOnce(parts: WatchParts, name: string, signal: AbortSignal): Promise<number> {
  const { guard, state, clock, log, sources } = parts;
  const source = sources().get(name);
  if (!source?.keepAlive) return clock.now() + longestPauseMs;
  const { watch: held, unread } = (await recordOf(state, name)).record;
  failPoint("watch.renewing");
  const watch = await guard.call(`source:${name}`, async () => source.keepAlive?.(held, signal), signal);
  if (!watch) return clock.now() + longestPauseMs;
  const now = clock.now();
  const isNew = unread || held === null || held.id !== watch.id || held.expiresAt <= now;
  await write(state, name, () => ({ watch, renewedAt: now, failures: 0, error: null, unread: isNew }));
  failPoint("watch.renewed");
  log.info({ source: name, expiresAt: new Date(watch.expiresAt).toISOString(), isNew }, "watch.renewed");
  if (isNew) {
    await readFeed(parts, name, signal);
    await write(state, name, (record) => ({ ...record, unread: false }));
  }
  return Math.max(watch.renewAt, now + shortestLifeMs);
}

/** Notes what went wrong, and says how long to wait. A closed service was not asked, so nothing new is known. */
async function pauseAfter({ state, clock }: WatchParts, name: string, error: unknown): Promise<number> {
  if (error instanceof ServiceClosed) return Math.max(minuteMs, error.until - clock.now());
  if (error instanceof JournalUnavailable) return minuteMs;
  const message = error instanceof Error ? error.message : String(error);
  const { failures } = await write(state, name, (before) => ({
    ...before,
    failures: before.failures + 1,
    error: message.slice(0, 500),
  })).catch(() => ({ failures: 1 }));
  return Math.min(longestPauseMs, minuteMs * 2 ** (failures - 1));
}

async function viewOf({ state, clock }: WatchParts, source: Source): Promise<WatchView | null> {
  if (!source.keepAlive || !source.active) return null;
  const { watch, renewedAt, failures, error } = (await recordOf(state, source.name)).record;
  const lapsed = watch !== null && watch.expiresAt <= clock.now();
  return {
    id: watch?.id ?? null,
    state: lapsed ? "lapsed" : failures > 0 ? "failing" : watch === null ? "none" : "active",
    expiresAt: watch?.expiresAt ?? null,
    lastRenewedAt: renewedAt,
    error,
  };
}

async function recordOf(state: State, name: string): Promise<{ record: WatchRecord; version: number }> {
  const stored = await state.get("watch", name);
  return { record: (stored?.value ?? nothing) as unknown as WatchRecord, version: stored?.version ?? 0 };
}

/** Compares and sets until no one else was faster. */
async function write(
  state: State,
  name: string,
  next: (before: WatchRecord) => WatchRecord,
): Promise<WatchRecord> {
  for (;;) {
    const { record, version } = await recordOf(state, name);
    const after = next(record);
    if (await state.put("watch", name, after as unknown as Json, version)) return after;
  }
}
