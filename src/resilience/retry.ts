/** Waits after the first, second and third failed attempt; after the fourth a run is dead. */
const retryScheduleMs: readonly number[] = [1_000, 4_000, 16_000];

/** How long to wait after the `failed`-th counted failure (1 = the first); null when there is no further attempt. */
export const retryDelay = (failed: number, schedule: readonly number[] = retryScheduleMs): number | null =>
  schedule[failed - 1] ?? null;
