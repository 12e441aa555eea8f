import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { createPauses } from "../../src/pauses.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line, LineOptions } from "../support/line.ts";

const hour = 3_600_000;
const agent: AgentDefinition = {
  name: "pr-review",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: ["slack.message"],
  flow: async () => ({
    actions: [{ name: "post", kind: "slack.message", input: { text: "hello" } }],
    summary: "done",
  }),
};

describe("what a person paused", () => {
  let line: Line | undefined;
  afterEach(async () => {
    await line?.close();
    line = undefined;
  });
  const open = (options: Partial<LineOptions> = {}) => {
    const slack = recordingExecutor();
    const on = openLine({ agent, executors: { "slack.message": slack }, ...options });
    line = on;
    on.start();
    return { on, slack, pauses: createPauses({ ...on, agents: () => ["pr-review"] }) };
  };

  it.each(["slack", "pr-review"])(
    "waits without an age (%s), says why, and goes on at once when it is resumed, one after another",
    async (name) => {
      const { on, slack, pauses } = open({ parkForMs: hour / 2 });
      await pauses.pause(name, "moving house");
      const runs = await Promise.all(Array.from({ length: 10 }, () => on.receive()));
      await on.clock.advance(hour);
      for (const run of runs) {
        expect((await on.reads.run(run))?.run).toMatchObject({
          status: "waiting",
          attempts: 0,
          parkedSince: null,
          waitingFor: { reason: expect.stringContaining("paused by hand: moving house") },
        });
      }
      expect(slack.attempts()).toBe(0);
      expect(await pauses.resume(name)).toBe(10);
      await on.clock.advance(0);
      expect(slack.effects.length).toBeGreaterThan(0);
      expect(slack.effects.length).toBeLessThan(10);
      await on.clock.advance(3_000);
      expect(slack.effects).toHaveLength(10);
      expect((await on.reads.run(runs[9] ?? ""))?.run).toMatchObject({ status: "succeeded", attempts: 1 });
      expect(on.dead).toEqual([]);
    },
  );

  it("is everything but receiving: nothing is claimed, events are stored, and all goes on within a second", async () => {
    const { on, slack, pauses } = open();
    await pauses.pause("all", null);
    const run = await on.receive();
    await on.clock.advance(hour / 4);
    expect((await on.reads.run(run))?.run).toMatchObject({
      status: "queued",
      attempts: 0,
      waitingFor: { kind: "service", service: "all", reason: "everything is paused by hand", until: null },
    });
    expect(slack.attempts()).toBe(0);
    expect(await pauses.pauses()).toMatchObject([{ name: "all", paused: { by: "person", until: null } }]);
    expect(await pauses.resume("all")).toBe(1);
    await on.clock.advance(1_500);
    expect((await on.reads.run(run))?.run.status).toBe("succeeded");
    expect(await pauses.pauses()).toEqual([]);
  });

  it("says of a run that was parked, and could go on by now, that everything is paused", async () => {
    const { on, pauses } = open();
    await pauses.pause("slack", null);
    const run = await on.receive();
    await on.until(run, "waiting");
    await pauses.pause("all", "moving house");
    const reason = async () => (await on.reads.run(run))?.run.waitingFor?.reason;
    expect(await reason()).toContain("slack");
    await on.clock.advance(hour / 2);
    expect(await reason()).toBe("everything is paused by hand: moving house");
  });

  it("stops a run that is under way before its next action, which then takes effect once", async () => {
    let pauseAll = async () => {};
    const slack = recordingExecutor({ after: () => {} });
    const { on, pauses } = open({
      agent: {
        ...agent,
        flow: async () => {
          await pauseAll();
          return {
            actions: [{ name: "post", kind: "slack.message", input: { text: "hello" } }],
            summary: "",
          };
        },
      },
      executors: { "slack.message": slack },
    });
    pauseAll = async () => void (await pauses.pause("all", null));
    const run = await on.receive();
    await on.clock.advance(5_000);
    expect((await on.reads.run(run))?.run).toMatchObject({
      status: "waiting",
      waitingFor: { service: "all" },
    });
    expect(slack.attempts()).toBe(0);
    pauseAll = async () => {};
    await pauses.resume("all");
    await on.clock.advance(2_000);
    expect((await on.reads.run(run))?.run.status).toBe("succeeded");
    expect(slack.effects).toHaveLength(1);
  });

  it("has to exist, and to be paused in order to be resumed", async () => {
    const { pauses } = open();
    await expect(pauses.pause("slakc", null)).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("pr-review, hubspot"),
    });
    await expect(pauses.resume("slack")).rejects.toMatchObject({ code: "wrong_state" });
  });
});
