import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/domain/json.ts";
import type { ActionExecutor, Destination } from "../../src/domain/ports.ts";
import { createAlerts } from "../../src/observability/alerts.ts";
import type { AlertKind } from "../../src/observability/alerts.ts";
import { silentLog } from "../../src/observability/log.ts";
import { manualClock } from "../support/clock.ts";

function open(over: { on?: AlertKind[]; configured?: boolean; fails?: boolean } = {}) {
  const clock = manualClock();
  const sent: { channel: string; input: JsonObject }[] = [];
  const destination = (name: "slack" | "email", kind: "slack.message" | "email.send"): Destination => {
    const executor: ActionExecutor = {
      repeat: "never",
      settleMs: 0,
      execute: async (input) => {
        if (over.fails) throw new Error("down");
        sent.push({ channel: name, input });
        return { id: "1" };
      },
    };
    return { name, configured: over.configured ?? true, actions: { [kind]: executor } };
  };
  const slack = destination("slack", "slack.message");
  const email = destination("email", "email.send");
  const alerts = createAlerts({
    settings: () => ({ to: ["slack", "email"], on: over.on ?? ["dead-letter", "breaker-open"] }),
    destinations: () => ({
      slack,
      email,
      hubspot: slack,
      zendesk: slack,
      linear: slack,
      github: slack,
      stripe: slack,
    }),
    mailbox: () => "ops@acme.example",
    clock,
    log: silentLog,
  });
  return { alerts, sent, clock };
}

describe("alerts", () => {
  it("go to every channel, redacted", async () => {
    const { alerts, sent, clock } = open();
    alerts.raise("dead-letter", "pr-review", "run of nina@marlow.example is dead");
    await clock.advance(0);
    expect(sent).toEqual([
      { channel: "slack", input: { text: "[signalbox] dead-letter: run of n…@marlow.example is dead" } },
      {
        channel: "email",
        input: {
          to: "ops@acme.example",
          subject: "[signalbox] dead-letter: pr-review",
          text: "[signalbox] dead-letter: run of n…@marlow.example is dead",
        },
      },
    ]);
  });

  it("tell of the same thing once in ten minutes, and of another at once", async () => {
    const { alerts, sent, clock } = open();
    for (let time = 0; time < 3; time += 1) alerts.raise("breaker-open", "github", "github is open");
    alerts.raise("breaker-open", "slack", "slack is open");
    await clock.advance(0);
    expect(sent).toHaveLength(4);
    await clock.advance(600_000);
    alerts.raise("breaker-open", "github", "github is open");
    await clock.advance(0);
    expect(sent).toHaveLength(6);
  });

  it("are not sent when they are not asked for, or the channel has no credentials, and never throw", async () => {
    for (const over of [{ on: [] }, { configured: false }, { fails: true }]) {
      const { alerts, sent, clock } = open(over);
      alerts.raise("dead-letter", "x", "text");
      await clock.advance(0);
      expect(sent).toEqual([]);
    }
  });
});
