/** Answers a cancellation: an offer, a call or a guide where it fits and is allowed, and otherwise nothing. */
import { defineAgent } from "../../src/agent-kit.ts";
import type { AgentKit, JsonObject, Outcome } from "../../src/agent-kit.ts";
import { commentId, evidenceIds, feedbackId, gather } from "./context.ts";
import type { Facts } from "./context.ts";
import { Decision } from "./decision.ts";
import { couponLimit, guard, isoDay } from "./guards.ts";
import { plan, reachable } from "./plan.ts";
import { Policy } from "./policy.ts";
import { decideByRules } from "./rules.ts";
import { triggerOf } from "./trigger.ts";
import type { Trigger } from "./trigger.ts";

type Cancellation = Trigger & { readonly change: "scheduled" | "ended" };

const gathered = (kit: AgentKit<Policy>, trigger: Cancellation): Promise<Facts | null> =>
  kit.step("gather", 1, () => gather(kit, trigger));

const isCancellation = (trigger: Trigger): trigger is Cancellation =>
  trigger.change === "scheduled" || trigger.change === "ended";

/** Texts for the prompt: no name, no address; every fact with the id by which it can be cited. */
function variablesOf(facts: Facts, policy: Policy, now: number): JsonObject {
  const { subscription, history, tickets } = facts;
  const months = Math.floor((now - subscription.startedAt) / (30 * 86_400_000));
  const invoices = history.invoices
    .slice(0, 12)
    .map(
      ({ id, status, amountPaid, currency, createdAt, hadDiscount }) =>
        `${id} ${isoDay(createdAt)} ${status} ${amountPaid} ${currency}${hadDiscount ? " discounted" : ""}`,
    );
  return {
    subscription: `${subscription.plan.name}, ${subscription.plan.amount} ${subscription.plan.currency} per ${subscription.plan.interval}, status ${subscription.status}, ${facts.change === "ended" ? "ended" : "will end"}, customer for ${months} months`,
    feedback: subscription.feedback === null ? "none" : `${feedbackId(facts)} ${subscription.feedback}`,
    comment: subscription.comment === null ? "none" : `${commentId(facts)} ${subscription.comment}`,
    invoices: invoices.join("\n") || "none",
    payments: `${history.failedCharges} failed charges, ${history.refunds} refunds, ${history.disputes} disputes, Stripe's reason: ${subscription.reason ?? "none"}`,
    tickets:
      tickets
        .map(
          ({ id, subject, description, open, satisfaction, createdAt }) =>
            `${id} ${isoDay(createdAt)} ${open ? "open" : "closed"}${satisfaction ? `, rated ${satisfaction}` : ""}: ${subject}. ${description}`,
        )
        .join("\n") || "none",
    tutorials:
      Object.entries(policy.tutorials)
        .map(([key, { title }]) => `${key}: ${title}`)
        .join("\n") || "none",
    maxPercent: policy.maxPercent,
  };
}

/** Why no model needs to be asked: the facts leave no choice. */
function settled(facts: Facts): string | null {
  const { reason, status } = facts.subscription;
  if (reason === "payment_failed") return "a failed payment is for dunning";
  if (status === "trialing") return "it is a trial";
  return evidenceIds(facts).length === 0 ? "there are no facts to judge by" : null;
}

async function flow(kit: AgentKit<Policy>): Promise<Outcome> {
  const trigger = triggerOf(kit.event.payload);
  if (!isCancellation(trigger)) {
    const why =
      trigger.change === "recovered" ? "the cancellation was taken back" : "no cancellation in this change";
    return { actions: [], summary: `Nothing to do: ${why}.` };
  }
  const facts = await gathered(kit, trigger);
  if (!facts)
    return { actions: [], summary: "Nothing is done: Stripe has no credentials, so nothing can be judged." };
  const gone = noLongerLeaving(facts, facts.change);
  if (gone) return { actions: [], summary: `Nothing to do: ${gone}.` };

  const reason = settled(facts);
  const decided = await kit.decide({
    schemaVersion: 1,
    schema: Decision,
    variables: variablesOf(facts, kit.policy, kit.now),
    facts,
    rules: () => decideByRules(facts, kit.policy),
    guard: (decision, decidedBy) =>
      guard(decision, { facts: reachable(facts), policy: kit.policy, now: kit.now, decidedBy }).results,
    ...(reason === null ? {} : { rulesOnly: reason }),
  });
  return plan(decided.decision, { facts, policy: kit.policy, now: kit.now, decidedBy: decided.decidedBy });
}

function noLongerLeaving(now: Pick<Facts, "subscription">, change: "scheduled" | "ended"): string | null {
  const { status, cancelAtPeriodEnd, cancelAt } = now.subscription;
  const leaving =
    status === "canceled" || (change === "scheduled" && (cancelAtPeriodEnd || cancelAt !== null));
  return leaving ? null : "the customer stays after all";
}

/** Who changed their mind is left alone. */
async function stillApplies(kit: AgentKit<Policy>): Promise<string | null> {
  const trigger = triggerOf(kit.event.payload);
  if (!isCancellation(trigger) || !kit.read.stripe) return null;
  const subscription = await kit.read.stripe.subscription(trigger.subscription);
  return noLongerLeaving({ subscription }, trigger.change);
}

export const churnIntervention = defineAgent<Policy>({
  name: "churn-intervention",
  accepts: ["customer.subscription.updated", "customer.subscription.deleted"],
  policy: Policy,
  decision: Decision,
  variables: [
    "subscription",
    "feedback",
    "comment",
    "invoices",
    "payments",
    "tickets",
    "tutorials",
    "maxPercent",
  ],
  allows: [
    "stripe.coupon",
    "stripe.promotion_code",
    "email.send",
    "hubspot.contact",
    "hubspot.task",
    "hubspot.note",
    "slack.message",
  ],
  flow,
  passes: ({ kind, input }, policy) => (kind === "stripe.coupon" ? couponLimit(input, policy) : null),
  stillApplies,
});
