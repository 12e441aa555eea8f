/**
 * Replays: new runs of stored events under today's configuration, with the same once-only actions. What it comes to is
 * counted first, with what it may cost; each event is verified again, and one whose bytes changed is not run again.
 * Up to two hundred runs are started at once; more, or with a pace, are started by a job (replay-jobs.ts).
 */
import type { Journal, PastCost } from "../domain/ports.ts";
import type { Queue, Wake } from "../domain/queue.ts";
import type { Replayed, ReplayCost, ReplayFilter, ReplayJob } from "../domain/replay.ts";
import type { ReplayJobs } from "./replay-jobs.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { targetPage, wakesOf } from "./replay-targets.ts";
import type { Target, TargetParts } from "./replay-targets.ts";

export interface ReplayParts extends TargetParts {
  readonly journal: Journal;
  readonly queue: Queue;
  readonly jobs: Pick<ReplayJobs, "create">;
}

export interface ReplayOptions {
  readonly dryRun: boolean;
  /** Runs to start in a minute; left out, small replays are started at once and large ones at the usual pace. */
  readonly perMinute?: number;
  readonly by: string;
}

const pageSize = 200;
const mostAtOnce = 200;

/** An empty filter is refused by the caller: replaying everything has to be asked for by a time range. */
export async function replay(
  parts: ReplayParts,
  filter: ReplayFilter,
  { dryRun, perMinute, by }: ReplayOptions,
): Promise<Replayed> {
  const survey = await surveyOf(parts, filter);
  const { targets, ...counted } = survey;
  if (dryRun || survey.count === 0) return { ...counted, runs: [], replay: null };
  if (targets !== null && perMinute === undefined)
    return { ...counted, runs: await startAll(parts, targets), replay: null };
  const expected = { events: survey.events, runs: survey.count };
  const job: ReplayJob = await parts.jobs.create(filter, expected, by, perMinute);
  return { ...counted, runs: [], replay: job };
}

async function startAll({ journal, queue }: ReplayParts, targets: readonly Target[]): Promise<string[]> {
  const wakes: Wake[] = [];
  for (const { event, runs } of targets) {
    failPoint("replay.begin");
    await journal.replay({ event, runs });
    failPoint("replay.stored");
    wakes.push(...wakesOf(runs));
  }
  queue.publish(wakes);
  return wakes.map(({ run }) => run);
}

/** `targets` holds those that start a run, as long as they are few enough to be started at once; else null. */
async function surveyOf(
  parts: ReplayParts,
  filter: ReplayFilter,
): Promise<Omit<Replayed, "runs" | "replay"> & { targets: Target[] | null }> {
  const refused: Replayed["refused"][number][] = [];
  const unverified = new Map<string, number>();
  const estimate = createEstimate();
  const counts = { events: 0, count: 0, verified: 0 };
  let targets: Target[] | null = [];
  let cursor: string | undefined;
  do {
    const page = await targetPage(parts, filter, pageSize, cursor);
    const startable: Target[] = [];
    for (const target of page.targets) {
      counts.events += 1;
      const { verification } = target;
      if (verification.result === "failed") {
        refused.push({ event: target.event, reason: verification.reason });
        continue;
      }
      if (verification.result === "verified") counts.verified += 1;
      else unverified.set(verification.reason, (unverified.get(verification.reason) ?? 0) + 1);
      counts.count += target.runs.length;
      if (target.runs.length > 0) startable.push(target);
    }
    estimate.add(startable, await parts.reads.pastCosts(startable.map(({ event }) => event)));
    targets = targets !== null && counts.count <= mostAtOnce ? [...targets, ...startable] : null;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return {
    ...counts,
    cost: estimate.cost(),
    unverified: [...unverified].map(([reason, events]) => ({ reason, events })),
    refused,
    targets,
  };
}

function createEstimate(): {
  add(targets: readonly Target[], past: readonly PastCost[]): void;
  cost(): ReplayCost;
} {
  const actions: Record<string, number> = {};
  let runs = 0;
  let known = 0;
  let usd = 0;
  return {
    add(targets, past) {
      const of = new Map(past.map((cost) => [`${cost.event} ${cost.agent}`, cost]));
      for (const target of targets) {
        for (const run of target.runs) {
          runs += 1;
          const before = of.get(`${target.event} ${run.agent}`);
          for (const [kind, n] of Object.entries(before?.actions ?? {}))
            actions[kind] = (actions[kind] ?? 0) + n;
          if (before?.costUsd == null) continue;
          known += 1;
          usd += before.costUsd;
        }
      }
    },
    cost: () => ({ usd: known === 0 ? null : (usd / known) * runs, actions }),
  };
}
