import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/domain/json.ts";
import { ServiceClosed } from "../../src/domain/errors.ts";
import type { ActionExecutor, Destination } from "../../src/domain/ports.ts";
import { createAlerts } from "../../src/observability/alerts.ts";
import type { AlertKind, AlertParts } from "../../src/observability/alerts.ts";
import { silentLog } from "../../src/observability/log.ts";
import { windowsOf } from "../../src/telling.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { memoryState } from "../support/memory-state.ts";

interface Over {
  on?: AlertKind[];
  configured?: boolean;
  fails?: boolean;
  hangs?: boolean;
  /** When the channel takes a message again. */
  turnAt?: number;
  clock?: ManualClock;
  takeWindow?: AlertParts["takeWindow"];
}

function open(over: Over = {}) {
  const clock = over.clock ?? manualClock();
  const sent: { channel: string; input: JsonObject }[] = [];
  const destination = (name: "slack" | "email", kind: "slack.message" | "email.send"): Destination => {
    const executor: ActionExecutor = {
      repeat: "never",
      settleMs: 0,
      execute: async (input) => {
        if (over.fails) throw new Error("down");
        if (over.turnAt !== undefined && clock.now() < over.turnAt)
          throw new ServiceClosed("slack", over.turnAt, "waits for its turn", "ours");
        if (over.hangs) await new Promise(() => undefined);
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
    takeWindow: over.takeWindow ?? null,
    clock,
    log: silentLog,
  });
  const texts = () => sent.filter(({ channel }) => channel === "slack").map(({ input }) => input["text"]);
  return { alerts, sent, texts, clock };
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

  it("tell of a cause at once, and of a storm of it in one message per five minutes, with a count", async () => {
    const { alerts, texts, clock } = open();
    for (let run = 0; run < 138; run += 1)
      alerts.raise("dead-letter", "pr-review", `run run_${run} of pr-review is dead: answered 50${run % 4}`);
    await clock.advance(0);
    expect(texts()).toEqual(["[signalbox] dead-letter: run run_0 of pr-review is dead: answered 500"]);
    await clock.advance(300_000);
    expect(texts()).toEqual([
      expect.anything(),
      "[signalbox] dead-letter: 137 more in the last 5 min: run run_137 of pr-review is dead: answered 501",
    ]);
    alerts.raise("dead-letter", "pr-review", "run run_200 of pr-review is dead: answered 500");
    await clock.advance(299_000);
    expect(texts()).toHaveLength(2);
    await clock.advance(1_000);
    expect(texts()[2]).toContain("1 more in the last 5 min");
  });

  it("tell at once again when a cause was quiet for a window, and of another cause at any time", async () => {
    const { alerts, texts, clock } = open();
    alerts.raise("breaker-open", "github", "github is open: 503");
    alerts.raise("breaker-open", "slack", "slack is open: 503");
    alerts.raise("breaker-open", "slack", "slack is open: it refuses our credentials");
    await clock.advance(0);
    expect(texts()).toHaveLength(3);
    await clock.advance(300_000);
    expect(texts()).toHaveLength(3);
    alerts.raise("breaker-open", "github", "github is open: 503");
    await clock.advance(0);
    expect(texts()).toHaveLength(4);
  });

  it("are bounded also when every reason reads differently", async () => {
    const { alerts, texts, clock } = open();
    const word = (n: number) => String.fromCharCode(97 + (n % 26), 97 + Math.floor(n / 26), 120);
    for (let n = 0; n < 300; n += 1) alerts.raise("dead-letter", "pr-review", `it failed: ${word(n)}`);
    await clock.advance(300_000);
    expect(texts()).toHaveLength(22);
    expect(texts().at(-1)).toContain("279 more in the last 5 min");
  });

  it("wait for their turn at a channel that agents use as well, where it comes within seconds", async () => {
    const clock = manualClock();
    const { alerts, texts } = open({ clock, turnAt: clock.now() + 6_000 });
    alerts.raise("dead-letter", "pr-review", "run run_1 is dead");
    await clock.advance(5_000);
    expect(texts()).toEqual([]);
    await clock.advance(1_000);
    expect(texts()).toEqual(["[signalbox] dead-letter: run run_1 is dead"]);
    const late = open({ clock, turnAt: clock.now() + 60_000 });
    late.alerts.raise("dead-letter", "pr-review", "run run_2 is dead");
    await clock.advance(290_000);
    expect(late.texts()).toEqual([]);
    await clock.advance(10_000);
    expect(late.texts()).toEqual(["[signalbox] dead-letter: 1 more in the last 5 min: run run_2 is dead"]);
  });

  it("that no channel took are told of with the next message of their cause", async () => {
    const over = { fails: true };
    const { alerts, texts, clock } = open(over);
    alerts.raise("dead-letter", "pr-review", "run run_1 is dead");
    await clock.advance(1_000);
    over.fails = false;
    await clock.advance(300_000);
    expect(texts()).toEqual(["[signalbox] dead-letter: 1 more in the last 5 min: run run_1 is dead"]);
  });

  it("that were counted and not told yet are sent when the service stops", async () => {
    const { alerts, texts } = open();
    for (let run = 0; run < 3; run += 1) alerts.raise("dead-letter", "pr-review", `run run_${run} is dead`);
    await alerts.stop();
    expect(texts().at(-1)).toContain("2 more in the last 5 min: run run_2 is dead");
  });

  it("do not hold up a stop when a channel hangs", async () => {
    const { alerts, clock } = open({ hangs: true });
    alerts.raise("dead-letter", "x", "text");
    let stopped = false;
    const stopping = alerts.stop().then(() => (stopped = true));
    await clock.advance(2_999);
    expect(stopped).toBe(false);
    await clock.advance(1);
    await stopping;
    expect(stopped).toBe(true);
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

describe("alerts of a fleet", () => {
  const fleet = () => {
    const clock = manualClock();
    const state = memoryState();
    const process = (owner: string) => open({ clock, takeWindow: windowsOf({ state, owner, clock }) });
    return { clock, state, one: process("one"), two: process("two") };
  };

  it("tell of a cause once, whichever process meets it first; what the others met is counted and told later", async () => {
    const { clock, one, two } = fleet();
    one.alerts.raise("breaker-open", "slack", "slack is open");
    await clock.advance(0);
    two.alerts.raise("breaker-open", "slack", "slack is open");
    two.alerts.raise("breaker-open", "github", "github is open");
    await clock.advance(0);
    expect(one.texts()).toEqual(["[signalbox] breaker-open: slack is open"]);
    expect(two.texts()).toEqual(["[signalbox] breaker-open: github is open"]);
    await clock.advance(600_000);
    expect([one.texts().length, two.texts()]).toEqual([
      1,
      [expect.anything(), "[signalbox] breaker-open: 1 more in the last 5 min: slack is open"],
    ]);
  });

  it("are told by each where the journal, which knows who tells, can't be asked", async () => {
    const { clock, state, one, two } = fleet();
    state.get = () => Promise.reject(new Error("down"));
    for (const { alerts } of [one, two]) alerts.raise("breaker-open", "slack", "slack is open");
    await clock.advance(0);
    expect([one.texts().length, two.texts().length]).toEqual([1, 1]);
  });
});
