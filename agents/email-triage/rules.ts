/**
 * Sorts mail without a model, by headers, words and turns of speech. Pure. Each says which category it speaks for and how
 * much; the category with the most wins, and how clearly it wins is the confidence. Unsure is said as low confidence, never
 * as noise: what is below the policy's limits goes to a person.
 */
import { mentioned, visible } from "../../src/agent-kit.ts";
import type { Facts } from "./context.ts";
import type { Decision } from "./decision.ts";
import { fraudIn } from "./impersonation.ts";
import type { Policy } from "./policy.ts";
import { everyone, minor, owned, signals, soon } from "./signals.ts";
import { languageOf, withoutMachineTalk } from "./wording.ts";

type Category = Decision["category"];
type Urgency = Decision["urgency"];

const negative =
  /\b(?:disappoint\w*|angry|unacceptable|terrible|worst|worse|awful|horrible|ridiculous|frustrat\w+|annoy\w+|complain\w*|useless|theft|fraud|scandal\w*|furious|fed up|unhappy|hate|cluttered|confusing|not happy)\b/i;
const positive =
  /\b(?:thanks|thank you|great|love|excellent|happy|awesome|wonderful|fantastic|brilliant|lovely|bravo|merci|gracias|danke|wunderbar|magnifique)\b/i;
const advertising =
  /\b(?:unsubscribe|newsletter|webinar|view (?:this|it) in (?:your )?browser|limited offer|% off|seo services|guest post)\b/i;
