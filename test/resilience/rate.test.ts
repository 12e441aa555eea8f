import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inWords, noTurnsTaken, stayAway, takeTurns, turnAfter } from "../../src/resilience/rate.ts";
import type { Rate, RateState } from "../../src/resilience/rate.ts";
import { mostInAnyWindow } from "../support/rates.ts";

const second = 1_000;
const minute = 60 * second;
const hubspot: Rate[] = [{ limit: 100, perMs: 10 * second }];
const github: Rate[] = [
  { limit: 80, perMs: minute },
  { limit: 500, perMs: 60 * minute },
];
const slack: Rate[] = [{ limit: 1, perMs: second }];

/** Asks as often as it may from `now` on, one turn at a time, until `until`. */
function greedy(rates: readonly Rate[], now: number, until: number, state: RateState = noTurnsTaken) {
  const times: number[] = [];
  for (let at = now; at < until;) {
    const taking = takeTurns(state, rates, at, 1);
    if (taking.full) {
      expect(taking.until).toBeGreaterThan(at);
      at = taking.until;
      continue;
    }
    state = taking.next;
    times.push(at);
  }
  return { times, state };
}

describe("a rate", () => {
  it.each([
    ["HubSpot", hubspot],
    ["GitHub", github],
    ["Slack", slack],
  ])("of %s is never exceeded in any window, and is nearly reached", (_name, rates) => {
    const { times } = greedy(rates, 12_345_678, 12_345_678 + 2 * 60 * minute);
    for (const rate of rates) expect(mostInAnyWindow(times, rate)).toBeLessThanOrEqual(rate.limit);
    const longest = rates.at(-1) ?? { limit: 1, perMs: 1 };
    const allowed = (longest.limit * 2 * 60 * minute) / longest.perMs;
    expect(times.length).toBeGreaterThanOrEqual(Math.floor(allowed * 0.94));
  });

  it("lets a burst up to its limit through at once", () => {
    const { times } = greedy(hubspot, 5, 6);
    expect(times).toHaveLength(100);
  });

  it("holds whatever blocks are taken ahead, and whenever within their time they are used", () => {
    const gaps = fc.array(
      fc.record({
        gap: fc.integer({ min: 0, max: 4_000 }),
        most: fc.integer({ min: 1, max: 7 }),
        late: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { minLength: 1, maxLength: 120 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 40, max: 9_000 }),
        gaps,
        (limit, perMs, asked) => {
          const rate = { limit, perMs };
          let state: RateState = noTurnsTaken;
          let now = 1_000_000;
          const used: number[] = [];
          for (const { gap, most, late } of asked) {
            now += gap;
            const taking = takeTurns(state, [rate], now, 1, most);
            if (taking.full) {
              expect(taking.until).toBeGreaterThan(now);
              continue;
            }
            state = taking.next;
            const at = now + Math.floor((taking.goodUntil - 1 - now) * late);
            for (let turn = 0; turn < taking.taken; turn += 1) used.push(turn === 0 ? now : at);
          }
          expect(mostInAnyWindow(used, rate)).toBeLessThanOrEqual(limit);
        },
      ),
    );
  });

  it("says when there is a turn: not a moment earlier", () => {
    const { state } = greedy(hubspot, 0, 1);
    const taking = takeTurns(state, hubspot, 1, 1);
    expect(taking).toMatchObject({ full: true, until: 10_500, by: hubspot[0] });
    expect(takeTurns(state, hubspot, 10_499, 1).full).toBe(true);
    expect(takeTurns(state, hubspot, 10_500, 1).full).toBe(false);
  });

  it("waits for the longest of several limits", () => {
    const { times, state } = greedy(github, 0, 10 * minute);
    expect(times.length).toBe(500);
    expect(takeTurns(state, github, 10 * minute, 1)).toMatchObject({ full: true, by: github[1] });
  });

  it("keeps away as long as the service says, and never for less because it said so twice", () => {
    const state = stayAway(stayAway(noTurnsTaken, 9_000), 4_000);
    expect(takeTurns(state, hubspot, 8_999, 1)).toEqual({ full: true, until: 9_000, by: "service" });
    expect(takeTurns(state, hubspot, 9_000, 1).full).toBe(false);
  });

  it("that was changed begins anew", () => {
    const { state } = greedy(hubspot, 0, 1);
    expect(takeTurns(state, [{ limit: 50, perMs: second }], 1, 1).full).toBe(false);
  });

  it("asked for more turns than a window has, gives the window", () => {
    expect(takeTurns(noTurnsTaken, slack, 0, 3)).toMatchObject({ full: false, taken: 1 });
  });

  it("lets a line move on as fast as it allows, and no faster", () => {
    expect([0, 1, 50, 100, 5_000].map((ahead) => turnAfter(hubspot, ahead))).toEqual([
      0, 100, 5_000, 10_000, 500_000,
    ]);
    expect(turnAfter(github, 500)).toBe(60 * minute);
    expect(turnAfter([], 500)).toBe(0);
  });

  it("is put in words", () => {
    expect([...hubspot, ...github, ...slack].map(inWords)).toEqual([
      "100 in 10 s",
      "80 in 1 min",
      "500 in 1 h",
      "1 in 1 s",
    ]);
  });
});
