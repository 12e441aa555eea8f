/** What Shopify, Slack and a sender of Standard Webhooks send about a made-up shop; for example-events.ts. */
import { randomInt, randomUUID } from "node:crypto";
import type { JsonObject } from "../domain/json.ts";
import type { Build } from "./example-tickets.ts";

const iso = (now: number): string => new Date(now).toISOString();

/** An order of its own each time: a body that was sent before is a duplicate. */
const order =
  (fields: (now: number) => JsonObject): Build =>
  (now) => ({
    id: randomInt(1_000_000_000, 4_000_000_000),
    name: "#1001",
    email: "ada@example.com",
    created_at: iso(now - 60_000),
    updated_at: iso(now),
    currency: "USD",
    total_price: "199.65",
    financial_status: "pending",
    cancelled_at: null,
    cancel_reason: null,
    line_items: [{ id: 466_157_049, title: "Travel mug", quantity: 1, price: "199.65" }],
    ...fields(now),
  });

export const shopifyExamples: Readonly<Record<string, Build>> = {
  "orders/create": order(() => ({})),
  "orders/paid": order(() => ({ financial_status: "paid" })),
  "orders/cancelled": order((now) => ({ cancelled_at: iso(now), cancel_reason: "customer" })),
};

/** Slack's times are seconds with six places. */
const slackTime = (now: number): string =>
  `${Math.floor(now / 1_000)}.${String(randomInt(1_000_000)).padStart(6, "0")}`;
const trigger = (now: number): string => `${slackTime(now)}.${randomUUID().replaceAll("-", "")}`;

const slackEvent =
  (type: string, fields: JsonObject): Build =>
  (now, id) => ({
    team_id: "T123ABC456",
    api_app_id: "A123ABC456",
    event: { type, user: "U123ABC456", channel: "C123ABC456", ts: slackTime(now), ...fields },
    type: "event_callback",
    event_id: id ?? `Ev${randomUUID().replaceAll("-", "").slice(0, 12).toUpperCase()}`,
    event_time: Math.floor(now / 1_000),
  });

export const slackExamples: Readonly<Record<string, Build>> = {
  app_mention: slackEvent("app_mention", { text: "<@U0LAN0Z89> what is open?" }),
  message: slackEvent("message", { text: "The export fails again", channel_type: "channel" }),
  block_actions: (now) => ({
    type: "block_actions",
    user: { id: "U123ABC456", username: "ada" },
    api_app_id: "A123ABC456",
    container: { type: "message", message_ts: slackTime(now - 60_000), channel_id: "C123ABC456" },
    trigger_id: trigger(now),
    channel: { id: "C123ABC456", name: "support" },
    actions: [
      {
        action_id: "approve",
        block_id: "approval",
        type: "button",
        value: "1001",
        action_ts: slackTime(now),
      },
    ],
  }),
  slash_command: (now, id) => ({
    command: "/order",
    text: "1001",
    team_id: "T123ABC456",
    channel_id: "C123ABC456",
    user_id: "U123ABC456",
    user_name: "ada",
    api_app_id: "A123ABC456",
    trigger_id: id ?? trigger(now),
  }),
};

const standardEvent =
  (type: string): Build =>
  (now) => ({ type, timestamp: iso(now), data: { id: randomUUID(), email: "ada@example.com" } });

export const standardExamples: Readonly<Record<string, Build>> = {
  "contact.created": standardEvent("contact.created"),
  "contact.updated": standardEvent("contact.updated"),
  "contact.deleted": standardEvent("contact.deleted"),
};
