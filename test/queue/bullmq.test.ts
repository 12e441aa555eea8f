import { memoryUsage } from "node:process";
import { Queue as BullQueue, Worker as BullWorker } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Hands } from "../../src/domain/queue.ts";
import { silentLog } from "../../src/observability/log.ts";
import type { Log } from "../../src/observability/log.ts";
import { openBullmqQueue } from "../../src/queue/bullmq.ts";
import type { BullmqOptions, BullmqQueue } from "../../src/queue/bullmq.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { queueContract, soon } from "../contracts/queue.ts";
import { openQueueJournal } from "../support/queue-journal.ts";
import { redisNote, redisPresent, startRedis } from "../support/redis.ts";
import type { RedisServer } from "../support/redis.ts";

const agents = ["a", "b", "c"];
const hands: Hands = { total: 4, perAgent: 4 };
const done = async () => ({ kind: "done", summary: "" }) as const;

describe.skipIf(!redisPresent)(`on a real Redis${redisNote}`, () => {
  let redis: RedisServer;
  let installations = 0;
  const ends: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  const openQueue = (over: Partial<BullmqOptions> & Pick<BullmqOptions, "journal">) =>
    openBullmqQueue({
      url: redis.url,
      prefix: `test${installations}`,
      allowEviction: false,
      agents,
      clock: systemClock,
      log: silentLog,
      ...over,
    });

  queueContract("bullmq", async (journal) => {
    installations += 1;
    const queue = await openQueue({ journal });
    const duty = queue.publishDue();
    return {
      queue,
      close: async () => {
        await duty.stop();
        await queue.close();
      },
    };
  });

  /** A journal and its queue, on a Redis of their own where that one is ended in the test. */
  async function open({ own, leaseMs, log }: { own?: boolean; leaseMs?: number; log?: Log } = {}) {
    const server = own ? await startRedis() : redis;
    if (own) ends.push(() => server.stop());
    const on = openQueueJournal(leaseMs);
    ends.push(() => on.close());
    installations += 1;
    const prefix = `test${installations}`;
    const process = async () => {
      const queue = await openQueue({
        journal: on.journal,
        url: server.url,
        prefix,
        ...(log ? { log } : {}),
      });
      ends.push(() => queue.close());
      return queue;
    };
    const start = (queue: BullmqQueue, work: Parameters<typeof on.working>[0] = done, some = hands) => {
      const consumer = queue.consume(on.working(work), some);
      ends.push(() => consumer.stop());
      return consumer;
    };
    const lead = (queue: BullmqQueue) => {
      const duty = queue.publishDue();
      ends.push(() => duty.stop());
      return duty;
    };
    const jobs = async (state: string, agent = "a") =>
      (await server.command("LLEN", `{${prefix}}:${agent}:${state}`)) as number;
    const finished = (limit = soon) =>
      vi.waitFor(async () => expect(await on.open()).toEqual([]), { ...soon, ...limit });
    return { server, on, prefix, process, start, lead, jobs, finished };
  }

  describe("bullmq and the loss of Redis", () => {
    it("loses nothing and does nothing twice when everything in Redis is erased in mid-work, again and again", async () => {
      const { server, on, process, start, lead, finished } = await open();
      const queue = await process();
      lead(queue);
      start(queue);
      let runs: string[] = [];
      for (let round = 0; round < 5; round += 1) {
        const wakes = await on.accept(40);
        runs = [...runs, ...wakes.map((wake) => wake.run)];
        queue.publish(wakes);
        await server.command("FLUSHALL");
      }
      await finished();
      expect(on.claimed()).toEqual(runs);
    });

    it.each(["kept", "lost"] as const)(
      "goes on when Redis was killed and is back with its data %s",
      async (data) => {
        const { server, on, process, start, lead, finished, jobs } = await open({ own: true });
        const [queue, other] = [await process(), await process()];
        lead(queue);
        const gate = on.gate();
        start(queue, gate.pass);
        start(other, gate.pass);
        const wakes = await on.accept(40);
        queue.publish(wakes);
        await vi.waitFor(() => expect(gate.inside()).toBe(8), soon);
        await server.kill();
        const meanwhile = await on.accept(10);
        queue.publish(meanwhile);
        gate.open();
        await server.start(data);
        await finished();
        expect(on.claimed()).toEqual([...wakes, ...meanwhile].map((wake) => wake.run));
        await vi.waitFor(async () => expect(await jobs("active")).toBe(0), {
          timeout: 60_000,
          interval: 100,
        });
      },
    );

    it("answers a publisher at once while Redis is down, keeps nothing of it, and starts the runs when it is back", async () => {
      const { server, on, process, start, lead, finished } = await open({ own: true });
      const queue = await process();
      lead(queue);
      start(queue);
      await server.kill();
      await vi.waitFor(() => expect(queue.trouble()).not.toBeNull(), soon);
      const wakes = await on.accept(20);
      const before = memoryUsage().heapUsed;
      for (let time = 0; time < 50_000; time += 1) queue.publish(wakes);
      expect(memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
      await server.start("lost");
      await finished();
      expect(on.claimed()).toEqual(wakes.map((wake) => wake.run));
    });

    it("keeps what a server that became read-only refuses, and goes on when one that takes writes is there", async () => {
      const { server, on, process, start, lead, finished } = await open({ own: true });
      const queue = await process();
      lead(queue);
      start(queue);
      await server.command("REPLICAOF", "127.0.0.1", "1");
      await expect(server.command("SET", "a", "b")).rejects.toThrow(/^READONLY/);
      const wakes = await on.accept(20);
      queue.publish(wakes);
      await vi.waitFor(() => expect(queue.trouble()).toMatch(/read-only replica/), soon);
      expect(on.claimed()).toEqual([]);
      await server.command("REPLICAOF", "NO", "ONE");
      await finished();
      expect(on.claimed()).toEqual(wakes.map((wake) => wake.run));
      expect(queue.trouble()).toBeNull();
    });

    it("answers a publisher at once while Redis stands still", async () => {
      const { server, on, process, start, lead, finished } = await open({ own: true });
      const queue = await process();
      lead(queue);
      start(queue);
      server.freeze();
      const wakes = await on.accept(20);
      for (let time = 0; time < 5_000; time += 1) queue.publish(wakes);
      server.thaw();
      await finished();
    });

    it("opens without Redis, and works once there is one", async () => {
      const { server, on, process, start, lead, finished } = await open({ own: true });
      await server.kill();
      const queue = await process();
      expect(queue.trouble()).toMatch(/ECONNREFUSED/);
      lead(queue);
      start(queue);
      const wakes = await on.accept(3);
      queue.publish(wakes);
      await server.start("lost");
      await finished();
    });

    it("says once that Redis is away, and once that it is back, and stops while it is away", async () => {
      const lines: string[] = [];
      const note = (level: string) => (fields: object | string, message?: string) =>
        void lines.push(`${level} ${typeof fields === "string" ? fields : (message ?? "")}`);
      const log = { debug: () => {}, info: note("info"), warn: note("warn"), error: note("error") } as Log;
      const { server, on, process, start, lead } = await open({ own: true, log });
      const queue = await process();
      const duty = lead(queue);
      const consumer = start(queue);
      await server.kill();
      await vi.waitFor(() => expect(queue.trouble()).toMatch(/ECONNREFUSED/), soon);
      await on.accept(3);
      await server.start("lost");
      await vi.waitFor(() => expect(queue.trouble()).toBeNull(), soon);
      await server.kill();
      await vi.waitFor(() => expect(queue.trouble()).not.toBeNull(), soon);
      await consumer.stop();
      await duty.stop();
      await queue.close();
      const down = "warn redis.down: events are accepted, and runs start when it is back";
      expect(lines).toEqual([down, "info redis.up", down]);
    });
  });

  describe("bullmq and its jobs", () => {
    it("gives each run to one of several processes", async () => {
      const { on, process, start, lead, finished } = await open();
      const [first, second] = [await process(), await process()];
      lead(first);
      lead(second);
      start(first);
      start(second);
      const wakes = await on.accept(200);
      first.publish(wakes);
      second.publish(wakes);
      await finished();
      expect(on.claimed()).toEqual(wakes.map((wake) => wake.run));
    });

    it("does nothing for a job that is doubled, outdated or of a run that never was", async () => {
      const { on, process, prefix, start, lead, finished, jobs } = await open();
      const queue = await process();
      const wakes = await on.accept(5);
      const raw = new BullQueue("a", { connection: { url: redis.url }, prefix: `{${prefix}}` });
      ends.push(() => raw.close());
      for (const { run } of wakes)
        for (const number of [0, 1, 7]) await raw.add("run", run, { jobId: `${run}.${number}` });
      await raw.add("run", "run_none");
      lead(queue);
      start(queue);
      await finished();
      await vi.waitFor(async () => expect(await jobs("wait")).toBe(0), soon);
      expect(on.claimed()).toEqual(wakes.map((wake) => wake.run));
    });

    it("carries a run's id and nothing else, under keys of its installation, and leaves nothing of a job behind", async () => {
      const { server, on, process, start, prefix, finished } = await open({ own: true });
      const queue = await process();
      const [wake] = await on.accept(1);
      if (!wake) throw new Error("nothing was accepted");
      queue.publish([wake]);
      queue.publish([{ ...wake, run: "run_other", agent: "gone" }]);
      await vi.waitFor(async () => expect(await server.command("KEYS", "*run_*")).toHaveLength(2), soon);
      const key = `{${prefix}}:a:${wake.run}.0`;
      expect(await server.command("HGET", key, "data")).toBe(JSON.stringify(wake.run));
      start(queue);
      await finished();
      await vi.waitFor(async () => expect(await server.command("KEYS", "*run_*")).toEqual([]), soon);
      for (const name of (await server.command("KEYS", "*")) as string[])
        expect(name.startsWith(`{${prefix}}:`)).toBe(true);
    });

    it("goes on with the run of a process that died, under its next number, and clears the job away", async () => {
      const { on, process, prefix, start, lead, finished, jobs } = await open({ leaseMs: 2_000 });
      const queue = await process();
      const wakes = await on.accept(1);
      queue.publish(wakes);
      const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
      const dying = new BullWorker("a", null, { connection, prefix: `{${prefix}}`, lockDuration: 9_000 });
      await vi.waitFor(async () => expect(await dying.getNextJob("gone")).toBeDefined(), soon);
      await on.journal.claim(wakes[0]?.run ?? "", "gone", 2_000);
      await dying.close(true);
      connection.disconnect();
      lead(queue);
      start(queue);
      // Long before the job would be found stalled.
      await finished({ timeout: 7_000, interval: 10 });
      expect(on.claimed()).toHaveLength(1);
      await vi.waitFor(async () => expect(await jobs("active")).toBe(0), { timeout: 25_000, interval: 100 });
      expect(on.claimed()).toHaveLength(1);
    });

    it("gives a job that its process never claimed to another", async () => {
      const { on, process, prefix, start, lead, finished } = await open();
      const queue = await process();
      queue.publish(await on.accept(1));
      const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
      const dying = new BullWorker("a", null, { connection, prefix: `{${prefix}}`, lockDuration: 2_000 });
      await vi.waitFor(async () => expect(await dying.getNextJob("gone")).toBeDefined(), soon);
      await dying.close(true);
      connection.disconnect();
      lead(queue);
      start(queue);
      await finished({ timeout: 60_000, interval: 100 });
    });

    it("keeps a flood in the journal, and in Redis only as much as the hands need for a while", async () => {
      const { process, jobs } = await open();
      const queue = await process();
      let told = 0;
      const flood = () => {
        const runs = Array.from({ length: 1_000 }, () => `run_${(told += 1)}`);
        queue.publish(runs.map((run) => ({ run, agent: "a", number: 0 })));
        return jobs("wait");
      };
      await vi.waitFor(async () => expect(await flood()).toBeGreaterThanOrEqual(10_000), soon);
      for (let more = 0; more < 40; more += 1) expect(await flood()).toBeLessThan(10_500);
    });

    it("ends its jobs when it stops, and leaves what it did not begin to the others", async () => {
      const { on, process, start, lead, jobs, finished } = await open();
      const [first, second] = [await process(), await process()];
      lead(second);
      const gate = on.gate();
      const consumer = start(first, gate.pass, { total: 2, perAgent: 2 });
      first.publish(await on.accept(6));
      await vi.waitFor(() => expect(gate.inside()).toBe(2), soon);
      const stopped = consumer.stop();
      gate.open();
      await stopped;
      expect(await jobs("active")).toBe(0);
      expect(await on.open()).toHaveLength(4);
      start(second);
      await finished();
    });
  });

  describe("bullmq and a server that is not fit", () => {
    const opening = async (url: string, allowEviction = false) => {
      const on = openQueueJournal();
      ends.push(() => on.close());
      const queue = await openQueue({ journal: on.journal, url, allowEviction });
      ends.push(() => queue.close());
      return queue;
    };

    it("refuses one that may drop keys when it is full, names the fix, and takes it all the same when told to", async () => {
      const server = await startRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
      ends.push(() => server.stop());
      await expect(opening(server.url)).rejects.toThrow(
        /maxmemory-policy is allkeys-lru.*CONFIG SET maxmemory-policy noeviction.*SIGNALBOX_REDIS_ALLOW_EVICTION/,
      );
      expect((await opening(server.url, true)).trouble()).toBeNull();
    });

    it("refuses a wrong password without repeating it", async () => {
      const server = await startRedis({ args: ["--requirepass", "sesame"] });
      ends.push(() => server.stop());
      const at = (word: string) => server.url.replace("//", `//${word}@`);
      for (const url of [server.url, at(":wrong-word"), at("someone:wrong-word")])
        await expect(opening(url)).rejects.toThrow(/^Redis refuses the name or password in REDIS_URL/);
      expect((await opening(at(":sesame"))).trouble()).toBeNull();
    });

    it("refuses a database that the server does not have, and does not use another instead", async () => {
      await expect(opening(`${redis.url}/99`)).rejects.toThrow(/^Redis has no database of the number/);
      expect((await opening(`${redis.url}/1`)).trouble()).toBeNull();
    });

    it("says that TLS was asked for when the server does not answer it", async () => {
      const queue = await opening(redis.url.replace("redis:", "rediss:"));
      expect(queue.trouble()).toMatch(/REDIS_URL asks for TLS/);
    });
  });
});
