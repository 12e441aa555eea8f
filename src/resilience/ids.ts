import { randomFillSync } from "node:crypto";
import { v7 } from "uuid";
import type { Clock } from "./clock.ts";

export type IdPrefix = "evt" | "run" | "act" | "dlv";
export type Ids = (prefix: IdPrefix) => string;

/**
 * Ids that sort by time, and within one millisecond by the order of their making: lists page by them, and runs of one
 * concurrency key keep their order. Time never goes back, even when the clock does.
 */
export function createIds(clock: Clock): Ids {
  const random = createRandom();
  let lastMs = 0;
  let seq = 0;
  return (prefix) => {
    const now = clock.now();
    if (now > lastMs) {
      lastMs = now;
      seq = 0;
    } else {
      seq += 1;
    }
    return `${prefix}_${v7({ msecs: lastMs, seq, random: random() })}`;
  };
}

const randomBytes = 16;
/** One call to the system's generator costs as much as the rest of an id: it is asked for many ids at once. */
const idsPerFill = 256;

function createRandom(): () => Uint8Array {
  const pool = new Uint8Array(randomBytes * idsPerFill);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    at += randomBytes;
    return pool.subarray(at - randomBytes, at);
  };
}
