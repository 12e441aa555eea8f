import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { PlannedAction } from "../../src/domain/action.ts";
import type { AgentDefinition, AgentKit } from "../../src/domain/agent.ts";
import { EventFault, ServiceError } from "../../src/domain/errors.ts";
import { resultOf, template } from "../../src/agent-kit.ts";
import { manualClock } from "../support/clock.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line, LineOptions } from "../support/line.ts";

const post = (name = "post", over: Partial<PlannedAction> = {}): PlannedAction => ({
  name,
  kind: "slack.message",
  input: { text: "hello" },
  ...over,
});

/** The run that a replay of the event starts. */
async function replayed({ journal, inbox }: Line, event: string): Promise<string> {
  const runs = inbox.runsFor({ id: event, source: "github", type: "x", receivedAt: 0 }, {});
  return (await journal.replay({ event, runs }))[0] ?? "";
}

/** A coupon of Stripe's, and a mail that gives its code. */
const couponAndMail = (redeemBy: number): PlannedAction[] => [
  post("coupon", {
    kind: "stripe.coupon",
    subject: "sub_1",
    input: { percentOff: 10, durationInMonths: 1, name: "x", redeemBy },
  }),
  post("mail", {
    kind: "email.send",
    subject: "sub_1",
    input: {
      to: "a@acme.example",
      subject: "s",
      text: template("Use {code}", { code: resultOf("coupon", "code") }),
    },
  }),
];

function agentThat(
  flow: (kit: AgentKit<unknown>) => Promise<PlannedAction[]>,
  over: Partial<AgentDefinition> = {},
): AgentDefinition {
  return {
    name: "pr-review",
    accepts: ["*"],
    policy: z.unknown(),
    decision: z.unknown(),
    variables: [],
    allows: ["slack.message", "email.send", "stripe.coupon", "stripe.promotion_code"],
    flow: async (kit) => ({ actions: await flow(kit), summary: "done as planned" }),
    ...over,
  };
}

const down = (effect: "none" | "unknown" = "none", service = "slack") =>
  new ServiceError(service, "unavailable", "answered 503", { effect, status: 503 });

