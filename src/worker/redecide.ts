/**
 * What rules decided in an outage is decided again by a model, where the agent's prompt says so (`rules-then-redecide`).
 *
 *   held by rules, marked ──a model can be had, and some minutes passed──▶ replayed: a new run of the same event
 *                                                                          └─▶ the old one is cancelled, and says why
 *
 * Only runs of which nothing was done: all their actions wait for a person. The new run comes first, so that a process that
 * dies between the two loses nothing; then the next look finds the newer run, and only cancels. Both have the same keys, so
 * whatever a person approves meanwhile is done once.
 */
import { Conflict } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import type { Journal, RunRecord, ServiceGuard } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import type { Run } from "../domain/run.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { inRounds } from "../resilience/rounds.ts";
import type { Rounds } from "../resilience/rounds.ts";
import { targetPage, wakesOf } from "./replay-targets.ts";
import type { TargetParts } from "./replay-targets.ts";

export interface RedecideParts extends TargetParts {
  readonly journal: Pick<Journal, "replay" | "cancel">;
  readonly queue: Pick<Queue, "publish">;
  readonly guard: Pick<ServiceGuard, "closed">;
  /** The agents whose prompts say so, each with the services of its models. */
  readonly agents: () => ReadonlyMap<string, readonly string[]>;
  readonly clock: Clock;
  readonly log: Log;
}

const lookEveryMs = 60_000;
/** After a decision: a model that fails again must not make new runs all the time. */
const settledMs = 300_000;
/** Per look and agent, so that a model that has just recovered is not knocked over. */
const most = 10;
const pageSize = 100;
const mostPages = 5;

export function startRedeciding(parts: RedecideParts): Rounds {
  return inRounds(parts.clock, {
    every: lookEveryMs,
    round: () => redecide(parts),
    failed: (err) => parts.log.warn({ err }, "held runs could not be decided again"),
  });
}

/** One look. */
export async function redecide(parts: RedecideParts): Promise<void> {
  for (const [agent, services] of parts.agents()) {
    if (!(await anyOpen(parts.guard, services))) continue;
    for (const record of (await candidates(parts, agent)).slice(0, most)) await again(parts, record);
  }
}

async function anyOpen(guard: RedecideParts["guard"], services: readonly string[]): Promise<boolean> {
  for (const service of services) if (!(await guard.closed(service))) return true;
  return false;
}

/** Oldest first. */
async function candidates({ reads, clock }: RedecideParts, agent: string): Promise<RunRecord[]> {
  const held: Run[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < mostPages; page += 1) {
    const found = await reads.runs({
      agent,
      status: "awaiting_review",
      limit: pageSize,
      ...(cursor === null ? {} : { cursor }),
    });
    held.push(...found.items.filter(({ decidedBy }) => decidedBy === "rules"));
    cursor = found.next;
    if (cursor === null) break;
  }
  const records: RunRecord[] = [];
  for (const { id } of held.toReversed()) {
    const record = await reads.run(id);
    if (record && isMarked(record, clock.now()) && isUntouched(record)) records.push(record);
    if (records.length === most) break;
  }
  return records;
}

const isMarked = ({ steps }: RunRecord, now: number): boolean =>
  steps.some(
    ({ output, endedAt }) => isObject(output) && output["redecide"] === true && now - endedAt >= settledMs,
  );

/** Also once decided and put back to wait for others, an action is no longer only held. */
const isUntouched = ({ actions }: RunRecord): boolean =>
  actions.length > 0 && actions.every(({ status }) => status === "awaiting_review");

async function again(parts: RedecideParts, { run }: RunRecord): Promise<void> {
  const { journal, queue, reads, log } = parts;
  const event = await reads.event(run.event);
  let next = event?.runs.filter(({ agent, id }) => agent === run.agent && id > run.id).at(-1)?.id;
  if (next === undefined) {
    const { targets } = await targetPage(parts, { run: run.id }, 1);
    const target = targets.find(({ verification }) => verification.result !== "failed");
    const own = target?.runs.filter(({ agent }) => agent === run.agent) ?? [];
    if (own.length === 0) return;
    await journal.replay({ event: run.event, runs: own });
    queue.publish(wakesOf(own));
    next = own[0]?.id;
  }
  try {
    await journal.cancel(run.id, `a model can be had again: ${next} decides in its place`);
    log.info({ run: run.id, by: next }, "run.redecided");
  } catch (error) {
    // Somebody approved or rejected it meanwhile: what it does is done once all the same.
    if (!(error instanceof Conflict)) throw error;
  }
}
