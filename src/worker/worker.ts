/**
 * Takes runs one at a time from claim to verdict:
 *
 *   claim ─▶ gather ─▶ decide ─▶ plan ─▶ [held for a person] ─▶ act ─▶ settle
 *
 * The lease is extended while the work goes on. A worker that loses it (it was too slow, or the machine slept) stops
 * and writes nothing more: its fence is outdated. A worker that dies leaves the run to the next claim, which goes on
 * after the last recorded step; a run that its worker dies of again and again is dead. A worker that is stopped lets
 * its runs end, and hands back what does not end in time: the next worker takes it up at once.
 */
import type { AttemptPlace } from "../domain/attempt.ts";
import type { AgentDefinition } from "../domain/agent.ts";
import { EventFault, JournalUnavailable, LeaseLost, ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { Claim, ClaimKey, Journal, Reads, ServiceGuard, Verdict } from "../domain/ports.ts";
import type { Hands, Queue } from "../domain/queue.ts";
import { expansionAgent, noticeAgent, pressAgent, stricterMode } from "../domain/run.ts";
import type { Run } from "../domain/run.ts";
import type { Action } from "../domain/action.ts";
import { isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { redactText } from "../observability/redact.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Ids } from "../resilience/ids.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { act } from "./act.ts";
import type { ActJob, ActParts } from "./act.ts";
import { expand } from "./expansion.ts";
import type { ExpansionRunParts } from "./expansion.ts";
import { createKit } from "./kit.ts";
import type { KitParts, RunKit, Whereabouts } from "./kit.ts";
import { holdLease, leaseMs } from "./lease.ts";
import { noticeFlow, noticeRun } from "./notice.ts";
import { actionsFrom } from "./plan.ts";
import { pressFlow } from "./press.ts";
import type { WorkTable } from "./table.ts";
import { rampFor, verdictFor } from "./verdicts.ts";
import { wake } from "./waking.ts";

export interface WorkerParts extends KitParts, ActParts, ExpansionRunParts {
  readonly journal: Journal;
  readonly reads: Pick<Reads, "run" | "event" | "action">;
  readonly queue: Queue;
  readonly guard: ServiceGuard;
  readonly table: () => WorkTable;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Told when a run is dead: for alerts. */
  readonly onDead: (run: string, agent: string, reason: string) => void;
  /** Told when a run is put down with a verdict, whichever: work gets on. */
  readonly onSettled?: () => void;
  readonly owner: string;
}

const planVersion = 1;
/** While everything is paused, or nothing can be stored, looks so often whether it still is. */
const pausedLookMs = 1_000;
/**
 * A run whose work could not be stored comes again after this, when that is not over in a moment: what it pays a model
 * for is paid for each time.
 */
const notStoredMs = 30_000;
/** How long what was aborted may take to put its run down; what hangs on is left to its lease. */
const handBackMs = 3_000;
/** How often the process may die of one run, with no progress, before it is taken out: bystanders die with it. */
const mostCrashes = 10;

export interface Worker {
  start(hands: Hands): void;
  /** Takes no more runs, waits for those in hand, at most `graceMs`, then aborts them and hands them back. */
  stop(graceMs: number): Promise<void>;
}

export function createWorker(parts: WorkerParts): Worker {
  const stopping = new AbortController();
  const shutdown = new AbortController();
  let consumer: { stop(): Promise<void> } | null = null;
  return {
    start: (hands) => {
      const signals = { stopping: stopping.signal, shutdown: shutdown.signal };
      consumer = parts.queue.consume((run) => workOn(parts, run, signals), hands);
    },
    stop: async (graceMs) => {
      stopping.abort(new Error("the service stops"));
      const ended = consumer?.stop() ?? Promise.resolve();
      consumer = null;
      const timers: { cancel(): void }[] = [];
      const cut = new Promise<void>((resolve) => {
        timers.push(
          parts.clock.after(graceMs, () => {
            shutdown.abort(new Error("the service stops"));
            timers.push(parts.clock.after(handBackMs, resolve));
          }),
        );
      });
      await Promise.race([ended, cut]);
      for (const timer of timers) timer.cancel();
    },
  };
}

/** stopping: take nothing more. shutdown: put down what is in hand. */
interface Signals {
  readonly stopping: AbortSignal;
  readonly shutdown: AbortSignal;
}

async function workOn(parts: WorkerParts, id: string, { stopping, shutdown }: Signals): Promise<void> {
  // Held here, not sent back: a queue hands out again what was not claimed, as fast as it can.
  while (parts.journal.trouble() !== null || (await parts.guard.closed("all"))) {
    await sleep(parts.clock, pausedLookMs, stopping).catch(() => {});
    if (stopping.aborted) return;
  }
  const startedAt = parts.clock.now();
  failPoint("claim.begin");
  const claim = await parts.journal.claim(id, parts.owner, leaseMs);
  if (!claim) return;
  failPoint("claim.done");
  const key: ClaimKey = { run: id, fence: claim.fence };
  if (claim.fence === 1) parts.metrics.queueWaitSeconds.observe((startedAt - claim.run.createdAt) / 1_000);
  const lease = holdLease(parts.journal, parts.clock, key, startedAt);
  const signal = AbortSignal.any([shutdown, lease.signal]);
  const whereabouts: Whereabouts = { at: null, behind: null };
  try {
    const verdict = await attempt(parts, claim, signal, whereabouts);
    if (verdict) {
      await settle(parts, claim, verdict, { startedAt, at: whereabouts.at });
      // It may have come back while this was written: then the others were woken too early for this run to be one of them.
      const { behind } = whereabouts;
      if (behind !== null && !(await parts.guard.closed(behind))) await wake(parts, behind);
    } else await handBack(parts, key);
  } catch (error) {
    if (!(error instanceof LeaseLost || error instanceof JournalUnavailable)) throw error;
    parts.log.warn({ run: id, err: error }, "a run was put down without a verdict");
    if (error instanceof JournalUnavailable) await putOff(parts, key, stopping);
  } finally {
    lease.stop();
  }
}

/** Nothing counts: neither an attempt nor a crash. */
async function handBack({ journal, log }: WorkerParts, key: ClaimKey): Promise<void> {
  await journal.handBack(key);
  log.info({ run: key.run }, "run.handed-back");
}

/**
 * Left to its lease, the run would be taken for one that its process died of. So it is handed back as soon as that can be
 * stored, which says little about whether what it has to store can.
 */
async function putOff({ journal, clock }: WorkerParts, key: ClaimKey, stopping: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await journal.handBack(key, journal.trouble() === null ? pausedLookMs : notStoredMs);
      return;
    } catch (error) {
      if (error instanceof LeaseLost || stopping.aborted) return;
      if (!(error instanceof JournalUnavailable)) throw error;
    }
    await sleep(clock, pausedLookMs, stopping).catch(() => {});
  }
}

