import { test as property, describe, expect, it } from "vitest";
import fc from "fast-check";
import { z } from "zod";
import { JournalUnavailable, ServiceClosed, ServiceError } from "../../src/domain/errors.ts";
import type { FaultKind } from "../../src/domain/errors.ts";
import type {
  DeciderRequest,
  Model,
  ModelAnswer,
  ModelPrice,
  ModelRequest,
  ServiceGuard,
  State,
} from "../../src/domain/ports.ts";
import { createBudget } from "../../src/llm/budget.ts";
import type { Caps } from "../../src/llm/budget.ts";
import { memoryState } from "../support/memory-state.ts";
import { createDecider } from "../../src/llm/decide.ts";
import type { Prompt } from "../../src/llm/prompts.ts";
import type { Log } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import type { Clock } from "../../src/resilience/clock.ts";

const Decision = z.strictObject({ label: z.enum(["bug", "question"]), score: z.number().min(0).max(100) });
const good = '{"label":"bug","score":90}';
const fromRules = { label: "question", score: 50 };
const payload = "the customer's own words";

type Step = (request: ModelRequest) => Promise<ModelAnswer>;
const usage = (costUsd: number | null) => ({ model: "", inputTokens: 10, outputTokens: 5, costUsd });
const says =
  (text: string, stop: ModelAnswer["stop"] = "end", costUsd: number | null = 0.25): Step =>
  async () => ({ text, stop, usage: usage(costUsd) });
const fails =
  (kind: FaultKind, options: { status?: number; retryAfterMs?: number; hint?: string } = {}): Step =>
  async () => {
    throw new ServiceError("model:x/y", kind, `failed with ${payload}`, options);
  };
const never: Step = () => new Promise(() => undefined);

const priced = (output: number): ModelPrice => ({ input: 0, output, cacheRead: 0, cacheWrite: 0 });

interface Setup {
  main?: Step[];
  fallback?: Step[];
  unconfigured?: string[];
  missing?: string[];
  models?: string[];
  rules?: Prompt["rules"];
  cheaper?: string;
  prices?: Record<string, ModelPrice>;
  caps?: Partial<Caps>;
  state?: State;
  closed?: Record<string, number>;
  guard?: ServiceGuard;
  render?: Prompt["render"];
}

function setup(options: Setup = {}) {
  const calls: { model: string; request: ModelRequest }[] = [];
  const waits: number[] = [];
  const lines: { level: string; fields: Record<string, unknown> }[] = [];
  const model = (name: string, provider: Model["provider"], steps: Step[]): Model => ({
    name,
    provider,
    model: `${name}-1`,
    configured: !(options.unconfigured ?? []).includes(name),
    timeoutMs: 30_000,
    price: () => options.prices?.[name] ?? null,
    async complete(request) {
      calls.push({ model: name, request });
      const answer = await (
        steps[calls.filter((call) => call.model === name).length - 1] ?? fails("invalid")
      )(request);
      return { ...answer, usage: { ...answer.usage, model: `${name}-1` } };
    },
  });
  const models = new Map(
    [model("main", "anthropic", options.main ?? []), model("fallback", "openai", options.fallback ?? [])]
      .filter(({ name }) => !(options.missing ?? []).includes(name))
      .map((each) => [each.name, each] as const),
  );
  const prompt: Prompt = {
    agent: "email-triage",
    version: 1,
    description: null,
    models: options.models ?? ["main", "fallback"],
    cheaper: options.cheaper ?? null,
    onModelUnavailable: { kind: "wait", ms: 900_000 },
    rules: options.rules ?? [],
    maxOutputTokens: 512,
    policy: {},
    hash: "a".repeat(64),
    file: "prompts/email-triage.yaml",
    render:
      options.render ??
      (() => ({ system: "Sort it.", messages: [{ role: "user", text: `<mail>${payload}</mail>` }] })),
  };
  const guard: ServiceGuard = options.guard ?? {
    async call(service, fn) {
      const until = options.closed?.[service];
      if (until !== undefined)
        throw new ServiceClosed(service, until, `its breaker is open: ${service}: answered 503`);
      return fn();
    },
    closed: async () => null,
  };
  /** Waits end at once, and are noted. */
  const clock: Clock = {
    now: () => 0,
    after(ms, fn) {
      waits.push(ms);
      queueMicrotask(fn);
      return { cancel: () => undefined };
    },
  };
  const keep = (level: string) => (fields: Record<string, unknown>) => {
    lines.push({ level, fields });
  };
  const log = {
    debug: keep("debug"),
    info: keep("info"),
    warn: keep("warn"),
    error: keep("error"),
  } as unknown as Log;
  const metrics = createMetrics();
  const prompts = new Map([["email-triage", prompt]]);
  const asked: boolean[] = [];
  const onAsked = (_agent: string, fell: boolean) => void asked.push(fell);
  const told: string[] = [];
  const budget =
    options.caps === undefined
      ? null
      : createBudget({
          state: options.state ?? memoryState(),
          clock,
          caps: () => ({ perRun: 1_000, agentPerDay: null, perDay: 1_000, ...options.caps }),
          dearest: () => priced(30),
          onCap: (_agent, cap, level) => void told.push(`${cap} ${level}`),
        });
  const decider = createDecider({
    models,
    prompts,
    budget,
    guard,
    clock,
    log,
    metrics,
    onAsked,
    random: () => 0.5,
  });
  const request: DeciderRequest = {
    agent: "email-triage",
    name: "decide",
    schema: Decision,
    variables: {},
    facts: { bytes: 5 },
    rules: () => fromRules,
    rulesOnly: null,
    spentUsd: 0,
    signal: new AbortController().signal,
  };
  return {
    calls,
    waits,
    lines,
    metrics,
    asked,
    told,
    decide: (more: Partial<DeciderRequest> = {}) => decider.decide({ ...request, ...more }),
  };
}

