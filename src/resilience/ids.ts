import { randomFillSync } from "node:crypto";
import type { Clock } from "./clock.ts";

export type IdPrefix = "evt" | "run" | "act" | "dlv" | "rpl" | "aud";
export type Ids = (prefix: IdPrefix) => string;

/** How many ids one millisecond has room for; a hundred times what it needs. */
const perMs = 4_096;

/**
 * Ids that sort by time, and within one millisecond by the order of their making: lists page by them, and runs of one
 * concurrency key keep their order. Time never goes back, even when the clock does. The form is UUID version 7
 * (RFC 9562 §5.7, its `rand_a` a counter as in §6.2 method 1).
 */
export function createIds(clock: Clock): Ids {
  const random = createRandom();
  let lastMs = 0;
  let count = 0;
  return (prefix) => {
    const now = clock.now();
    count += 1;
    if (now > lastMs || count === perMs) {
      lastMs = Math.max(now, lastMs + 1);
      count = 0;
    }
    const ms = lastMs.toString(16).padStart(12, "0");
    const order = count.toString(16).padStart(3, "0");
    const [first, rest] = random();
    return `${prefix}_${ms.slice(0, 8)}-${ms.slice(8)}-7${order}-${first}-${rest}`;
  };
}

const bytesPerId = 8;
/** A call to the system's generator costs more than the rest of an id: it is asked for many ids at once. */
const idsPerFill = 256;

/** The last two groups of a UUID: its variant, and 62 random bits. */
function createRandom(): () => [string, string] {
  const pool = Buffer.alloc(bytesPerId * idsPerFill);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    const group = 0x8000 | (pool.readUInt16BE(at) & 0x3fff);
    const rest = pool.toString("hex", at + 2, at + bytesPerId);
    at += bytesPerId;
    return [group.toString(16), rest];
  };
}