/** The verdict on this attempt; null when it was cut short, by a shutdown or with its lease, and is to be taken up again. */
async function attempt(
  parts: WorkerParts,
  claim: Claim,
  signal: AbortSignal,
  whereabouts: Whereabouts,
): Promise<Verdict | null> {
  if (claim.crashes >= mostCrashes) {
    return { kind: "dead", reason: `the process died ${claim.crashes} times while it worked on this run` };
  }
  try {
    return claim.run.agent === expansionAgent
      ? await expand(parts, claim, signal)
      : await runAgent(parts, claim, signal, whereabouts);
  } catch (error) {
    if (error instanceof LeaseLost || error instanceof JournalUnavailable) throw error;
    if (signal.aborted) return null;
    const service = error instanceof ServiceError || error instanceof ServiceClosed ? error.service : null;
    const closed = service === null ? null : await parts.guard.closed(service);
    if (closed?.by === "service") whereabouts.behind = service;
    const parked = service === null ? 0 : await parts.journal.parkedFor(service);
    const verdict = verdictFor(error, {
      run: claim.run,
      now: parts.clock.now(),
      rampMs: service === null ? 0 : rampFor(parts.turns, service, parked, closed !== null),
      closed,
      parkForMs: parts.table().parkForMs,
    });
    if (service === null && !(error instanceof EventFault)) {
      parts.log.error({ run: claim.run.id, agent: claim.run.agent, err: error }, "an agent failed");
    }
    return verdict;
  }
}

