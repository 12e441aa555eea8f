/** What every role of a process is made of. */
import type { Environment } from "./config/environment.ts";
import type { InForce } from "./in-force.ts";
import type { Router } from "./inbox/accept.ts";
import type { JournalParts } from "./journal/journal.ts";
import type { Alerts } from "./observability/alerts.ts";
import type { Log } from "./observability/log.ts";
import type { Metrics } from "./observability/metrics.ts";
import type { WorkQueue } from "./profile.ts";
import type { Clock } from "./resilience/clock.ts";
import type { Guard } from "./resilience/guard.ts";
import type { Turns } from "./resilience/turns.ts";
import type { Ids } from "./resilience/ids.ts";

/** That which outlives a reload. `current` is what the configuration decides, as it is now. */
export interface Ground {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: JournalParts;
  readonly alerts: Alerts;
  readonly guard: Guard;
  readonly turns: Turns;
  readonly ids: Ids;
  /** This process, unlike any other. */
  readonly owner: string;
  readonly current: () => InForce;
}

export interface Parts extends Ground {
  readonly queue: WorkQueue;
  readonly inbox: Router;
}
