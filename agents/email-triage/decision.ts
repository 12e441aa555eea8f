/** All that may be decided about a mail. Bounds are not in the schema (one vendor drops them): plan.ts clamps and cuts. */
import { z } from "../../src/agent-kit.ts";

export const categories = ["lead", "support", "billing", "bug", "feedback", "noise"] as const;
export const urgencies = ["urgent", "high", "normal", "low"] as const;

export const Decision = z.strictObject({
  reason: z.string().describe("One or two sentences: what in the mail decides it."),
  category: z
    .enum(categories)
    .describe(
      "lead: wants to buy or see the product. noise: advertising, newsletters, automatic notices; never a person with a request.",
    ),
  urgency: z.enum(urgencies).describe("urgent: an outage, a security matter or data loss, now."),
  priority: z.number().describe("0 to 100, in step with urgency."),
  sentiment: z.enum(["positive", "neutral", "negative"]),
  language: z.string().describe("ISO 639-1 code of the mail's language, such as en."),
  personName: z.string().nullable().describe("The sender's name as they sign, or null."),
  company: z.string().nullable().describe("The sender's company as they name it, or null."),
  summary: z.string().describe("At most two sentences for the colleague who takes over."),
  confidence: z.number().describe("0 to 1: how sure you are of the category."),
});
export type Decision = z.infer<typeof Decision>;
