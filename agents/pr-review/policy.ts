/** The limits that a user sets in prompts/pr-review.yaml, with a default for each. */
import { z } from "../../src/agent-kit.ts";

const Rules = z
  .strictObject({
    /** Ids of rules that are switched off; see rules.ts. */
    disabled: z.array(z.string()).default([]),
    /** A pull request above either size is called large. */
    largeFiles: z.int().positive().default(40),
    largeLines: z.int().positive().default(1_000),
    /** From this many added lines of code on, a change without tests is remarked on. */
    testsExpectedFrom: z.int().positive().default(60),
    /** Hosts that lock files may fetch from without remark. */
    registryHosts: z.array(z.string()).default(["registry.npmjs.org", "registry.yarnpkg.com", "github.com"]),
  })
  .prefault({});

export const Policy = z.strictObject({
  maxInline: z.int().min(0).max(30).default(5),
  /** Findings below this go to a folded list in the summary. */
  minConfidence: z.number().min(0).max(1).default(0.6),
  /**
   * What comes of findings that are doubtful (low confidence, a quote that is not in the diff). clamp: they are folded away
   * in the summary. review: so they are, and the review waits for a person.
   */
  onViolation: z.enum(["clamp", "review"]).default("clamp"),
  /** How much annotated diff the model is shown, in characters; what does not fit is named as not covered. */
  maxDiffChars: z.int().min(1_000).max(400_000).default(60_000),
  reviewDrafts: z.boolean().default(false),
  reviewBots: z.boolean().default(false),
  /** Says "nothing found" when a pull request is opened; a later push without findings is never remarked on. */
  commentWhenClean: z.boolean().default(true),
  /** Further path patterns that are not reviewed; `*` stays within a folder, `**` does not. */
  ignore: z.array(z.string()).default([]),
  /** Moves the Linear issue to the team's review state. Switch it off where Linear's own GitHub automation does. */
  moveIssue: z.boolean().default(false),
  /** Prefixes of Linear teams (`ENG`). Empty: any prefix that is not a known standard's (`UTF`, `CVE`). */
  teams: z.array(z.string().regex(/^[A-Z][A-Z0-9]{0,9}$/)).default([]),
  rules: Rules,
});
export type Policy = z.infer<typeof Policy>;
