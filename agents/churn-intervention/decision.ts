/**
 * All that may be decided about a cancellation. Bounds are not in the schema (one vendor drops them): guards.ts clamps,
 * and refuses what is not backed by the facts.
 */
import { z } from "../../src/agent-kit.ts";

export const reasons = [
  "too_expensive",
  "poor_support",
  "quality_problems",
  "missing_feature",
  "too_complex",
  "not_used",
  "switched_to_competitor",
  "payment_failed",
  "payment_disputed",
  "other",
] as const;
export const interventions = ["discount_email", "check_in_call", "feature_tutorial", "none"] as const;

export const Decision = z.strictObject({
  reasoning: z.string().describe("Two or three sentences: what the facts say about why they leave."),
  reason: z.enum(reasons).describe("What they write outranks the option they clicked."),
  evidence: z
    .array(z.string())
    .describe("Ids of the facts that show the reason, copied exactly, such as tkt_12 or in_9."),
  intervention: z.enum(interventions),
  discountPercent: z.number().describe("Whole percent for discount_email, otherwise 0."),
  tutorial: z
    .string()
    .nullable()
    .describe("For feature_tutorial: one key of the offered tutorials, otherwise null."),
  acknowledgement: z
    .string()
    .describe(
      "One sentence to the customer that shows their reason was heard. No promise, number, link or address.",
    ),
  talkingPoints: z.string().describe("For a colleague who calls: two or three short points."),
  confidence: z.number().describe("0 to 1: how sure you are of the reason."),
});
export type Decision = z.infer<typeof Decision>;
