/** What a decision about a mail is held against before anything is planned from it. Pure. */
import { visible } from "../../src/agent-kit.ts";
import type { PolicyCheck } from "../../src/agent-kit.ts";
import type { Facts } from "./context.ts";
import type { Decision } from "./decision.ts";
import type { Policy } from "./policy.ts";

export const isAutomatic = ({ automation: { kind } }: Facts): boolean => kind !== null && kind !== "list";

const folded = (text: string): string => visible(text).toLowerCase().replace(/\s+/g, " ").trim();

/** What is written into the CRM has to stand in the mail, in its sender's name or in their domain. */
export function standsIn({ message }: Facts, name: string | null): boolean {
  const wanted = folded(name ?? "");
  const texts = [message.from.name, message.from.address, message.subject, message.text].map(folded);
  return wanted === "" || texts.some((text) => text.includes(wanted));
}

/** Ignoring a mail takes more certainty than sorting it. */
export const isUnsure = ({ category, confidence }: Decision, policy: Policy): boolean =>
  confidence < (category === "noise" ? policy.minNoiseConfidence : policy.minConfidence);

export function checksOf(decision: Decision, facts: Facts, policy: Policy): PolicyCheck[] {
  if (isAutomatic(facts)) return [];
  const unsure = isUnsure(decision, policy);
  const within = decision.priority >= 0 && decision.priority <= 100;
  const names = [decision.personName, decision.company];
  const foreign = names.filter((name) => !standsIn(facts, name)).length;
  const checks: PolicyCheck[] = [
    {
      name: "confidence",
      passed: !unsure,
      detail: `${decision.confidence} for ${decision.category}${unsure ? ": a person sorts it" : ""}`,
    },
    { name: "priority", passed: within, detail: `${decision.priority}, from 0 to 100 is allowed` },
    {
      name: "evidence",
      passed: foreign === 0,
      detail:
        foreign === 0
          ? "names stand in the mail"
          : `${foreign} names that do not stand in the mail are left out`,
    },
  ];
  const effect = policy.onViolation === "review" ? "held" : "clamped";
  return checks.map((check) => (check.passed ? check : { ...check, effect }));
}
