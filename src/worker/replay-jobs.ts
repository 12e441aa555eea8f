/**
 * Paced replays. A job is a value in the journal, so that it outlives the process that was asked for it:
 *
 *   running ──all dealt with──▶ done
 *      │ ▲
 *      ▼ └─resumed─
 *   cancelled                      (what it has started stays started)
 *
 * It goes through the list of its filter by a cursor, a batch at a time. A batch is noted in the job before its runs are
 * started, and the moved cursor after that; whoever finds a noted batch that nobody finishes starts what is missing of
 * it: an event of it that has a run since is not run twice. The version of the value lets one process at a time do so.
 */
import { Conflict, JournalUnavailable } from "../domain/errors.ts";
import type { Json } from "../domain/json.ts";
import type { Journal, NewRun, State } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import type { ReplayFilter, ReplayJob } from "../domain/replay.ts";
import { failPoint } from "../resilience/fail-points.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Ids } from "../resilience/ids.ts";
import { targetPage, wakesOf } from "./replay-targets.ts";
import type { Target, TargetParts } from "./replay-targets.ts";

export interface ReplayJobParts extends TargetParts {
  readonly journal: Pick<Journal, "replay">;
  readonly state: State;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
}

export interface ReplayJobs {
  /** `perMinute` is the usual pace where it is left out. */
  create(
    filter: ReplayFilter,
    expected: ReplayJob["expected"],
    by: string,
    perMinute?: number,
  ): Promise<ReplayJob>;
  /** Newest first. */
  list(): Promise<ReplayJob[]>;
  /** Throws Conflict: not_found, wrong_state. */
  cancel(id: string): Promise<ReplayJob>;
  resume(id: string): Promise<ReplayJob>;
  /** Carries them out until `stop`, which waits for the batch in hand. */
  begin(): { stop(): Promise<void> };
}

const usualPerMinute = 300;
const tickMs = 1_000;
/** While nothing runs here, another process may have been asked. */
const idleMs = 2_000;
const largestBatch = 50;
/** A batch that was noted longer ago than this was left by a process that died. */
const abandonedMs = 30_000;

interface Stored extends ReplayJob {
  /** The last row of the list that was dealt with. */
  readonly cursor: string | null;
  /** The batch that is being started: how many rows of the list behind the cursor, and since when. */
  readonly batch: { readonly rows: number; readonly at: number } | null;
}

export function createReplayJobs(parts: ReplayJobParts): ReplayJobs {
  const { state, clock } = parts;
  /** Looks for work at once, if this process carries them out. */
  let look = (): void => {};

  function begin(): { stop(): Promise<void> } {
    /** Runs that may be started now, by job; in the memory of this process, so that a restart begins slowly. */
    const credit = new Map<string, { runs: number; at: number }>();
    let stopped = false;
    let working: Promise<void> = Promise.resolve();
    let timer = clock.after(0, tick);
    look = tick;

    function tick(): void {
      if (stopped) return;
      timer.cancel();
      working = round(working);
    }
    async function round(before: Promise<void>): Promise<void> {
      await before;
      const busy = await work(parts, credit, () => stopped).catch((error: unknown) => {
        if (!(error instanceof JournalUnavailable))
          parts.log.error({ err: error }, "a replay could not go on; it tries again");
        return true;
      });
      timer.cancel();
      if (!stopped) timer = clock.after(busy ? tickMs : idleMs, tick);
    }
    return {
      async stop() {
        stopped = true;
        timer.cancel();
        await working;
      },
    };
  }

  async function change(id: string, next: (job: Stored) => Stored): Promise<ReplayJob> {
    for (;;) {
      const stored = await state.get("replay", id);
      if (!stored) throw new Conflict("not_found", `there is no replay ${id}`);
      const after = next(stored.value as unknown as Stored);
      if (await state.put("replay", id, { ...after } as unknown as Json, stored.version)) return shown(after);
    }
  }

  return {
    async create(filter, expected, by, perMinute = usualPerMinute) {
      const now = clock.now();
      const job: Stored = {
        id: parts.ids("rpl"),
        // What was received in this very millisecond was counted, so it belongs to it.
        filter: { ...filter, until: Math.min(filter.until ?? now + 1, now + 1) },
        status: "running",
        perMinute,
        expected,
        events: 0,
        runs: 0,
        refused: 0,
        by,
        createdAt: now,
        updatedAt: now,
        cursor: null,
        batch: null,
      };
      await state.put("replay", job.id, { ...job } as unknown as Json, 0);
      look();
      return shown(job);
    },
    list: async () =>
      (await state.list("replay")).map(({ value }) => shown(value as unknown as Stored)).reverse(),
    cancel: (id) =>
      change(id, (job) => {
        if (job.status !== "running")
          throw new Conflict(
            "wrong_state",
            `replay ${id} is ${job.status}: only a running one can be cancelled`,
          );
        return { ...job, status: "cancelled", updatedAt: clock.now() };
      }),
    async resume(id) {
      const job = await change(id, (stored) => {
        if (stored.status !== "cancelled")
          throw new Conflict(
            "wrong_state",
            `replay ${id} is ${stored.status}: only a cancelled one can be resumed`,
          );
        return { ...stored, status: "running", updatedAt: clock.now() };
      });
      look();
      return job;
    },
    begin,
  };
}

