import { describe, expect, it } from "vitest";
import { costUsd } from "../../src/llm/prices.ts";

const million = { input: 1_000_000, cacheRead: 0, cacheWrite: 0, output: 0 };

describe("the cost of a model call", () => {
  it("is the list price, also for a dated snapshot", () => {
    expect(costUsd("claude-sonnet-5-5", million)).toBe(2);
    expect(costUsd("claude-haiku-4-5-20251001", million)).toBe(1);
    expect(costUsd("gpt-4o-2024-08-06", million)).toBe(2.5);
  });

  it("is that of the snapshot where it differs from its model's", () => {
    expect(costUsd("gpt-4o-2024-05-13", million)).toBe(5);
  });

  it("is not known for a model that is not listed", () => {
    expect(costUsd("llama3.3:70b", million)).toBeNull();
    expect(costUsd("constructor", million)).toBeNull();
  });
});