describe("a decision by a model", () => {
  it("says which model made it, and what it used", async () => {
    const { decide, calls } = setup({ main: [says(good)] });
    expect(await decide()).toEqual({
      decision: { label: "bug", score: 90 },
      decidedBy: "model",
      why: "anthropic/main-1 (main) answered",
      prompt: "a".repeat(64),
      usage: { model: "main-1", inputTokens: 10, outputTokens: 5, costUsd: 0.25 },
    });
    expect(calls[0]?.request).toMatchObject({ schemaName: "email-triage_decide", maxOutputTokens: 512 });
  });

  it("is told of as one that a model was wanted for, and as fallen when the rules had to make it", async () => {
    const outcomes = async (options: Setup, more: Partial<DeciderRequest> = {}) => {
      const { decide, asked } = setup(options);
      await decide(more);
      return asked;
    };
    expect(await outcomes({ main: [says(good)] })).toEqual([false]);
    expect(await outcomes({ main: [fails("timeout")], fallback: [says(good)] })).toEqual([false]);
    expect(await outcomes({ main: [fails("timeout")], fallback: [fails("unauthorized")] })).toEqual([true]);
    expect(await outcomes({ main: [says(good)] }, { rulesOnly: "an automatic reply" })).toEqual([]);
    expect(await outcomes({ unconfigured: ["main", "fallback"] })).toEqual([]);
  });

  it("may come in a Markdown fence", async () => {
    const { decide } = setup({ main: [says(`\n\`\`\`json\n${good}\n\`\`\`\n`)] });
    expect(await decide()).toMatchObject({ decidedBy: "model", decision: { label: "bug", score: 90 } });
  });

  it("is repaired once: the model gets its answer back with what is wrong with it", async () => {
    const { decide, calls } = setup({ main: [says('{"label":"bug","score":900}'), says(good)] });
    expect(await decide()).toMatchObject({ decidedBy: "model", usage: { inputTokens: 20, costUsd: 0.5 } });
    const [, assistant, user] = calls[1]?.request.messages ?? [];
    expect(assistant).toEqual({ role: "assistant", text: '{"label":"bug","score":900}' });
    expect(user?.text).toContain("- score: Too big");
  });

  it("is the next model's after answers that stay wrong, and all of them are paid for", async () => {
    const { decide, calls, metrics } = setup({ main: [says("no JSON"), says("")], fallback: [says(good)] });
    expect(await decide()).toMatchObject({
      decidedBy: "model",
      why:
        "anthropic/main-1 (main) gave an answer that the schema refuses (2 times); " +
        "openai/fallback-1 (fallback) answered",
      usage: { model: "main-1 + fallback-1", inputTokens: 30, outputTokens: 15, costUsd: 0.75 },
    });
    expect(calls.map(({ model }) => model)).toEqual(["main", "main", "fallback"]);
    const { text } = await metrics.render();
    expect(text).toContain('signalbox_model_tokens_total{model="main-1",direction="input"} 20');
    expect(text).toContain('signalbox_model_cost_usd_total{model="fallback-1"} 0.25');
  });

  it.each<["refusal" | "truncated"]>([["refusal"], ["truncated"]])(
    "is the next model's after a %s, which is not asked again but counted",
    async (stop) => {
      const { decide, calls } = setup({ main: [says(good, stop)], fallback: [says(good)] });
      expect(await decide()).toMatchObject({ decidedBy: "model", usage: { inputTokens: 20 } });
      expect(calls.map(({ model }) => model)).toEqual(["main", "fallback"]);
    },
  );

  it("waits out a short outage and a short rate limit", async () => {
    const { decide, waits } = setup({ main: [fails("unavailable", { status: 529 }), says(good)] });
    expect(await decide()).toMatchObject({ decidedBy: "model" });
    expect(waits).toEqual([1_000]);
    const limited = setup({ main: [fails("rate-limited", { retryAfterMs: 3_000 }), says(good)] });
    expect(await limited.decide()).toMatchObject({ decidedBy: "model" });
    expect(limited.waits).toEqual([3_000]);
  });

  it("says why it was not made by the models before, with the vendor's id of each request", async () => {
    const refused: Step = async (request) => ({
      ...(await says(good, "refusal")(request)),
      requestId: "req_1",
    });
    const wrong: Step = async (request) => ({ ...(await says("{}")(request)), requestId: "req_2" });
    const { decide, lines } = setup({ main: [refused], fallback: [wrong, says(good)] });
    expect(await decide()).toMatchObject({
      decidedBy: "model",
      why:
        "anthropic/main-1 (main) refused to answer (request req_1); " +
        "openai/fallback-1 (fallback) gave an answer that the schema refuses (request req_2); " +
        "openai/fallback-1 (fallback) answered",
    });
    expect(lines.map(({ fields }) => fields["requestId"])).toEqual(["req_1", "req_2", undefined]);
    const keyless = setup({ unconfigured: ["main"], fallback: [says(good)] });
    expect((await keyless.decide()).why).toBe("main has no API key; openai/fallback-1 (fallback) answered");
  });

  it("has an unknown cost as soon as one attempt's cost is unknown", async () => {
    const { decide } = setup({ main: [says("?", "end", null), says(good)] });
    expect((await decide()).usage).toEqual({
      model: "main-1",
      inputTokens: 20,
      outputTokens: 10,
      costUsd: null,
    });
  });
});

