import { describe, expect, it } from "vitest";
import { ServiceClosed, ServiceError } from "../../src/domain/errors.ts";
import type { Run } from "../../src/domain/run.ts";
import { verdictFor } from "../../src/worker/verdicts.ts";
import type { Circumstances } from "../../src/worker/verdicts.ts";

const now = 1_000_000;
const hour = 3_600_000;
const run = (over: Partial<Run> = {}): Run =>
  ({ attempts: 0, parkedSince: null, streak: null, ...over }) as Run;
const at = (over: Partial<Circumstances> = {}): Circumstances => ({
  run: run(),
  now,
  rampMs: 0,
  closed: null,
  parkForMs: 24 * hour,
  ...over,
});
const open = { until: now + 30_000, reason: "its breaker is open", by: "service" } as const;
const asking = (kind: "unavailable" | "rate-limited", retryAfterMs: number) =>
  new ServiceError("slack", kind, "answered", { retryAfterMs });

describe("a verdict", () => {
  it("obeys Retry-After of a service that fails, and never comes sooner than its own schedule", () => {
    expect(verdictFor(asking("unavailable", 90_000), at())).toMatchObject({
      kind: "retryAt",
      at: now + 90_000,
    });
    expect(verdictFor(asking("unavailable", 10), at())).toMatchObject({ kind: "retryAt", at: now + 1_000 });
  });

  it("obeys it where the breaker is open too, whichever is later", () => {
    const verdict = (ms: number) => verdictFor(asking("unavailable", ms), at({ closed: open }));
    expect(verdict(90_000)).toMatchObject({ kind: "parkUntil", until: now + 90_000, askAt: now + 90_000 });
    expect(verdict(10)).toMatchObject({ kind: "parkUntil", until: now + 30_000 });
  });

  it("waits no longer than a run may, whatever a service asks for", () => {
    expect(verdictFor(asking("rate-limited", 1e15), at({ parkForMs: hour }))).toMatchObject({
      kind: "parkUntil",
      until: now + hour,
    });
  });

  it("puts a run behind the others, and says when the service may be asked", () => {
    expect(
      verdictFor(new ServiceClosed("slack", now + 30_000, "open"), at({ closed: open, rampMs: 5_000 })),
    ).toMatchObject({ until: now + 35_000, askAt: now + 30_000 });
  });

  it("gives attempts back when the breaker of the service that cost them is open, and for nothing else", () => {
    const streak = { service: "slack", count: 2 };
    const given = (error: Error, over: Partial<Circumstances> = {}) =>
      verdictFor(error, at({ run: run({ attempts: 3, streak }), ...over }));
    expect(given(asking("unavailable", 0), { closed: open })).toMatchObject({ giveBack: 2 });
    expect(given(new ServiceError("email", "unavailable", "503"), { closed: open })).toMatchObject({
      giveBack: 0,
    });
    expect(given(asking("rate-limited", 1_000))).toMatchObject({ giveBack: 0 });
    const turn = new ServiceClosed("slack", now + 9_000, "waits for its turn", "ours");
    expect(given(turn)).toMatchObject({ kind: "parkUntil", giveBack: 0 });
  });

  it("ends a run that waited for a service too long, and never one whose wait is ours", () => {
    const parked = at({ run: run({ parkedSince: now - 24 * hour }) });
    expect(verdictFor(new ServiceClosed("slack", now + 1, "open"), parked)).toMatchObject({ kind: "dead" });
    expect(verdictFor(new ServiceClosed("slack", now + 1, "paused by hand", "ours"), parked)).toMatchObject({
      kind: "parkUntil",
    });
  });
});
