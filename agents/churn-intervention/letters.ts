/** The mails that customers get: fixed texts with one typed slot each. Pure. */
import { template } from "../../src/agent-kit.ts";
import type { ResultReference, TextTemplate } from "../../src/agent-kit.ts";
import { redact } from "./redaction.ts";

const promises =
  /\d|%|[€$£¥]|free|refund|discount|credit|guarantee|promise|money|compensat|gratis|legal|https?|www\.|\b[\w-]+\.(?:com|net|org|io|dev|app|example)\b|[@<>{}[\]()\\`|]/i;

/**
 * The one sentence that a model may put into a mail. Numbers, money, links, addresses and promises are not its to give:
 * a sentence with any of them is dropped for the fixed one.
 */
export function sentence(text: string, instead: string): string {
  const plain = redact(text).replace(/\s+/g, " ").trim();
  const acceptable = plain.length >= 10 && plain.length <= 240 && !promises.test(plain);
  return acceptable ? plain : instead;
}

/** A first name to greet with; a customer's name at Stripe may be a company's or anything else. */
function greeting(name: string): string {
  const first = /^[\p{L}][\p{L}'’-]{0,30}$/u.exec(name.trim().split(/\s+/)[0] ?? "")?.[0];
  return first ? `Hello ${first},` : "Hello,";
}

export interface DiscountLetter {
  readonly name: string;
  readonly acknowledgement: string;
  readonly plan: string;
  readonly percent: number;
  readonly months: number;
  readonly until: string;
  readonly ended: boolean;
  readonly signature: string;
  readonly code: ResultReference;
}

const unbraced = (text: string): string => text.replace(/[{}]/g, "");

export const discountLetter = (letter: DiscountLetter): { subject: string; text: TextTemplate } => ({
  subject: letter.ended ? "If you would like to come back" : "Before you go",
  text: template(
    [
      greeting(letter.name),
      sentence(letter.acknowledgement, "Thank you for telling us that our price does not fit you right now."),
      `If you would like to ${letter.ended ? "return" : "stay"}, this code takes ${letter.percent}% off ${unbraced(letter.plan)} for ${letter.months === 1 ? "one month" : `${letter.months} months`}:`,
      "{code}",
      `It works once, for your account only, until ${letter.until}. If you have made up your mind, there is nothing to do: your cancellation stands.`,
      unbraced(letter.signature),
    ].join("\n\n"),
    { code: letter.code },
  ),
});

export interface TutorialLetter {
  readonly name: string;
  readonly acknowledgement: string;
  readonly title: string;
  readonly url: string;
  readonly signature: string;
}

export const tutorialLetter = (letter: TutorialLetter): { subject: string; text: string } => ({
  subject: `How to: ${letter.title}`,
  text: [
    greeting(letter.name),
    sentence(letter.acknowledgement, "Thank you for telling us what you were missing."),
    `It is there, though not easy enough to find. This guide shows how it works: ${letter.title}`,
    letter.url,
    "If you have made up your mind, there is nothing to do: your cancellation stands. If something is still missing, just answer this mail.",
    letter.signature,
  ].join("\n\n"),
});