describe("a decision by rules", () => {
  it("is made at once when nothing is to be judged", async () => {
    const { decide, calls } = setup({ main: [says(good)] });
    expect(await decide({ rulesOnly: "it is an automatic reply" })).toEqual({
      decision: fromRules,
      decidedBy: "rules",
      why: "it is an automatic reply",
      prompt: "a".repeat(64),
      usage: null,
    });
    expect(calls).toEqual([]);
  });

  it("says that no model is configured, and what each lacks", async () => {
    const { decide } = setup({ unconfigured: ["main"], missing: ["fallback"] });
    expect((await decide()).why).toBe(
      "no model is configured for email-triage (main has no API key; " +
        "fallback is not among the models of the configuration)",
    );
  });

  it("says that there is no prompt", async () => {
    const { decide } = setup({ main: [says(good)] });
    expect((await decide({ agent: "other" })).why).toBe("no prompt is loaded for other");
  });

  it("says until when breakers are open, and calls nobody behind them", async () => {
    const { decide, calls } = setup({
      main: [says(good)],
      fallback: [says(good)],
      closed: { "model:anthropic/main-1": 1_000, "model:openai/fallback-1": 2_000 },
    });
    expect((await decide()).why).toBe(
      "anthropic/main-1 (main) is not asked until 1970-01-01T00:00:01.000Z (its breaker is open: answered 503); " +
        "openai/fallback-1 (fallback) is not asked until 1970-01-01T00:00:02.000Z (its breaker is open: answered 503)",
    );
    expect(calls).toEqual([]);
  });

  it("gives the causes in order, and nothing of what was sent", async () => {
    const { decide, lines } = setup({
      main: [fails("unavailable", { status: 529 }), fails("unavailable", { status: 529 })],
      fallback: [fails("unauthorized", { status: 401, hint: "request req_7; check its API key" })],
    });
    const { why, decision } = await decide();
    expect(decision).toEqual(fromRules);
    expect(why).toBe(
      "anthropic/main-1 (main) was unavailable (529) (2 times); " +
        "openai/fallback-1 (fallback) did not accept the API key or the account has no credit (401, request req_7; check its API key)",
    );
    expect(lines.at(-1)?.fields).toMatchObject({
      service: "model:openai/fallback-1",
      status: 401,
      hint: "request req_7; check its API key",
    });
    expect(JSON.stringify(lines)).not.toContain(payload);
    expect(lines.map(({ level }) => level)).toEqual(["info", "info", "warn"]);
  });

  it("is made when the time for a decision is over, even if a model never comes back", async () => {
    const caller = new AbortController();
    let tellAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      tellAsked = resolve;
    });
    const silent: Step = (request) => {
      tellAsked();
      return never(request);
    };
    const { decide, calls } = setup({ main: [silent], fallback: [says(good)] });
    const answer = decide({ signal: caller.signal });
    await asked;
    caller.abort(new Error("over"));
    expect(await answer).toMatchObject({
      decidedBy: "rules",
      why: "the time for a decision ran out while anthropic/main-1 (main) was asked",
    });
    expect(calls).toHaveLength(1);
  });

  it("is made when the prompt can't be filled", async () => {
    const { decide, calls } = setup({
      main: [says(good)],
      render: () => {
        throw new Error("undefined variable: mail, line:1, col:4");
      },
    });
    expect(await decide()).toMatchObject({
      decidedBy: "rules",
      why: "the prompt of email-triage could not be filled: undefined variable: mail, line:1, col:4",
    });
    expect(calls).toEqual([]);
  });

  it("fails loudly when the rules break their own schema: that is our bug", async () => {
    const { decide } = setup();
    await expect(decide({ rulesOnly: "x", rules: () => ({ label: "spam", score: 1 }) })).rejects.toThrow(
      /^the rules of email-triage \(decide\) decided what its own schema refuses: label: /,
    );
  });

  it("is not made when the journal behind the breakers is down: the run comes back", async () => {
    const guard: ServiceGuard = {
      call: async () => {
        throw new JournalUnavailable("disk full");
      },
      closed: async () => null,
    };
    await expect(setup({ main: [says(good)], guard }).decide()).rejects.toBeInstanceOf(JournalUnavailable);
  });
});

