/** Decides without a model, by what Stripe's form says and by words. Pure. */
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

const says = (text: string, words: readonly string[]): boolean =>
  words.some((word) => text.toLowerCase().includes(word.toLowerCase()));

/** The tutorial whose feature a text asks for. */
function tutorialIn(text: string, policy: Policy): string | null {
  const found = Object.entries(policy.tutorials).find(([key, tutorial]) =>
    says(text, [key.replace(/[_-]/g, " "), tutorial.title, ...tutorial.keywords]),
  );
  return found?.[0] ?? null;
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
  if (says(comment, policy.rules.price))
    return { reason: "too_expensive", evidence: cited(), confidence: 0.75 };
  if (says(comment, policy.rules.support)) {
    return {
      reason: "poor_support",
      evidence: cited(tickets.filter(unhappy).map((ticket) => ticket.id)),
      confidence: 0.75,
    };
  }
  if (tutorialIn(comment, policy)) return { reason: "missing_feature", evidence: cited(), confidence: 0.7 };
  if (says(comment, policy.rules.complexity))
    return { reason: "too_complex", evidence: cited(), confidence: 0.7 };
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
