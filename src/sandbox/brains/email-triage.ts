/** Sorts a mail as a model would: by what its writer wants, not by what the mail says about itself. */
import type { Brain } from "../brains.ts";
import { block } from "./blocks.ts";

interface Intent {
  readonly category: string;
  readonly weight: number;
  readonly pattern: RegExp;
}

const intents: readonly Intent[] = [
  {
    category: "bug",
    weight: 4,
    pattern: /\b(?:cannot|can't|nobody can|unable to) (?:log in|sign in|save|open|export|load)\b/i,
  },
  {
    category: "bug",
    weight: 3,
    pattern: /\b(?:error \d{3}|outage|crash\w*|broken|stopped working|since (?:this morning|the update))\b/i,
  },
  {
    category: "billing",
    weight: 4,
    pattern: /\b(?:charged twice|invoice|refund|vat|billing address|payment method)\b/i,
  },
  {
    category: "lead",
    weight: 4,
    pattern: /\b(?:pricing|prices|quote|a demo|trial|evaluat\w+|\d+ seats|switch(?:ing)? from)\b/i,
  },
  {
    category: "support",
    weight: 3,
    pattern: /\b(?:how (?:do|can) (?:i|we)|where (?:do|can) (?:i|we)|could you (?:explain|help))\b/i,
  },
  {
    category: "feedback",
    weight: 2,
    pattern: /\b(?:would be (?:nice|great)|feature request|just wanted to say|keep it up)\b/i,
  },
  {
    category: "noise",
    weight: 5,
    pattern: /\b(?:unsubscribe|view in browser|newsletter|sponsored|guest post|seo)\b/i,
  },
];

/** Sentences that talk to the reader's machine instead of to a person say nothing about what their writer wants. */
const instruction =
  /[^.!?\n]*\b(?:ignore (?:all|any|the|your)|disregard|system prompt|you are (?:now|an? (?:ai|assistant))|classify this|as an ai|forward (?:this|all)|new instructions)\b[^.!?\n]*[.!?]?/gi;

const alarm = /\b(?:urgent\w*|outage|production|all (?:our )?users|nobody can|data loss|asap)\b/i;

function scores(text: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { category, weight, pattern } of intents)
    if (pattern.test(text)) sums.set(category, (sums.get(category) ?? 0) + weight);
  return sums;
}

function urgencyOf(category: string, text: string): "urgent" | "high" | "normal" | "low" {
  if (category === "noise" || category === "feedback") return "low";
  if (alarm.test(text)) return category === "bug" ? "urgent" : "high";
  return category === "lead" ? "high" : "normal";
}

const priorities = { urgent: 95, high: 75, normal: 50, low: 10 } as const;

/** "Priya Raman, Bluebird Logistics" below the greeting at the end. */
function signatureOf(mail: string): { name: string | null; company: string | null } {
  const last = mail.trim().split("\n").slice(-3).join("\n");
  const signed =
    /^([A-Z][\p{L}'-]+ [A-Z][\p{L}'-]+)(?:,|\n| at ) *(?:[\w ]+ at )?([A-Z][\w& ]{2,40})?/mu.exec(last);
  return { name: signed?.[1] ?? null, company: signed?.[2]?.trim() ?? null };
}

export const emailTriageBrain: Brain = {
  matches: ({ user }) => user.includes("<mail>") && user.includes("<subject>"),
  answer({ user }) {
    const subject = block(user, "subject");
    const mail = block(user, "mail");
    const planted = instruction.test(mail);
    instruction.lastIndex = 0;
    const text = `${subject}\n${mail.replace(instruction, " ")}`;
    const bulk = block(user, "known").includes("bulk signals");
    const sums = scores(text);
    if (!bulk) sums.set("noise", (sums.get("noise") ?? 0) - 2);
    const [best] = [...sums].filter(([, sum]) => sum > 0).sort((a, b) => b[1] - a[1]);
    const category = best?.[0] ?? "support";
    const urgency = urgencyOf(category, text);
    const { name, company } = signatureOf(mail);
    const first = mail
      .replace(instruction, " ")
      .split(/(?<=[.!?])\s/)
      .find((sentence) => sentence.trim().length > 25);
    return {
      reason: planted
        ? `Part of the mail tries to tell its reader how to sort it, which counts for nothing; the rest is ${category}.`
        : `The writer's words point to ${category}.`,
      category,
      urgency,
      priority: priorities[urgency],
      sentiment: /\b(?:unacceptable|angry|frustrat\w+|third time|disappointed)\b/i.test(text)
        ? "negative"
        : /\b(?:love|great|thank)/i.test(text)
          ? "positive"
          : "neutral",
      language: "en",
      personName: name,
      company,
      summary: `${subject}: ${(first ?? "").trim()}`.slice(0, 240),
      confidence: best === undefined ? 0.4 : planted ? 0.75 : Math.min(0.97, 0.7 + best[1] * 0.05),
    };
  },
};
