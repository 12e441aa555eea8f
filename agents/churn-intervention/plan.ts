/**
 * From a decision to actions as data. Pure. The mail's address is the Stripe customer's, the amount is within the cap,
 * the link is the policy's; what was decided only chooses among these.
 */
import { action, plainText, resultOf, z } from "../../src/agent-kit.ts";
import type { PlannedAction, ResultReference } from "../../src/agent-kit.ts";
import { evidenceIds } from "./context.ts";
import type { Facts } from "./context.ts";
import type { Decision } from "./decision.ts";
import { guard, isoDay } from "./guards.ts";
import type { GuardContext, Guarded } from "./guards.ts";
import { discountLetter, tutorialLetter } from "./letters.ts";
import { redact } from "./redaction.ts";

export interface Planned {
  readonly actions: readonly PlannedAction[];
  readonly summary: string;
}

const hour = 3_600_000;
const day = 24 * hour;
const usable = z.email().max(320);

/** What the offer is about: one subscription and the period that its end falls into. A later cancellation is a new one. */
function subjectOf(facts: Facts): string {
  const { id, currentPeriodEnd, cancelAt, canceledAt } = facts.subscription;
  const end = facts.change === "ended" ? canceledAt : (cancelAt ?? currentPeriodEnd);
  const at = end ?? currentPeriodEnd ?? canceledAt;
  return `${id}:${at === null ? "unknown" : isoDay(at)}`;
}

/** Free text of a model for colleagues: one block without markup and links. */
const plain = (text: string, max: number): string =>
  Array.from(plainText(redact(text)).trim())
    .slice(0, max)
    .join("");

/** Currencies whose smallest unit is the unit itself. */
const whole = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split(" "));
const money = (amount: number, currency: string): string =>
  `${whole.has(currency.toLowerCase()) ? amount : (amount / 100).toFixed(2)} ${plain(currency, 3).toUpperCase()}`;

function report(decision: Decision, guarded: Guarded, context: GuardContext): string {
  const { facts } = context;
  const { subscription } = facts;
  const known = evidenceIds(facts);
  const cited = [...new Set(decision.evidence.filter((id) => known.includes(id)))];
  const evidence = cited.join(", ");
  return [
    `Subscription ${subscription.id} (${plain(subscription.plan.name, 80)}, ${money(subscription.plan.amount, subscription.plan.currency)} per ${plain(subscription.plan.interval, 20)}): ${facts.change === "ended" ? "ended" : "will end"}.`,
    `Reason: ${decision.reason} (${plain(decision.reasoning, 600) || "no reasoning given"}). Evidence: ${evidence || "none"}.`,
    `Decided by ${context.decidedBy}: ${decision.intervention}; done: ${guarded.intervention}${guarded.changed ? `, ${guarded.changed}` : ""}.`,
    `Checks: ${guarded.results.map(({ name, passed, detail }) => `${name} ${passed ? "passed" : "FAILED"} (${detail})`).join("; ")}.`,
  ].join("\n");
}

type Contact = { readonly id: string | ResultReference | null; readonly first: readonly PlannedAction[] };

/** The contact in the CRM: the known one, or one that is made from the Stripe customer. */
function contactOf(facts: Facts, subject: string): Contact {
  if (facts.contact) return { id: facts.contact.id, first: [] };
  const { email, name } = facts.history.customer;
  if (email === null || !usable.safeParse(email).success) return { id: null, first: [] };
  const [firstname = "", ...rest] = name.trim().split(/\s+/);
  const properties = {
    ...(firstname === "" ? {} : { firstname: firstname.slice(0, 100) }),
    ...(rest.length === 0 ? {} : { lastname: rest.join(" ").slice(0, 200) }),
  };
  return {
    id: resultOf("contact", "id"),
    first: [action("hubspot.contact", { name: "contact", subject, input: { email, properties } })],
  };
}

