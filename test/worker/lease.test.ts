import { beforeEach, describe, expect, it } from "vitest";
import { JournalUnavailable, LeaseLost } from "../../src/domain/errors.ts";
import { holdLease, leaseMs } from "../../src/worker/lease.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";

const key = { run: "run_1", fence: 1 };

describe("a lease", () => {
  let clock: ManualClock;
  let answer: () => Promise<void>;
  let asked: number[];
  beforeEach(() => {
    clock = manualClock();
    asked = [];
    answer = async () => {};
  });
  const hold = () =>
    holdLease(
      {
        extendLease: () => {
          asked.push(clock.now());
          return answer();
        },
      },
      clock,
      key,
      clock.now(),
    );

  it("is short enough for a crashed worker's run to be taken up within 10 s", () => {
    expect(leaseMs).toBeLessThan(10_000);
  });

  it("is extended for as long as the work goes on, every third of its length, and no longer", async () => {
    const lease = hold();
    await clock.advance(60_000);
    expect(asked).toHaveLength(20);
    expect(lease.signal.aborted).toBe(false);
    lease.stop();
    expect(clock.pending()).toBe(0);
    await clock.advance(60_000);
    expect(asked).toHaveLength(20);
  });

  it("aborts the work before it ends when no extension gets through", async () => {
    const begun = clock.now();
    answer = () => Promise.reject(new JournalUnavailable("full"));
    const lease = hold();
    let aborted = 0;
    lease.signal.addEventListener("abort", () => (aborted = clock.now()));
    await clock.advance(60_000);
    expect(aborted - begun).toBe(leaseMs - 2_000);
    expect(lease.signal.reason).toBeInstanceOf(LeaseLost);
    expect(asked.at(-1)).toBeLessThan(begun + leaseMs);
  });

  it("aborts it when an extension is asked for and never answered", async () => {
    answer = () => new Promise(() => {});
    const lease = hold();
    await clock.advance(leaseMs - 2_001);
    expect(lease.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(lease.signal.aborted).toBe(true);
  });

  it("lives through a journal that can't write for a moment", async () => {
    const lease = hold();
    answer = () => Promise.reject(new JournalUnavailable("full"));
    await clock.advance(5_000);
    answer = async () => {};
    await clock.advance(60_000);
    expect(lease.signal.aborted).toBe(false);
    lease.stop();
  });

  it("counts from before an extension was asked for, not from its late answer", async () => {
    const begun = clock.now();
    const late: (() => void)[] = [];
    answer = () => new Promise((resolve) => late.push(resolve));
    const lease = hold();
    await clock.advance(6_000);
    late[0]?.();
    answer = () => new Promise(() => {});
    await clock.advance(begun + 3_000 + leaseMs - 2_000 - clock.now() - 1);
    expect(lease.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(lease.signal.aborted).toBe(true);
  });

  it("aborts the work at once when another worker has the run", async () => {
    answer = () => Promise.reject(new LeaseLost("run_1"));
    const lease = hold();
    await clock.advance(3_000);
    expect(lease.signal.aborted).toBe(true);
    await clock.advance(60_000);
    expect(asked).toHaveLength(1);
  });
});
