import { describe, expect, test } from "vitest";
import {
  accuracy,
  classScores,
  confusions,
  macroF1,
  noClass,
  pairedBootstrap,
  quantile,
  tagScores,
} from "../../src/eval/statistics.ts";
import type { Scored } from "../../src/eval/statistics.ts";

const scored = (expected: string[], predicted: string[], more: Partial<Scored> = {}): Scored => ({
  id: "case",
  tags: [],
  holds: expected.join() === predicted.join(),
  expected,
  predicted,
  tolerated: [],
  ...more,
});
const pairs = (...all: [string, string][]) => all.map(([right, answered]) => scored([right], [answered]));

describe("scores by class", () => {
  // a: 2 right, 2 wrong, 1 missed. b: 1, 1, 1. c: 0, 0, 1.
  const cases = pairs(["a", "a"], ["a", "a"], ["a", "b"], ["b", "b"], ["b", "a"], ["c", "a"]);

  test("precision, recall and F1 are those worked out by hand", () => {
    expect(classScores(cases)).toEqual([
      { name: "a", precision: 2 / 4, recall: 2 / 3, f1: 4 / 7, support: 3 },
      { name: "b", precision: 1 / 2, recall: 1 / 2, f1: 1 / 2, support: 2 },
      { name: "c", precision: 0, recall: 0, f1: 0, support: 1 },
    ]);
  });

  test("macro-F1 is the mean over the classes, not over the cases", () => {
    expect(macroF1(cases)).toBeCloseTo((4 / 7 + 1 / 2 + 0) / 3, 12);
    expect(macroF1([])).toBe(0);
  });

  test("a class that is only ever answered wrongly counts too", () => {
    expect(classScores(pairs(["a", "z"])).map(({ name, f1 }) => [name, f1])).toEqual([
      ["a", 0],
      ["z", 0],
    ]);
  });

  test("of several right classes each counts; a tolerated one neither helps nor harms", () => {
    const several = [
      scored(["bug", "security"], ["security", "testing"], { tolerated: ["testing"] }),
      scored([noClass], ["bug"]),
    ];
    expect(classScores(several)).toEqual([
      { name: noClass, precision: 0, recall: 0, f1: 0, support: 1 },
      { name: "bug", precision: 0, recall: 0, f1: 0, support: 1 },
      { name: "security", precision: 1, recall: 1, f1: 1, support: 1 },
    ]);
  });

  test("confusions are counted, the most frequent first, and only where one class stands against one", () => {
    const mixed = [...pairs(["a", "b"], ["c", "a"], ["a", "b"], ["a", "a"]), scored(["a", "c"], ["b"])];
    expect(confusions(mixed)).toEqual([
      { expected: "a", predicted: "b", count: 2 },
      { expected: "c", predicted: "a", count: 1 },
    ]);
  });

  test("accuracy is the share of cases of which everything holds, also by tag", () => {
    const tagged = [
      scored(["a"], ["a"], { tags: ["hard", "x"] }),
      scored(["a"], ["b"], { tags: ["hard"] }),
      scored(["a"], ["a"], { holds: false }),
    ];
    expect(accuracy(tagged)).toBeCloseTo(1 / 3, 12);
    expect(tagScores(tagged)).toEqual([
      { tag: "hard", accuracy: 1 / 2, cases: 2 },
      { tag: "x", accuracy: 1, cases: 1 },
    ]);
  });
});

describe("the paired bootstrap", () => {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  test("finds no difference between equal answers, and a sure one where every case differs", () => {
    expect(pairedBootstrap([1, 0, 1], [1, 0, 1], mean, { seed: 1 })).toEqual({
      difference: 0,
      low: 0,
      high: 0,
    });
    expect(pairedBootstrap([1, 1, 1], [0, 0, 0], mean, { seed: 1 })).toEqual({
      difference: 1,
      low: 1,
      high: 1,
    });
  });

  test("draws both answers to a case together: what both get wrong widens nothing", () => {
    const noisy = Array.from({ length: 50 }, (_, index) => index % 2);
    expect(pairedBootstrap(noisy, noisy, mean, { seed: 5 })).toEqual({ difference: 0, low: 0, high: 0 });
  });

  test("gives the interval that theory gives: 10 of 100 better is 0.1 with a standard error of 0.03", () => {
    const before = Array.from({ length: 100 }, () => 0);
    const now = before.map((_, index) => (index < 10 ? 1 : 0));
    const { difference, low, high } = pairedBootstrap(now, before, mean, { seed: 7 });
    expect(difference).toBeCloseTo(0.1, 12);
    expect(low).toBeGreaterThan(0.03);
    expect(low).toBeLessThan(0.06);
    expect(high).toBeGreaterThan(0.14);
    expect(high).toBeLessThan(0.18);
  });

  test("the same seed gives the same interval, another one another", () => {
    const now = [1, 0, 1, 1, 0, 1, 0, 1, 1, 1];
    const before = [0, 0, 1, 0, 1, 1, 0, 0, 1, 0];
    const spread = (values: readonly number[]) =>
      mean(values) + mean(values.map((value, at) => value * at)) / 7;
    const at = (seed: number) => pairedBootstrap(now, before, spread, { seed, resamples: 50 });
    expect(at(3)).toEqual(at(3));
    expect(at(3)).not.toEqual(at(4));
  });

  test("refuses answers to different numbers of cases, and takes none at all", () => {
    expect(() => pairedBootstrap([1], [], mean, { seed: 1 })).toThrow(RangeError);
    expect(pairedBootstrap([], [], mean, { seed: 1 })).toEqual({ difference: 0, low: 0, high: 0 });
  });

  test("a quantile lies between its neighbours", () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([7], 0.975)).toBe(7);
  });
});