function callActions(
  decision: Decision,
  context: GuardContext,
  contact: Contact,
  subject: string,
  text: string,
): PlannedAction[] {
  const { facts, policy, now } = context;
  const points = plain(decision.talkingPoints, 800);
  return [
    action("hubspot.task", {
      name: "call",
      subject,
      input: {
        contactId: contact.id,
        subject: `Call about the cancellation of ${plain(facts.subscription.plan.name, 80) || facts.subscription.id}`,
        body: points === "" ? text : `${points}\n\n${text}`,
        dueAt: now + policy.callWithinHours * hour,
        priority: "HIGH",
      },
    }),
    action("slack.message", {
      name: "notice",
      subject,
      input: {
        text: `A cancellation needs a call within ${policy.callWithinHours} hours: ${facts.subscription.id} (${decision.reason}). The task is in HubSpot.`,
      },
    }),
  ];
}

function discountActions(
  decision: Decision,
  guarded: Guarded,
  context: GuardContext,
  subject: string,
  to: string,
): PlannedAction[] {
  const { facts, policy, now } = context;
  const until = now + policy.offerDays * day;
  const letter = discountLetter({
    name: facts.history.customer.name,
    acknowledgement: decision.acknowledgement,
    plan: plain(facts.subscription.plan.name, 80) || "your plan",
    percent: guarded.percent,
    months: policy.durationMonths,
    until: isoDay(until),
    ended: facts.change === "ended",
    signature: policy.signature,
    code: resultOf("code", "code"),
  });
  return [
    action("stripe.coupon", {
      name: "coupon",
      subject,
      input: {
        percentOff: guarded.percent,
        durationInMonths: policy.durationMonths,
        name: `Stay: ${guarded.percent}% off`,
        redeemBy: until,
      },
    }),
    action("stripe.promotion_code", {
      name: "code",
      subject,
      input: { coupon: resultOf("coupon", "id"), customer: facts.subscription.customer, expiresAt: until },
    }),
    action("email.send", { name: "offer", subject, input: { to, ...letter } }),
  ];
}

function tutorialActions(
  decision: Decision,
  context: GuardContext,
  subject: string,
  to: string,
): PlannedAction[] {
  const tutorial = Object.entries(context.policy.tutorials).find(([key]) => key === decision.tutorial)?.[1];
  if (!tutorial) return [];
  const letter = tutorialLetter({
    name: context.facts.history.customer.name,
    acknowledgement: decision.acknowledgement,
    title: tutorial.title,
    url: tutorial.url,
    signature: context.policy.signature,
  });
  return [action("email.send", { name: "tutorial", subject, input: { to, ...letter } })];
}

export function plan(decision: Decision, context: GuardContext): Planned {
  const facts = reachable(context.facts);
  const to = facts.history.customer.email;
  const asked = guard(decision, { ...context, facts });
  const text = report(decision, asked, context);
  const failed = asked.results.filter((result) => !result.passed).map((result) => result.name);
  const summary = [
    `Reason ${decision.reason}; ${asked.intervention}${asked.percent > 0 ? ` of ${asked.percent}%` : ""}`,
    asked.changed ?? `${asked.results.length} checks passed`,
    `decided by ${context.decidedBy}`,
  ].join("; ");
  if (asked.intervention === "none") {
    const why = failed.length > 0 ? "" : "; no intervention fits";
    return { actions: [], summary: `Nothing is done. ${summary}${why}.` };
  }
  const subject = subjectOf(facts);
  const contact = contactOf(facts, subject);
  const note =
    contact.id === null
      ? []
      : [
          action("hubspot.note", {
            name: "note",
            subject,
            input: { contactId: contact.id, body: text, at: context.now },
          }),
        ];
  const main =
    asked.intervention === "check_in_call" || to === null
      ? callActions(decision, context, contact, subject, text)
      : asked.intervention === "discount_email"
        ? discountActions(decision, asked, context, subject, to)
        : tutorialActions(decision, context, subject, to);
  return { actions: [...contact.first, ...main, ...note], summary: `${summary}.` };
}

/** Without the customer's address where no mail can be sent to it. */
export function reachable(facts: Facts): Facts {
  const { customer } = facts.history;
  if (customer.email === null || usable.safeParse(customer.email).success) return facts;
  return { ...facts, history: { ...facts.history, customer: { ...customer, email: null } } };
}
