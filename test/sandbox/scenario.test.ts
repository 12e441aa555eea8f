import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileURLToPath } from "node:url";
import { agents } from "../../agents/index.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { createDestinations } from "../../src/destinations/index.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import type { Readers } from "../../src/domain/readers.ts";
import { compileCondition } from "../../src/inbox/expressions.ts";
import { loadPrompts } from "../../src/llm/prompts.ts";
import type { Prompt } from "../../src/llm/prompts.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { think } from "../../src/sandbox/brains.ts";
import { brains } from "../../src/sandbox/brains/index.ts";
import { startGithub } from "../../src/sandbox/github.ts";
import { startGoogle } from "../../src/sandbox/google.ts";
import { startHubspot } from "../../src/sandbox/hubspot.ts";
import { startLinear } from "../../src/sandbox/linear.ts";
import { githubEvent, roundOf, scenario, seed, seedRound, stripeEvent } from "../../src/sandbox/scenario.ts";
import { startStripe } from "../../src/sandbox/stripe.ts";
import { startZendesk } from "../../src/sandbox/zendesk.ts";
import { carriedOut, noon, play } from "../support/agent-kit.ts";
import { freeTurns } from "../support/turns.ts";

const signal = new AbortController().signal;
const named = (name: string): AgentDefinition => {
  const agent = agents.find((each) => each.name === name);
  if (!agent) throw new Error(`no agent ${name}`);
  return agent;
};

/** The demo's world, read through the real destinations, with the package's prompts and the sandbox's own model. */
async function open() {
  const options = { now: () => noon, file: null };
  const vendors = {
    github: await startGithub(options),
    linear: await startLinear(options),
    stripe: await startStripe(options),
    google: await startGoogle(options),
    zendesk: await startZendesk(options),
    hubspot: await startHubspot(options),
  };
  seed(vendors, noon);
  const destinations = createDestinations(
    {
      github: { baseUrl: vendors.github.url, token: "token" },
      linear: { baseUrl: vendors.linear.url, apiKey: "key" },
      stripe: { baseUrl: vendors.stripe.url, apiKey: "key" },
      zendesk: {
        baseUrl: vendors.zendesk.url,
        subdomain: "acme",
        email: "agent@acme.example",
        token: "token",
      },
      hubspot: { baseUrl: vendors.hubspot.url, token: "token" },
    },
    { clock: systemClock, turns: freeTurns },
  );
  const { prompts } = await loadPrompts({
    folders: [fileURLToPath(new URL("../../prompts", import.meta.url))],
    agents,
    models: ["main", "fallback"],
    parseYaml,
    compileCondition,
  });
  const call = { signal };
  const reads = {
    github: destinations.github.reads?.(call) as Readers["github"],
    linear: destinations.linear.reads?.(call) as Readers["linear"],
    stripe: destinations.stripe.reads?.(call) as Readers["stripe"],
    zendesk: destinations.zendesk.reads?.(call) as Readers["zendesk"],
    hubspot: destinations.hubspot.reads?.(call) as Readers["hubspot"],
  };
  return { vendors, destinations, prompts, reads };
}
type World = Awaited<ReturnType<typeof open>>;

/** The brain gets what a model would: the rendered prompt, examples and all. */
function modelOf(prompt: Prompt) {
  return (variables: JsonObject): unknown => {
    const { system, messages } = prompt.render(variables);
    const user = messages
      .filter(({ role }) => role === "user")
      .map(({ text }) => text)
      .join("\n\n");
    return JSON.parse(think(brains, { system, user, schema: {}, model: "sandbox" }));
  };
}

let world: World;
beforeAll(async () => {
  world = await open();
});
afterAll(async () => {
  for (const vendor of Object.values(world.vendors)) await vendor.close();
});

