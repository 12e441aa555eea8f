/**
 * What must hold before anything reaches a customer, whatever was decided. Each guard leaves its result, so that a
 * person sees why. Pure.
 */
import type { JsonObject, PolicyCheck } from "../../src/agent-kit.ts";
import { evidenceIds } from "./context.ts";
import type { Facts } from "./context.ts";
import type { Decision } from "./decision.ts";
import type { Policy } from "./policy.ts";

type GuardResult = PolicyCheck;
export interface Guarded {
  /** What may be done; not more than was decided. */
  readonly intervention: Decision["intervention"];
  /** Whole percent within the cap; 0 unless a discount is given. */
  readonly percent: number;
  /** Those that failed say what comes of it. */
  readonly results: readonly GuardResult[];
  /** Why it differs from what was decided; null when it does not. */
  readonly changed: string | null;
}
export interface GuardContext {
  readonly facts: Facts;
  readonly policy: Policy;
  readonly now: number;
  readonly decidedBy: "model" | "rules";
}

const day = 86_400_000;
const check = (name: string, passed: boolean, detail: string): GuardResult => ({ name, passed, detail });

/** Nothing at all is done when one of these fails: it is not our business, or dunning's. */
function contactGuards({ facts, policy }: GuardContext, decision: Decision): GuardResult[] {
  const { subscription, history } = facts;
  const unpaid = ["past_due", "unpaid", "incomplete", "incomplete_expired"].includes(subscription.status);
  const failed = subscription.reason === "payment_failed" || decision.reason === "payment_failed" || unpaid;
  const trial = subscription.status === "trialing";
  return [
    check(
      "mode",
      subscription.livemode || policy.allowTestMode,
      subscription.livemode ? "live mode" : "test mode",
    ),
    check("payment", !failed, failed ? "a failed payment is for dunning" : `status ${subscription.status}`),
    check("trial", !trial, trial ? "still in trial" : "not in trial"),
    check("customer", !history.customer.deleted, history.customer.deleted ? "deleted at Stripe" : "exists"),
  ];
}

/** Only a person may deal with the customer when one of these fails. */
function mailGuards(context: GuardContext, decision: Decision): GuardResult[] {
  const { facts, policy, decidedBy } = context;
  const { subscription, history } = facts;
  const known = evidenceIds(facts);
  const unknown = decision.evidence.filter((id) => !known.includes(id));
  const disputed = subscription.reason === "payment_disputed" || decision.reason === "payment_disputed";
  const cited =
    unknown.length > 0
      ? `${unknown.length} cited ids are not among the facts`
      : decision.evidence.length === 0
        ? "nothing is cited"
        : decision.evidence.join(", ");
  return [
    check("disputes", history.disputes === 0 && !disputed, `${history.disputes} disputes`),
    check("refunds", history.refunds === 0, `${history.refunds} refunds`),
    check("evidence", decision.evidence.length > 0 && unknown.length === 0, cited),
    check("confidence", decision.confidence >= policy.minConfidence, `needs ${policy.minConfidence}`),
    check("decided by", decidedBy === "model" || policy.rulesMaySend, decidedBy),
    check(
      "address",
      history.customer.email !== null,
      history.customer.email === null ? "none at Stripe" : "known",
    ),
  ];
}

function discountGuards({ facts, policy, now }: GuardContext, decision: Decision): GuardResult[] {
  const { subscription, history } = facts;
  const paid = history.invoices.filter((invoice) => invoice.status === "paid" && invoice.amountPaid > 0);
  const last = history.invoices.find((invoice) => invoice.hadDiscount);
  const cooled = !last || now - last.createdAt >= policy.coolDownDays * day;
  const discounted = subscription.hasDiscount || history.customer.hasDiscount;
  const tenure = Math.floor((now - subscription.startedAt) / day);
  const yearly = subscription.plan.interval === "year";
  const supportFirst = ["poor_support", "quality_problems"].includes(decision.reason);
  return [
    check("active discount", !discounted, discounted ? "has one" : "none"),
    check(
      "schedule",
      !subscription.hasSchedule,
      subscription.hasSchedule ? "its phases are scheduled" : "none",
    ),
    check(
      "paid invoices",
      paid.length >= policy.minPaidInvoices,
      `${paid.length}, needs ${policy.minPaidInvoices}`,
    ),
    check("tenure", tenure >= policy.minTenureDays, `${tenure} days, needs ${policy.minTenureDays}`),
    check("cool-down", cooled, last ? `last discount on ${isoDay(last.createdAt)}` : "no earlier discount"),
    check("yearly plan", !yearly || policy.discountYearly, `billed by ${subscription.plan.interval}`),
    check(
      "reason",
      !supportFirst,
      supportFirst ? "poor service is not answered with a coupon" : decision.reason,
    ),
  ];
}

