/** The kit an agent's flow works with: recorded steps, guarded reads, and decisions. */
import type {
  AgentDefinition,
  AgentEvent,
  AgentKit,
  Decided,
  DecisionRequest,
  PolicyCheck,
} from "../domain/agent.ts";
import { EventFault, ServiceClosed } from "../domain/errors.ts";
import type { Json } from "../domain/json.ts";
import type {
  Claim,
  ClaimKey,
  Decider,
  Destination,
  Journal,
  ServiceGuard,
  Unavailable,
} from "../domain/ports.ts";
import type { DestinationName } from "../domain/action-kinds.ts";
import type { DecidedBy } from "../domain/run.ts";
import type { Readers } from "../domain/readers.ts";
import type { StepRecord, StepUsage } from "../domain/step.ts";
import { deadline } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";

/** Longest single read of a destination. */
const readMs = 30_000;
/** Longest decision, with all its models and repairs. */
const decisionMs = 180_000;
/** How soon a run that waits for a model asks again, where no breaker says when. */
const modelLookMs = 30_000;

export interface KitParts {
  readonly journal: Journal;
  readonly decider: Decider;
  readonly destinations: Readonly<Record<DestinationName, Destination>>;
  readonly guard: ServiceGuard;
  readonly clock: Clock;
}

interface RecordedDecision {
  readonly decision: Json;
  readonly decidedBy: DecidedBy;
  readonly why: string;
  /** The content hash of the prompt file it was made by. */
  readonly prompt: string | null;
  /** What it was held against. */
  readonly checks: readonly PolicyCheck[];
  /** Rules made it in an outage, and a model is to make it again while nothing is done. */
  readonly redecide?: boolean;
}

export interface RunKit extends AgentKit<unknown> {
  /** True when an earlier attempt recorded something: time has passed since the facts were gathered. */
  readonly resumed: boolean;
  readonly record: (name: string) => StepRecord | undefined;
  /** Why a person has to look before anything is done: the checks of its decisions that say so. Null when none does. */
  readonly held: () => string | null;
}

/** What an attempt is at, for whoever has to say where it failed. */
export interface Whereabouts {
  /** The step or the action that was begun last; null before the first. */
  at: string | null;
  /** The service, found closed, that the run is parked for; null when it is not. */
  behind: string | null;
}