async function run(name: string, payload: unknown, byRules = false) {
  const prompt = world.prompts.get(name);
  if (!prompt) throw new Error(`no prompt for ${name}`);
  const played = await play(named(name), {
    payload,
    policy: prompt.policy as object,
    read: world.reads,
    ...(byRules ? {} : { model: modelOf(prompt) }),
  });
  return { ...played, inputs: carriedOut(named(name), played.outcome.actions) };
}

interface Review extends JsonObject {
  readonly body: string;
  readonly comments: readonly { readonly path: string; readonly body: string }[];
}

describe("the demo's pull requests", () => {
  const review = async (number: number, byRules = false) => {
    const pull = scenario.pullRequests.find((each) => each.number === number);
    if (!pull) throw new Error(`no pull request ${number}`);
    return run("pr-review", githubEvent(world.vendors.github, pull, "opened"), byRules);
  };

  it.each([["model", false] as const, ["rules", true] as const])(
    "101: the %s finds the injection, the leaked key and the removed check, and Linear hears of it",
    async (_, byRules) => {
      const { inputs } = await review(101, byRules);
      const { comments } = inputs.get("review") as Review;
      expect(comments.map(({ path }) => path).sort()).toEqual([
        "src/admin/routes.ts",
        "src/billing/client.ts",
        "src/customers/search.ts",
      ]);
      expect([...inputs.keys()]).toEqual(["review", "link", "result", "move"]);
    },
  );

  it("101: the model's fix is a suggestion that can be applied", async () => {
    const { inputs } = await review(101);
    const injection = (inputs.get("review") as Review).comments.find(
      ({ path }) => path === "src/customers/search.ts",
    );
    expect(injection?.body).toContain(
      '```suggestion\n  const rows = await db.query("select id, name, plan from customers where name ilike $1 order by name", [`%${name}%`]);\n```',
    );
  });

  it("102: a change of the documentation gets no finding", async () => {
    const { inputs, outcome } = await review(102);
    expect((inputs.get("review") as Review).comments).toEqual([]);
    expect(outcome.summary).toContain("0 findings in 1 of 1 file");
  });

  it("103: both faults in the new client are found, the lock file is named as not covered, the title names the issue", async () => {
    const { inputs } = await review(103);
    const { comments, body } = inputs.get("review") as Review;
    expect(comments.map(({ path }) => path)).toEqual(["src/queue/client.ts", "src/queue/client.ts"]);
    expect(body).toContain("`package-lock.json`: lock file");
    expect([...inputs.keys()]).toContain("link");
  });

  it("104: a bot's draft is skipped", async () => {
    const { outcome } = await review(104);
    expect(outcome).toEqual({ actions: [], summary: "Not reviewed: drafts are not reviewed." });
  });

  it("every review is accepted by GitHub's stand-in, which refuses a comment outside the diff", async () => {
    const executor = world.destinations.github.actions["github.review"];
    for (const pull of scenario.pullRequests) {
      for (const byRules of [false, true]) {
        const { inputs } = await review(pull.number, byRules);
        const input = inputs.get("review");
        if (input === undefined) continue;
        const ref = await executor?.execute(input as Review, `key-${pull.number}-${byRules}`, { signal });
        expect(ref?.["url"]).toContain(`/pull/${pull.number}`);
      }
    }
    expect(world.vendors.github.state.reviews).toHaveLength(6);
  });
});

describe("the demo's cancellations", () => {
  it.each([
    ["cus_DemoFjord", "too_expensive", ["coupon", "code", "offer", "note"]],
    ["cus_DemoKestrel", "poor_support", ["call", "notice", "note"]],
    ["cus_DemoMarlow", "missing_feature", ["contact", "tutorial", "note"]],
    ["cus_DemoOrchard", "payment_failed", []],
  ])("%s is answered for the reason %s", async (id, reason, names) => {
    const customer = scenario.customers.find((each) => each.id === id);
    if (!customer) throw new Error(`no customer ${id}`);
    const event = stripeEvent(world.vendors.stripe, customer);
    const { inputs, decided } = await run("churn-intervention", event);
    expect(decided?.decision).toMatchObject({ reason });
    expect([...inputs.keys()]).toEqual(names);
    const byRules = await run("churn-intervention", event, true);
    expect(byRules.decided?.decision).toMatchObject({ reason });
    expect([...byRules.inputs.keys()]).not.toContain("offer");
  });
});

