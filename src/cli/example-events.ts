/** The built-in events of `signalbox trigger`: what the vendors send about a made-up pull request and customer. */
import { randomBytes } from "node:crypto";
import type { SourceConfig } from "../config/schema.ts";
import type { JsonObject } from "../domain/json.ts";
import { pullRequest, repository, user } from "../sandbox/github-shapes.ts";
import { scenario } from "../sandbox/scenario.ts";
import { event as stripeEvent, subscription } from "../sandbox/stripe-shapes.ts";
import { customExample, hubspotExamples, linearExamples, zendeskExamples } from "./example-tickets.ts";
import type { Build } from "./example-tickets.ts";
import { shopifyExamples, slackExamples, standardExamples } from "./example-orders.ts";

export interface Example {
  /** What the header with the event's name says; null where the type is in the body. */
  readonly event: string | null;
  readonly body: string;
}

const github = "https://api.github.com";

/** A commit of its own each time: a body that was sent before is a duplicate. */
const pull =
  (action: string, changes: { draft?: boolean; state?: "open" | "closed" } = {}): Build =>
  (now) => {
    const [seed] = scenario.pullRequests;
    if (!seed) throw new Error("the installation is incomplete: there is no example pull request");
    const record = {
      state: "open" as const,
      draft: false,
      baseBranch: "main",
      authorType: "User" as const,
      ...seed,
      ...changes,
      files: [...seed.files],
      headSha: randomBytes(20).toString("hex"),
      createdAt: now,
      earlierHeads: [],
    };
    return asJson({
      action,
      number: record.number,
      pull_request: pullRequest(github, record, { issue: 0, review: 0 }),
      repository: repository(github, record.owner, record.repo, now),
      sender: user(github, record.author, record.authorType),
      ...(action === "synchronize" ? { before: seed.headSha, after: record.headSha } : {}),
    });
  };

const cancellation =
  (leaves: "ended" | "scheduled"): Build =>
  (now, id = `evt_${randomBytes(12).toString("hex")}`) => {
    const seconds = Math.floor(now / 1_000);
    const customer = scenario.customers.find((one) => one.leaves === leaves);
    if (!customer) throw new Error("the installation is incomplete: there is no example customer");
    const plan = {
      amount: customer.plan.amount,
      currency: "usd",
      interval: "month" as const,
      product: "prod_Example",
    };
    const { comment, feedback, reason } = customer;
    const object = subscription(customer.subscription, seconds - 20 * 86_400, plan, {
      customer: customer.id,
      canceled_at: seconds,
      cancellation_details: { comment, feedback, reason },
      ...(leaves === "ended" ? { status: "canceled", ended_at: seconds } : { cancel_at_period_end: true }),
    });
    const previous = {
      cancel_at_period_end: false,
      canceled_at: null,
      cancellation_details: { comment: null, feedback: null, reason: null },
    };
    return asJson(
      stripeEvent(id, seconds, {
        type: `customer.subscription.${leaves === "ended" ? "deleted" : "updated"}`,
        data: { object, ...(leaves === "ended" ? {} : { previous_attributes: previous }) },
      }),
    );
  };

const asJson = (value: object): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;

const examples: Readonly<Record<string, Readonly<Record<string, Build>>>> = {
  github: {
    "pull_request.opened": pull("opened"),
    "pull_request.synchronize": pull("synchronize"),
    "pull_request.ready_for_review": pull("ready_for_review"),
    "pull_request.reopened": pull("reopened"),
    "pull_request.closed": pull("closed", { state: "closed" }),
  },
  stripe: {
    "customer.subscription.deleted": cancellation("ended"),
    "customer.subscription.updated": cancellation("scheduled"),
  },
  hubspot: hubspotExamples,
  zendesk: zendeskExamples,
  linear: linearExamples,
  shopify: shopifyExamples,
  slack: slackExamples,
  "standard-webhooks": standardExamples,
};

/** Of a source's type: the event types there are examples of. */
export const exampleNames = (sourceType: string): readonly string[] =>
  sourceType === "custom" ? ["order.created"] : Object.keys(examples[sourceType] ?? {});

/** Null when there is no such example. `now` in milliseconds; `id` replaces the id in a body that holds one. */
export function exampleEvent(
  source: SourceConfig,
  type: string,
  now: number,
  id: string | undefined,
): Example | null {
  if (source.type === "custom") {
    const { typeHeader, typeField = "type" } = source;
    const payload = customExample(type, typeHeader === undefined ? typeField : null, now);
    return { event: typeHeader === undefined ? null : type, body: JSON.stringify(payload) };
  }
  const build = examples[source.type]?.[type];
  if (!build) return null;
  return { event: eventInHeader(source.type, type), body: JSON.stringify(build(now, id)) };
}

/** GitHub and Linear name the event in a header, and what was done in the body; Shopify's topic is a header. */
const eventInHeader = (sourceType: string, type: string): string | null =>
  sourceType === "shopify"
    ? type
    : ["github", "linear"].includes(sourceType)
      ? (type.split(".")[0] ?? type)
      : null;