const asksUs = /\?|\b(?:can you|could you|please help|we need|i need)\b/i;
const asks =
  /[?？]|\b(?:can|could|would) you\b|\bplease\b|\b(?:bitte|por favor|s'il vous plaît|pouvez-vous)\b/i;

const priorities = { urgent: 90, high: 70, normal: 45, low: 15 } as const;

interface Verdict {
  readonly category: Category;
  readonly urgency: Urgency;
  readonly confidence: number;
  readonly reason: string;
}

function decision(facts: Facts, { category, urgency, confidence, reason }: Verdict): Decision {
  const { message } = facts;
  const text = `${message.subject}\n${message.text}`;
  return {
    reason,
    category,
    urgency,
    priority: priorities[urgency],
    sentiment: negative.test(text) ? "negative" : positive.test(text) ? "positive" : "neutral",
    language: languageOf(text),
    personName: null,
    company: null,
    summary: message.subject === "" ? message.text.slice(0, 160) : message.subject,
    confidence,
  };
}

function automatic(facts: Facts): Verdict | null {
  const { kind, signals: seen } = facts.automation;
  if (kind === null || kind === "list") return null;
  const reason = `An automatic mail (${kind}): ${seen.join(", ")}.`;
  return { category: "noise", urgency: "low", confidence: 0.99, reason };
}

/** What speaks for one category, in points. */
interface Score {
  readonly category: Category;
  readonly points: number;
  readonly seen: readonly string[];
}

/** In the order in which one is preferred where they are equal: what costs most when it is overlooked comes first. */
const sorted: readonly Category[] = ["bug", "billing", "lead", "support", "feedback", "noise"];

function scoresOf(text: string, subject: string, policy: Policy): Map<Category, Score> {
  const found = new Map<Category, Score>();
  for (const category of sorted) {
    const words = category === "noise" ? [] : mentioned(text, policy.rules[category]);
    // The subject is what its writer thinks that the mail is about.
    const titled = category === "noise" ? [] : mentioned(subject, policy.rules[category]);
    const turns = signals.filter((signal) => signal.category === category && signal.pattern.test(text));
    const points =
      words.length + (titled.length > 0 ? 1 : 0) + turns.reduce((sum, { weight }) => sum + weight, 0);
    found.set(category, { category, points, seen: [...words, ...turns.map(({ what }) => what)] });
  }
  return found;
}

/** What is known of the sender, and of the mail as a whole, changes what its words are worth. */
function weighed(scores: Map<Category, Score>, text: string, facts: Facts): Score[] {
  const points = (category: Category): number => scores.get(category)?.points ?? 0;
  const isCustomer = facts.contact?.lifecycleStage === "customer" || owned.test(text);
  const isOffer = points("noise") >= 3;
  const more: Partial<Record<Category, number>> = {
    // Who has an account does not ask for prices to become a customer: it is about their plan, or its use.
    ...(isCustomer && points("lead") > 0 ? { lead: -2, billing: points("billing") > 0 ? 1 : 0 } : {}),
    // Who offers uses the words of a purchase for what they sell.
    ...(isOffer ? { lead: -points("lead"), billing: -points("billing") } : {}),
    // A question is about something: one about money is for those who send the invoices.
    ...(points("support") > 0 && points("billing") > 0 ? { support: -1 } : {}),
    // Who asks for something gives no mere opinion, and who asks for nothing has no question.
    ...(points("feedback") > 0 ? { feedback: asks.test(text) ? -1 : 1 } : {}),
  };
  return sorted
    .flatMap((category) => {
      const score = scores.get(category);
      return score ? [{ ...score, points: score.points + (more[category] ?? 0) }] : [];
    })
    .filter((score) => score.points > 0)
    .sort((a, b) => b.points - a.points);
}

function urgencyOf(category: Category, text: string, seen: readonly string[], alarms: number): Urgency {
  if (category === "feedback" || category === "noise") return "low";
  const isHurried = alarms > 0 || soon.test(text);
  if (category !== "bug") return isHurried && category !== "lead" ? "high" : alarms > 0 ? "high" : "normal";
  const isGrave = ["data are gone", "they see what is not theirs", "words of a security matter"].some(
    (what) => seen.includes(what),
  );
  if (alarms > 0 || isGrave || everyone.test(text)) return "urgent";
  if (minor.test(text)) return "low";
  return isHurried ? "high" : "normal";
}

function bulk(text: string, facts: Facts): Verdict | null {
  if (facts.automation.kind !== "list" || !advertising.test(text)) return null;
  const sure = facts.automation.signals.includes("list headers") && !asksUs.test(facts.message.subject);
  return {
    category: "noise",
    urgency: "low",
    confidence: sure ? 0.85 : 0.5,
    reason: "Bulk mail: list headers and the words of advertising.",
  };
}

/** Who writes without a word that gives them away mostly wants something; what no person wrote does not. */
function nothingKnown({ automation: { signals: seen } }: Facts, alarms: number): Verdict {
  const isNotice =
    seen.includes("a sender that is no person") && seen.includes("Auto-Submitted: auto-generated");
  return {
    category: isNotice ? "noise" : "support",
    urgency: alarms > 0 ? "high" : "normal",
    confidence: isNotice ? 0.5 : 0.3,
    reason: isNotice
      ? `A notice that no person wrote: ${seen.join(", ")}.`
      : "None of the words that rules know.",
  };
}

export function decideByRules(facts: Facts, policy: Policy): Decision {
  const fixed = automatic(facts);
  if (fixed) return decision(facts, fixed);
  const subject = withoutMachineTalk(visible(facts.message.subject));
  const text = `${subject}\n${withoutMachineTalk(visible(facts.message.text))}`;
  const alarms = mentioned(text, policy.rules.urgent).length;
  const fraud = fraudIn(text, facts, policy);
  // Never sure enough to be dropped unseen: a person should look, and warn those who got it too.
  if (fraud !== null)
    return decision(facts, {
      category: "noise",
      urgency: "normal",
      confidence: Math.min(0.7, policy.minNoiseConfidence - 0.01),
      reason: `It looks like a fraud: ${fraud}.`,
    });
  const advert = alarms === 0 ? bulk(text, facts) : null;
  if (advert) return decision(facts, advert);

  const [best, second] = weighed(scoresOf(text, subject, policy), text, facts);
  if (best === undefined) return decision(facts, nothingKnown(facts, alarms));
  const lead = best.points - (second?.points ?? 0);
  return decision(facts, {
    category: best.category,
    urgency: urgencyOf(best.category, text, best.seen, alarms),
    confidence: confidenceOf(best, lead),
    reason: `It says ${best.category}: ${best.seen.slice(0, 5).join(", ")}.`,
  });
}

/** By how much there is, and by how far it is ahead; that somebody advertises, rules are never sure of. */
function confidenceOf({ category, points }: Score, ahead: number): number {
  if (ahead <= 0) return 0.45;
  const much = Math.min(0.9, 0.55 + 0.1 * Math.min(points, 3) + 0.05 * Math.min(ahead - 1, 1));
  return category === "noise" ? Math.min(0.7, much) : much;
}