describe("the demo's mails", () => {
  it.each([
    ["Pricing for 60 seats", ["contact", "note", "task"], {}],
    ["URGENT: nobody can log in since this morning", ["ticket"], { priority: "urgent" }],
    ["Charged twice in October", ["ticket"], { priority: "normal" }],
    ["Seven subject lines that sell", [], {}],
    ["Out of office: your invoice", [], {}],
    [
      "A question about your plans",
      ["ticket"],
      { priority: "normal", requester: { email: "friend@totally-honest.example" } },
    ],
  ])("%s", async (subject, names, ticket) => {
    const mail = scenario.mails.find((each) => each.subject === subject);
    if (!mail) throw new Error(`no mail ${subject}`);
    const { id } = world.vendors.google.receive(mail);
    const raw = world.vendors.google.state.messages.find((each) => each.id === id)?.raw;
    for (const byRules of [false, true]) {
      const { inputs } = await run("email-triage", { id, raw }, byRules);
      expect([...inputs.keys()], byRules ? "by rules" : "by the model").toEqual(names);
      expect(JSON.stringify([...inputs])).not.toContain("4242 4242");
      if (names.includes("ticket") && !byRules) expect(inputs.get("ticket")).toMatchObject(ticket);
    }
  });
});

describe("the scenario played again", () => {
  it("has the same world under other ids, each round alike however often it is asked for", () => {
    const ids = (round: number): string[] => {
      const world = roundOf(round);
      return [
        ...world.pullRequests.map(({ number, headSha }) => `${number}@${headSha}`),
        ...world.issues.map(({ identifier }) => identifier),
        ...world.customers.flatMap(({ id, subscription, email }) => [id, subscription, email]),
        ...world.mails.map(({ headers }) => headers?.["Message-ID"] ?? ""),
      ];
    };
    expect(ids(1)).toEqual(ids(1));
    expect(new Set([...ids(0), ...ids(1), ...ids(12)]).size).toBe(3 * ids(0).length);
  });

  /** All that seeding adds. */
  const records = ({ github, linear, stripe, zendesk, hubspot }: typeof world.vendors): unknown[][] => [
    github.state.pulls,
    linear.state.issues,
    stripe.state.customers,
    stripe.state.subscriptions,
    stripe.state.invoices,
    stripe.state.charges,
    zendesk.state.tickets,
    hubspot.state.objects,
  ];

  it("is completed when it was cut short, wherever that was", () => {
    const { vendors } = world;
    const earlier = records(vendors).map(({ length }) => length);
    seedRound(vendors, roundOf(2), noon);
    const whole = records(vendors).map(({ length }) => length);
    for (const [at, list] of records(vendors).entries()) {
      expect(whole[at]).toBeGreaterThan(earlier[at] ?? 0);
      for (const left of [(earlier[at] ?? 0) + 1, earlier[at] ?? 0]) {
        list.length = left;
        seedRound(vendors, roundOf(2), noon);
        expect(records(vendors).map(({ length }) => length)).toEqual(whole);
      }
    }
  });

  it("is seeded once, and its events stay the same", () => {
    const { vendors } = world;
    const round = roundOf(1);
    const count = () => records(vendors).map(({ length }) => length);
    seedRound(vendors, round, noon);
    const before = count();
    seedRound(vendors, round, noon + 60_000);
    expect(count()).toEqual(before);
    for (const customer of round.customers)
      expect(stripeEvent(vendors.stripe, customer)).toBe(stripeEvent(vendors.stripe, customer));
    for (const pull of round.pullRequests)
      expect(githubEvent(vendors.github, pull, "opened")).toEqual(
        githubEvent(vendors.github, pull, "opened"),
      );
  });
});
