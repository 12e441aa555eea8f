/** The sizes of a run: one for every change, one for a release, and those of a fleet. */
import type { ChaosOptions } from "./chaos.ts";

type Size = Omit<ChaosOptions, "seed" | "folder" | "say">;

export const shortRun: Size = {
  profile: "embedded",
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

const longRun: Size = {
  profile: "embedded",
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

/** Runs of a process that was killed are taken up by others after the lease of 9 s. */
const shortFleetRun: Size = { ...shortRun, profile: "server", kills: 12, lastsMs: [500, 3_000] };

const longFleetRun: Size = {
  ...longRun,
  profile: "server",
  events: 4_000,
  kills: 70,
  lastsMs: [500, 3_000],
  patience: 0,
};

export const sizeOf = (profile: Size["profile"], short: boolean): Size =>
  profile === "server" ? (short ? shortFleetRun : longFleetRun) : short ? shortRun : longRun;
