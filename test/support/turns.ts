import type { Turns } from "../../src/resilience/turns.ts";

/** A service that may be asked at will. */
export const freeTurns: Turns = {
  take: async () => {},
  stayAway: async () => {},
  full: async () => null,
  after: () => 0,
};