async function runAgent(
  parts: WorkerParts,
  claim: Claim,
  signal: AbortSignal,
  whereabouts: Whereabouts,
): Promise<Verdict> {
  const entry: Flow | undefined = systemFlow(parts, claim.run) ?? parts.table().agents.get(claim.run.agent);
  if (!entry) throw new EventFault(`there is no agent ${claim.run.agent} any more`);
  const paused = await parts.guard.closed(`agent:${claim.run.agent}`);
  if (paused) throw new ServiceClosed(`agent:${claim.run.agent}`, paused.until, paused.reason, paused.by);
  const { agent, policy } = entry;
  const current = claim.run.route === null ? null : parts.table().modeOf(claim.run.route);
  const mode = current === null ? claim.run.mode : stricterMode(claim.run.mode, current);
  const key: ClaimKey = { run: claim.run.id, fence: claim.fence };

  const kit = await createKit(parts, agent, policy, claim, signal, whereabouts);
  let summary: string;
  const planned = kit.record("plan");
  if (planned && planned.schemaVersion === planVersion) {
    summary = summaryIn(planned.output);
  } else {
    const outcome = await agent.flow(kit);
    whereabouts.at = "plan";
    const now = parts.clock.now();
    const actions = actionsFrom(agent, outcome, claim.run, mode, now, parts.ids, kit.held());
    summary = outcome.summary;
    const output = { summary, actions: actions.map((action) => action.name) };
    const step = {
      run: key.run,
      name: "plan",
      schemaVersion: planVersion,
      output,
      startedAt: now,
      endedAt: now,
    };
    failPoint("plan.made");
    await parts.journal.recordPlan(key, { step: { ...step, usage: null }, actions });
    failPoint("plan.recorded");
  }
  const onAction = (name: string) => {
    whereabouts.at = name;
  };
  const actionsPerHour = entry.ofSystem ? Number.MAX_SAFE_INTEGER : parts.table().actionsPerHour(agent.name);
  const job: ActJob = { claim: key, mode, actionsPerHour, signal, onAction };
  if (kit.resumed && agent.stillApplies) {
    // Whatever became of its reason: it may have happened.
    await act(parts, { ...job, clearUp: true });
    const stale = await noLongerApplies(parts, agent.stillApplies, kit, key);
    if (stale !== null) return { kind: "cancelled", reason: stale };
  }
  const verdict = verdictOn(await act(parts, job), summary);
  if (verdict.kind !== "awaitReview") return verdict;
  // Nobody is asked about a message of ours by another one.
  if (entry.ofSystem) return { kind: "dead", reason: verdict.reason };
  const notice = noticeRun(parts, claim.run, mode);
  return notice ? { ...verdict, notice } : verdict;
}

interface Flow {
  readonly agent: AgentDefinition;
  readonly policy: unknown;
  /** What it does is no agent's doing: it counts for no agent's cap, and is not held for a person. */
  readonly ofSystem?: true;
}

function systemFlow(parts: WorkerParts, run: Run): Flow | undefined {
  if (run.agent === noticeAgent) return { agent: noticeFlow(parts, run), policy: null, ofSystem: true };
  if (run.agent === pressAgent) return { agent: pressFlow(parts), policy: null, ofSystem: true };
  return undefined;
}

const summaryIn = (output: Json): string => {
  const summary = isObject(output) ? output["summary"] : undefined;
  return typeof summary === "string" ? summary : "";
};

/** After any wait the facts may have changed: read again before anything more is done. */
async function noLongerApplies(
  parts: WorkerParts,
  stillApplies: NonNullable<AgentDefinition["stillApplies"]>,
  kit: RunKit,
  key: ClaimKey,
): Promise<string | null> {
  const actions = await parts.journal.actions(key.run);
  return actions.some((action) => action.status === "planned") ? stillApplies(kit) : null;
}

function verdictOn(actions: readonly Action[], summary: string): Verdict {
  const held = actions.filter((action) => action.status === "awaiting_review");
  const uncertain = actions.filter((action) => action.status === "uncertain");
  if (uncertain.length > 0) {
    const names = uncertain.map((action) => action.name).join(", ");
    return {
      kind: "awaitReview",
      reason: `it is not known whether ${names} took effect: a person has to look`,
    };
  }
  if (held.length > 0) {
    const why = held.find((action) => action.reason !== null)?.reason ?? null;
    const waits = `${held.length} of ${actions.length} actions wait for a person`;
    return { kind: "awaitReview", reason: why === null ? waits : `${waits}: ${why}` };
  }
  const rejected = actions.filter((action) => action.status === "rejected");
  if (
    rejected.length > 0 &&
    actions.every((action) => action.status === "rejected" || action.status === "skipped")
  ) {
    return { kind: "rejected", reason: rejected[0]?.reason ?? "every action was rejected" };
  }
  return { kind: "done", summary };
}

async function settle(
  parts: WorkerParts,
  claim: Claim,
  verdict: Verdict,
  place: AttemptPlace,
): Promise<void> {
  const { run } = claim;
  failPoint("settle.begin");
  const decidedBy =
    (await parts.journal.settle({ run: run.id, fence: claim.fence }, verdict, place)) ?? "none";
  failPoint("settle.done");
  parts.onSettled?.();
  // The end of a run may free its concurrency key for one that waits.
  const notice = verdict.kind === "awaitReview" ? verdict.notice : undefined;
  parts.queue.publish(notice ? [{ run: notice.id, agent: notice.agent, number: 0 }] : []);
  const seconds = (parts.clock.now() - place.startedAt) / 1_000;
  parts.metrics.runSeconds.observe({ agent: run.agent }, seconds);
  parts.metrics.runs.inc({ agent: run.agent, decided_by: decidedBy, outcome: verdict.kind });
  const reason = redactText("reason" in verdict ? verdict.reason : verdict.summary);
  parts.log.info(
    {
      run: run.id,
      event: run.event,
      agent: run.agent,
      route: run.route,
      verdict: verdict.kind,
      reason,
      seconds,
    },
    "run.attempted",
  );
  if (verdict.kind === "dead") parts.onDead(run.id, run.agent, reason);
}
