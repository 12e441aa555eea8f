/** Alerts as configured: over which destinations, and of what. */
import type { InForce } from "./in-force.ts";
import { createAlerts } from "./observability/alerts.ts";
import type { Alerts } from "./observability/alerts.ts";
import type { Log } from "./observability/log.ts";
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

/** `Acme <hello@acme.example>` → `hello@acme.example`: alerts by mail go to whom mail comes from. */
const addressIn = (from: string | undefined): string | null =>
  /[^<>\s]+@[^<>\s]+/.exec(from ?? "")?.[0] ?? null;
