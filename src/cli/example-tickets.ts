/** What HubSpot, Zendesk and Linear send about a made-up customer and a made-up issue; for example-events.ts. */
import { randomInt, randomUUID } from "node:crypto";
import type { JsonObject } from "../domain/json.ts";

/** `now` in milliseconds; an `id` replaces the event's own where that is in the body. */
export type Build = (now: number, id: string | undefined) => JsonObject | readonly JsonObject[];

/** HubSpot's events come in lists, also when there is one only. */
const hubspotEvent =
  (subscriptionType: string, fields: JsonObject): Build =>
  (now, id) => [
    {
      eventId: id ?? randomInt(1_000_000_000, 4_000_000_000),
      subscriptionId: 12_345,
      portalId: 62_515,
      appId: 54_321,
      occurredAt: now,
      subscriptionType,
      attemptNumber: 0,
      objectId: 123,
      changeSource: "CRM",
      ...fields,
    },
  ];

export const hubspotExamples: Readonly<Record<string, Build>> = {
  "contact.creation": hubspotEvent("contact.creation", { changeFlag: "NEW" }),
  "contact.propertyChange": hubspotEvent("contact.propertyChange", {
    propertyName: "lifecyclestage",
    propertyValue: "customer",
  }),
  "deal.creation": hubspotEvent("deal.creation", { changeFlag: "NEW" }),
  "deal.propertyChange": hubspotEvent("deal.propertyChange", {
    propertyName: "dealstage",
    propertyValue: "closedlost",
  }),
};

const zendeskEvent =
  (type: string, event: JsonObject): Build =>
  (now, id) => ({
    account_id: 22_129_848,
    detail: {
      created_at: new Date(now - 60_000).toISOString(),
      description: "I was charged twice",
      id: "5158",
      is_public: true,
      priority: null,
      requester_id: "8447388090494",
      status: "NEW",
      subject: "Double charge",
      tags: ["billing"],
      updated_at: new Date(now).toISOString(),
      via: { channel: "web_service" },
    },
    event,
    id: id ?? randomUUID(),
    subject: "zen:ticket:5158",
    time: new Date(now).toISOString(),
    type: `zen:event-type:${type}`,
    zendesk_event_version: "2022-11-06",
  });

export const zendeskExamples: Readonly<Record<string, Build>> = {
  "ticket.created": zendeskEvent("ticket.created", {}),
  "ticket.comment_added": zendeskEvent("ticket.comment_added", {
    comment: {
      author: { id: "8447388090494", is_staff: false, name: "Customer" },
      body: "Any update?",
      id: "35436",
      is_public: true,
    },
  }),
  "ticket.status_changed": zendeskEvent("ticket.status_changed", { current: "OPEN", previous: "NEW" }),
};

const linearIssue = (now: number): JsonObject => ({
  id: "539068e2-ae88-4d09-bd75-22eb4a59612f",
  createdAt: new Date(now - 60_000).toISOString(),
  updatedAt: new Date(now).toISOString(),
  number: 1778,
  title: "Login button does nothing on Safari",
  priority: 0,
  priorityLabel: "No priority",
  identifier: "ENG-1778",
  url: "https://linear.app/acme/issue/ENG-1778",
  team: { id: "9cfb482a-81e3-4154-b5b9-2c805e70a02d", key: "ENG", name: "Engineering" },
  labelIds: [],
});

const linearEvent =
  (type: string, action: string, more: (now: number) => JsonObject): Build =>
  (now) => ({
    action,
    type,
    actor: { id: "aacdca22-6266-4c0a-ab3c-8fa70a26765c", type: "user", name: "Ada" },
    createdAt: new Date(now).toISOString(),
    url: "https://linear.app/acme/issue/ENG-1778",
    organizationId: "d1b0e5a0-0000-4000-8000-00000000000a",
    webhookTimestamp: now,
    webhookId: "000042e3-d123-4980-b49f-8e140eef9329",
    ...more(now),
  });

export const linearExamples: Readonly<Record<string, Build>> = {
  "Issue.create": linearEvent("Issue", "create", (now) => ({ data: linearIssue(now) })),
  "Issue.update": linearEvent("Issue", "update", (now) => ({
    data: { ...linearIssue(now), priority: 2, priorityLabel: "High" },
    updatedFrom: { priority: 0, updatedAt: new Date(now - 60_000).toISOString() },
  })),
  "Issue.remove": linearEvent("Issue", "remove", (now) => ({ data: linearIssue(now) })),
  "Comment.create": linearEvent("Comment", "create", (now) => ({
    data: {
      id: randomUUID(),
      createdAt: new Date(now).toISOString(),
      body: "Seen on 17.4 too",
      issueId: "539068e2-ae88-4d09-bd75-22eb4a59612f",
    },
  })),
};

/** A custom source's body is its sender's own business; only the place of the type is known. */
export function customExample(type: string, typeField: string | null, now: number): JsonObject {
  const body: JsonObject = { order: "1001", amount: 4_900, currency: "usd", at: new Date(now).toISOString() };
  if (typeField === null) return body;
  const [first = "", ...inner] = typeField.split(".");
  const value = inner.reduceRight<JsonObject | string>((below, field) => ({ [field]: below }), type);
  return { ...body, [first]: value };
}
