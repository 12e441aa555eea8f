/** What looks after the service itself. People may ask any process for it; by itself one process does it for all. */
import { healGaps } from "./gaps.ts";
import { everyHour, tellExpired } from "./hourly.ts";
import type { Parts } from "./parts.ts";
import type { Healing } from "./worker/healing.ts";
import { createReplayJobs } from "./worker/replay-jobs.ts";
import type { ReplayJobs } from "./worker/replay-jobs.ts";
import type { TargetParts } from "./worker/replay-targets.ts";
import { startRedeciding } from "./worker/redecide.ts";
import { startRetention } from "./worker/retention.ts";
import { startSilenceAlarm } from "./worker/silence.ts";
import { lastAlive, startSweeper } from "./worker/sweeper.ts";
import { verifyAgain } from "./worker/verify.ts";
import { createWatches } from "./worker/watches.ts";
import type { Watches } from "./worker/watches.ts";

export interface Upkeep {
  readonly watches: Watches;
  readonly healing: Healing;
  readonly jobs: ReplayJobs;
  /** What a replay is made of. */
  readonly targets: TargetParts;
  /** Begins all that is done once in the fleet. */
  begin(): { stop(): Promise<void> }[];
  reloaded(): void;
}

export async function createUpkeep(parts: Parts): Promise<Upkeep> {
  const { store, queue, clock, current, alerts, inbox } = parts;
  const shared = { ...parts, ...store, sources: () => current().sources };
  const onSilent = (source: string, message: string) => alerts.raise("source-silent", source, message);
  const watches = createWatches({ ...shared, onLapsed: onSilent });
  const owner = parts.environment.databaseUrl === null ? null : parts.owner;
  const healing = healGaps({ ...shared, owner, aliveBefore: await lastAlive(store.state) }, current);
  const targets: TargetParts = {
    reads: store.reads,
    verify: (event) => verifyAgain({ journal: store.journal, sources: current().sources }, event),
    runsFor: inbox.runsFor,
    expansionOf: inbox.expansionOf,
  };
  const jobs = createReplayJobs({ ...shared, ...targets });
  let hourly: ReturnType<typeof everyHour> | null = null;
  return {
    watches,
    healing,
    jobs,
    targets,
    begin() {
      hourly = everyHour(clock, async () =>
        tellExpired(current().settings.loaded.config, clock.now(), onSilent),
      );
      return [
        ...(queue.publishDue ? [queue.publishDue()] : []),
        watches.begin(),
        healing.begin(),
        jobs.begin(),
        hourly,
        startSweeper(shared),
        startRetention({ ...shared, keep: () => current().settings.loaded.config.retention }),
        startSilenceAlarm({ ...shared, onSilent }),
        startRedeciding({ ...shared, ...targets, agents: () => current().redeciding }),
      ];
    },
    reloaded() {
      watches.reloaded();
      hourly?.now();
    },
  };
}
