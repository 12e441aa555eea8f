import type { ActionKind } from "../../src/domain/action-kinds.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { contractClock } from "../contracts/destination.ts";

const repository = { owner: "acme", repo: "web", installationId: null };
const day = 86_400_000;

/** One valid input for each kind of action that is carried out over HTTP. */
export const inputs = {
  "github.review": {
    ...repository,
    number: 7,
    commitId: "1111111111111111111111111111111111111111",
    body: "Two remarks.",
    comments: [
      { path: "src/pay.ts", side: "RIGHT", startLine: null, line: 2, body: "This divides by zero." },
    ],
  },
  "github.comment": { ...repository, number: 7, body: "Linked to ENG-12." },
  "github.labels": { ...repository, number: 7, labels: ["needs-tests"] },
  "linear.comment": { issueId: "ENG-12", body: "A pull request is open." },
  "linear.attachment": {
    issueId: "ENG-12",
    url: "https://github.com/acme/web/pull/7",
    title: "acme/web#7",
    subtitle: "open",
  },
  "linear.state": { issueId: "ENG-12", stateId: "state-review" },
  "hubspot.contact": { email: "ada@example.com", properties: { firstname: "Ada", lifecyclestage: "lead" } },
  "hubspot.note": { contactId: "101", body: "Asked for a <demo>\nfor 40 seats.", at: contractClock.now() },
  "hubspot.task": {
    contactId: "101",
    subject: "Call Ada",
    body: "She asked for a demo.",
    dueAt: contractClock.now() + day,
    priority: "HIGH",
  },
  "zendesk.ticket": {
    requester: { email: "ada@example.com", name: "" },
    subject: "The export fails",
    body: "It stops at 50 %.",
    priority: "high",
    tags: ["signalbox"],
  },
  "zendesk.comment": { ticketId: "12", body: "She wrote again.", public: false },
  "stripe.coupon": {
    percentOff: 20,
    durationInMonths: 3,
    name: "Stay with us",
    redeemBy: contractClock.now() + 14 * day,
  },
  "stripe.promotion_code": {
    coupon: "sb_coupon",
    customer: "cus_1",
    expiresAt: contractClock.now() + 14 * day,
  },
  "slack.review": {
    title: "2 actions of email-triage wait for a person",
    about: ["For: inbox, message received", "Decided by: rules"],
    held: [
      { action: "act_1", text: "Open a ticket <!channel> & more", buttons: "ab".repeat(32), state: null },
      { action: "act_2", text: "Add a note", buttons: null, state: "rejected by slack:U024BE7LH" },
    ],
    where: { url: "https://signalbox.acme.example/#/runs/run_1", text: "Open the review" },
  },
  "slack.message": { text: "A run needs a person. <!channel>" },
} satisfies Partial<Record<ActionKind, JsonObject>>;

export const inputsOf = (vendor: string): Partial<Record<ActionKind, JsonObject>> =>
  Object.fromEntries(Object.entries(inputs).filter(([kind]) => kind.startsWith(`${vendor}.`)));

export function inputOf(kind: ActionKind): JsonObject {
  const input = (inputs as Partial<Record<ActionKind, JsonObject>>)[kind];
  if (!input) throw new Error(`there is no sample input for ${kind}`);
  return input;
}