type Behaviour = "good" | "wrong" | "text" | "refusal" | "truncated" | "bug" | "hang" | "abort" | FaultKind;
const behaviours: Behaviour[] = [
  "good",
  "wrong",
  "text",
  "refusal",
  "truncated",
  "bug",
  "hang",
  "abort",
  "unavailable",
  "timeout",
  "rate-limited",
  "unauthorized",
  "invalid",
];

describe("the decider", () => {
  property(
    "ends with a value of the schema, whatever the models do, and calls nobody it must not call",
    async () => {
      const steps = fc.array(fc.constantFrom(...behaviours), { minLength: 3, maxLength: 3 });
      const services = ["model:anthropic/main-1", "model:openai/fallback-1"];
      await fc.assert(
        fc.asyncProperty(
          steps,
          steps,
          fc.subarray(services),
          fc.boolean(),
          async (main, fallback, shut, early) => {
            const caller = new AbortController();
            const play = (behaviour: Behaviour): Step => {
              switch (behaviour) {
                case "good":
                  return says(good);
                case "wrong":
                  return says('{"label":"spam"}');
                case "text":
                  return says(payload);
                case "refusal":
                case "truncated":
                  return says("", behaviour);
                case "bug":
                  return () => Promise.reject(new TypeError("undefined is not a function"));
                case "hang":
                  return (request) => {
                    queueMicrotask(() => caller.abort(new Error("over")));
                    return never(request);
                  };
                case "abort":
                  return async (request) => {
                    caller.abort(new Error("over"));
                    throw request.signal.reason as Error;
                  };
                default:
                  return fails(behaviour, { retryAfterMs: 1_000 });
              }
            };
            const { decide, calls } = setup({
              main: main.map(play),
              fallback: fallback.map(play),
              closed: Object.fromEntries(shut.map((service) => [service, 1_000])),
            });
            if (early) caller.abort(new Error("over"));
            const answer = await decide({ signal: caller.signal });
            expect(Decision.safeParse(answer.decision).success).toBe(true);
            expect(answer.why).not.toContain(payload);
            expect(calls.length).toBeLessThanOrEqual(early ? 0 : 4);
            const forbidden: string[] = shut.map((service) =>
              service === services[0] ? "main" : "fallback",
            );
            expect(calls.filter(({ model }) => forbidden.includes(model))).toEqual([]);
            expect(answer.decision).toEqual(
              answer.decidedBy === "rules" ? fromRules : { label: "bug", score: 90 },
            );
          },
        ),
        { numRuns: 300 },
      );
    },
  );
});

