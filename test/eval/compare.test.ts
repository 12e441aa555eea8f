import { describe, expect, test } from "vitest";
import type { Action, PlannedAction } from "../../src/domain/action.ts";
import { actionChanges, decisionChanges } from "../../src/eval/compare.ts";
import { correctionOf } from "../../src/eval/corrections.ts";
import type { Review } from "../../src/eval/corrections.ts";

const planned = (name: string, input: PlannedAction["input"]): PlannedAction => ({
  name,
  kind: "zendesk.ticket",
  input,
});

describe("what a decision changes", () => {
  test("is what is judged, not how it is worded or how sure one is", () => {
    const before = {
      category: "bug",
      priority: 70,
      reason: "It is broken.",
      summary: "Export",
      confidence: 0.6,
    };
    const now = {
      category: "billing",
      priority: 70,
      reason: "An invoice.",
      summary: "The export",
      confidence: 0.9,
    };
    expect(decisionChanges(before, now)).toEqual([{ field: "category", before: "bug", now: "billing" }]);
  });

  test("finds a finding that is gone or judged otherwise, in whatever order they come", () => {
    const finding = (path: string, severity: string) => ({ path, severity, body: "Some words here." });
    const list = [finding("a.ts", "high"), finding("b.ts", "low")];
    expect(decisionChanges({ findings: list }, { findings: [...list].reverse() })).toEqual([]);
    expect(decisionChanges({ findings: list }, { findings: list.slice(1) })).toHaveLength(1);
    expect(
      decisionChanges({ findings: list }, { findings: [finding("a.ts", "low"), list[1] ?? null] }),
    ).toHaveLength(1);
  });

  test("against nothing, is all of it", () => {
    expect(decisionChanges(null, { category: "bug" })).toEqual([
      { field: "category", before: null, now: "bug" },
    ]);
  });
});

describe("what a plan changes", () => {
  test("is what is added, removed, changed or only reworded", () => {
    const before = [
      planned("a", { tags: ["x"] }),
      planned("b", { body: "One text." }),
      planned("c", {}),
      planned("e", {}),
    ];
    const now = [
      planned("a", { tags: ["y"] }),
      planned("b", { body: "Another text." }),
      planned("d", {}),
      planned("e", {}),
    ];
    expect(actionChanges(before, now).map(({ name, change }) => [name, change])).toEqual([
      ["c", "removed"],
      ["a", "changed"],
      ["b", "reworded"],
      ["d", "added"],
    ]);
  });
});

describe("a correction", () => {
  const review = (
    verdict: Review["verdict"],
    name: string,
    input: PlannedAction["input"],
    reason: string | null = null,
  ): Review => ({
    action: { name, kind: "zendesk.ticket", input } as Action,
    verdict,
    reason,
  });

  test("is none where everything was approved as it was", () => {
    expect(correctionOf([review("approved", "a", {})], [planned("a", {})])).toBeNull();
  });

  test("asks for what was written instead, and forbids what stood there", () => {
    const found = correctionOf(
      [review("edited", "a", { subject: "Refund", body: "Same." })],
      [planned("a", { subject: "Bug report", body: "Same." })],
    );
    expect(found).toMatchObject({
      does: ["zendesk.ticket"],
      doesNot: [],
      says: ["Refund"],
      saysNot: ["Bug report"],
    });
  });

  test("forbids a kind only where no other action of it was kept", () => {
    const rejected = review("rejected", "a", {}, "twice the same");
    expect(correctionOf([rejected], [])).toMatchObject({ doesNot: ["zendesk.ticket"], does: [] });
    expect(correctionOf([rejected, review("approved", "b", {})], [])).toMatchObject({
      doesNot: [],
      does: ["zendesk.ticket"],
      why: "A reviewer rejected zendesk.ticket (a): twice the same.",
    });
  });
});
