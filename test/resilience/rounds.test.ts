import { expect, it } from "vitest";
import { inRounds } from "../../src/resilience/rounds.ts";
import { manualClock } from "../support/clock.ts";

const failed = (error: unknown) => {
  throw error;
};

it("begins the first round when asked to, and the next when the last has ended and its pause is over", async () => {
  const clock = manualClock();
  const begun: number[] = [];
  const start = clock.now();
  let end = () => {};
  const rounds = inRounds(clock, {
    first: 0,
    every: 1_000,
    round: () => {
      begun.push(clock.now() - start);
      return new Promise<void>((resolve) => (end = resolve));
    },
    failed,
  });
  await clock.advance(5_000);
  expect(begun).toEqual([0]);
  end();
  await clock.advance(1_000);
  expect(begun).toEqual([0, 6_000]);
  end();
  await rounds.stop();
  expect(clock.pending()).toBe(0);
});

it("waits for `every` before the first round, or as long as a round says before the next", async () => {
  const clock = manualClock();
  const begun: number[] = [];
  const start = clock.now();
  const rounds = inRounds(clock, {
    every: 1_000,
    round: async () => {
      begun.push(clock.now() - start);
      return begun.length === 1 ? 50 : undefined;
    },
    failed,
  });
  await clock.advance(2_500);
  expect(begun).toEqual([1_000, 1_050, 2_050]);
  await rounds.stop();
});

it("goes on after a round that threw, at once or later, and tells of it", async () => {
  const clock = manualClock();
  const told: unknown[] = [];
  let count = 0;
  const rounds = inRounds(clock, {
    every: 10,
    round: () => {
      count += 1;
      if (count === 1) throw new Error("at once");
      return count === 2 ? Promise.reject(new Error("later")) : Promise.resolve();
    },
    failed: (error) => told.push((error as Error).message),
  });
  await clock.advance(30);
  expect({ count, told }).toEqual({ count: 3, told: ["at once", "later"] });
  await rounds.stop();
});

it("aborts the round that goes on when it is stopped, waits for its end, and begins none after it", async () => {
  const clock = manualClock();
  let ended = false;
  let count = 0;
  const rounds = inRounds(clock, {
    first: 0,
    every: 10,
    round: async (signal) => {
      count += 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      ended = true;
    },
    failed,
  });
  await clock.advance(0);
  await rounds.stop();
  expect(ended).toBe(true);
  await clock.advance(1_000);
  expect(count).toBe(1);
});
