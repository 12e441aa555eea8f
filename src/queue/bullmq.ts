/**
 * The queue of the server profile: BullMQ on Redis, one queue per agent, so that one which is stuck or flooded is passed
 * by. It holds nothing that is not in the journal:
 *
 * - A job is a run's id under `<run>.<number of its claim>`, without a delay, a priority or attempts: timers live in the
 *   journal, and only what is due is published. Told twice it is one job; its next time is another.
 * - A job that is lost with Redis is told again by the leader (publisher.ts). One that is handed out twice does nothing,
 *   because the claim in the journal fails. So a job goes as soon as its handler ends, however it ends.
 * - `publish` drops what it can't pass on at once: without Redis the runs wait in the journal, and nowhere else.
 */
import type { Queue as BullQueue } from "bullmq";
import type { Journal } from "../domain/ports.ts";
import type { Queue, Wake } from "../domain/queue.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { consumeLanes } from "./lanes.ts";
import { startPublisher } from "./publisher.ts";
import type { Publisher } from "./publisher.ts";
import { openRedisLink } from "./redis-link.ts";

export interface BullmqOptions {
  readonly url: string;
  /** Of all its keys: two installations can share a Redis. */
  readonly prefix: string;
  readonly allowEviction: boolean;
  /** Their runs are kept apart; all others share one queue. */
  readonly agents: readonly string[];
  readonly journal: Pick<Journal, "dueAgents" | "dueRuns">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface BullmqQueue extends Queue {
  /** The duty of one process in the fleet: tells what has become due, and again what Redis has lost. */
  publishDue(): { stop(): Promise<void> };
  /** Why nothing can be queued now, in words for people; null when it can. */
  trouble(): string | null;
  /** After the consumers. Does not wait for a server that is away. */
  close(): Promise<void>;
}

/** Where runs of agents go that this process does not know: an agent that was removed, or is of a newer version. */
const unlisted = "unlisted";
/** What may be on its way to Redis; beyond it the publisher has to tell. */
const mostPending = 5_000;
const atOnce = 500;
/** A flood stays in the journal: Redis holds no more of it than keeps the hands busy. */
const mostWaiting = 10_000;
const depthForMs = 1_000;

/** Throws RedisUnfit. A server that can't be reached is not waited for. */
export async function openBullmqQueue(options: BullmqOptions): Promise<BullmqQueue> {
  const { agents, journal, clock, log } = options;
  const link = await openRedisLink(options);
  const bull = await import("bullmq");
  const prefix = `{${options.prefix}}`;
  const lanes = [...new Set([...agents, unlisted])];
  const laneOf = (agent: string) => (lanes.includes(agent) ? agent : unlisted);
  const queues = new Map(
    lanes.map((lane) => [
      lane,
      lazily(() => {
        const queue = new bull.Queue(lane, { connection: link.client, prefix, skipVersionCheck: true });
        // What fails is dropped and told again; the link logs when the server is away.
        queue.on("error", () => {});
        return queue;
      }),
    ]),
  );
  const queueOf = (lane: string): BullQueue | undefined => (link.up() ? queues.get(lane)?.() : undefined);
  const add = async (lane: string, wakes: readonly Wake[]): Promise<void> => {
    await queueOf(lane)?.addBulk(wakes.map(jobFor));
  };

  const depths = new Map<string, { at: number; waiting: number }>();
  /** As it was a moment ago. */
  async function depthOf(lane: string): Promise<number> {
    const known = depths.get(lane);
    if (known && clock.now() - known.at < depthForMs) return known.waiting;
    const waiting = (await queueOf(lane)?.getWaitingCount()) ?? 0;
    depths.set(lane, { at: clock.now(), waiting });
    return waiting;
  }

  const pending: Wake[] = [];
  let passing = false;
  async function pass(): Promise<void> {
    passing = true;
    while (pending.length > 0) {
      const wakes = pending.splice(0, atOnce);
      const named = [...new Set(wakes.map(({ agent }) => laneOf(agent)))];
      const passed = named.map(async (lane) => {
        if ((await depthOf(lane)) >= mostWaiting) return;
        const mine = wakes.filter(({ agent }) => laneOf(agent) === lane);
        await add(lane, mine);
        const known = depths.get(lane);
        if (known) known.waiting += mine.length;
      });
      await Promise.allSettled(passed);
    }
    passing = false;
  }

  let publisher: Publisher | null = null;
  link.onUp(() => publisher?.lookAgain());
  return {
    publish(wakes) {
      if (wakes.length === 0) publisher?.look();
      if (!link.up()) return;
      pending.push(...wakes.slice(0, Math.max(0, mostPending - pending.length)));
      if (!passing) void pass();
    },
    publishDue() {
      const mine = startPublisher({
        journal,
        up: link.up,
        waiting: async (agent) => (await queueOf(laneOf(agent))?.getWaitingCount()) ?? 0,
        tell: (agent, wakes) => add(laneOf(agent), wakes),
        clock,
        log,
      });
      publisher = mine;
      return {
        stop: async () => {
          if (publisher === mine) publisher = null;
          await mine.stop();
        },
      };
    },
    consume: (handler, hands) =>
      consumeLanes(bull.Worker, { lanes, prefix, link, handler, hands, clock, log }),
    trouble: link.trouble,
    async close() {
      link.close();
    },
  };
}

const jobFor = ({ run, number }: Wake) => ({
  name: "run",
  data: run,
  opts: { jobId: `${run}.${number}`, removeOnComplete: true, removeOnFail: true },
});

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
