import { expect, it } from "vitest";
import { createLog } from "../../src/observability/log.ts";
import { startRetention } from "../../src/worker/retention.ts";
import { manualClock } from "../support/clock.ts";

const day = 86_400_000;
const keep = () => ({ events: 30 * day, history: 400 * day });

it("erases in batches with a pause between, goes on soon while there is more, and rests when there is none", async () => {
  const clock = manualClock();
  const calls: string[] = [];
  let old = 450;
  const retention = startRetention({
    clock,
    log: createLog("silent"),
    keep,
    journal: {
      eraseContent: async (before, limit) => {
        expect(before).toBe(clock.now() - 30 * day);
        const now = Math.min(old, limit);
        old -= now;
        calls.push(`content ${now}`);
        return now;
      },
      eraseHistory: async (before) => {
        expect(before).toBe(clock.now() - 400 * day);
        return 0;
      },
      eraseKeys: async (before, _, after) => {
        expect(before).toBe(clock.now() - 400 * day);
        calls.push(`keys after ${after?.key ?? "none"}`);
        return after === null ? { scope: "s", key: "k" } : null;
      },
    },
  });
  await clock.advance(0);
  expect(calls).toEqual(["content 200", "keys after none"]);
  await clock.advance(250);
  expect(calls.slice(2)).toEqual(["content 200", "keys after k"]);
  await clock.advance(250);
  expect(calls.slice(4)).toEqual(["content 50"]);
  await clock.advance(9_999);
  expect(calls).toHaveLength(5);
  await clock.advance(1);
  expect(calls.slice(5)).toEqual(["content 0"]);
  await retention.stop();
});

it("tries again when the journal can't be written, and does not hurry", async () => {
  const clock = manualClock();
  let tries = 0;
  const retention = startRetention({
    clock,
    log: createLog("silent"),
    keep,
    journal: {
      eraseContent: async () => {
        tries += 1;
        throw new Error("the disk is full");
      },
      eraseHistory: async () => 0,
      eraseKeys: async () => null,
    },
  });
  await clock.advance(0);
  await clock.advance(9_999);
  expect(tries).toBe(1);
  await clock.advance(1);
  expect(tries).toBe(2);
  await retention.stop();
});
