import type { Rate } from "../../src/resilience/rate.ts";

/** The most requests in any half-open window of the rate. */
export function mostInAnyWindow(times: readonly number[], { perMs }: Rate): number {
  const sorted = times.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  sorted.forEach((time, index) => {
    while (time - (sorted[first] ?? time) >= perMs) first += 1;
    most = Math.max(most, index - first + 1);
  });
  return most;
}
