import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unusualSilence } from "../../src/worker/silence.ts";

const hour = 3_600_000;
const now = Date.parse("2026-11-24T12:00:00Z");
/** As many events, so far apart, the last of them so long ago. */
const events = (count: number, apart: number, ago: number) =>
  Array.from({ length: count }, (_, index) => now - ago - index * apart);

describe("the silence of a source", () => {
  it("is unusual when it is longer than a day and than three times its longest pause", () => {
    expect(unusualSilence(events(20, hour, 25 * hour), now)).toBe(25 * hour);
    expect(unusualSilence(events(20, 24 * hour, 73 * hour), now)).toBe(73 * hour);
  });

  it("is none while it has paused as long before, or for less than a day", () => {
    expect(unusualSilence(events(20, hour, 23 * hour), now)).toBeNull();
    expect(unusualSilence(events(20, 24 * hour, 71 * hour), now)).toBeNull();
  });

  it("is not judged after a few events", () => {
    expect(unusualSilence(events(9, hour, 1_000 * hour), now)).toBeNull();
  });

  it("does not depend on the order in which the times are given", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(events(20, hour, 30 * hour), { minLength: 20 }), (times) => {
        expect(unusualSilence(times, now)).toBe(30 * hour);
      }),
    );
  });
});
