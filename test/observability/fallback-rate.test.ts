import { describe, expect, it } from "vitest";
import { createFallbackWatch } from "../../src/observability/fallback-rate.ts";
import { manualClock } from "../support/clock.ts";

const minute = 60_000;

function open() {
  const clock = manualClock();
  const told: { agent: string; message: string }[] = [];
  const watch = createFallbackWatch(clock, (agent, message) => told.push({ agent, message }));
  const decide = (fell: boolean, times = 1, agent = "pr-review") => {
    for (let time = 0; time < times; time += 1) watch.decided(agent, fell);
  };
  return { clock, told, decide };
}

describe("the watch on decisions that fall to the rules", () => {
  it("tells once when more than half of the last hour's, and at least ten, were by rules for want of a model", () => {
    const { told, decide } = open();
    decide(false, 10);
    decide(true, 10);
    expect(told).toEqual([]);
    decide(true, 50);
    expect(told).toEqual([
      { agent: "pr-review", message: expect.stringContaining("11 of 21 decisions of pr-review") },
    ]);
  });

  it("says nothing about a few decisions, however they were made", () => {
    const { told, decide } = open();
    decide(true, 9);
    expect(told).toEqual([]);
    decide(true);
    expect(told).toHaveLength(1);
  });

  it("judges each agent by itself", () => {
    const { told, decide } = open();
    decide(false, 100, "email-triage");
    decide(true, 10);
    expect(told.map(({ agent }) => agent)).toEqual(["pr-review"]);
  });

  it("forgets what is older than an hour", async () => {
    const { clock, told, decide } = open();
    decide(true, 9);
    await clock.advance(60 * minute);
    decide(true, 9);
    expect(told).toEqual([]);
  });

  it("does not tell of every turn around the limit, and tells again after it was calm", async () => {
    const { clock, told, decide } = open();
    decide(true, 20);
    for (let turn = 0; turn < 10; turn += 1) {
      decide(false, 20);
      decide(true, 20);
    }
    expect(told).toHaveLength(1);
    await clock.advance(59 * minute);
    decide(false, 800);
    decide(true, 10);
    expect(told).toHaveLength(1);
    await clock.advance(30 * minute);
    decide(true, 900);
    expect(told).toHaveLength(2);
  });

  it("is calm again after an hour without a decision", async () => {
    const { clock, told, decide } = open();
    decide(true, 10);
    await clock.advance(61 * minute);
    decide(true, 10);
    expect(told).toHaveLength(2);
  });
});