export async function createKit(
  parts: KitParts,
  agent: AgentDefinition,
  policy: unknown,
  claim: Claim,
  signal: AbortSignal,
  whereabouts: Whereabouts,
): Promise<RunKit> {
  const { journal, clock } = parts;
  const key: ClaimKey = { run: claim.run.id, fence: claim.fence };
  const recorded = new Map((await journal.steps(claim.run.id)).map((step) => [step.name, step]));

  const replayable = (name: string, schemaVersion: number): StepRecord | undefined => {
    const record = recorded.get(name);
    if (!record || record.schemaVersion === schemaVersion) return record;
    if (recorded.has("plan")) {
      throw new EventFault(
        `step ${name} was recorded in version ${record.schemaVersion} and is now in version ${schemaVersion}, and actions were planned on it: replay the event`,
      );
    }
    return undefined;
  };

  const stepRecord = (
    name: string,
    schemaVersion: number,
    startedAt: number,
    output: Json,
    usage: StepUsage | null,
  ) => {
    const step = { run: key.run, name, schemaVersion, output, startedAt, endedAt: clock.now(), usage };
    recorded.set(name, step);
    return step;
  };

  /** Throws ServiceClosed while there is time left to wait for a model; since when is kept as a step. */
  async function waitForModel(
    { service, until }: Unavailable,
    forMs: number,
    why: string,
    decision: string,
  ): Promise<void> {
    const name = `${decision}:waiting`;
    const now = clock.now();
    const since = recorded.get(name)?.startedAt ?? now;
    const end = since + forMs;
    if (now >= end) return;
    if (!recorded.has(name)) await journal.recordStep(key, stepRecord(name, 1, now, { why }, null));
    const reason = `waits for a model until ${new Date(end).toISOString()}, then the rules decide: ${why}`;
    // Ours: it has an end of its own, whatever else the run waited for.
    throw new ServiceClosed(service, Math.min(until ?? now + modelLookMs, end), reason, "ours");
  }

  return {
    event: agentEvent(claim),
    policy,
    now: claim.actedFirstAt ?? claim.run.createdAt,
    read: guardedReaders(parts, signal),
    resumed: recorded.size > 0,
    record: (name) => recorded.get(name),
    held: () => heldBy([...recorded.values()]),

    async step<T extends Json>(name: string, schemaVersion: number, fn: () => Promise<T>): Promise<T> {
      const record = replayable(name, schemaVersion);
      if (record) return record.output as T;
      whereabouts.at = name;
      const startedAt = clock.now();
      failPoint("step.begin");
      const output = await fn();
      failPoint("step.made");
      await journal.recordStep(key, stepRecord(name, schemaVersion, startedAt, output, null));
      failPoint("step.recorded");
      return output;
    },

    async decide<D>(request: DecisionRequest<D>): Promise<Decided<D>> {
      const name = request.name ?? "decide";
      const record = replayable(name, request.schemaVersion);
      if (record) {
        const { decision, decidedBy, why } = record.output as unknown as RecordedDecision;
        return { decision: request.schema.parse(decision), decidedBy, why };
      }
      whereabouts.at = name;
      const startedAt = clock.now();
      const limit = deadline(clock, decisionMs, signal);
      try {
        failPoint("decision.begin");
        const { usage, unavailable, ...made } = await parts.decider.decide({
          agent: agent.name,
          name,
          schema: request.schema,
          variables: request.variables,
          facts: request.facts,
          rules: () => request.rules(),
          rulesOnly: request.rulesOnly ?? null,
          spentUsd: spentIn([...recorded.values()]),
          signal: limit.signal,
        });
        failPoint("decision.made");
        // That we were stopped is no reason for the rules to decide: the next worker asks the model.
        if (made.decidedBy === "rules") signal.throwIfAborted();
        if (unavailable?.policy.kind === "wait")
          await waitForModel(unavailable, unavailable.policy.ms, made.why, name);
        const { decision, decidedBy, why } = made;
        const parsed = request.schema.parse(decision);
        const checks = request.guard?.(parsed, decidedBy) ?? [];
        const redecide = unavailable?.policy.kind === "rules-then-redecide";
        const output = { ...made, checks, ...(redecide ? { redecide } : {}) } as unknown as Json;
        const step = stepRecord(name, request.schemaVersion, startedAt, output, usage);
        await journal.recordDecision(key, step, made.decidedBy, made.why);
        failPoint("decision.recorded");
        return { decision: parsed, decidedBy, why };
      } finally {
        limit.done();
      }
    },
  };
}

const spentIn = (steps: readonly StepRecord[]): number =>
  steps.reduce((sum, { usage }) => sum + (usage?.costUsd ?? 0), 0);

function heldBy(steps: readonly StepRecord[]): string | null {
  const failed = steps.flatMap(({ output }) =>
    ((output as Partial<RecordedDecision> | null)?.checks ?? []).filter(
      ({ passed, effect }) => !passed && effect === "held",
    ),
  );
  return failed.length === 0 ? null : failed.map(({ name, detail }) => `${name}: ${detail}`).join("; ");
}

function agentEvent({ event }: Claim): AgentEvent {
  const text = Buffer.from(event.body).toString("utf8");
  const { id, source, type, receivedAt } = event;
  try {
    return { id, source, type, receivedAt, payload: JSON.parse(text) as unknown };
  } catch (error) {
    throw new EventFault("the stored body is no JSON (it may have been erased by retention)", {
      cause: error,
    });
  }
}

/** Every reader of every configured destination, with the guard and a deadline around each call. */
function guardedReaders({ destinations, guard, clock }: KitParts, signal: AbortSignal): Readers {
  const guarded = (name: DestinationName): unknown => {
    const destination = destinations[name];
    const reads = destination.configured ? destination.reads : undefined;
    if (!reads) return null;
    return new Proxy(
      {},
      {
        get: (_target, method) =>
          typeof method === "string" && method !== "then"
            ? (...args: unknown[]) =>
                guard.call(
                  name,
                  async () => {
                    const limit = deadline(clock, readMs, signal);
                    try {
                      const reader = reads.call(destination, { signal: limit.signal }) as unknown as Record<
                        string,
                        (...args: unknown[]) => Promise<unknown>
                      >;
                      return await reader[method]?.(...args);
                    } finally {
                      limit.done();
                    }
                  },
                  signal,
                )
            : undefined,
      },
    );
  };
  return {
    github: guarded("github") as Readers["github"],
    linear: guarded("linear") as Readers["linear"],
    hubspot: guarded("hubspot") as Readers["hubspot"],
    zendesk: guarded("zendesk") as Readers["zendesk"],
    stripe: guarded("stripe") as Readers["stripe"],
  };
}