describe("the rules of a prompt file", () => {
  const rule = (label: string, holds: boolean, more: Partial<Prompt["rules"][number]> = {}) => ({
    label,
    always: false,
    output: { label: "bug" },
    holds: () => holds,
    ...more,
  });
  const none = { unconfigured: ["main", "fallback"] };

  it("decide where no model can be had: the first that holds, and for what it leaves out the agent's own", async () => {
    const rules = [
      rule("rule 1", false, { output: { score: 1 } }),
      rule('rule "big"', true, { output: { score: 99 } }),
      rule("rule 3", true),
    ];
    expect(await setup({ ...none, rules }).decide()).toMatchObject({
      decision: { label: "question", score: 99 },
      decidedBy: "rules",
      why: expect.stringMatching(/no model is configured.*; rule "big" of the prompt file holds$/) as string,
      prompt: "a".repeat(64),
    });
    expect(await setup({ ...none, rules: [rule("rule 1", false)] }).decide()).toMatchObject({
      decision: fromRules,
    });
  });

  it("are given what was gathered", async () => {
    const seen: unknown[] = [];
    const rules = [rule("rule 1", true, { holds: (facts) => seen.push(facts) > 0 })];
    await setup({ ...none, rules }).decide();
    expect(seen).toContainEqual({ bytes: 5 });
  });

  it("leave it to a model that can be had, except where the first that holds says that none is to be asked", async () => {
    const left = setup({ main: [says(good)], rules: [rule("rule 1", true)] });
    expect(await left.decide()).toMatchObject({ decidedBy: "model" });
    const taken = setup({ main: [says(good)], rules: [rule("rule 1", true, { always: true })] });
    expect(await taken.decide()).toMatchObject({
      decidedBy: "rules",
      decision: { label: "bug" },
      usage: null,
    });
    expect([taken.calls, taken.asked]).toEqual([[], []]);
    const earlier = setup({
      main: [says(good)],
      rules: [rule("rule 1", true), rule("rule 2", true, { always: true })],
    });
    expect(await earlier.decide()).toMatchObject({ decidedBy: "model" });
  });

  it("speak of the main decision only", async () => {
    const { decide } = setup({ ...none, rules: [rule("rule 1", true)] });
    expect(await decide({ name: "verify" })).toMatchObject({ decision: fromRules });
  });
});

