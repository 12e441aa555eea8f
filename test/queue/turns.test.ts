import { describe, expect, it } from "vitest";
import { createTurns } from "../../src/queue/turns.ts";

describe("turns", () => {
  it("come to the agent with the fewest runs under way, and among equals to the one that waited longest", () => {
    const turns = createTurns();
    const next = () => ["a", "b", "c"].toSorted(turns.compare)[0] ?? "";
    const order: string[] = [];
    for (let hand = 0; hand < 6; hand += 1) {
      order.push(next());
      turns.begun(next());
    }
    expect(order).toEqual(["a", "b", "c", "a", "b", "c"]);
    turns.ended("b");
    expect(next()).toBe("b");
    turns.ended("c");
    turns.ended("a");
    expect(next()).toBe("a");
    expect(turns.busy("a")).toBe(1);
  });
});
