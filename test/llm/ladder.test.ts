import { test as property, describe, expect, it } from "vitest";
import fc from "fast-check";
import { explain, longestWaitMs, maxAttemptsPerModel, nextMove } from "../../src/llm/ladder.ts";
import type { Attempt, AttemptOutcome } from "../../src/llm/ladder.ts";

const chain = ["main", "fallback"];
const failed = (
  fault: "unavailable" | "rate-limited" | "timeout" | "unauthorized" | "invalid",
  retryAfterMs: number | null = null,
) => ({ kind: "failed", fault, status: null, retryAfterMs, hint: null }) as const;
const after = (...outcomes: [string, AttemptOutcome][]) =>
  nextMove(
    chain,
    outcomes.map(([model, outcome]) => ({ model, outcome })),
    0.5,
  );
const ask = (model: string, waitMs = 0) => ({ kind: "ask", model, waitMs, repair: null });

describe("whom to ask next", () => {
  it("is the first model, and the rules when there is none", () => {
    expect(after()).toEqual(ask("main"));
    expect(nextMove([], [], 0)).toEqual({ kind: "rules" });
  });

  it("is the same model once more after an outage, a moment later", () => {
    expect(after(["main", failed("unavailable")])).toEqual(ask("main", 1_000));
    expect(after(["main", failed("unavailable", 2_000)])).toEqual(ask("main", 2_000));
    expect(after(["main", failed("unavailable")], ["main", failed("unavailable")])).toEqual(ask("fallback"));
  });

  it("is the same model after a rate limit only when it ends within five seconds", () => {
    expect(after(["main", failed("rate-limited", 5_000)])).toEqual(ask("main", 5_000));
    expect(after(["main", failed("rate-limited", 5_001)])).toEqual(ask("fallback"));
    expect(after(["main", failed("rate-limited")])).toEqual(ask("fallback"));
  });

  it("is the same model with the issues after an answer that the schema refuses, once", () => {
    const mismatch = { kind: "mismatch", text: "{}", issues: ["score: missing"], requestId: null } as const;
    expect(after(["main", mismatch])).toEqual({
      kind: "ask",
      model: "main",
      waitMs: 0,
      repair: { text: "{}", issues: ["score: missing"] },
    });
    expect(after(["main", mismatch], ["main", mismatch])).toEqual(ask("fallback"));
    expect(after(["main", failed("unavailable")], ["main", mismatch])).toEqual(ask("fallback"));
  });

  it.each<[string, AttemptOutcome]>([
    ["a time-out", failed("timeout")],
    ["a refused key", failed("unauthorized")],
    ["a refused request", failed("invalid")],
    ["a refusal", { kind: "refusal", requestId: null }],
    ["a cut answer", { kind: "truncated", requestId: null }],
    ["an open breaker", { kind: "closed", until: 1, why: "its breaker is open" }],
    ["a fault of ours", { kind: "broken" }],
  ])("is the next model after %s, and after the last one the rules", (_name, outcome) => {
    expect(after(["main", outcome])).toEqual(ask("fallback"));
    expect(after(["main", outcome], ["fallback", outcome])).toEqual({ kind: "rules" });
  });

  it("is nobody once there is an answer, or no time left", () => {
    expect(after(["main", { kind: "decided" }])).toEqual({ kind: "accept" });
    expect(after(["main", { kind: "aborted" }])).toEqual({ kind: "rules" });
  });
});

const outcome: fc.Arbitrary<AttemptOutcome> = fc.oneof(
  fc.constantFrom<AttemptOutcome>(
    { kind: "decided" },
    { kind: "refusal", requestId: "req_1" },
    { kind: "truncated", requestId: null },
    { kind: "broken" },
    { kind: "aborted" },
    { kind: "closed", until: 1, why: "its breaker is open" },
    { kind: "mismatch", text: "secret payload", issues: ["secret payload"], requestId: "req_2" },
  ),
  fc.record({
    kind: fc.constant("failed" as const),
    fault: fc.constantFrom("unavailable", "timeout", "rate-limited", "unauthorized", "invalid"),
    status: fc.constantFrom(null, 400, 503),
    retryAfterMs: fc.constantFrom(null, 0, 4_000, 60_000),
    hint: fc.constantFrom(null, "request req_1"),
  }),
);

describe("the ladder", () => {
  property("always ends, within its number of attempts, and never goes back to a model", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 4 }),
        fc.array(outcome, { minLength: 8, maxLength: 8 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (models, outcomes, chance) => {
          const attempts: Attempt[] = [];
          for (const each of outcomes) {
            const move = nextMove(models, attempts, chance);
            if (move.kind !== "ask") return;
            expect(move.waitMs).toBeLessThanOrEqual(longestWaitMs);
            attempts.push({ model: move.model, outcome: each });
            expect(attempts.length).toBeLessThanOrEqual(maxAttemptsPerModel * models.length);
            const order = attempts.map(({ model }) => models.indexOf(model));
            expect(order).toEqual(order.toSorted((a, b) => a - b));
          }
          expect(nextMove(models, attempts, chance).kind).not.toBe("ask");
        },
      ),
    );
  });

  property("explains itself without a word of what was sent or answered", () => {
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 4 }), (outcomes) => {
        const text = explain(
          outcomes.map((each) => ({ model: "main", outcome: each })),
          new Map([["main", { label: "gpt-4o (main)", timeoutMs: 30_000 }]]),
        );
        expect(text).toContain("gpt-4o (main)");
        expect(text).not.toContain("secret");
      }),
    );
  });
});
