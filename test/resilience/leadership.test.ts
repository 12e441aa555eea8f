import { describe, expect, it } from "vitest";
import { leadTimes, look, newcomer, won } from "../../src/resilience/leadership.ts";
import type { Leadership } from "../../src/resilience/leadership.ts";

const { leaseMs, lookMs, renewMs, marginMs } = leadTimes;

describe("leadership", () => {
  it("is claimed where nobody has it, where it was handed back, and where the answer to our claim was lost", () => {
    expect(look(newcomer, null, "me").claim).toBe(0);
    expect(look(newcomer, { holder: null, version: 4 }, "me").claim).toBe(4);
    expect(look(newcomer, { holder: "me", version: 4 }, "me").claim).toBe(4);
    expect(look(newcomer, { holder: "other", version: 4 }, "me").claim).toBeNull();
  });

  it("is claimed from another once its record stayed the same for a whole lease, counted from our first look", () => {
    let at: Leadership = newcomer;
    const claims: (number | null)[] = [];
    for (let time = 0; time <= leaseMs; time += lookMs) {
      const seen = look(at, { holder: "other", version: 7 }, "me");
      at = seen.next;
      claims.push(seen.claim);
    }
    expect(claims).toEqual([...Array.from({ length: leaseMs / lookMs }, () => null), 7]);
    expect(look(at, { holder: "other", version: 8 }, "me").claim).toBeNull();
  });

  it("lasts a lease less its margin from when the write was sent, however long the answer took", () => {
    const until = 1_000 + leaseMs - marginMs;
    expect(won(3, 1_000, 1_000)).toEqual({ state: "leading", version: 3, until });
    expect(won(3, 1_000, until - 1)).toEqual({ state: "leading", version: 3, until });
    expect(won(3, 1_000, until)).toBe(newcomer);
  });

  it("leaves time for a renewal that fails and another one, and moves within 15 seconds", () => {
    expect(leaseMs - marginMs).toBeGreaterThan(2 * renewMs);
    expect(leaseMs + 2 * lookMs).toBeLessThan(15_000);
  });
});
