import { afterEach, describe, expect, it } from "vitest";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { JournalUnavailable } from "../../src/domain/errors.ts";
import type { Json } from "../../src/domain/json.ts";
import type { Journal } from "../../src/domain/ports.ts";
import type { ReplayFilter } from "../../src/domain/replay.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { createReplayJobs } from "../../src/worker/replay-jobs.ts";
import type { ReplayJobs } from "../../src/worker/replay-jobs.ts";
import { replay } from "../../src/worker/replay.ts";
import { openLine } from "../support/line.ts";
import type { Line } from "../support/line.ts";
import { z } from "zod";

const agent: AgentDefinition = {
  name: "pr-review",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: [],
  flow: async () => ({ actions: [], summary: "" }),
};

/** A line whose worker does not run: what a replay starts stays queued, to be counted. */
function open() {
  const line = openLine({ agent });
  const all: { stop(): Promise<void> }[] = [];
  const parts = (journal: Pick<Journal, "replay"> = line.journal) => ({
    reads: line.reads,
    state: line.state,
    journal,
    queue: { publish: () => undefined, consume: () => ({ stop: async () => undefined }) },
    clock: line.clock,
    ids: createIds(line.clock),
    log: silentLog,
    verify: async () => ({ result: "verified", secretIndex: 0 }) as const,
    runsFor: line.inbox.runsFor,
    expansionOf: line.inbox.expansionOf,
  });
  const start = (journal?: Pick<Journal, "replay">) => {
    const jobs = createReplayJobs(parts(journal));
    const opened = { ...jobs, ...jobs.begin() };
    all.push(opened);
    return opened;
  };
  const receive = async (count: number) => {
    const runs: string[] = [];
    for (let number = 0; number < count; number += 1) {
      await line.clock.advance(1);
      runs.push(await line.receive({ number }));
    }
    return runs;
  };
  const kill = async (run: string) => {
    const claim = await line.journal.claim(run, "w", 60_000);
    await line.journal.settle({ run, fence: claim?.fence ?? 0 }, { kind: "dead", reason: "answered 503" });
  };
  const started = async () => {
    const runs = (await line.reads.runs({ limit: 5_000 })).items;
    return runs.filter((run) => run.generation > 0);
  };
  return {
    line,
    parts,
    start,
    receive,
    kill,
    started,
    all: (jobs: ReplayJobs, filter: ReplayFilter, perMinute?: number) =>
      replay({ ...parts(), jobs, journal: line.journal }, filter, {
        dryRun: false,
        by: "cli",
        ...(perMinute === undefined ? {} : { perMinute }),
      }),
    async close() {
      for (const jobs of all) await jobs.stop();
      await line.close();
    },
  };
}