describe("what a decision may cost", () => {
  // 512 tokens of output are at most $0.512 at $1,000 per million.
  const prices = { main: priced(1_000), fallback: priced(100) };

  it("is reserved before a call and settled after it: free until a cap is near", async () => {
    const state = memoryState();
    const { decide, told } = setup({ main: [says(good)], prices, caps: { perDay: 1 }, state });
    expect(await decide()).toMatchObject({ decidedBy: "model", usage: { costUsd: 0.25 } });
    expect((await state.get("budget", "day"))?.value).toMatchObject({
      all: 0.25,
      agents: { "email-triage": 0.25 },
    });
    expect(told).toEqual([]);
  });

  it.each<[keyof Caps]>([["perRun"], ["agentPerDay"], ["perDay"]])(
    "leads to the next model where the first would pass the cap %s, and then to the rules",
    async (cap) => {
      const next = setup({ fallback: [says(good)], prices, caps: { [cap]: 0.2 } });
      expect(await next.decide()).toMatchObject({
        decidedBy: "model",
        why: expect.stringMatching(
          /^anthropic\/main-1 \(main\) could cost .* are spent; openai\/fallback-1 \(fallback\) answered$/,
        ) as string,
      });
      expect([next.calls.length, next.told]).toEqual([1, [`${cap} spent`]]);
      const none = setup({ prices, caps: { [cap]: 0.01 } });
      const answer = await none.decide();
      expect(answer).toMatchObject({ decidedBy: "rules", decision: fromRules, usage: null });
      expect(answer.why).toContain("anthropic/main-1 (main) could cost $0.5120, and $0.0000 of $0.0100");
      // Told once a day, and not as models that fail.
      await none.decide();
      expect([none.calls, none.told, none.asked]).toEqual([[], [`${cap} spent`], []]);
    },
  );

  it("counts what the run's earlier decisions cost, and every attempt of this one", async () => {
    const run = { prices, caps: { perRun: 1 } };
    expect(await setup({ ...run, main: [says(good)] }).decide({ spentUsd: 0.6 })).toMatchObject({
      decidedBy: "rules",
    });
    const attempts = setup({ ...run, main: [says("no JSON", "end", 0.6), says(good)], models: ["main"] });
    expect(await attempts.decide()).toMatchObject({ decidedBy: "rules", usage: { costUsd: 0.6 } });
    expect(attempts.calls).toHaveLength(1);
  });

  it("asks the cheaper model alone once most of a cap is spent, or the cheapest first", async () => {
    const named = { main: [says(good)], fallback: [says(good)], prices, caps: { perRun: 10 } };
    expect(await setup(named).decide({ spentUsd: 7.9 })).toMatchObject({
      why: "anthropic/main-1 (main) answered",
    });
    const sorted = setup(named);
    expect(await sorted.decide({ spentUsd: 8 })).toMatchObject({
      why: "most of a cap on spending is spent; openai/fallback-1 (fallback) answered",
    });
    expect(sorted.told).toEqual(["perRun sparing"]);
    const alone = setup({ ...named, fallback: [fails("timeout")], cheaper: "fallback" });
    expect(await alone.decide({ spentUsd: 8 })).toMatchObject({ decidedBy: "rules" });
    expect(alone.calls.map(({ model }) => model)).toEqual(["fallback"]);
  });

  it("keeps spent what may have been billed without an answer, and gives back what was not", async () => {
    const after = async (step: Step) => {
      const state = memoryState();
      await setup({ main: [step], models: ["main"], prices, caps: { perDay: 10 }, state }).decide();
      return ((await state.get("budget", "day"))?.value as { all: number } | undefined)?.all;
    };
    const lost = new ServiceError("model:x/y", "timeout", "no answer", { effect: "unknown" });
    expect(await after(() => Promise.reject(lost))).toBeCloseTo(0.512);
    expect(await after(fails("unauthorized"))).toBe(0);
  });

  it("counts a model whose price is not known as the dearest that is", async () => {
    const { decide, told } = setup({ main: [says(good)], caps: { perDay: 0.015 }, models: ["main"] });
    expect(await decide()).toMatchObject({ decidedBy: "rules" });
    expect(told).toEqual(["perDay spent"]);
  });

  property("never passes a cap of the day, however many are decided at once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.double({ min: 0, max: 4, noNaN: true }),
        fc.double({ min: 0, max: 0.512, noNaN: true }),
        async (many, perDay, cost) => {
          const state = memoryState();
          const options = { prices, caps: { perDay }, state, models: ["main"] };
          const decide = () => setup({ ...options, main: [says(good, "end", cost)] }).decide();
          await Promise.all(Array.from({ length: many }, decide));
          const spent = (await state.get("budget", "day"))?.value as { all: number } | undefined;
          expect(spent?.all ?? 0).toBeLessThanOrEqual(perDay + 1e-9);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("a decision that no model could be asked for", () => {
  const policy = { kind: "wait", ms: 900_000 };

  it("says so when no model could be reached, which one, and from when on it may be asked", async () => {
    const failed = setup({ main: [fails("timeout")], fallback: [fails("unauthorized")] });
    expect((await failed.decide()).unavailable).toEqual({
      service: "model:anthropic/main-1",
      until: null,
      policy,
    });
    const closed = setup({
      closed: { "model:anthropic/main-1": 5_000, "model:openai/fallback-1": 9_000 },
    });
    expect((await closed.decide()).unavailable).toMatchObject({ until: 5_000 });
  });

  it.each<[string, Setup]>([
    ["refused", { main: [says("", "refusal")], fallback: [fails("timeout")] }],
    ["gave an answer that can't be used", { main: [says("x"), says("x")], fallback: [fails("timeout")] }],
    ["rejected the request", { main: [fails("invalid")], fallback: [fails("timeout")] }],
    ["has no key", { unconfigured: ["main", "fallback"] }],
    ["would cost too much", { caps: { perRun: 0 } }],
  ])("does not where a model %s: another time would be no better", async (_what, options) => {
    const answer = await setup(options).decide();
    expect(answer.decidedBy).toBe("rules");
    expect(answer.unavailable ?? null).toBeNull();
  });
});
