/**
 * What is sent in a run of chaos: real work for every agent (the demo's scenario, in as many rounds as are needed), and
 * between it the traffic that most webhooks are: events that an agent looks at and leaves, and events of no route.
 */
import { sha256 } from "../../../src/domain/json.ts";
import type { Mail } from "../../../src/sandbox/gmail-messages.ts";
import type { Sandbox } from "../../../src/sandbox/index.ts";
import { githubEvent, roundOf, seedRound, stripeEvent } from "../../../src/sandbox/scenario.ts";
import {
  gmailPush,
  signCustom,
  signGithub,
  signHubspot,
  signLinear,
  signShopify,
  signSlack,
  signStandardWebhooks,
  signStripe,
  signZendesk,
} from "../../../src/sandbox/senders.ts";
import type { Signed } from "../../../src/sandbox/senders.ts";
import { publicPath, pushAccount, secrets } from "./configuration.ts";
import type { Random } from "./random.ts";

export interface Item {
  readonly name: string;
  readonly source: string;
  readonly agent: string | null;
  /** Mails that it announces. */
  readonly mails: () => readonly string[];
  /** The requests of one attempt, signed now; none: its provider does not know yet where to send it. */
  attempt(): { path: string; signed: Signed }[];
}

export interface ItemParts {
  readonly sandbox: Sandbox;
  readonly publicUrl: string;
  readonly now: () => number;
}

