import { v7 } from "uuid";
import type { Clock } from "./clock.ts";

export type IdPrefix = "evt" | "run" | "act" | "dlv";
export type Ids = (prefix: IdPrefix) => string;

/**
 * Ids that sort by time, and within one millisecond by the order of their making: lists page by them, and runs of one
 * concurrency key keep their order. Time never goes back, even when the clock does.
 */
export function createIds(clock: Clock): Ids {
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
    return `${prefix}_${v7({ msecs: lastMs, seq })}`;
  };
}
