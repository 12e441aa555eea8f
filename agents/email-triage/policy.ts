/** The limits that a user sets in prompts/email-triage.yaml, with a default for each. */
import { z } from "../../src/agent-kit.ts";

const words = (defaults: string[]) => z.array(z.string().min(2)).default(defaults);

const Rules = z
  .strictObject({
    lead: words([
      "pricing",
      "quote",
      "demo",
      "trial",
      "evaluate",
      "interested in",
      "sales",
      "buy",
      "seats",
      "angebot",
    ]),
    billing: words([
      "invoice",
      "refund",
      "charged",
      "payment",
      "billing",
      "receipt",
      "vat",
      "credit card",
      "rechnung",
    ]),
    bug: words([
      "error",
      "bug",
      "crash",
      "broken",
      "fails",
      "exception",
      "not working",
      "doesn't work",
      "500",
      "fehler",
    ]),
    feedback: words([
      "feature request",
      "suggestion",
      "feedback",
      "would be great",
      "wish",
      "love the",
      "idea",
    ]),
    urgent: words([
      "urgent",
      "outage",
      "down for",
      "all users",
      "production is",
      "data loss",
      "security",
      "breach",
      "asap",
    ]),
  })
  .prefault({});

export const Policy = z.strictObject({
  /** Our own addresses: mail from them is never answered, which would loop. */
  ownAddresses: z.array(z.email()).default([]),
  /** Below this a person sorts the mail: it becomes a ticket tagged `needs-triage`, never ignored. */
  minConfidence: z.number().min(0).max(1).default(0.6),
  /** Ignoring a mail takes more certainty than sorting it. */
  minNoiseConfidence: z.number().min(0).max(1).default(0.8),
  /**
   * What comes of doubt (low confidence, names that do not stand in the mail). clamp: a ticket for a person to sort, without
   * what is doubtful. review: that ticket waits for a person here.
   */
  onViolation: z.enum(["clamp", "review"]).default("clamp"),
  /** How much of the mail the model is shown, in characters. */
  maxTextChars: z.int().min(200).max(50_000).default(6_000),
  taskDueHours: z.int().positive().max(720).default(24),
  rules: Rules,
});
export type Policy = z.infer<typeof Policy>;
