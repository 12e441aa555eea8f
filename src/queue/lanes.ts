/**
 * What takes jobs in one process, a lane per agent. Each lane takes one job after the other while hands are free, for
 * its agent and in total, and asks for none when they are not: what this process can't begin is left to the others.
 *
 * A job is held, its lock renewed, until its handler has ended. It is then gone, also after a failure: what is still due
 * is told again. A process that dies leaves its jobs to be found stalled; they go back, and do nothing when their run
 * went on under another number meanwhile.
 */
import type { Job, Worker as BullWorker } from "bullmq";
import type { Hands } from "../domain/queue.ts";
import type { Log } from "../observability/log.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { inRounds } from "../resilience/rounds.ts";
import type { Rounds } from "../resilience/rounds.ts";
import type { RedisLink } from "./redis-link.ts";
import { createTurns } from "./turns.ts";

/** How long an idle lane waits for a job in one call. */
const waitSeconds = 2;
/** As long as the lease in the journal: both are lost together by a process that stands still. */
const lockMs = 9_000;
const renewMs = 3_000;
const stalledCheckMs = 5_000;
/** After a failure: without a pause, a full disk would make a lane as fast as it can fail. */
const pauseMs = 1_000;
const closeMs = 1_000;

interface LaneParts {
  readonly lanes: readonly string[];
  readonly prefix: string;
  readonly link: RedisLink;
  readonly handler: (run: string) => Promise<void>;
  readonly hands: Hands;
  readonly clock: Clock;
  readonly log: Log;
}

interface Held {
  readonly lane: string;
  readonly job: Job<string>;
  readonly token: string;
}

export function consumeLanes(Worker: typeof BullWorker, parts: LaneParts): { stop(): Promise<void> } {
  const { lanes, prefix, link, handler, hands, clock, log } = parts;
  const connection = link.patient();
  // Said once by the link, which tries the same server.
  connection.on("error", () => {});
  const workers = new Map(
    lanes.map((lane) => {
      const worker = new Worker<string>(lane, null, {
        connection,
        prefix,
        skipVersionCheck: true,
        drainDelay: waitSeconds,
        lockDuration: lockMs,
        stalledInterval: stalledCheckMs,
        // A job whose process died goes back, and does nothing when its run went on under another number meanwhile.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
      });
      worker.on("error", (error) =>
        log.debug({ err: error, agent: lane }, "a lane of the queue had an error"),
      );
      void worker.startStalledCheckTimer();
      return [lane, worker] as const;
    }),
  );
  const held = new Map<string, Held>();
  const working = new Set<Promise<void>>();
  const ending = new Set<Promise<unknown>>();
  let stopped = false;
  let tokens = 0;
  let freed = waitingRoom();

  const turns = createTurns();
  /** Lanes that have something to do and wait for a hand. */
  const wanting = new Set<string>();
  const hasHands = (lane: string) => held.size < hands.total && turns.busy(lane) < hands.perAgent;
  const hasTurn = (lane: string) => {
    const before = [...wanting].filter((other) => turns.compare(other, lane) < 0 && hasHands(other));
    return hasHands(lane) && hands.total - held.size > before.length;
  };
  const wake = () => {
    freed.open();
    freed = waitingRoom();
  };

  async function work(one: Held): Promise<void> {
    failPoint("queue.handed");
    let failure: Error | null = null;
    try {
      await handler(one.job.data);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      log.error({ run: one.job.data, err: error }, "a run's handler failed");
      await sleep(clock, pauseMs);
    }
    held.delete(one.token);
    turns.ended(one.lane);
    wake();
    // Gone from Redis or given to another meanwhile: then there is nothing to end.
    const ended = (
      failure
        ? one.job.moveToFailed(failure, one.token, false)
        : one.job.moveToCompleted(null, one.token, false)
    )
      .catch(() => {})
      .finally(() => ending.delete(ended));
    ending.add(ended);
  }

  /** One that found nothing waits at Redis for more, hands or not: what comes then is given back if there are none. */
  async function run(lane: string, worker: BullWorker<string>): Promise<void> {
    let more = false;
    while (!stopped) {
      if (more && !hasTurn(lane)) {
        if (turns.busy(lane) < hands.perAgent) wanting.add(lane);
        // A reload may have given more hands: nothing ends to tell of those.
        await within(clock, pauseMs, freed.opened);
        continue;
      }
      try {
        more = await takeOne(lane, worker);
      } catch (error) {
        if (stopped) return;
        log.debug({ err: error, agent: lane }, "a lane of the queue could not take a job");
        await sleep(clock, pauseMs);
      }
      // Others may have waited for it to go first.
      if (wanting.delete(lane)) wake();
    }
  }

  /** Whether there was a job. */
  async function takeOne(lane: string, worker: BullWorker<string>): Promise<boolean> {
    const token = `${worker.id}.${(tokens += 1)}`;
    const job = (await worker.getNextJob(token)) as Job<string> | undefined;
    if (!job) return false;
    if (stopped || !hasHands(lane)) {
      await job.moveToWait(token);
      return true;
    }
    const one = { lane, job, token };
    held.set(token, one);
    turns.begun(lane);
    const ended = work(one).finally(() => working.delete(ended));
    working.add(ended);
    return true;
  }

  const locks = keepLocks(held, workers, clock);
  const loops = [...workers].map(([lane, worker]) => run(lane, worker));
  return {
    async stop() {
      stopped = true;
      freed.open();
      // Ends the waiting for jobs; what is in hand is ended over the other connection.
      const closed = [...workers.values()].map((worker) => worker.close(true));
      await Promise.all(working);
      // Not waited for: without a server its last round has no end.
      void locks.stop();
      // BullMQ's closing waits for a server that is away.
      await within(clock, closeMs, Promise.allSettled([...closed, ...loops, ...ending]));
      connection.disconnect();
    },
  };
}

/** Renews the locks of what is held: a job without one counts as stalled. */
function keepLocks(
  held: ReadonlyMap<string, Held>,
  workers: ReadonlyMap<string, BullWorker>,
  clock: Clock,
): Rounds {
  async function renew(): Promise<void> {
    const renewals = [...workers].map(async ([lane, worker]) => {
      const mine = [...held.values()].filter((one) => one.lane === lane);
      const ids = mine.map(({ job }) => job.id ?? "");
      if (mine.length === 0) return;
      await worker.extendJobLocks(
        ids,
        mine.map(({ token }) => token),
        lockMs,
      );
    });
    await Promise.allSettled(renewals);
  }
  return inRounds(clock, { every: renewMs, round: renew, failed: () => {} });
}

function waitingRoom(): { opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Resolves when the work is done, and after `ms` at the latest. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  let timer = { cancel: () => {} };
  const late = new Promise<void>((resolve) => {
    timer = clock.after(ms, resolve);
  });
  await Promise.race([work, late]);
  timer.cancel();
}
