/** Whether the service does its work: what /readyz answers. */
import type { Fault } from "./config/faults.ts";
import type { Journal, Reads } from "./domain/ports.ts";
import type { Clock } from "./resilience/clock.ts";

/** Runs that could be worked on have waited for longer than this, and nothing was worked on for as long: stuck. */
const stuckMs = 300_000;

export interface Readiness {
  /** A run was put down with a verdict, whichever. */
  settled(): void;
  /** The service is being stopped: whoever sends it work is to look elsewhere. */
  draining(): void;
  check(
    configFaults: readonly Fault[],
  ): Promise<{ ok: boolean; checks: Record<string, { ok: boolean; detail?: string }> }>;
}

/**
 * A backlog by itself is no fault: after an outage the oldest run may be hours old, and the service is ready as long as
 * it works it off; nor is one that a person has paused. It gets as long after its start as it has between two runs.
 */
export function createReadiness({
  reads,
  journal,
  clock,
  allPaused,
  works = true,
  queueTrouble = () => null,
}: {
  readonly reads: Pick<Reads, "backlog">;
  readonly journal: Pick<Journal, "trouble">;
  readonly clock: Clock;
  readonly allPaused: () => Promise<boolean>;
  /** False for a process that receives only: whether work gets on is not its business. */
  readonly works?: boolean;
  /** Why the queue can't be reached; null when it can. */
  readonly queueTrouble?: () => string | null;
}): Readiness {
  let lastSettled = clock.now();
  let draining = false;
  const seconds = (since: number) => Math.round((clock.now() - since) / 1_000);
  return {
    settled() {
      lastSettled = clock.now();
    },
    draining() {
      draining = true;
    },
    async check(configFaults) {
      const backlog = await reads.backlog().catch(() => null);
      const oldest = backlog?.oldestDueAt ?? null;
      if (await allPaused().catch(() => false)) lastSettled = clock.now();
      const trouble = queueTrouble();
      const stuck =
        works && oldest !== null && clock.now() - oldest >= stuckMs && clock.now() - lastSettled >= stuckMs;
      const fault = configFaults[0];
      const checks: Record<string, { ok: boolean; detail?: string }> = {
        journal: journalCheck(backlog !== null, journal.trouble()),
        work: stuck
          ? {
              ok: false,
              detail: `a run could have been worked on for ${seconds(oldest)} s, and none was for ${seconds(lastSettled)} s`,
            }
          : { ok: true },
        // Events are stored without it, and work goes on by itself when it is back.
        ...(trouble === null ? {} : { queue: { ok: true, detail: `it can't be reached: ${trouble}` } }),
        ...(draining ? { draining: { ok: false, detail: "the service is being stopped" } } : {}),
        // A faulty new configuration is the operator's to mend; the old one is in force, and the service does its work.
        configuration: fault
          ? {
              ok: true,
              detail: `the changed file is faulty, the old one is in force: ${fault.file}:${fault.line} ${fault.message}`,
            }
          : { ok: true },
      };
      return { ok: Object.values(checks).every((check) => check.ok), checks };
    },
  };
}

function journalCheck(isRead: boolean, trouble: string | null): { ok: boolean; detail?: string } {
  if (isRead && trouble === null) return { ok: true };
  return { ok: false, detail: trouble ?? "it can't be read" };
}
