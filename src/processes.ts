/**
 * Who is in the fleet: each process keeps a record of itself in the journal, for people to see.
 *
 *   starting ──register──▶ heard of (every `beatMs`) ──stop──▶ gone
 *                             └── dies ──▶ not heard of ──after `forgetMs`──▶ gone
 *
 * The record of one that is gone is taken over by the next that comes: there are never more records than processes were
 * up within an hour. Nothing is decided by them.
 */
import { hostname } from "node:os";
import { configurationOf } from "./config-noted.ts";
import type { Json } from "./domain/json.ts";
import type { State } from "./domain/ports.ts";
import type { ProcessRow } from "./http/admin-views.ts";
import type { Settings } from "./in-force.ts";
import type { Log } from "./observability/log.ts";
import { version } from "./package.ts";
import type { Clock } from "./resilience/clock.ts";
import { holderOf } from "./worker/duties.ts";

export interface ProcessParts {
  readonly state: State;
  readonly clock: Clock;
  readonly log: Log;
  /** The id of this process. */
  readonly owner: string;
  readonly role: ProcessRow["role"];
  readonly settings: () => Settings;
}

export interface Processes {
  /** Tells of itself at once: its configuration has changed. */
  reloaded(): void;
  list(): Promise<ProcessRow[]>;
  stop(): Promise<void>;
}

const beatMs = 10_000;
/** So long after its last word a process counts as gone. */
const silentMs = 30_000;
const forgetMs = 3_600_000;
/** A changed file reaches one process a little later than another. */
const spreadMs = 30_000;

/** Times are by the clock of the process that it is of. */
interface ProcessRecord extends Omit<ProcessRow, "leading" | "trouble"> {
  readonly gone: boolean;
}

/** The record of this process, as it is now. */
function ownRecord({ clock, owner, role, settings }: ProcessParts): () => ProcessRecord {
  const startedAt = clock.now();
  let config = configurationOf(settings());
  let configSince = startedAt;
  return () => {
    const now = configurationOf(settings());
    if (now !== config) configSince = clock.now();
    config = now;
    return {
      id: owner,
      role,
      host: hostname(),
      pid: process.pid,
      version,
      config,
      configSince,
      startedAt,
      seenAt: clock.now(),
      gone: false,
    };
  };
}

/** The only process there is. */
export function onlyProcess(parts: ProcessParts): Processes {
  const own = ownRecord(parts);
  return {
    reloaded: () => {},
    list: async () => [rowOf(own(), parts.owner, null)],
    stop: async () => {},
  };
}

/** Registers this process, and again whenever its record was taken for one of a process that is gone. Never throws. */
export function joinFleet(parts: ProcessParts): Processes {
  const { state, clock, log } = parts;
  const own = ownRecord(parts);
  let held: { key: string; version: number } | null = null;
  let failing = false;
  let stopped = false;
  let beating: Promise<void> = Promise.resolve();
  let timer = clock.after(0, beat);

  function beat(): void {
    timer.cancel();
    beating = beating.then(tell).finally(() => {
      timer.cancel();
      if (!stopped) timer = clock.after(beatMs, beat);
    });
  }

  async function tell(): Promise<void> {
    try {
      held = await write({ ...own(), gone: stopped });
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, "this process could not tell the others of itself");
      failing = true;
    }
  }

  async function write(record: ProcessRecord): Promise<typeof held> {
    for (;;) {
      const place = held ?? (await freePlace(state, record.seenAt));
      if (await state.put("process", place.key, record as unknown as Json, place.version))
        return { key: place.key, version: place.version + 1 };
      held = null;
    }
  }

  return {
    reloaded: () => {
      if (!stopped) beat();
    },
    async list() {
      const records = (await state.list("process")).map(({ value }) => value as unknown as ProcessRecord);
      const known = [...records.filter(({ id }) => id !== parts.owner), own()];
      const leader = await holderOf(state);
      const now = clock.now();
      const shown = known.filter(({ gone, seenAt }) => !gone && now - seenAt < forgetMs);
      const heard = shown.filter(({ seenAt }) => now - seenAt < silentMs);
      const newest = heard.toSorted((a, b) => b.configSince - a.configSince)[0] ?? own();
      const settled = now - newest.configSince > spreadMs;
      return shown
        .toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
        .map((record) => {
          if (!heard.includes(record))
            return rowOf(record, leader, "it ended without a word, or can't reach the database");
          return rowOf(record, leader, settled && record.config !== newest.config ? outdated(newest) : null);
        });
    },
    async stop() {
      stopped = true;
      timer.cancel();
      await beating;
      await tell();
    },
  };
}

const outdated = ({ config, role, host, pid }: ProcessRecord): string =>
  `its configuration is not the newest, ${config}, which the ${role} process ${pid} on ${host} has`;

async function freePlace(state: State, now: number): Promise<{ key: string; version: number }> {
  const records = await state.list("process");
  const free = records.find(({ value }) => {
    const { gone, seenAt } = value as unknown as ProcessRecord;
    return gone || now - seenAt >= forgetMs;
  });
  return free ?? { key: String(records.length + 1), version: 0 };
}

const rowOf = (
  { gone: _gone, ...record }: ProcessRecord,
  leader: string | null,
  trouble: string | null,
): ProcessRow => ({
  ...record,
  leading: record.id === leader,
  trouble,
});
