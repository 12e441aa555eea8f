/**
 * All that may be decided about a pull request. Bounds are not in the schema (one of the vendors drops them): plan.ts
 * clamps and cuts instead, so that a slightly long answer is still used.
 */
import { z } from "../../src/agent-kit.ts";

export const severities = ["critical", "high", "medium", "low"] as const;
export const categories = [
  "security",
  "bug",
  "performance",
  "reliability",
  "maintainability",
  "testing",
  "dependencies",
] as const;

export const Finding = z.strictObject({
  body: z
    .string()
    .describe("What goes wrong, when, and why, in one to four sentences. No links, no @mentions."),
  path: z.string().describe("The file, exactly as it is named in the diff."),
  quote: z
    .string()
    .describe("The offending line or adjacent lines, copied from the diff without number and sign."),
  line: z.number().describe("The line number shown before the first quoted line."),
  side: z.enum(["LEFT", "RIGHT"]).describe("RIGHT for added or unchanged lines, LEFT for removed lines."),
  category: z.enum(categories),
  severity: z.enum(severities),
  confidence: z.number().describe("0 to 1: how sure you are that a maintainer would fix this."),
  title: z.string().describe("At most 80 characters."),
  suggestion: z
    .string()
    .nullable()
    .describe("Code that replaces exactly the quoted added lines, or null where that is not enough."),
});
export type Finding = z.infer<typeof Finding>;

export const Decision = z.strictObject({
  summary: z.string().describe("Two or three sentences: what the change does, and its main risk."),
  findings: z
    .array(Finding)
    .describe("Real problems only, the most serious first; empty when there are none."),
});
export type Decision = z.infer<typeof Decision>;
