/** The mails that customers get: fixed texts with one typed slot each. Pure. */
import { template } from "../../src/agent-kit.ts";
import type { ResultReference, TextTemplate } from "../../src/agent-kit.ts";
import { vocabulary } from "./vocabulary.ts";

/**
 * The one sentence that a model may put into a mail: of plain words from a list (and those of `more`, which come from the
 * configuration). Anything else, such as a number, a name, a link or a word that could promise something, and the fixed
 * sentence is taken instead.
 */
export function sentence(text: string, instead: string, more: readonly string[] = []): string {
  const plain = text.replace(/\s+/g, " ").trim();
  const shaped = plain.length >= 10 && plain.length <= 240 && /^[A-Za-z][A-Za-z ,.'’!-]*$/.test(plain);
  const used = plain.toLowerCase().match(/[a-z]+/g) ?? [];
  const ours = more.flatMap((name) => name.toLowerCase().match(/[a-z]+/g) ?? []);
  const known = (word: string): boolean => vocabulary.has(word) || shortened.has(word) || ours.includes(word);
  return shaped && !/\S[.]\S/.test(plain) && used.every(known) ? plain : instead;
}

/** What stands behind an apostrophe: it's, we're, don't. */
const shortened = new Set(
  "s t re ve d m don didn doesn isn wasn weren couldn wouldn hasn haven won".split(" "),
);

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
    sentence(letter.acknowledgement, "Thank you for telling us what you were missing.", [letter.title]),
    `It is there, though not easy enough to find. This guide shows how it works: ${letter.title}`,
    letter.url,
    "If you have made up your mind, there is nothing to do: your cancellation stands. If something is still missing, just answer this mail.",
    letter.signature,
  ].join("\n\n"),
});