const shown = ({ cursor: _cursor, batch: _batch, ...job }: Stored): ReplayJob => job;

/** One batch of each job that runs. True when there was one. */
async function work(
  parts: ReplayJobParts,
  credit: Map<string, { runs: number; at: number }>,
  isStopped: () => boolean,
): Promise<boolean> {
  const { state, clock } = parts;
  let busy = false;
  for (const { value, version } of await state.list("replay")) {
    const job = value as unknown as Stored;
    if (job.status !== "running" || isStopped()) continue;
    busy = true;
    const now = clock.now();
    const before = credit.get(job.id) ?? { runs: 1, at: now };
    const perTick = job.perMinute / (60_000 / tickMs);
    const earned = before.runs + ((now - before.at) * job.perMinute) / 60_000;
    const own = { runs: Math.min(earned, Math.max(1, 2 * perTick)), at: now };
    credit.set(job.id, own);
    if (own.runs >= 1) own.runs -= await nextBatch(parts, job, version, Math.floor(own.runs));
    // Whatever one event starts is started together, which may be more than there was credit for: it is worked off.
  }
  return busy;
}

/** Resolves to how many runs were started. */
async function nextBatch(
  { state, clock, queue, ...parts }: ReplayJobParts,
  job: Stored,
  version: number,
  most: number,
): Promise<number> {
  const now = clock.now();
  // Someone is at it, or was cut off a moment ago.
  if (job.batch !== null && now - job.batch.at < abandonedMs) return 0;
  const batch = job.batch ?? { rows: Math.min(most, largestBatch), at: now };
  // Renewing the time of an abandoned batch would make its runs look older than it.
  const noted: Stored = { ...job, batch };
  if (!(await state.put("replay", job.id, { ...noted } as unknown as Json, version))) return 0;

  const page = await targetPage(parts, job.filter, batch.rows, job.cursor ?? undefined);
  const started: NewRun[] = [];
  let refused = 0;
  for (const target of page.targets) {
    if (target.verification.result === "failed") {
      refused += 1;
      parts.log.warn(
        { replay: job.id, event: target.event },
        "an event was not run again: its bytes changed",
      );
      continue;
    }
    const missing = job.batch === null ? target.runs : missingRuns(target, batch.at);
    if (missing.length === 0) continue;
    failPoint("replay.begin");
    await parts.journal.replay({ event: target.event, runs: missing });
    failPoint("replay.stored");
    started.push(...missing);
  }
  queue.publish(wakesOf(started));
  await settleBatch(state, noted, version + 1, {
    events: job.events + page.targets.length,
    runs: job.runs + started.length,
    refused: job.refused + refused,
    cursor: page.next,
    updatedAt: clock.now(),
  });
  return started.length;
}

const missingRuns = ({ runs, before }: Target, since: number) =>
  runs.filter(
    ({ agent }) => !before.some((run) => run.agent === agent && run.generation > 0 && run.createdAt >= since),
  );

/** Moves the cursor. A job that was cancelled meanwhile stays so, and does not start this batch again when resumed. */
async function settleBatch(
  state: State,
  noted: Stored,
  version: number,
  done: Pick<Stored, "events" | "runs" | "refused" | "cursor" | "updatedAt">,
): Promise<void> {
  let current = { value: noted, version };
  for (;;) {
    const status = done.cursor === null ? "done" : current.value.status;
    const next: Stored = {
      ...current.value,
      ...done,
      cursor: done.cursor ?? noted.cursor,
      status,
      batch: null,
    };
    if (await state.put("replay", noted.id, { ...next } as unknown as Json, current.version)) return;
    const stored = await state.get("replay", noted.id);
    if (!stored) return;
    current = { value: stored.value as unknown as Stored, version: stored.version };
  }
}
