import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import type { Json } from "../../src/domain/json.ts";
import type { Decider, OnModelUnavailable } from "../../src/domain/ports.ts";
import { redecide } from "../../src/worker/redecide.ts";
import { verifyAgain } from "../../src/worker/verify.ts";
import { silentLog } from "../../src/observability/log.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line, LineOptions } from "../support/line.ts";

const service = "model:anthropic/some-model";
const minute = 60_000;

const agent: AgentDefinition = {
  name: "pr-review",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: ["slack.message"],
  async flow(kit) {
    const { decision, decidedBy } = await kit.decide({
      schemaVersion: 1,
      schema: z.object({ text: z.string() }),
      variables: {},
      facts: {},
      rules: () => ({ text: "by the rules" }),
    });
    return {
      actions: [{ name: "post", kind: "slack.message", input: { text: decision.text } }],
      summary: `decided by ${decidedBy}`,
    };
  },
};

/** A model that is down until it is said to be up. */
function outage(policy: OnModelUnavailable) {
  const model = { up: false, asked: 0 };
  const decider: Decider = {
    async decide(request) {
      model.asked += 1;
      const made = { prompt: null, usage: null };
      if (model.up)
        return { ...made, decision: { text: "by a model" }, decidedBy: "model", why: "it answered" };
      const unavailable = { service, until: null, policy };
      return {
        ...made,
        decision: request.rules() as Json,
        decidedBy: "rules",
        why: "the model was unavailable",
        unavailable,
      };
    },
  };
  return { model, decider };
}

describe("a decision while no model can be reached", () => {
  let line: Line | undefined;
  afterEach(async () => {
    await line?.close();
    line = undefined;
  });
  function open(policy: OnModelUnavailable, more: Partial<LineOptions> = {}) {
    const { model, decider } = outage(policy);
    const slack = recordingExecutor();
    line = openLine({ agent, decider, executors: { "slack.message": slack }, ...more });
    line.start();
    return { model, slack, on: line };
  }

  it("is the rules' at once, by default", async () => {
    const { on, model } = open({ kind: "rules" });
    expect((await on.until(await on.receive(), "succeeded")).run.decidedBy).toBe("rules");
    expect(model.asked).toBe(1);
  });

  it("waits as long as the prompt says, spends no attempt, and is the model's when that comes back", async () => {
    const { on, model } = open({ kind: "wait", ms: 15 * minute });
    const run = await on.receive();
    const waiting = await on.until(run, "waiting");
    expect(waiting.run.waitingFor).toMatchObject({ kind: "service", service });
    expect(waiting.run.waitingFor?.reason).toContain("waits for a model until");
    await on.clock.advance(5 * minute);
    model.up = true;
    const ended = await on.until(run, "succeeded");
    expect(ended.run).toMatchObject({ decidedBy: "model", attempts: 1 });
    expect(ended.steps.map(({ name }) => name)).toContain("decide:waiting");
  });

  it("is the rules' when the wait is over, even where work may not be parked as long", async () => {
    const { on, model } = open({ kind: "wait", ms: 15 * minute }, { parkForMs: minute });
    const run = await on.receive();
    await on.until(run, "waiting");
    for (let index = 0; index < 28; index += 1) await on.clock.advance(minute / 2);
    expect((await on.reads.run(run))?.run.status).toBe("waiting");
    for (let index = 0; index < 4; index += 1) await on.clock.advance(minute / 2);
    expect((await on.until(run, "succeeded")).run).toMatchObject({ decidedBy: "rules", attempts: 1 });
    expect(model.asked).toBeGreaterThan(10);
  });

  describe("is made again by a model", () => {
    const redeciding: OnModelUnavailable = { kind: "rules-then-redecide" };
    const look = (on: Line) =>
      redecide({
        ...on,
        ...on.inbox,
        verify: (event) => verifyAgain({ journal: on.journal, sources: new Map() }, event),
        agents: () => new Map([[agent.name, [service]]]),
        log: silentLog,
      });
    const runsOf = async (on: Line) => (await on.reads.runs({ limit: 10 })).items;

    it("where its actions are still held: the new run takes the place of the old one, and acts once", async () => {
      const { on, model, slack } = open(redeciding, { mode: "review" });
      const old = await on.receive();
      await on.until(old, "awaiting_review");
      await on.clock.advance(6 * minute);
      model.up = true;
      await look(on);
      const [newer] = await runsOf(on);
      const held = await on.until(newer?.id ?? "", "awaiting_review");
      expect(held.run).toMatchObject({ decidedBy: "model", generation: 1 });
      expect((await on.reads.run(old))?.run).toMatchObject({
        status: "cancelled",
        reason: `a model can be had again: ${held.run.id} decides in its place`,
      });
      const [action] = held.actions;
      await on.review.approve(action?.id ?? "", { hash: action?.hash ?? "", by: "test" });
      await on.until(held.run.id, "succeeded");
      expect(slack.effects).toHaveLength(1);
      await on.clock.advance(6 * minute);
      await look(on);
      expect(await runsOf(on)).toHaveLength(2);
    });

    it("not while its models are closed, nor a moment after it was made", async () => {
      const { on } = open(redeciding, { mode: "review" });
      const run = await on.receive();
      await on.until(run, "awaiting_review");
      await look(on);
      expect(await runsOf(on)).toHaveLength(1);
      await on.clock.advance(6 * minute);
      await on.guard.pause(service, "test");
      await look(on);
      expect(await runsOf(on)).toHaveLength(1);
    });

    it("not where something was done, decided by a person, or never marked", async () => {
      const { on, model, slack } = open(redeciding);
      await on.until(await on.receive(), "succeeded");
      expect(slack.effects).toHaveLength(1);
      await on.clock.advance(6 * minute);
      model.up = true;
      await look(on);
      expect(await runsOf(on)).toHaveLength(1);
    });

    it("only cancels the old one where the process died after the new one was stored", async () => {
      const { on, model } = open(redeciding, { mode: "review" });
      const old = await on.receive();
      await on.until(old, "awaiting_review");
      await on.clock.advance(6 * minute);
      model.up = true;
      const event = (await on.reads.run(old))?.run.event ?? "";
      const stored = await on.reads.event(event);
      if (!stored) throw new Error("no event");
      await on.journal.replay({ event, runs: on.inbox.runsFor(stored, {}) });
      await look(on);
      expect((await runsOf(on)).map(({ status }) => status)).toContain("cancelled");
      expect(await runsOf(on)).toHaveLength(2);
    });
  });
});