describe("a replay", () => {
  let on: ReturnType<typeof open>;
  afterEach(() => on.close());
  const clock = (): Line["clock"] => on.line.clock;
  /** Second by second, and each time until the batch of that second is through: it lets others in between two events. */
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      await clock().advance(1_000);
      for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it("starts two hundred runs at once, and leaves more to a job that it answers with", async () => {
    on = open();
    await on.receive(201);
    const jobs = on.start();
    const few = await on.all(jobs, { source: "github", since: clock().now() - 199 });
    expect(few).toMatchObject({ events: 200, count: 200, replay: null });
    expect(few.runs).toHaveLength(200);
    const many = await on.all(jobs, { source: "github" });
    expect(many).toMatchObject({
      events: 201,
      count: 201,
      runs: [],
      replay: { status: "running", by: "cli", expected: { events: 201, runs: 201 }, perMinute: 300 },
    });
  });

  it("says what it may cost, by what earlier runs of the same events cost and did", async () => {
    on = open();
    const [first = "", second = "", third = ""] = await on.receive(3);
    for (const [run, costUsd] of [
      [first, 0.02],
      [second, 0.04],
    ] as const) {
      const claim = await on.line.journal.claim(run, "w", 60_000);
      const usage = { model: "m", inputTokens: 1, outputTokens: 1, costUsd };
      const step = { run, name: "decide", schemaVersion: 1, output: {}, startedAt: 0, endedAt: 1, usage };
      await on.line.journal.recordStep({ run, fence: claim?.fence ?? 0 }, step);
    }
    const jobs = on.start();
    const options = { dryRun: true, by: "cli" };
    const parts = { ...on.parts(), jobs, journal: on.line.journal };
    const counted = await replay(parts, { source: "github" }, options);
    expect(counted).toMatchObject({ count: 3, cost: { actions: {} } });
    expect(counted.cost.usd).toBeCloseTo(0.09);
    const event = (await on.line.reads.run(third))?.run.event ?? "";
    expect((await replay(parts, { event }, options)).cost.usd).toBeNull();
    expect(await on.started()).toEqual([]);
  });

  it("keeps its pace", async () => {
    on = open();
    await on.receive(100);
    const jobs = on.start();
    await on.all(jobs, { source: "github" }, 120);
    const counts: number[] = [];
    for (let second = 0; second < 10; second += 1) {
      await pass(1);
      counts.push((await on.started()).length);
    }
    for (const [second, count] of counts.entries()) expect(count).toBeLessThanOrEqual(2 * (second + 1) + 2);
    expect(counts.at(-1)).toBeGreaterThanOrEqual(19);
    await pass(60);
    expect(await jobs.list()).toMatchObject([{ status: "done", events: 100, runs: 100 }]);
    expect(new Set((await on.started()).map((run) => run.event)).size).toBe(100);
  });

  it("may be slower than one run a minute", async () => {
    on = open();
    await on.receive(5);
    const jobs = on.start();
    await on.all(jobs, { source: "github" }, 0.5);
    await pass(300);
    expect((await on.started()).length).toBeGreaterThanOrEqual(2);
    expect((await on.started()).length).toBeLessThanOrEqual(4);
  });

  it("goes on where it was when the service is started again", async () => {
    on = open();
    await on.receive(60);
    const first = on.start();
    await on.all(first, { source: "github" }, 300);
    await pass(3);
    await first.stop();
    const before = (await on.started()).length;
    expect(before).toBeGreaterThan(5);
    expect(before).toBeLessThan(40);
    await pass(100);
    expect(await on.started()).toHaveLength(before);
    const second = on.start();
    await pass(60);
    expect(await second.list()).toMatchObject([{ status: "done", runs: 60 }]);
    const events = (await on.started()).map((run) => run.event);
    expect([events.length, new Set(events).size]).toEqual([60, 60]);
  });

  it("runs no event twice when it is cut off in the middle of a batch", async () => {
    on = open();
    await on.receive(20);
    let left = 7;
    const dying = on.start({
      replay: async (request) => {
        left -= 1;
        if (left < 0) throw new JournalUnavailable("killed");
        return on.line.journal.replay(request);
      },
    });
    await on.all(dying, { source: "github" }, 600);
    await pass(5);
    await dying.stop();
    expect(await on.started()).toHaveLength(7);
    const next = on.start();
    await pass(120);
    expect(await next.list()).toMatchObject([{ status: "done", events: 20 }]);
    const events = (await on.started()).map((run) => run.event);
    expect([events.length, new Set(events).size]).toEqual([20, 20]);
  });

  it("can be cancelled and resumed; neither is possible once it is done", async () => {
    on = open();
    await on.receive(40);
    const jobs = on.start();
    const { replay: job } = await on.all(jobs, { source: "github" }, 300);
    const id = job?.id ?? "";
    await pass(2);
    expect(await jobs.cancel(id)).toMatchObject({ status: "cancelled" });
    await pass(60);
    const before = (await on.started()).length;
    expect(before).toBeLessThan(40);
    await expect(jobs.cancel(id)).rejects.toMatchObject({ code: "wrong_state" });
    await jobs.resume(id);
    await pass(60);
    expect(await on.started()).toHaveLength(40);
    await expect(jobs.resume(id)).rejects.toMatchObject({ code: "wrong_state" });
    await expect(jobs.cancel("rpl_none")).rejects.toMatchObject({ code: "not_found" });
  });

  it("leaves alone what comes in after it was asked for", async () => {
    on = open();
    await on.receive(10);
    const jobs = on.start();
    await clock().advance(1);
    await on.all(jobs, { source: "github" }, 60);
    await on.receive(10);
    await pass(60);
    expect(await jobs.list()).toMatchObject([{ status: "done", events: 10, runs: 10 }]);
  });

  it("of dead letters works on each event once, however often its runs died", async () => {
    on = open();
    const runs = await on.receive(3);
    for (const run of runs) await on.kill(run);
    const jobs = on.start();
    await on.all(jobs, { deadLetters: true, cause: "503" });
    for (const run of await on.started()) await on.kill(run.id);
    await clock().advance(1);
    const again = await on.all(jobs, { deadLetters: true }, 600);
    expect(again).toMatchObject({ events: 3, count: 3 });
    await pass(10);
    const generations = (await on.started()).map((run) => run.generation).toSorted((a, b) => a - b);
    expect(generations).toEqual([1, 1, 1, 2, 2, 2]);
    expect(await jobs.list()).toMatchObject([{ status: "done", runs: 3 }]);
    const dead = { deadLetters: true, cause: "no such cause" };
    expect(await on.all(jobs, dead)).toMatchObject({ events: 0, count: 0, replay: null });
  });

  it("of runs in a state works on each event and agent once, for the agents of those runs", async () => {
    on = open();
    const [run = ""] = await on.receive(1);
    await on.kill(run);
    const jobs = on.start();
    await on.all(jobs, { status: "dead" });
    const [second] = await on.started();
    await on.kill(second?.id ?? "");
    expect(await on.all(jobs, { status: "dead" })).toMatchObject({ events: 1, count: 1 });
  });

  it("tells of itself without its inner workings", async () => {
    on = open();
    const jobs = on.start();
    const job = await jobs.create({ agent: "pr-review" }, { events: 1, runs: 1 }, "cli", 60);
    const shown = (await jobs.list())[0] as unknown as Json;
    expect(shown).toEqual(job);
    expect(Object.keys(job)).not.toContain("cursor");
  });
});
