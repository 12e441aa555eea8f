/** What stands before every call to a service, from the configuration in force: breakers, pauses and rates. */
import type { LoadResult } from "./config/load.ts";
import { destinationNames, isDestination } from "./domain/action-kinds.ts";
import type { State } from "./domain/ports.ts";
import { modelService } from "./llm/provider-call.ts";
import type { Alerts } from "./observability/alerts.ts";
import type { Log } from "./observability/log.ts";
import type { Metrics } from "./observability/metrics.ts";
import { defaultBreaker } from "./resilience/breaker.ts";
import type { Clock } from "./resilience/clock.ts";
import { createGuard } from "./resilience/guard.ts";
import type { Guard, GuardChange } from "./resilience/guard.ts";
import { createTurns } from "./resilience/turns.ts";
import type { Turns } from "./resilience/turns.ts";
import { isFree, wake } from "./worker/waking.ts";
import type { WakingParts } from "./worker/waking.ts";

type Loaded = Pick<Extract<LoadResult, { ok: true }>, "config" | "idle">;

export interface GuardingParts {
  readonly state: State;
  readonly settings: () => Loaded;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly alerts: Pick<Alerts, "raise">;
  readonly log: Log;
  readonly journal: WakingParts["journal"];
}

export function createGuarding(parts: GuardingParts): { readonly guard: Guard; readonly turns: Turns } {
  const { state, clock, journal, log } = parts;
  const config = () => parts.settings().config;
  const turns = createTurns({
    state,
    clock,
    ratesOf: (service) => (isDestination(service) ? (config().destinations[service]?.rateLimit ?? []) : []),
  });
  const guard = createGuard({
    state,
    clock,
    known: () => servicesOf(parts.settings()),
    settings: () => {
      const { failures, openFor } = config().breakers;
      return { ...defaultBreaker, failures, openForMs: openFor };
    },
    onChange: (change) => {
      tell(parts, change);
      if (!isFree(change)) return;
      wake({ journal, turns }, change.service).catch((err: unknown) =>
        log.warn(
          { err, service: change.service },
          "those that wait could not be woken; they look by themselves",
        ),
      );
    },
  });
  return { guard, turns };
}

/** What is called as things are configured: destinations with credentials and models with a key. */
const servicesOf = ({ config, idle }: Loaded): string[] => [
  ...destinationNames.filter((name) => config.destinations[name] && !idle.destinations.has(name)),
  ...Object.entries(config.models).flatMap(([name, model]) =>
    idle.models.has(name) ? [] : [modelService(model)],
  ),
];

const stateCodes = { closed: 0, "half-open": 1, open: 2 } as const;

/** As they were when the service stopped: a breaker that is open then is open now. */
export async function showBreakers(guard: Guard, metrics: Metrics): Promise<void> {
  for (const { service, state } of await guard.list())
    // What is paused only has no breaker.
    if (service !== "all" && !service.startsWith("agent:"))
      metrics.breakerState.set({ service }, stateCodes[state]);
}

function tell({ metrics, alerts, log }: GuardingParts, { service, state, reason, by }: GuardChange): void {
  if (state !== "paused" && state !== "resumed") metrics.breakerState.set({ service }, stateCodes[state]);
  metrics.breakerChanges.inc({ service, state });
  log.warn({ service, state, reason, by }, "breaker.changed");
  // Whoever paused it by hand knows.
  if (state === "open" || (state === "paused" && by === "refusal")) {
    alerts.raise("breaker-open", service, `${service} is ${state}: ${reason ?? "it fails"}`);
  }
}
