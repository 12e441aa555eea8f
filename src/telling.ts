/** Alerts as configured: over which destinations, and of what; in a fleet one process tells of a cause. */
import { sha256 } from "./domain/json.ts";
import type { Journal, State } from "./domain/ports.ts";
import type { InForce } from "./in-force.ts";
import { createAlerts } from "./observability/alerts.ts";
import type { Alerts } from "./observability/alerts.ts";
import type { Log } from "./observability/log.ts";
import type { Clock } from "./resilience/clock.ts";

interface TellingParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly current: () => InForce;
  /** Null where there is one process. */
  readonly fleet: WindowParts | null;
}

export function openAlerts({ clock, log, current, fleet }: TellingParts): Alerts {
  return createAlerts({
    settings: () => current().settings.loaded.config.alerts,
    destinations: () => current().destinations,
    mailbox: () => addressIn(current().settings.loaded.config.destinations.email?.from),
    takeWindow: fleet && windowsOf({ ...fleet, clock }),
    clock,
    log,
  });
}

interface WindowParts {
  readonly state: State;
  /** This process. */
  readonly owner: string;
}

const key = "alert-windows";

/** Who tells of which cause until when, as one record in the journal; what has ended is dropped with the next change. */
export function windowsOf({ state, owner, clock }: WindowParts & { readonly clock: Clock }) {
  return async (cause: string, ms: number): Promise<boolean> => {
    const name = sha256(cause).slice(0, 16);
    for (;;) {
      const stored = await state.get("meta", key);
      const windows = (stored?.value ?? {}) as Record<string, { by: string; until: number }>;
      const now = clock.now();
      const open = Object.entries(windows).filter(([, { until }]) => until > now);
      const held = open.find(([one]) => one === name)?.[1];
      if (held && held.by !== owner) return false;
      const next = { ...Object.fromEntries(open), [name]: { by: owner, until: now + ms } };
      if (await state.put("meta", key, next, stored?.version ?? 0)) return true;
    }
  };
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
