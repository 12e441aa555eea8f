import { describe, expect, it } from "vitest";
import { verify } from "../../src/cli/demo-verify.ts";
import type { Evidence } from "../../src/cli/demo-verify.ts";

const good: Evidence = {
  sent: [{ source: "github", providerId: "d1" }],
  events: [{ id: "evt_1", source: "github", providerId: "d1", type: "pull_request.opened" }],
  runs: [{ id: "run_1", event: "evt_1", agent: "pr-review", status: "succeeded", decidedBy: "model" }],
  actions: [{ id: "act_1", kind: "github.review", key: "k1", status: "done", dryRun: false }],
  effects: [{ vendor: "github", kind: "review", target: "acme/web#1", key: "k1", at: 1 }],
};

describe("the demo's verdict", () => {
  it("finds nothing wrong where journal and vendors agree", () => {
    expect(verify(good)).toEqual({
      events: 1,
      notifications: 0,
      runs: { succeeded: 1, other: {} },
      byVendor: { github: 1 },
      decided: { model: 1, rules: 0 },
      lost: [],
      duplicated: [],
    });
  });

  it.each<[string, Partial<Evidence>]>([
    ["an event that was acknowledged and is not stored", { events: [] }],
    ["a run that came to no end", { runs: good.runs.map((run) => ({ ...run, status: "dead" as const })) }],
    ["an action that was done and left nothing at the vendor", { effects: [] }],
  ])("calls lost: %s", (_, change) => {
    const verdict = verify({ ...good, ...change });
    expect(verdict.lost).toHaveLength(1);
    expect(verdict.duplicated).toEqual([]);
  });

  it.each<[string, Partial<Evidence>]>([
    [
      "an event that is stored twice",
      { events: [...good.events, ...good.events.map((event) => ({ ...event, id: "evt_2" }))] },
    ],
    ["an effect that is there twice", { effects: [...good.effects, ...good.effects] }],
  ])("calls duplicated: %s", (_, change) => {
    const verdict = verify({ ...good, ...change });
    expect(verdict.duplicated).toHaveLength(1);
    expect(verdict.lost).toEqual([]);
  });

  it("does not take alerts in Slack for actions", () => {
    const alert = { vendor: "slack", kind: "message", target: "#signalbox", key: "alert", at: 1 };
    expect(verify({ ...good, effects: [...good.effects, alert] })).toMatchObject({
      lost: [],
      duplicated: [],
    });
  });
});
