import { expect, it } from "vitest";
import { showBreakers } from "../src/guarding.ts";
import { createMetrics } from "../src/observability/metrics.ts";
import { createGuard } from "../src/resilience/guard.ts";
import { manualClock } from "./support/clock.ts";
import { memoryState } from "./support/memory-state.ts";

it("shows the breaker of each service that is called, and none for what can only be paused", async () => {
  const guard = createGuard({
    state: memoryState(),
    clock: manualClock(),
    known: () => ["github"],
    settings: () => ({ failures: 2, openForMs: 1_000, maxOpenForMs: 8_000, probeMs: 5_000 }),
    onChange: () => {},
  });
  for (const name of ["all", "agent:pr-review", "slack"]) await guard.pause(name, "moving house");
  const metrics = createMetrics();
  await showBreakers(guard, metrics);
  const { values } = await metrics.breakerState.get();
  expect(values.map(({ labels, value }) => [labels.service, value])).toEqual([
    ["github", 0],
    ["slack", 0],
  ]);
});
