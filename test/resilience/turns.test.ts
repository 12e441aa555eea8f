import { beforeEach, describe, expect, it } from "vitest";
import { ServiceClosed } from "../../src/domain/errors.ts";
import type { Rate, RateState } from "../../src/resilience/rate.ts";
import { createTurns } from "../../src/resilience/turns.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { memoryState } from "../support/memory-state.ts";
import { mostInAnyWindow } from "../support/rates.ts";

const signal = new AbortController().signal;
const rates: Record<string, readonly Rate[]> = {
  hubspot: [{ limit: 100, perMs: 10_000 }],
  slack: [{ limit: 1, perMs: 1_000 }],
};

describe("turns", () => {
  let clock: ManualClock;
  let state: ReturnType<typeof memoryState>;
  beforeEach(() => {
    clock = manualClock();
    state = memoryState();
  });
  const open = () => createTurns({ state, clock, ratesOf: (service) => rates[service] ?? [] });

  it("are given at once while the service takes more", async () => {
    const turns = open();
    for (let turn = 0; turn < 100; turn += 1) await turns.take("hubspot", 1, signal);
    expect(await turns.full("hubspot")).toMatchObject({
      message: "hubspot: waits for its turn: HubSpot takes 100 in 10 s",
      until: expect.any(Number),
      by: "ours",
    });
  });

  it("that come soon are slept out, one after another", async () => {
    const turns = open();
    const times: number[] = [];
    const take = () => turns.take("slack", 1, signal).then(() => times.push(clock.now()));
    const both = Promise.all([take(), take()]);
    await clock.advance(2_000);
    await both;
    expect(mostInAnyWindow(times, { limit: 1, perMs: 1_000 })).toBe(1);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeLessThanOrEqual(1_050);
  });

  it("that come late are refused at once, with when to come back and whose doing it is", async () => {
    const turns = open();
    const taken = Promise.allSettled(Array.from({ length: 5 }, () => turns.take("slack", 1, signal)));
    await clock.advance(5_000);
    const late = (await taken).flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    expect(late.length).toBeGreaterThanOrEqual(2);
    for (const error of late) expect(error).toBeInstanceOf(ServiceClosed);
  });

  it("are shared by processes and outlive a restart: together they stay within the rate", async () => {
    const times: number[] = [];
    let refused = 0;
    for (let restart = 0; restart < 6; restart += 1) {
      const fleet = [open(), open()];
      for (let round = 0; round < 50; round += 1) {
        for (const turns of fleet) {
          await turns.take("hubspot", 1, signal).then(
            () => times.push(clock.now()),
            () => (refused += 1),
          );
        }
        await clock.advance(20);
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(mostInAnyWindow(times, { limit: 100, perMs: 10_000 })).toBeLessThanOrEqual(100);
  });

  it("cost a fraction of a write each in a steady flow, and forfeit none where requests are rare", async () => {
    const busy = open();
    for (let turn = 0; turn < 80; turn += 1) {
      await busy.take("hubspot", 1, signal);
      await clock.advance(100);
    }
    expect(state.puts()).toBeLessThan(30);
    await clock.advance(20_000);
    const rare = open();
    for (let turn = 0; turn < 10; turn += 1) {
      await rare.take("hubspot", 1, signal);
      await clock.advance(1_000);
    }
    const row = await state.get("rate", "hubspot");
    const stored = row?.value as RateState | undefined;
    const counted = stored?.windows["100/10000"] ?? [];
    expect(counted.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(11);
  });

  it("are none while the service says to stay away, for the whole fleet, and that wait has an age", async () => {
    const [turns, other] = [open(), open()];
    await turns.take("hubspot", 1, signal);
    await turns.stayAway("hubspot", 60_000);
    await expect(other.take("hubspot", 1, signal)).rejects.toMatchObject({
      by: "service",
      until: clock.now() + 60_000,
    });
    expect(await turns.full("hubspot")).toMatchObject({ by: "service" });
    await clock.advance(60_000);
    await other.take("hubspot", 1, signal);
  });

  it("that are waited for end with their signal", async () => {
    const turns = open();
    const cut = new AbortController();
    await turns.take("slack", 1, signal);
    const waiting = turns.take("slack", 1, cut.signal);
    await clock.advance(100);
    cut.abort(new Error("the service stops"));
    await expect(waiting).rejects.toThrow("the service stops");
    await clock.advance(1_000);
    await turns.take("slack", 1, signal);
  });

  it("of a service without a rate are free, and write nothing", async () => {
    const turns = open();
    for (let turn = 0; turn < 1_000; turn += 1) await turns.take("model:main", 1, signal);
    await turns.stayAway("model:main", 60_000);
    expect(await turns.full("model:main")).toBeNull();
    expect(state.puts()).toBe(0);
  });
});
