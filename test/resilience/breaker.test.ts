import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { admit, closedBreaker, defaultBreaker, report } from "../../src/resilience/breaker.ts";
import type { Breaker, BreakerSettings, CallResult } from "../../src/resilience/breaker.ts";

const settings: BreakerSettings = { failures: 3, openForMs: 1_000, maxOpenForMs: 8_000, probeMs: 5_000 };
const after = (breaker: Breaker, now: number, ...results: CallResult[]): Breaker =>
  results.reduce((state, result) => report(state, result, now, settings, "503"), breaker);
const opened = after(closedBreaker, 0, "failure", "failure", "failure");

describe("breaker", () => {
  it("opens after as many failures in a row as it is set to, and says why", () => {
    expect(after(closedBreaker, 0, "failure", "failure").state).toBe("closed");
    expect(opened).toEqual({ state: "open", until: 1_000, opened: 1, reason: "503" });
  });

  it("counts failures in a row only, and answers that say nothing change nothing", () => {
    expect(after(closedBreaker, 0, "failure", "failure", "success", "failure", "failure").state).toBe(
      "closed",
    );
    expect(after(closedBreaker, 0, "failure", "failure", "neutral", "failure").state).toBe("open");
  });

  it("refuses calls until its time is over, then lets one probe in and refuses the rest", () => {
    expect(admit(opened, 999, settings)).toEqual({ allowed: false, until: 1_000 });
    const probe = admit(opened, 1_000, settings);
    expect(probe).toMatchObject({ allowed: true, next: { state: "half-open" } });
    if (!probe.allowed) throw new Error("no probe");
    expect(admit(probe.next, 1_001, settings).allowed).toBe(false);
  });

  it("closes on a probe's success and opens for twice as long on its failure, up to a limit", () => {
    let breaker: Breaker = opened;
    let now = 1_000;
    for (const openFor of [2_000, 4_000, 8_000, 8_000]) {
      const probe = admit(breaker, now, settings);
      if (!probe.allowed) throw new Error("no probe");
      breaker = report(probe.next, "failure", now, settings, "still 503");
      expect(breaker).toMatchObject({ state: "open", until: now + openFor });
      now += openFor;
    }
    const probe = admit(breaker, now, settings);
    if (!probe.allowed) throw new Error("no probe");
    expect(report(probe.next, "success", now, settings, "")).toEqual(closedBreaker);
  });

  it("gives the turn back when a probe ends without saying anything", () => {
    const probe = admit(opened, 1_000, settings);
    if (!probe.allowed) throw new Error("no probe");
    const back = report(probe.next, "neutral", 1_500, settings, "");
    expect(back).toMatchObject({ state: "open", until: 1_500 });
    expect(admit(back, 1_500, settings).allowed).toBe(true);
  });

  it("gives up a probe that never reports", () => {
    const probe = admit(opened, 1_000, settings);
    if (!probe.allowed) throw new Error("no probe");
    expect(admit(probe.next, 5_999, settings).allowed).toBe(false);
    expect(admit(probe.next, 6_000, settings).allowed).toBe(true);
  });

  it("has sensible settings of its own", () => {
    expect(defaultBreaker.failures).toBeGreaterThan(1);
    expect(defaultBreaker.maxOpenForMs).toBeGreaterThanOrEqual(defaultBreaker.openForMs);
  });

  it("never lets a call in while it is open, and always lets one in again some time", () => {
    const results = fc.array(
      fc.tuple(
        fc.constantFrom<CallResult>("success", "failure", "neutral"),
        fc.integer({ min: 0, max: 3_000 }),
      ),
    );
    fc.assert(
      fc.property(results, (calls) => {
        let breaker: Breaker = closedBreaker;
        let now = 0;
        for (const [result, wait] of calls) {
          now += wait;
          const admission = admit(breaker, now, settings);
          if (breaker.state === "open" && now < breaker.until) expect(admission.allowed).toBe(false);
          if (admission.allowed) breaker = report(admission.next, result, now, settings, "x");
        }
        expect(admit(breaker, now + settings.maxOpenForMs + settings.probeMs, settings).allowed).toBe(true);
      }),
    );
  });
});
