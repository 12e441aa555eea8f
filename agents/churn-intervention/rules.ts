/** Decides without a model, by what Stripe's form says and by words. Pure. */
import { mentioned } from "../../src/agent-kit.ts";
import { commentId, feedbackId } from "./context.ts";
import type { Facts, TicketFacts } from "./context.ts";
import type { Decision } from "./decision.ts";
import type { Policy } from "./policy.ts";

type Reason = Decision["reason"];

/** Stripe's options; unknown ones (Stripe adds to them) are "other". */
const byFeedback: Readonly<Record<string, Reason>> = {
  too_expensive: "too_expensive",
  customer_service: "poor_support",
  low_quality: "quality_problems",
  missing_features: "missing_feature",
  too_complex: "too_complex",
  unused: "not_used",
  switched_service: "switched_to_competitor",
};

/** The tutorial whose feature a text asks for. */
function tutorialIn(text: string, policy: Policy): string | null {
  const found = Object.entries(policy.tutorials).find(
    ([key, tutorial]) =>
      mentioned(text, [key.replace(/[_-]/g, " "), tutorial.title, ...tutorial.keywords]).length > 0,
  );
  return found?.[0] ?? null;
}

/** "It is not the price", "not because of your support", "not too expensive": said of what is no reason. */
const denied =
  /\b(?:not|isn't|wasn't|never|nothing (?:wrong )?(?:with|against)|no (?:complaints?|problems?) (?:about|with)|nicht|pas|no es|não é)\b(?:(?: (?:about|because of|due to|for|with|the|your|its|an?|too|very|that|really|so|even|wegen|der|die|das|am|le|la|el|o))+ \p{L}+| (?:expensive|complicated|complex|difficult|confusing|slow)\b)/giu;
const praise =
  /\b(?:great|good|fantastic|excellent|wonderful|helpful|friendly|lovely|amazing|brilliant|always fair)\b/i;
const trouble = /\b(?:no|not|never|nobody|bad|slow|poor|wait\w*|weeks?|months?)\b|n't\b/i;

/** A thought each: what is said of one thing says nothing of the next. */
const clausesOf = (text: string): string[] =>
  text.replaceAll("’", "'").split(/[.,;:!?\n]+|\b(?:but|though|although|aber|mais|pero|mas|ma)\b/i);

/** In the order in which one is preferred within a clause: what names its matter most plainly comes first. */
const byWords: readonly (readonly [reason: Reason, words: keyof Omit<Policy["rules"], "discountPercent">])[] =
  [
    ["switched_to_competitor", "switched"],
    ["missing_feature", "missing"],
    ["not_used", "unused"],
    ["too_expensive", "price"],
    ["poor_support", "support"],
    ["quality_problems", "quality"],
    ["too_complex", "complexity"],
  ];

/** The reason that is written first: people begin with what weighs most. */
function writtenReason(comment: string, policy: Policy): Reason | null {
  for (const clause of clausesOf(comment)) {
    const said = clause.replace(denied, " ");
    const isPraise = praise.test(said) && !trouble.test(said);
    if (isPraise) continue;
    const found = byWords.find(([, list]) => mentioned(said, policy.rules[list]).length > 0);
    if (found) return found[0];
    if (tutorialIn(said, policy) !== null) return "missing_feature";
  }
  return null;
}

const unhappy = (ticket: TicketFacts): boolean => ticket.open || ticket.satisfaction === "bad";

interface Judged {
  readonly reason: Reason;
  readonly evidence: readonly string[];
  readonly confidence: number;
}

/** What they wrote outranks what they clicked, and both outrank what their tickets suggest. */
function judge(facts: Facts, policy: Policy): Judged {
  const { subscription, tickets } = facts;
  if (subscription.reason === "payment_failed")
    return { reason: "payment_failed", evidence: [], confidence: 0.95 };
  if (subscription.reason === "payment_disputed")
    return { reason: "payment_disputed", evidence: [], confidence: 0.95 };
  const comment = subscription.comment ?? "";
  const cited = (more: readonly string[] = []): string[] => [commentId(facts), ...more];
  const written = writtenReason(comment, policy);
  if (written !== null) {
    const sore = written === "poor_support" ? tickets.filter(unhappy).map((ticket) => ticket.id) : [];
    return { reason: written, evidence: cited(sore), confidence: written === "too_expensive" ? 0.75 : 0.7 };
  }
  const clicked = byFeedback[subscription.feedback ?? ""];
  if (clicked) return { reason: clicked, evidence: [feedbackId(facts)], confidence: 0.7 };
  const sore = tickets.find(unhappy);
  if (sore) return { reason: "poor_support", evidence: [sore.id], confidence: 0.5 };
  return { reason: "other", evidence: [], confidence: 0.3 };
}

function interventionFor(reason: Reason, facts: Facts, tutorial: string | null): Decision["intervention"] {
  switch (reason) {
    case "too_expensive":
      return facts.tickets.some(unhappy) ? "check_in_call" : "discount_email";
    case "missing_feature":
    case "too_complex":
    case "not_used":
      return tutorial === null ? "check_in_call" : "feature_tutorial";
    case "poor_support":
    case "quality_problems":
    case "switched_to_competitor":
    case "payment_disputed":
      return "check_in_call";
    case "payment_failed":
    case "other":
      return "none";
  }
}

export function decideByRules(facts: Facts, policy: Policy): Decision {
  const judged = judge(facts, policy);
  const texts = [
    facts.subscription.comment ?? "",
    ...facts.tickets.map((ticket) => `${ticket.subject} ${ticket.description}`),
  ];
  const tutorial = tutorialIn(texts.join("\n"), policy);
  const intervention = interventionFor(judged.reason, facts, tutorial);
  return {
    reasoning: `By fixed rules: ${judged.evidence.length > 0 ? "from what they chose, wrote or asked" : "there is little to go by"}.`,
    reason: judged.reason,
    evidence: [...judged.evidence],
    intervention,
    discountPercent: intervention === "discount_email" ? policy.rules.discountPercent : 0,
    tutorial: intervention === "feature_tutorial" ? tutorial : null,
    acknowledgement: "",
    talkingPoints: "Ask what made them leave, and what would have to change.",
    confidence: judged.confidence,
  };
}