const seconds = (ms: number): number => Math.floor(ms / 1_000);
const none = () => [];
const idOf = (name: string): string => sha256("chaos", name).slice(0, 24);
const uuidOf = (name: string): string => {
  const hex = sha256("chaos", name);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** `count` items, of which about one in ten is work with actions; in the order in which they are sent. */
export function itemsOf(count: number, random: Random, parts: ItemParts): Item[] {
  const work: Item[] = [];
  for (let round = 0; work.length < count / 10; round += 1) work.push(...roundItems(round, parts));
  const traffic = Array.from({ length: Math.max(0, count - work.length) }, (_, number) =>
    random.pick(trafficKinds)(number, parts),
  );
  return random.shuffled([...work.slice(0, count), ...traffic]);
}

/** Whom the vendors treat in a set way at the end, when they are well otherwise. */
export const finalMails = {
  refused: "refused@chaos.example",
  unsure: "unsure@chaos.example",
} as const;

export const finalItems = (parts: ItemParts): Item[] => [
  ...Object.entries(finalMails).map(([name, from]) =>
    gmail(`gmail ${name}`, parts, {
      from: `Somebody <${from}>`,
      to: "support@example.com",
      subject: "URGENT: nobody can log in since this morning",
      text: "Nobody can log in, all users get error 500 on the sign-in page. Please help as soon as you can!",
    }),
  ),
  stripe("plan last", parts, () => changedPlan(-1), "churn-intervention"),
];

/** Gmail and Outlook get different mails: those of a round come from the same addresses. */
function roundItems(round: number, parts: ItemParts): Item[] {
  const { sandbox, now } = parts;
  const world = roundOf(round * 2);
  seedRound(sandbox, world, now());
  const pulls = world.pullRequests.map((pull) =>
    github(`pull ${pull.number}`, "pull_request", parts, () => githubEvent(sandbox.github, pull, "opened"), {
      agent: pull.draft === true ? null : "pr-review",
    }),
  );
  const customers = world.customers.map((customer) =>
    stripe(
      `customer ${customer.id}`,
      parts,
      () => stripeEvent(sandbox.stripe, customer),
      "churn-intervention",
    ),
  );
  const mails = world.mails.map((mail, index) => gmail(`gmail ${round}.${index}`, parts, mail));
  const outlook = roundOf(round * 2 + 1).mails.map((mail, index): Item => {
    let known: { id: string } | null = null;
    return {
      name: `outlook ${round}.${index}`,
      source: "outlook",
      agent: null,
      mails: () => (known === null ? [] : [known.id]),
      attempt() {
        // Nobody is told of mail before the subscription is there; it is read when that is made.
        if (sandbox.graph.state.subscriptions.length === 0) return [];
        known ??= sandbox.graph.receive(mail);
        return sandbox.graph
          .announce([known.id])
          .slice(0, 1)
          .map(({ url, signed }) => ({ path: new URL(url).pathname, signed }));
      },
    };
  });
  return [...pulls, ...customers, ...mails, ...outlook];
}

function gmail(name: string, { sandbox, publicUrl }: ItemParts, mail: Mail): Item {
  let known: { id: string; historyId: string } | null = null;
  return item(name, "inbox", {
    mails: () => (known === null ? [] : [known.id]),
    attempt() {
      known ??= sandbox.google.receive(mail);
      const audience = publicUrl + publicPath("inbox");
      const token = sandbox.google.mintPushToken({ audience, email: pushAccount });
      return [gmailPush({ token, body: sandbox.google.pushBody(known.historyId) })];
    },
  });
}

interface ItemSpec {
  readonly agent?: string | null;
  readonly mails?: () => readonly string[];
  readonly attempt: () => Signed[];
}

const item = (name: string, source: string, { agent = null, mails = none, attempt }: ItemSpec): Item => ({
  name,
  source,
  agent,
  mails,
  attempt: () => attempt().map((signed) => ({ path: publicPath(source), signed })),
});

const github = (
  name: string,
  event: string,
  _parts: ItemParts,
  payload: () => object,
  options: { agent?: string | null } = {},
): Item =>
  item(name, "github", {
    ...options,
    attempt: () => [
      signGithub({ secret: secrets.github, event, payload: payload(), delivery: uuidOf(name) }),
    ],
  });

const stripe = (name: string, { now }: ItemParts, payload: () => object, agent: string | null = null): Item =>
  item(name, "stripe", {
    agent,
    attempt: () => [signStripe({ secret: secrets.stripe, payload: payload(), timestamp: seconds(now()) })],
  });

/** What `pr-review` looks at and leaves. */
const labelled = (number: number) => ({
  type: "pull_request.labeled",
  action: "labeled",
  number,
  pull_request: { number, state: "open", user: { login: "mira-k", type: "User" } },
  repository: { name: "storefront", full_name: "acme/storefront", owner: { login: "acme" } },
  label: { name: `label-${number}` },
});

type Traffic = (number: number, parts: ItemParts) => Item;

/** As often as it stands here. */
const trafficKinds: readonly [Traffic, ...Traffic[]] = [
  (number, parts) =>
    github(`label ${number}`, "pull_request", parts, () => labelled(100_000 + number), {
      agent: "pr-review",
    }),
  (number, parts) =>
    github(`push ${number}`, "push", parts, () => ({
      ref: "refs/heads/main",
      after: uuidOf(`push ${number}`),
    })),
  (number, parts) => stripe(`plan ${number}`, parts, () => changedPlan(number), "churn-intervention"),
  (number, parts) =>
    stripe(`invoice ${number}`, parts, () => ({
      id: `evt_${idOf(`invoice ${number}`)}`,
      object: "event",
      type: "invoice.paid",
      created: 1_790_000_000,
      livemode: false,
      data: { object: { id: `in_${number}`, object: "invoice" } },
    })),
  (number, { now }) =>
    item(`shop ${number}`, "shop", {
      agent: "pr-review",
      attempt: () => [
        signCustom({
          secret: secrets.shop,
          payload: labelled(200_000 + number),
          timestamp: seconds(now()),
          id: `shop-${number}`,
        }),
      ],
    }),
  (number, { now }) =>
    item(`partner ${number}`, "partner", {
      agent: "pr-review",
      attempt: () => [
        signStandardWebhooks({
          secret: secrets.partner,
          payload: labelled(300_000 + number),
          timestamp: seconds(now()),
          id: `msg_${idOf(`partner ${number}`)}`,
        }),
      ],
    }),
  (number, { now }) =>
    item(`chat ${number}`, "chat", {
      attempt: () => [
        signSlack({
          secret: secrets.chat,
          timestamp: seconds(now()),
          payload: {
            type: "event_callback",
            event_id: `Ev${idOf(`chat ${number}`)}`,
            event_time: 1_790_000_000,
            event: { type: "app_mention", text: `hello ${number}`, channel: "C0000000001" },
          },
        }),
      ],
    }),
  (number, { now }) =>
    item(`store ${number}`, "store", {
      attempt: () => [
        signShopify({
          secret: secrets.store,
          topic: "orders/create",
          payload: { id: number, name: `#${number}` },
          webhookId: uuidOf(`store ${number}`),
          eventId: uuidOf(`order ${number}`),
          triggeredAt: new Date(now()).toISOString(),
        }),
      ],
    }),
  (number, { now, publicUrl }) =>
    item(`crm ${number}`, "crm", {
      attempt: () => [
        signHubspot({
          secret: secrets.crm,
          url: publicUrl + publicPath("crm"),
          timestampMs: now(),
          // A request of several events: all of them are stored, or none.
          payload: [0, 1, 2].map((part) => ({
            eventId: number * 10 + part,
            subscriptionId: 1,
            portalId: 1,
            occurredAt: 1_790_000_000_000,
            subscriptionType: "contact.creation",
            objectId: number,
          })),
        }),
      ],
    }),
  (number, { now }) =>
    item(`desk ${number}`, "desk", {
      attempt: () => [
        signZendesk({
          secret: secrets.desk,
          timestamp: new Date(now()).toISOString(),
          invocation: `01${idOf(`desk ${number}`)}`,
          payload: {
            id: uuidOf(`desk ${number}`),
            type: "zen:event-type:ticket.created",
            detail: { id: number },
          },
        }),
      ],
    }),
  (number, { now }) =>
    item(`issues ${number}`, "issues", {
      attempt: () => [
        signLinear({
          secret: secrets.issues,
          event: "Issue",
          delivery: uuidOf(`issues ${number}`),
          payload: {
            type: "Issue",
            action: "create",
            data: { id: uuidOf(`issue ${number}`) },
            webhookTimestamp: now(),
          },
        }),
      ],
    }),
];

/** A subscription that changed and stays: `churn-intervention` looks at it and leaves it. */
const changedPlan = (number: number) => ({
  id: `evt_${idOf(`plan ${number}`)}`,
  object: "event",
  type: "customer.subscription.updated",
  created: 1_790_000_000,
  livemode: false,
  data: {
    object: {
      id: `sub_plan${number}`,
      object: "subscription",
      customer: `cus_plan${number}`,
      status: "active",
      cancel_at_period_end: false,
      cancel_at: null,
      canceled_at: null,
    },
    previous_attributes: { metadata: {} },
  },
});
