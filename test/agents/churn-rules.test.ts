/** What the churn rules read from a comment, each with one that only looks the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Facts } from "../../agents/churn-intervention/context.ts";
import { Policy } from "../../agents/churn-intervention/policy.ts";
import { decideByRules } from "../../agents/churn-intervention/rules.ts";
import { packagePrompts } from "../../src/package.ts";

const policy = Policy.parse({
  tutorials: { exports: { title: "Export reports", url: "https://docs.acme.example/x", keywords: ["csv"] } },
});
const reasonOf = (comment: string, feedback: string | null = null): string => {
  const subscription = { id: "sub_1", comment, feedback, reason: "cancellation_requested" };
  return decideByRules({ subscription, tickets: [] } as unknown as Facts, policy).reason;
};

describe("the churn rules", () => {
  it.each([
    ["We found it overpriced.", "too_expensive"],
    ["Das ist uns zu teuer geworden.", "too_expensive"],
    ["We waited two weeks for a reply.", "poor_support"],
    ["It crashed every morning.", "quality_problems"],
    ["Es war instabil.", "quality_problems"],
    ["The learning curve was steep.", "too_complex"],
    ["It lacks a CSV export.", "missing_feature"],
    ["It doesn't support our bank.", "missing_feature"],
    ["We hardly use it.", "not_used"],
    ["We are moving to another provider.", "switched_to_competitor"],
    ["Nous avons choisi un autre outil.", "switched_to_competitor"],
    ["Goodbye.", "other"],
  ])("read the reason: %s", (comment, reason) => {
    expect(reasonOf(comment)).toBe(reason);
  });

  it.each([
    ["It is not the price. We no longer need it.", "not_used"],
    ["It was not because of the cost, but it crashes.", "quality_problems"],
    ["It isn't too complicated, only slow.", "quality_problems"],
    ["No complaints about your support!", "other"],
    ["Your support was great.", "other"],
    ["We sell costumes, and closed the shop.", "other"],
  ])("take nothing for a reason that is denied, praised or another word: %s", (comment, reason) => {
    expect(reasonOf(comment)).toBe(reason);
  });

  it("still hear what can't be done, and praise that is none", () => {
    expect(reasonOf("We could not afford it.")).toBe("too_expensive");
    expect(reasonOf("Great support, if one may wait a month for it.")).toBe("poor_support");
    expect(reasonOf("Your great support needed three weeks.")).toBe("poor_support");
  });

  it("let what is written first count, before what was clicked", () => {
    expect(reasonOf("It keeps failing, and it is expensive.", "unused")).toBe("quality_problems");
    expect(reasonOf("It is expensive, and it keeps failing.", "unused")).toBe("too_expensive");
    expect(reasonOf("All the best!", "unused")).toBe("not_used");
  });

  it("have the same words in the shipped prompt as without one", () => {
    const file = parse(readFileSync(join(packagePrompts, "churn-intervention.yaml"), "utf8")) as {
      policy: { rules: unknown };
    };
    expect(file.policy.rules).toEqual(policy.rules);
  });
});
