/** Judges a cancellation as a model would: from the numbered facts of the prompt, citing the ids it used. */
import type { Brain } from "../brains.ts";
import { block, entries } from "./blocks.ts";

interface Reading {
  readonly reason: string;
  readonly pattern: RegExp;
}

/** What customers write, the plainest first. */
const readings: readonly Reading[] = [
  {
    reason: "poor_support",
    pattern: /\b(?:support|nobody (?:answers|answered)|no (?:answer|reply)|waited|weeks without)\b/i,
  },
  { reason: "too_expensive", pattern: /\b(?:expensive|budget|price|cost\w*|afford|cheaper)\b/i },
  { reason: "switched_to_competitor", pattern: /\b(?:moved to|switch(?:ed|ing) to|competitor)\b/i },
  {
    reason: "missing_feature",
    pattern: /\b(?:missing|can(?:no|')t (?:export|connect|find)|no way to|need(?:ed)? (?:a|an|to)|lacks?)\b/i,
  },
  { reason: "too_complex", pattern: /\b(?:complicated|complex|confus\w+|too hard)\b/i },
  { reason: "not_used", pattern: /\b(?:not using|never used|stopped using|no longer need)\b/i },
];
const clicked: Readonly<Record<string, string>> = {
  too_expensive: "too_expensive",
  customer_service: "poor_support",
  low_quality: "quality_problems",
  missing_features: "missing_feature",
  too_complex: "too_complex",
  unused: "not_used",
  switched_service: "switched_to_competitor",
};

const acknowledgements: Readonly<Record<string, string>> = {
  too_expensive: "Thank you for telling us so openly that the cost no longer fits your plans.",
  missing_feature: "Thank you for telling us what you were looking for and did not find.",
  too_complex: "Thank you for telling us that this was harder than it should be.",
};

const cited = (line: string): { id: string; text: string } => {
  const space = line.indexOf(" ");
  return space === -1 ? { id: line, text: "" } : { id: line.slice(0, space), text: line.slice(space + 1) };
};

/** The tutorial whose title shares a telling word with what they ask for. */
function tutorialFor(text: string, tutorials: readonly string[]): string | null {
  const found = tutorials.find((line) => {
    const words = line.toLowerCase().match(/[a-z]{3,}/g) ?? [];
    return words.some((word) => !common.has(word) && new RegExp(`\\b${word}`, "i").test(text));
  });
  return found?.split(":")[0] ?? null;
}
const common = new Set(["and", "the", "your", "with", "how", "for", "reports"]);

function reasonOf(user: string, comment: string, feedback: string): string {
  if (/Stripe's reason: payment_failed/.test(user.slice(user.lastIndexOf("Payments:"))))
    return "payment_failed";
  const written = readings.find(({ pattern }) => pattern.test(comment))?.reason;
  return written ?? clicked[feedback] ?? "other";
}

export const churnBrain: Brain = {
  matches: ({ user }) => user.includes("<comment>") && user.includes("<tutorials>"),
  answer({ user }) {
    const comment = cited(entries(user, "comment").join(" "));
    const feedback = cited(block(user, "feedback"));
    const tickets = entries(user, "tickets").filter((line) => line.startsWith("tkt_"));
    const sore = tickets.filter((line) => /^\S+ \S+ open|rated bad/.test(line)).map((line) => cited(line).id);
    const reason = reasonOf(user, comment.text, feedback.text);
    const service = reason === "poor_support" || (reason === "too_expensive" && sore.length > 0);
    const tutorial = tutorialFor(`${comment.text} ${tickets.join(" ")}`, entries(user, "tutorials"));
    const findable = (reason === "missing_feature" || reason === "too_complex") && tutorial !== null;
    const intervention =
      reason === "payment_failed"
        ? "none"
        : service
          ? "check_in_call"
          : reason === "too_expensive"
            ? "discount_email"
            : findable
              ? "feature_tutorial"
              : "check_in_call";
    const months = Number(
      /customer for (\d+) months/.exec(user.slice(user.lastIndexOf("Subscription:")))?.[1] ?? 0,
    );
    const evidence = [comment.id, feedback.id].filter((id) => id !== "" && id !== "none");
    return {
      reasoning: `They ${comment.text === "" ? "chose an option" : "wrote it themselves"}${sore.length > 0 ? `, and ${sore.length} of their tickets went badly` : ""}; a customer for ${months} months.`,
      reason: service ? "poor_support" : reason,
      evidence: service ? [...evidence, ...sore] : evidence,
      intervention,
      discountPercent: intervention === "discount_email" ? (months >= 12 ? 20 : 15) : 0,
      tutorial: intervention === "feature_tutorial" ? tutorial : null,
      acknowledgement: acknowledgements[reason] ?? "Thank you for telling us why you are leaving.",
      talkingPoints: service
        ? "Apologise for the wait. Have the open ticket's state at hand. Ask what else went wrong."
        : "Ask what would have had to be different.",
      confidence: reason === "other" ? 0.4 : 0.88,
    };
  },
};
