/** Sorts mail without a model, by headers and words. Pure. Unsure is said as low confidence, never as noise. */
import type { Facts } from "./context.ts";
import type { Decision } from "./decision.ts";
import type { Policy } from "./policy.ts";

type Category = Decision["category"];

const languages: readonly (readonly [code: string, pattern: RegExp])[] = [
  ["de", /\b(?:und|nicht|bitte|danke|ich|wir|der|die|das)\b/gi],
  ["fr", /\b(?:nous|vous|merci|bonjour|est|pas|une|les)\b/gi],
  ["es", /\b(?:gracias|hola|por favor|usted|para|una|los|pero)\b/gi],
  ["en", /\b(?:the|and|please|thanks|you|we|is|our|for)\b/gi],
];

const languageOf = (text: string): string =>
  languages
    .map(([code, pattern]) => ({ code, hits: text.match(pattern)?.length ?? 0 }))
    .reduce((best, each) => (each.hits > best.hits ? each : best), { code: "en", hits: 0 }).code;

const escaped = (word: string): string => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const hits = (text: string, words: readonly string[]): string[] =>
  words.filter((word) => new RegExp(`(?<![\\p{L}\\d])${escaped(word)}(?![\\p{L}\\d])`, "iu").test(text));

const negative =
  /\b(?:disappointed|angry|unacceptable|terrible|worst|frustrat\w+|annoyed|complain\w*|useless)\b/i;
const positive = /\b(?:thanks|thank you|great|love|excellent|happy|awesome)\b/i;
const advertising =
  /\b(?:unsubscribe|newsletter|webinar|view (?:this|it) in (?:your )?browser|limited offer|% off|seo services|guest post)\b/i;
const asksUs = /\?|\b(?:can you|could you|please help|we need|i need)\b/i;

const priorities = { urgent: 90, high: 70, normal: 45, low: 15 } as const;

function automatic(facts: Facts): Decision | null {
  const { kind, signals } = facts.automation;
  if (kind === null || kind === "list") return null;
  return decision(facts, "noise", "low", 0.99, `An automatic mail (${kind}): ${signals.join(", ")}.`);
}

function decision(
  facts: Facts,
  category: Category,
  urgency: Decision["urgency"],
  confidence: number,
  reason: string,
): Decision {
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

export function decideByRules(facts: Facts, policy: Policy): Decision {
  const fixed = automatic(facts);
  if (fixed) return fixed;
  const text = `${facts.message.subject}\n${facts.message.text}`;
  const found = (["bug", "billing", "lead", "feedback"] as const)
    .map((category) => ({ category, words: hits(text, policy.rules[category]) }))
    .filter(({ words }) => words.length > 0)
    .sort((a, b) => b.words.length - a.words.length);
  const best = found[0];
  const alarm = hits(text, policy.rules.urgent);
  if (facts.automation.kind === "list" && advertising.test(text) && alarm.length === 0) {
    const sure = facts.automation.signals.includes("list headers") && !asksUs.test(facts.message.subject);
    return decision(
      facts,
      "noise",
      "low",
      sure ? 0.85 : 0.5,
      "Bulk mail: list headers and the words of advertising.",
    );
  }
  if (!best) {
    return decision(
      facts,
      // Who writes without a word that gives them away mostly wants something.
      "support",
      alarm.length > 0 ? "high" : "normal",
      0.3,
      "None of the words that rules know.",
    );
  }
  const clear = best.words.length > (found[1]?.words.length ?? 0);
  const urgency =
    alarm.length > 0
      ? best.category === "bug"
        ? "urgent"
        : "high"
      : best.category === "feedback"
        ? "low"
        : "normal";
  const confidence = clear ? Math.min(0.9, 0.55 + 0.1 * best.words.length) : 0.45;
  return decision(
    facts,
    best.category,
    urgency,
    confidence,
    `Its words say ${best.category}: ${best.words.slice(0, 5).join(", ")}.`,
  );
}
