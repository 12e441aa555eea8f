/**
 * Carries out a run's actions, each once. For every action:
 *
 *   needs met? ─ no ─▶ skipped (something it needs was not done) or left (still held)
 *   unknown outcome of an earlier request? ─▶ wait the vendor's settle time, look it up ─▶ done | repeat | uncertain
 *   begin: key claimed, intent flushed ─▶ request ─▶ done | failed | planned again (no effect) | executing (unknown)
 */
import { actionKinds, destinationOf } from "../domain/action-kinds.ts";
import type { DestinationName } from "../domain/action-kinds.ts";
import { resolveReferences } from "../domain/action.ts";
import type { Action, ActionRef } from "../domain/action.ts";
import { EventFault, ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type {
  ActionExecutor,
  ActionOutcome,
  BeginResult,
  ClaimKey,
  Destination,
  Journal,
  Repeatability,
  ServiceGuard,
} from "../domain/ports.ts";
import type { Mode } from "../domain/run.ts";
import type { Metrics } from "../observability/metrics.ts";
import { redactText } from "../observability/redact.ts";
import { deadline, sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import type { Turns } from "../resilience/turns.ts";

/** Longest single request. It ends sooner when the lease can't be extended: then the signal of the job aborts. */
const requestMs = 30_000;
/** How often a run looks what became of an action of another run that is to do the same. */
const holderLookMs = 5_000;

export interface ActParts {
  readonly journal: Journal;
  readonly destinations: Readonly<Record<DestinationName, Destination>>;
  readonly guard: ServiceGuard;
  readonly turns: Pick<Turns, "full" | "after">;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Told when an action is held because its agent has acted often enough: for alerts. */
  readonly onCapped: (agent: string, limit: number) => void;
}

export interface ActJob {
  readonly claim: ClaimKey;
  readonly mode: Mode;
  /** How many actions of the agent may be begun within an hour; more wait for a person. */
  readonly actionsPerHour: number;
  /** Aborts with the lease, and at a shutdown. */
  readonly signal: AbortSignal;
  /** Told of each action that is begun. */
  readonly onAction: (name: string) => void;
  /** Begins nothing: only finds out what became of requests whose outcome is unknown. */
  readonly clearUp?: boolean;
}

interface Done {
  readonly ref: ActionRef;
  readonly dryRun: boolean;
}

/** What the actions came to. Throws ServiceClosed and ServiceError (retry or park), and EventFault (dead). */
export async function act(parts: ActParts, job: ActJob): Promise<Action[]> {
  for (const action of await parts.journal.actions(job.claim.run)) {
    if (action.status !== "executing" && (action.status !== "planned" || job.clearUp === true)) continue;
    const earlier = await parts.journal.actions(job.claim.run);
    const needed = action.needs.map((name) => earlier.find((other) => other.name === name));
    const lost = needed.find((other) => other && notDone(other));
    if (lost) {
      await end(parts, job, action, {
        status: "skipped",
        reason: `it needs ${lost.name}, which was ${lost.status === "skipped" ? "skipped" : "not done"}`,
      });
      continue;
    }
    if (needed.some((other) => other && !result(other))) continue;
    job.onAction(action.name);
    await carryOut(
      parts,
      job,
      action,
      needed.filter((other) => other !== undefined),
    );
  }
  return parts.journal.actions(job.claim.run);
}

/** An action that was skipped because the same thing was done before counts as done: its result is known. */
const result = (action: Action): Done | null =>
  (action.status === "done" || action.status === "skipped") && action.ref !== null
    ? { ref: action.ref, dryRun: action.dryRun }
    : null;

const notDone = (action: Action): boolean =>
  action.status === "rejected" ||
  action.status === "failed" ||
  (action.status === "skipped" && action.ref === null);

async function carryOut(
  parts: ActParts,
  job: ActJob,
  action: Action,
  needed: readonly Action[],
): Promise<void> {
  const destination = parts.destinations[destinationOf(action.kind)];
  const executor = destination.actions[action.kind];
  if (!executor) throw new EventFault(`${destination.name} can't do ${action.kind}`);
  const dry = dryReason(job.mode, destination, needed);
  const input = parsedInput(action, needed);
  if (dry !== null) {
    await end(parts, job, action, { status: "done", dryRun: true, reason: dry, ref: {} });
    return;
  }
  if (action.status === "executing" && (await settled(parts, job, action, executor, input))) return;
  if (job.clearUp === true && repeatability(executor, input) === "lookup") {
    await end(parts, job, action, { status: "planned", reason: "it had no effect" });
    return;
  }
  await request(parts, job, action, executor, input);
}

/** Building on something that was never sent would send nonsense: a dry run is passed on. */
function dryReason(mode: Mode, destination: Destination, needed: readonly Action[]): string | null {
  if (mode === "dry-run") return "dry run: the route's mode";
  if (!destination.configured) return `dry run: ${destination.name} has no credentials`;
  const dry = needed.find((other) => other.dryRun);
  return dry ? `dry run: ${dry.name}, which it builds on, was one` : null;
}

function parsedInput(action: Action, needed: readonly Action[]): JsonObject {
  const resolved = resolveReferences(action.input, ({ $result, field }) => {
    const other = needed.find((candidate) => candidate.name === $result);
    const found = other ? result(other) : null;
    const value = found?.ref[field];
    if (value !== undefined) return value;
    if (found?.dryRun) return `dry-run-${$result}-${field}`;
    throw new EventFault(`action ${action.name} needs ${$result}.${field}, which its result does not hold`);
  });
  const parsed = actionKinds[action.kind].safeParse(resolved);
  if (parsed.success) return parsed.data as JsonObject;
  const issue = parsed.error.issues[0];
  throw new EventFault(
    `action ${action.name}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "does not fit its kind"}`,
  );
}

const repeatability = ({ repeat }: ActionExecutor, input: JsonObject): Repeatability =>
  typeof repeat === "function" ? repeat(input) : repeat;

/** Clears up an unknown outcome. True when the action is settled; false when it may be repeated. */
async function settled(
  parts: ActParts,
  job: ActJob,
  action: Action,
  executor: ActionExecutor,
  input: JsonObject,
): Promise<boolean> {
  failPoint("action.unknown");
  if (executor.lookup) {
    const since = action.intentAt ?? 0;
    const passed = parts.clock.now() - since;
    if (passed < executor.settleMs) await sleep(parts.clock, executor.settleMs - passed, job.signal);
    const found = await guarded(parts, job, action, (signal) =>
      executor.lookup?.(input, action.key, { signal, since }),
    );
    failPoint("action.lookedUp");
    if (found) {
      await end(parts, job, action, { status: "done", ref: found, reason: "found after an unknown outcome" });
      return true;
    }
  }
  const repeat = repeatability(executor, input);
  if (repeat !== "never" && repeat !== "weak-lookup") return false;
  await end(parts, job, action, {
    status: "uncertain",
    reason:
      "the request left and no answer came: check whether it took effect, then approve to repeat it or reject it",
  });
  return true;
}

async function request(
  parts: ActParts,
  job: ActJob,
  action: Action,
  executor: ActionExecutor,
  input: JsonObject,
): Promise<void> {
  await assertOpen(parts, action);
  job.signal.throwIfAborted();
  failPoint("action.planned");
  const begun = await parts.journal.beginAction(job.claim, action.id, { cap: capOf(job) });
  if ("capped" in begun) {
    held(parts, job, action);
    return;
  }
  if (!begun.go && !(await takenOver(parts, job, action, executor, input, begun))) return;
  failPoint("action.intended");
  try {
    const ref = await guarded(parts, job, action, (signal) =>
      executor.execute(input, action.key, { signal }),
    );
    failPoint("action.requested");
    await end(parts, job, action, { status: "done", ref: ref ?? {} });
  } catch (error) {
    await failed(parts, job, action, executor, input, error);
  }
}

const capOf = ({ actionsPerHour }: ActJob) => ({ limit: actionsPerHour, withinMs: 3_600_000 });

function held(parts: ActParts, job: ActJob, { kind, agent }: Action): void {
  parts.metrics.actions.inc({ kind, outcome: "held" });
  parts.onCapped(agent, job.actionsPerHour);
}

/** Looked at before the intent is written, so that a run that has to wait costs no more writes than its parking. */
async function assertOpen({ guard, turns }: ActParts, action: Action): Promise<void> {
  const service = destinationOf(action.kind);
  for (const name of ["all", `agent:${action.agent}`, service]) {
    const closed = await guard.closed(name);
    if (closed) throw new ServiceClosed(name, closed.until, closed.reason, closed.by);
  }
  const full = await turns.full(service);
  if (full) throw full;
}

/**
 * The key was used before. With the same payload this action takes over what came of it; where that is not known, it
 * clears it up first. True when the request may be made after all.
 */
async function takenOver(
  parts: ActParts,
  job: ActJob,
  action: Action,
  executor: ActionExecutor,
  input: JsonObject,
  { holder, samePayload }: Extract<BeginResult, { samePayload: boolean }>,
): Promise<boolean> {
  if (samePayload && holder.status === "uncertain") {
    if (await settled(parts, job, { ...action, intentAt: holder.intentAt }, executor, input)) return false;
    const options = { takeOver: holder.id, cap: capOf(job) };
    const begun = await parts.journal.beginAction(job.claim, action.id, options);
    if ("capped" in begun) held(parts, job, action);
    return begun.go;
  }
  if (samePayload && isOpen(holder)) {
    const until = parts.clock.now() + holderLookMs;
    const reason = `${action.name} waits for ${holder.id}, which is to do the same and is ${holder.status}`;
    throw new ServiceClosed(destinationOf(action.kind), until, reason, "ours");
  }
  await end(parts, job, action, {
    status: "skipped",
    reason: samePayload
      ? whatBecameOf(holder)
      : `${holder.id} used the same key with another payload: it is not done twice`,
    ...(samePayload && holder.ref !== null ? { ref: holder.ref } : {}),
  });
  return false;
}

/** Whether it is not known yet what comes of it. */
const isOpen = ({ status }: Action): boolean =>
  status === "planned" || status === "executing" || status === "awaiting_review";

const whatBecameOf = ({ id, status }: Action): string =>
  status === "rejected"
    ? `it may have been done by ${id}, and a person decided that it is not repeated`
    : `already done by ${id}`;

/** Says what a failed request left behind, and passes the error on where the run has to wait or end because of it. */
async function failed(
  parts: ActParts,
  job: ActJob,
  action: Action,
  executor: ActionExecutor,
  input: JsonObject,
  error: unknown,
): Promise<void> {
  failPoint("action.failed");
  const reason = redactText(error instanceof Error ? error.message : String(error));
  if (error instanceof ServiceError && error.kind === "invalid") {
    await end(parts, job, action, { status: "failed", reason });
    throw error;
  }
  const without =
    error instanceof ServiceClosed || (error instanceof ServiceError && error.effect === "none");
  if (without) {
    await end(parts, job, action, { status: "planned", reason });
    throw error;
  }
  if (error instanceof ServiceError && repeatability(executor, input) === "never") {
    await end(parts, job, action, { status: "uncertain", reason: `${reason}; it may have taken effect` });
    return;
  }
  throw error;
}

async function guarded<T>(
  parts: ActParts,
  job: ActJob,
  action: Action,
  call: (signal: AbortSignal) => Promise<T> | undefined,
): Promise<T | undefined> {
  const timed = async () => {
    const limit = deadline(parts.clock, requestMs, job.signal);
    try {
      return await call(limit.signal);
    } finally {
      limit.done();
    }
  };
  return parts.guard.call(destinationOf(action.kind), timed, job.signal);
}

async function end(parts: ActParts, job: ActJob, action: Action, outcome: ActionOutcome): Promise<void> {
  await parts.journal.endAction(job.claim, action.id, outcome);
  failPoint("action.ended");
  if (outcome.status === "planned") return;
  parts.metrics.actions.inc({ kind: action.kind, outcome: outcome.dryRun ? "dry-run" : outcome.status });
}