export const isoDay = (at: number): string => new Date(at).toISOString().slice(0, 10);

const tutorialGuards = ({ policy }: GuardContext, decision: Decision): GuardResult[] => {
  const known = decision.tutorial !== null && Object.hasOwn(policy.tutorials, decision.tutorial);
  return [check("tutorial", known, known ? (decision.tutorial ?? "") : "not one of the policy's tutorials")];
};

/** Doubts that a person can settle by looking; all others are limits, which no approval lifts. */
const doubts = ["evidence", "confidence"];

const failedOf = (results: readonly GuardResult[]): string =>
  results
    .filter((result) => !result.passed)
    .map((result) => `${result.name} (${result.detail})`)
    .join(", ");

export function guard(decision: Decision, context: GuardContext): Guarded {
  const contact = contactGuards(context, decision);
  const blocked = failedOf(contact);
  if (blocked !== "" || decision.intervention === "none") {
    const changed = decision.intervention === "none" ? null : `nothing is done because of: ${blocked}`;
    return { intervention: "none", percent: 0, results: withEffect(contact, "clamped"), changed };
  }
  if (decision.intervention === "check_in_call") {
    return { intervention: "check_in_call", percent: 0, results: contact, changed: null };
  }
  const own =
    decision.intervention === "discount_email"
      ? discountGuards(context, decision)
      : tutorialGuards(context, decision);
  const results = [...contact, ...mailGuards(context, decision), ...own];
  const failed = results.filter(({ passed }) => !passed);
  const held = context.policy.onViolation === "review";
  if (failed.length > 0 && !(held && failed.every(({ name }) => doubts.includes(name)))) {
    return {
      intervention: "check_in_call",
      percent: 0,
      results: withEffect(results, "clamped"),
      changed: `a person decides because of: ${failedOf(failed)}`,
    };
  }
  return {
    intervention: decision.intervention,
    percent: decision.intervention === "discount_email" ? percentOf(decision, context.policy) : 0,
    results: withEffect([...results, ...capGuards(context, decision)], held ? "held" : "clamped"),
    changed: failed.length === 0 ? null : `held for a person because of: ${failedOf(failed)}`,
  };
}

const withEffect = (
  results: readonly GuardResult[],
  effect: NonNullable<PolicyCheck["effect"]>,
): GuardResult[] => results.map((result) => (result.passed ? result : { ...result, effect }));

const percentOf = (decision: Decision, { maxPercent }: Policy): number =>
  Math.min(maxPercent, Math.max(1, Math.floor(decision.discountPercent)));

function capGuards({ policy }: GuardContext, decision: Decision): GuardResult[] {
  if (decision.intervention !== "discount_email") return [];
  const percent = percentOf(decision, policy);
  const within = decision.discountPercent >= 1 && decision.discountPercent <= policy.maxPercent;
  return [
    check("cap", within, within ? `${percent}%` : `${decision.discountPercent}% asked, ${percent}% given`),
  ];
}

/** A coupon as a person edited it, held against the policy. */
export function couponLimit(
  { percentOff, durationInMonths }: JsonObject,
  { maxPercent, durationMonths }: Policy,
): string | null {
  if (typeof percentOff !== "number" || percentOff > maxPercent) return `at most ${maxPercent}% may be given`;
  if (typeof durationInMonths !== "number" || durationInMonths > durationMonths)
    return `for at most ${durationMonths} months`;
  return null;
}
