/** The two sizes of a run: one for every change, one for a release. */
import type { ChaosOptions } from "./chaos.ts";

type Size = Omit<ChaosOptions, "seed" | "folder" | "say">;

export const shortRun: Size = {
  events: 250,
  kills: 15,
  lastsMs: [500, 1_700],
  quietEvery: 0,
  retention: "10s",
  noise: 0.01,
  lanes: 24,
  replays: 20,
  restMs: 60_000,
  patience: 0,
};

export const longRun: Size = {
  events: 20_000,
  kills: 240,
  lastsMs: [1_500, 6_000],
  quietEvery: 40,
  retention: "90s",
  noise: 0.002,
  lanes: 48,
  replays: 300,
  restMs: 240_000,
  patience: 5,
};