describe("worker", () => {
  let line: Line | undefined;
  afterEach(async () => {
    await line?.close();
    line = undefined;
  });
  const open = (options: LineOptions) => {
    line = openLine(options);
    line.start();
    return line;
  };
  const actionsOf = async (run: string) => (await line?.reads.run(run))?.actions ?? [];

  it("holds every action for a person where a check of the decision says so, in a mode that would act at once", async () => {
    const slack = recordingExecutor();
    const effects: ("held" | "clamped")[] = ["clamped"];
    const on = open({
      agent: agentThat(async (kit) => {
        await kit.decide({
          schemaVersion: 1,
          schema: z.object({ score: z.number() }),
          variables: {},
          facts: {},
          rules: () => ({ score: 120 }),
          guard: ({ score }) => [
            { name: "score", passed: score <= 100, detail: `${score} of 100`, effect: effects[0] ?? "held" },
            { name: "address", passed: true, detail: "known", effect: "held" },
          ],
        });
        return [post()];
      }),
      executors: { "slack.message": slack },
    });
    await on.until(await on.receive(), "succeeded");
    expect(slack.effects).toHaveLength(1);
    effects[0] = "held";
    const held = await on.until(await on.receive(), "awaiting_review");
    expect(slack.effects).toHaveLength(1);
    expect(held.actions).toMatchObject([{ status: "awaiting_review", reason: "score: 120 of 100" }]);
    expect(held.run.waitingFor?.reason).toContain("score: 120 of 100");
    expect(held.steps.find(({ name }) => name === "decide")?.output).toMatchObject({
      decision: { score: 120 },
      checks: [
        { name: "score", passed: false, effect: "held" },
        { name: "address", passed: true },
      ],
    });
  });

  it("takes an event all the way: gather, decide, plan, act", async () => {
    const slack = recordingExecutor();
    const on = open({
      agent: agentThat(async (kit) => {
        await kit.step("gather", 1, async () => ({ facts: 1 }));
        const { decision } = await kit.decide({
          schemaVersion: 1,
          schema: z.object({ text: z.string() }),
          variables: {},
          facts: {},
          rules: () => ({ text: "by the rules" }),
        });
        return [post("post", { input: decision })];
      }),
      executors: { "slack.message": slack },
    });
    const found = await on.until(await on.receive(), "succeeded");
    expect(found.steps.map((step) => step.name)).toEqual(["gather", "decide", "plan"]);
    expect(found.run).toMatchObject({
      decidedBy: "rules",
      decidedWhy: "test",
      attempts: 1,
      reason: "done as planned",
    });
    expect(found.actions).toMatchObject([
      { status: "done", input: { text: "by the rules" }, ref: { id: "made-1" } },
    ]);
    expect(slack.effects).toHaveLength(1);
  });

  it("retries after 1, 4 and 16 seconds, and then the run is dead and told of", async () => {
    const times: number[] = [];
    const on = open({
      agent: agentThat(async (kit) => {
        times.push(clockNow());
        await kit.step("gather", 1, async () => {
          throw new ServiceError("other", "unavailable", "answered 500");
        });
        return [];
      }),
    });
    const clockNow = () => on.clock.now();
    const run = await on.receive();
    const found = await on.until(run, "dead");
    expect(times.slice(1).map((time, index) => Math.round((time - (times[index] ?? 0)) / 1_000))).toEqual([
      1, 4, 16,
    ]);
    expect(found.run).toMatchObject({ attempts: 4, reason: expect.stringContaining("failed 4 times") });
    expect(on.dead).toEqual([run]);
    expect(found.attempts).toMatchObject([
      { number: 1, times: 3, end: "retryAt", at: "gather", service: "other", counted: true },
      { number: 4, times: 1, end: "dead", at: "gather", error: expect.stringContaining("answered 500") },
    ]);
    expect((await on.reads.runs({ limit: 5, status: "dead" })).items).toHaveLength(1);
  });

  it("goes on after the last recorded step when it retries", async () => {
    let gathered = 0;
    let decided = 0;
    const slack = recordingExecutor({
      before: (attempt) => {
        if (attempt === 1) throw down();
      },
    });
    const on = open({
      agent: agentThat(async (kit) => {
        await kit.step("gather", 1, async () => {
          gathered += 1;
          return null;
        });
        await kit.decide({
          schemaVersion: 1,
          schema: z.object({}),
          variables: {},
          facts: {},
          rules: () => {
            decided += 1;
            return {};
          },
        });
        return [post("first"), post("second")];
      }),
      executors: { "slack.message": slack },
    });
    await on.until(await on.receive(), "succeeded");
    expect([gathered, decided]).toEqual([1, 1]);
    expect(slack.effects).toHaveLength(2);
  });

  it("redoes a step of another schema version as long as nothing was planned on it", async () => {
    let version = 1;
    const on = open({
      agent: agentThat(async (kit) => {
        const facts = await kit.step("gather", version, async () => ({ version }));
        if (version === 1) {
          version = 2;
          throw new Error("a bug");
        }
        expect(facts).toEqual({ version: 2 });
        return [];
      }),
    });
    await on.until(await on.receive(), "succeeded");
  });

  it("is dead at once when the event can never be worked on, and when the vendor calls an action invalid", async () => {
    const on = open({
      agent: agentThat(async (kit) => {
        if (kit.event.type === "bad") throw new EventFault("no pull request in it");
        return [post()];
      }),
      executors: {
        "slack.message": recordingExecutor({
          before: () => {
            throw new ServiceError("slack", "invalid", "channel_not_found", { status: 400 });
          },
        }),
      },
    });
    const bad = await on.until(await on.receive({}, { type: "bad" }), "dead");
    expect(bad.run).toMatchObject({ attempts: 1, reason: "no pull request in it" });
    const invalid = await on.until(await on.receive(), "dead");
    expect(bad.attempts).toMatchObject([{ end: "dead", at: null, error: "no pull request in it" }]);
    expect(invalid.attempts).toMatchObject([
      { end: "dead", at: "post", error: expect.stringContaining("channel_not_found") },
    ]);
    expect(invalid.actions).toMatchObject([{ status: "failed" }]);
  });

  it("refuses an action that its agent is not allowed, whatever was decided", async () => {
    const on = open({ agent: agentThat(async () => [post()], { allows: ["hubspot.note"] }) });
    const found = await on.until(await on.receive(), "dead");
    expect(found.run.reason).toContain("not allowed");
    expect(found.actions).toEqual([]);
  });

  describe("once", () => {
    it("looks an action up before it repeats it after an unknown outcome", async () => {
      const slack = recordingExecutor({
        after: (attempt) => {
          if (attempt === 1) throw down("unknown");
        },
      });
      const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": slack } });
      const found = await on.until(await on.receive(), "succeeded");
      expect(slack.effects).toHaveLength(1);
      expect(found.actions).toMatchObject([{ status: "done", reason: expect.stringContaining("found") }]);
    });

    it("repeats it when it is certainly not there", async () => {
      const slack = recordingExecutor({
        before: (attempt) => {
          if (attempt === 1) throw down("unknown");
        },
      });
      const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": slack } });
      await on.until(await on.receive(), "succeeded");
      expect(slack.effects).toHaveLength(1);
      expect(slack.attempts()).toBe(2);
    });

    it("waits the vendor's settle time before it looks up", async () => {
      const looked: number[] = [];
      const slack = recordingExecutor({
        settleMs: 10_000,
        after: (attempt) => {
          if (attempt === 1) throw down("unknown");
        },
      });
      const on = open({
        agent: agentThat(async () => [post()]),
        executors: {
          "slack.message": {
            ...slack,
            lookup: async (...args) => {
              looked.push(on.clock.now());
              return (await slack.lookup?.(...args)) ?? null;
            },
          },
        },
      });
      const begun = on.clock.now();
      await on.until(await on.receive(), "succeeded");
      expect((looked[0] ?? 0) - begun).toBeGreaterThanOrEqual(10_000);
    });

    it.each(["never", "weak-lookup"] as const)(
      "asks a person where a repeat can't be proven safe (%s)",
      async (repeat) => {
        const { lookup, ...mail } = recordingExecutor({
          repeat,
          after: () => {
            throw down("unknown", "slack");
          },
        });
        const executor = repeat === "never" ? mail : { ...mail, lookup: async () => null };
        expect(lookup).toBeDefined();
        const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": executor } });
        const found = await on.until(await on.receive(), "awaiting_review");
        expect(found.actions).toMatchObject([{ status: "uncertain" }]);
        expect(found.run.waitingFor).toMatchObject({
          kind: "person",
          reason: expect.stringContaining("took effect"),
        });
        await on.clock.advance(3_600_000);
        expect(mail.effects).toHaveLength(1);
      },
    );

    it("never sends again for a replay, and passes the first result on to what builds on it", async () => {
      const coupon = recordingExecutor();
      const mails: unknown[] = [];
      const on = open({
        agent: agentThat(async () => couponAndMail(1)),
        executors: {
          "stripe.coupon": coupon,
          "email.send": recordingExecutor({
            repeat: "never",
            execute: async (input) => (mails.push(input), { id: "m" }),
          }),
        },
      });
      const first = await on.until(await on.receive(), "succeeded");
      const second = await on.until(await replayed(on, first.run.event), "succeeded");
      expect(second.actions.map((action) => action.status)).toEqual(["skipped", "skipped"]);
      expect(second.actions[0]?.reason).toBe(`already done by ${first.actions[0]?.id}`);
      expect(coupon.effects).toHaveLength(1);
      expect(mails).toEqual([{ to: "a@acme.example", subject: "s", text: "Use CODE" }]);
    });

    it("goes on from where a dead run got to when it is run again, though its payloads hold times", async () => {
      const coupon = recordingExecutor();
      let isRefused = true;
      const mails: unknown[] = [];
      const on = open({
        agent: agentThat(async (kit) => couponAndMail(kit.now + 1_000)),
        executors: {
          "stripe.coupon": coupon,
          "email.send": recordingExecutor({
            repeat: "never",
            execute: async (input) => {
              if (isRefused) throw new ServiceError("email", "invalid", "no such mailbox");
              mails.push(input);
              return { id: "m" };
            },
          }),
        },
      });
      const first = await on.until(await on.receive(), "dead");
      await on.clock.advance(3_600_000);
      const second = await on.until(await replayed(on, first.run.event), "dead");
      expect(second.actions.map(({ status }) => status)).toEqual(["skipped", "failed"]);
      isRefused = false;
      await on.clock.advance(3_600_000);
      const third = await on.until(await replayed(on, first.run.event), "succeeded");
      expect(third.actions.map(({ status }) => status)).toEqual(["skipped", "done"]);
      expect(third.actions[0]?.reason).toBe(`already done by ${first.actions[0]?.id}`);
      expect(coupon.effects).toHaveLength(1);
      expect(mails).toEqual([{ to: "a@acme.example", subject: "s", text: "Use CODE" }]);
    });

    it("sends again what a person approved, though a dead run left it of unknown outcome, and then never more", async () => {
      let isGone = true;
      const sent: string[] = [];
      const on = open({
        agent: agentThat(async () => [
          post("mail", {
            kind: "email.send",
            subject: "sub_1",
            input: { to: "a@acme.example", subject: "s", text: "t" },
          }),
          post("post", { subject: "sub_1" }),
        ]),
        executors: {
          "email.send": recordingExecutor({
            repeat: "never",
            execute: async (_input, key) => {
              sent.push(key);
              if (isGone) throw new ServiceError("email", "timeout", "no answer", { effect: "unknown" });
              return { id: "m" };
            },
          }),
          "slack.message": recordingExecutor({
            before: (attempt) => {
              if (attempt === 1) throw new ServiceError("slack", "invalid", "answered 422");
            },
          }),
        },
      });
      const first = await on.until(await on.receive(), "dead");
      expect(first.actions.map(({ status }) => status)).toEqual(["uncertain", "failed"]);
      const second = await on.until(await replayed(on, first.run.event), "awaiting_review");
      const third = await on.until(await replayed(on, first.run.event), "awaiting_review");
      for (const { actions } of [second, third]) {
        expect(actions[0]).toMatchObject({ status: "uncertain" });
        expect(sent).toHaveLength(1);
      }
      isGone = false;
      for (const { run, actions } of [second, third]) {
        await on.review.approve(actions[0]?.id ?? "", { hash: actions[0]?.hash ?? "", by: "test" });
        await on.until(run.id, "succeeded");
        expect(sent).toHaveLength(2);
      }
      expect((await actionsOf(third.run.id))[0]).toMatchObject({
        status: "skipped",
        reason: `already done by ${second.actions[0]?.id}`,
      });
    });

    it("waits for another run that is at the same, and takes its result", async () => {
      let isGone = true;
      const slack = recordingExecutor({
        before: () => {
          if (isGone) throw new ServiceError("slack", "timeout", "no answer", { effect: "unknown" });
        },
      });
      const on = open({
        agent: agentThat(async () => [post("post", { subject: "repo#7" })]),
        executors: { "slack.message": slack },
      });
      const first = await on.receive();
      await on.until(first, "waiting");
      const second = await on.until(await on.receive(), "waiting");
      const [held] = await actionsOf(first);
      expect(second.run).toMatchObject({
        attempts: 0,
        waitingFor: { reason: expect.stringContaining(`waits for ${held?.id}`) },
      });
      isGone = false;
      await on.until(first, "succeeded");
      const done = await on.until(second.run.id, "succeeded");
      expect(done.actions).toMatchObject([
        { status: "skipped", reason: `already done by ${held?.id}`, ref: { id: "made-2" } },
      ]);
      expect(slack.effects).toHaveLength(1);
    });

    it("skips the same key with another payload, and shows it", async () => {
      const slack = recordingExecutor();
      let text = "first";
      const on = open({
        agent: agentThat(async () => [post("post", { subject: "repo#7", input: { text } })]),
        executors: { "slack.message": slack },
      });
      await on.until(await on.receive(), "succeeded");
      text = "second";
      const found = await on.until(await on.receive(), "succeeded");
      expect(found.actions).toMatchObject([
        { status: "skipped", reason: expect.stringContaining("another payload") },
      ]);
      expect(slack.effects).toHaveLength(1);
    });

    it.each([
      ["had no effect", false, ["skipped", "skipped"]],
      ["took effect", true, ["done", "skipped"]],
    ])(
      "clears up a request of unknown outcome that %s before it reads the facts again, and acts no more where they changed",
      async (_what, tookEffect, statuses) => {
        const slack = recordingExecutor({
          [tookEffect ? "after" : "before"]: () => {
            throw new ServiceError("slack", "timeout", "no answer", { effect: "unknown" });
          },
        });
        const on = open({
          agent: agentThat(async () => [post("first"), post("second")], {
            stillApplies: async () => "the pull request was closed",
          }),
          executors: { "slack.message": slack },
        });
        const found = await on.until(await on.receive(), "cancelled");
        expect(found.actions.map(({ status }) => status)).toEqual(statuses);
        expect(slack.attempts()).toBe(1);
      },
    );

    it("takes up an action that a killed process had begun", async () => {
      const slack = recordingExecutor();
      const options: LineOptions = {
        agent: agentThat(async () => [post()]),
        executors: { "slack.message": slack },
      };
      const first = openLine(options);
      const run = await first.receive();
      // What a process leaves behind that dies right after its request took effect: intent flushed, nothing after it.
      const claim = await first.journal.claim(run, "gone", 60_000);
      const now = first.clock.now();
      const key = { run, fence: claim?.fence ?? 0 };
      const { actionsFrom } = await import("../../src/worker/plan.ts");
      const { createIds } = await import("../../src/resilience/ids.ts");
      const outcome = { actions: [post()], summary: "s" };
      const actions = actionsFrom(
        options.agent,
        outcome,
        { id: run, event: claim?.event.id ?? "" },
        "auto",
        now,
        createIds(first.clock),
      );
      const step = {
        run,
        name: "plan",
        schemaVersion: 1,
        output: { summary: "s" },
        startedAt: now,
        endedAt: now,
        usage: null,
      };
      await first.journal.recordPlan(key, { step, actions });
      await first.journal.beginAction(key, actions[0]?.id ?? "");
      slack.effects.push(actions[0]?.key ?? "");
      await first.close(true);

      line = openLine(options, manualClock(), first.folder);
      expect(await line.journal.releaseOrphans()).toBe(1);
      line.start();
      const found = await line.until(run, "succeeded");
      expect(found.actions).toMatchObject([{ status: "done", ref: { id: `found-${actions[0]?.key}` } }]);
      expect(slack.effects).toHaveLength(1);
    });

    it("takes a run out of circulation when the process dies of it again and again", async () => {
      const options: LineOptions = { agent: agentThat(async () => []) };
      const on = openLine(options);
      line = on;
      const run = await on.receive();
      for (let crashes = 0; crashes < 9;) {
        crashes = (await on.journal.claim(run, "gone", 60_000))?.crashes ?? crashes;
        await on.journal.releaseOrphans();
        await on.clock.advance(60_000);
      }
      on.start();
      const found = await on.until(run, "dead");
      expect(found.run.reason).toContain("the process died 10 times");
    });
  });

  describe("outages", () => {
    it("parks without spending attempts while the breaker is open, gives the streak back, and drains when it is back", async () => {
      let up = false;
      const slack = recordingExecutor({
        before: () => {
          if (!up) throw down();
        },
      });
      const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": slack } });
      const runs = await Promise.all(Array.from({ length: 8 }, (_, index) => on.receive({ index })));
      await on.clock.advance(40_000);
      for (const run of runs) {
        const found = await on.reads.run(run);
        expect(found?.run).toMatchObject({
          status: "waiting",
          attempts: 0,
          waitingFor: { kind: "service", service: "slack" },
        });
      }
      expect((await on.guard.list())[0]).toMatchObject({ service: "slack", state: "open" });
      await on.clock.advance(3_600_000);
      const calls = slack.attempts();
      up = true;
      for (const run of runs) await on.until(run, "succeeded");
      expect(slack.effects).toHaveLength(8);
      // One probe per opening: hours of outage cost a handful of calls, not hundreds.
      expect(calls).toBeLessThan(40);
      expect(on.dead).toEqual([]);
    });

    it("asks a service again as soon as its breaker lets a probe through, however many wait, and not the same run each time", async () => {
      let isDown = true;
      const probes: { at: number; key: string }[] = [];
      const slack = recordingExecutor({
        before: (_attempt, key) => {
          probes.push({ at: on.clock.now(), key });
          if (isDown) throw down();
        },
      });
      const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": slack } });
      const runs = await Promise.all(Array.from({ length: 40 }, () => on.receive()));
      // It opens within a second or two; then 30 s, 60 s, 120 s, and five minutes from then on.
      await on.clock.advance(20_000);
      probes.length = 0;
      await on.clock.advance(20 * 60_000);
      const pauses = probes.slice(1).map(({ at }, index) => at - (probes[index]?.at ?? 0));
      expect(pauses.length).toBeGreaterThanOrEqual(5);
      expect(pauses.slice(0, 3)).toEqual([60_000, 120_000, 240_000]);
      expect(new Set(pauses.slice(3))).toEqual(new Set([300_000]));
      expect(probes.slice(1).filter(({ key }, index) => key === probes[index]?.key)).toEqual([]);
      isDown = false;
      await on.clock.advance(300_000);
      for (const run of runs) await on.until(run, "succeeded");
      expect(slack.effects).toHaveLength(40);
      expect(on.dead).toEqual([]);
    });

    it("never stops other services because of one", async () => {
      const mail = recordingExecutor({ repeat: "never" });
      const on = open({
        agent: agentThat(async (kit) =>
          kit.event.type === "slack"
            ? [post()]
            : [
                post("mail", {
                  kind: "email.send",
                  input: { to: "a@acme.example", subject: "s", text: "t" },
                }),
              ],
        ),
        executors: {
          "slack.message": recordingExecutor({
            before: () => {
              throw down();
            },
          }),
          "email.send": mail,
        },
      });
      const stuck = await Promise.all(Array.from({ length: 6 }, () => on.receive({}, { type: "slack" })));
      await on.clock.advance(30_000);
      await on.until(await on.receive({}, { type: "mail" }), "succeeded");
      expect(mail.effects).toHaveLength(1);
      expect((await on.reads.run(stuck[0] ?? ""))?.run.status).toBe("waiting");
    });

    it("obeys Retry-After on 429 and counts nothing", async () => {
      const times: number[] = [];
      const on = open({
        agent: agentThat(async () => [post()]),
        executors: {
          "slack.message": recordingExecutor({
            before: (attempt) => {
              times.push(on.clock.now());
              if (attempt < 3)
                throw new ServiceError("slack", "rate-limited", "429", { status: 429, retryAfterMs: 90_000 });
            },
          }),
        },
      });
      const found = await on.until(await on.receive(), "succeeded");
      expect(found.run.attempts).toBe(1);
      expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(90_000);
      expect((await on.guard.list())[0]?.state ?? "closed").toBe("closed");
    });

    it("gives no attempts back for a limit: what fails each time that it has its turn is dead after four failures", async () => {
      const slack = recordingExecutor({
        before: (attempt) => {
          if (attempt % 2 === 0) throw down();
          throw new ServiceError("slack", "rate-limited", "429", { status: 429, retryAfterMs: 60_000 });
        },
      });
      const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": slack } });
      const found = await on.until(await on.receive(), "dead");
      expect(slack.attempts()).toBe(8);
      expect(found.run).toMatchObject({ attempts: 4, reason: expect.stringContaining("failed 4 times") });
    });

    it("pauses a destination that refuses our credentials, parks its runs, and fills no dead letters", async () => {
      const slack = recordingExecutor({
        before: (attempt) => {
          if (attempt === 1) throw new ServiceError("slack", "unauthorized", "invalid_auth", { status: 401 });
        },
      });
      const on = open({ agent: agentThat(async () => [post()]), executors: { "slack.message": slack } });
      const run = await on.receive();
      await on.clock.advance(2_000);
      expect((await on.reads.run(run))?.run).toMatchObject({ status: "waiting", attempts: 0 });
      expect((await on.guard.list())[0]).toMatchObject({
        service: "slack",
        state: "closed",
        paused: { by: "refusal" },
      });
      const other = await on.receive();
      await on.clock.advance(2_000);
      expect((await on.reads.run(other))?.run.status).toBe("waiting");
      expect(slack.attempts()).toBe(1);
      await on.until(run, "succeeded");
      await on.until(other, "succeeded");
      expect((await on.guard.list())[0]?.paused).toBeNull();
    });

    it("gives a run up that was parked for longer than its limit", async () => {
      const on = open({
        agent: agentThat(async () => [post()]),
        parkForMs: 1_200_000,
        executors: {
          "slack.message": recordingExecutor({
            before: () => {
              throw new ServiceError("slack", "rate-limited", "429", {
                status: 429,
                retryAfterMs: 900_000,
              });
            },
          }),
        },
      });
      const run = await on.receive();
      const found = await on.until(run, "dead");
      expect(found.run.reason).toMatch(/^parked for .* without success/);
    });
  });

  describe("dry runs", () => {
    it("records and never sends, passes on to what builds on it, and never uses up a key", async () => {
      const coupon = recordingExecutor();
      const mail = recordingExecutor();
      const agent = agentThat(async () => [
        post("coupon", {
          kind: "stripe.coupon",
          subject: "s",
          input: { percentOff: 10, durationInMonths: 1, name: "x", redeemBy: 1 },
        }),
        post("mail", {
          kind: "email.send",
          subject: "s",
          input: {
            to: "a@acme.example",
            subject: "s",
            text: template("{code}", { code: resultOf("coupon", "code") }),
          },
        }),
      ]);
      const first = openLine({
        agent,
        executors: { "stripe.coupon": coupon, "email.send": mail },
        unconfigured: ["stripe"],
      });
      first.start();
      const found = await first.until(await first.receive(), "succeeded");
      expect(found.actions).toMatchObject([
        { status: "done", dryRun: true, reason: "dry run: stripe has no credentials" },
        { status: "done", dryRun: true, reason: "dry run: coupon, which it builds on, was one" },
      ]);
      expect([coupon.effects, mail.effects]).toEqual([[], []]);
      await first.close(true);
      line = openLine(
        { agent, executors: { "stripe.coupon": coupon, "email.send": mail } },
        manualClock(),
        first.folder,
      );
      line.start();
      await line.until(await line.receive(), "succeeded");
      expect([coupon.effects.length, mail.effects.length]).toEqual([1, 1]);
    });
  });

  describe("review", () => {
    const held = async (over: Partial<AgentDefinition> = {}) => {
      const slack = recordingExecutor();
      const on = open({
        agent: agentThat(async () => [post("first"), post("second", { needs: ["first"] })], over),
        executors: { "slack.message": slack },
        mode: "review",
      });
      const run = await on.receive();
      const { actions } = await on.until(run, "awaiting_review");
      return { on, run, slack, actions };
    };

    it("does nothing until a person approves exactly what is shown, then does that", async () => {
      const { on, run, slack, actions } = await held();
      await on.clock.advance(3_600_000);
      expect(slack.effects).toEqual([]);
      for (const action of actions) await on.review.approve(action.id, { hash: action.hash, by: "ann" });
      await on.until(run, "succeeded");
      expect(slack.effects).toHaveLength(2);
    });

    it("does an approved action at once while others are still held", async () => {
      const { on, run, slack, actions } = await held();
      await on.review.approve(actions[0]?.id ?? "", { hash: actions[0]?.hash ?? "", by: "ann" });
      await on.clock.advance(1_000);
      expect(slack.effects).toHaveLength(1);
      expect((await on.reads.run(run))?.run.status).toBe("awaiting_review");
    });

    it("ends rejected when all is rejected, with dependents skipped", async () => {
      const { on, run, slack, actions } = await held();
      await on.review.reject(actions[0]?.id ?? "", { reason: "not now", by: "ann" });
      const found = await on.until(run, "rejected");
      expect(found.run.reason).toBe("not now");
      expect((await actionsOf(run)).map((action) => action.status)).toEqual(["rejected", "skipped"]);
      expect(slack.effects).toEqual([]);
    });

    it("passes an edit through the schema and the policy again", async () => {
      const { on, actions } = await held({
        passes: ({ input }) => (input["text"] === "too much" ? "at most enough" : null),
      });
      const first = actions[0];
      await expect(
        on.review.approve(first?.id ?? "", { hash: first?.hash ?? "", edited: { text: "" }, by: "ann" }),
      ).rejects.toMatchObject({ code: "invalid_edit" });
      await expect(
        on.review.approve(first?.id ?? "", {
          hash: first?.hash ?? "",
          edited: { text: "too much" },
          by: "ann",
        }),
      ).rejects.toMatchObject({
        code: "invalid_edit",
        message: "the edit passes a limit of the policy: at most enough",
      });
      const { id = "", hash = "" } = first ?? {};
      const elsewhere = { text: template("{id}", { id: resultOf("second", "id") }) };
      await expect(on.review.approve(id, { hash, edited: elsewhere, by: "ann" })).rejects.toMatchObject({
        code: "invalid_edit",
        message: expect.stringContaining("refers to second"),
      });
      await on.review.approve(first?.id ?? "", {
        hash: first?.hash ?? "",
        edited: { text: "better" },
        by: "ann",
      });
      await on.clock.advance(1_000);
      expect((await on.reads.action(first?.id ?? ""))?.input).toEqual({ text: "better" });
    });

    it("reads the facts again before it acts on an approval, and cancels what no longer applies", async () => {
      const { on, run, slack, actions } = await held({
        stillApplies: async () => "the pull request was closed",
      });
      await on.review.approve(actions[0]?.id ?? "", { hash: actions[0]?.hash ?? "", by: "ann" });
      const found = await on.until(run, "cancelled");
      expect(found.run.reason).toBe("the pull request was closed");
      expect(slack.effects).toEqual([]);
    });
  });

  it.each([
    ["auto", "review", "awaiting_review"],
    ["review", "auto", "awaiting_review"],
    ["auto", "dry-run", "succeeded"],
    ["auto", null, "succeeded"],
  ] as const)(
    "acts as strictly as the mode it was made in (%s) and that of today (%s)",
    async (mode, modeToday, status) => {
      const slack = recordingExecutor();
      const on = open({
        agent: agentThat(async () => [post()]),
        executors: { "slack.message": slack },
        mode,
        modeToday,
      });
      await on.until(await on.receive(), status);
      expect(slack.effects).toHaveLength(modeToday === null ? 1 : 0);
    },
  );

  it("serialises runs of one concurrency key", async () => {
    let most = 0;
    let now = 0;
    const gates: (() => void)[] = [];
    const on = open({
      agent: agentThat(async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise<void>((resolve) => gates.push(resolve));
        now -= 1;
        return [];
      }),
      concurrency: { key: "payload.pr", limit: 1, supersede: false },
    });
    const runs = await Promise.all([1, 2, 3].map(() => on.receive({ pr: "a" })));
    for (const run of runs) {
      await on.clock.advance(100);
      expect(gates).toHaveLength(1);
      gates.pop()?.();
      await on.until(run, "succeeded");
    }
    expect(most).toBe(1);
  });
});
