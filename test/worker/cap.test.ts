import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { PlannedAction } from "../../src/domain/action.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line, LineOptions } from "../support/line.ts";

const post = (name: string, over: Partial<PlannedAction> = {}): PlannedAction => ({
  name,
  kind: "slack.message",
  input: { text: "hello" },
  ...over,
});
const agent: AgentDefinition = {
  name: "pr-review",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: ["slack.message"],
  flow: async () => ({ actions: [post("first"), post("second", { needs: ["first"] })], summary: "done" }),
};

describe("an agent that acts more often than it may within an hour", () => {
  let line: Line | undefined;
  afterEach(async () => {
    await line?.close();
    line = undefined;
  });
  const open = (options: Partial<LineOptions> = {}) => {
    const slack = recordingExecutor();
    const on = openLine({ agent, actionsPerHour: 3, executors: { "slack.message": slack }, ...options });
    line = on;
    on.start();
    return { on, slack };
  };

  it("has the excess held for a person, who is told why; once approved it is done, and counts for nothing", async () => {
    const { on, slack } = open();
    await on.until(await on.receive(), "succeeded");
    const run = await on.receive();
    const held = await on.until(run, "awaiting_review");
    expect(slack.effects).toHaveLength(3);
    expect(held.actions).toMatchObject([
      { status: "done" },
      { status: "awaiting_review", reason: "more than 3 actions of pr-review within an hour" },
    ]);
    expect(held.run.waitingFor).toMatchObject({
      kind: "person",
      reason: expect.stringContaining("more than 3 actions of pr-review within an hour"),
    });
    expect(on.capped).toEqual(["pr-review 3"]);
    expect((await on.metrics.render()).text).toContain(
      'signalbox_actions_total{kind="slack.message",outcome="held"} 1',
    );
    await on.review.approve(held.actions[1]?.id ?? "", { hash: held.actions[1]?.hash ?? "", by: "ann" });
    await on.until(run, "succeeded");
    expect(slack.effects).toHaveLength(4);
  });

  it("has what builds on the excess wait with it, and acts again once the hour is over", async () => {
    const { on, slack } = open({ actionsPerHour: 2 });
    await on.until(await on.receive(), "succeeded");
    const run = await on.receive();
    const held = await on.until(run, "awaiting_review");
    expect(held.actions.map(({ status }) => status)).toEqual(["awaiting_review", "planned"]);
    await on.clock.advance(3_600_000);
    await on.until(await on.receive(), "succeeded");
    expect(slack.effects).toHaveLength(4);
  });

  it("is not stopped by dry runs, however many", async () => {
    const { on } = open({ mode: "dry-run", actionsPerHour: 1 });
    for (let index = 0; index < 3; index += 1) await on.until(await on.receive(), "succeeded");
    expect(on.capped).toEqual([]);
  });
});
