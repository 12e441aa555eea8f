/** Alerts as configured: over which destinations, and of what. */
import type { InForce } from "./in-force.ts";
import { createAlerts } from "./observability/alerts.ts";
import type { Alerts } from "./observability/alerts.ts";
import type { Log } from "./observability/log.ts";
import type { Journal } from "./domain/ports.ts";
import type { Clock } from "./resilience/clock.ts";

interface TellingParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly current: () => InForce;
}

export function openAlerts({ clock, log, current }: TellingParts): Alerts {
  return createAlerts({
    settings: () => current().settings.loaded.config.alerts,
    destinations: () => current().destinations,
    mailbox: () => addressIn(current().settings.loaded.config.destinations.email?.from),
    clock,
    log,
  });
}

const lookMs = 5_000;

/** Tells once of each trouble that the journal has, and in the log when it is over. */
export function tellTrouble({
  store,
  alerts,
  clock,
  log,
}: {
  readonly store: { readonly journal: Pick<Journal, "trouble"> };
  readonly alerts: Alerts;
  readonly clock: Clock;
  readonly log: Log;
}): { stop(): Promise<void> } {
  let told: string | null = null;
  let timer = clock.after(lookMs, look);
  function look(): void {
    const trouble = store.journal.trouble();
    if (trouble !== null && trouble !== told) alerts.raise("journal", "journal", trouble);
    if (trouble === null && told !== null) log.info({}, "the journal stores again");
    told = trouble;
    timer = clock.after(lookMs, look);
  }
  return { stop: async () => timer.cancel() };
}

/** `Acme <hello@acme.example>` → `hello@acme.example`: alerts by mail go to whom mail comes from. */
const addressIn = (from: string | undefined): string | null =>
  /[^<>\s]+@[^<>\s]+/.exec(from ?? "")?.[0] ?? null;
