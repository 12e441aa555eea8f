/** Plays a run in memory: an agent's flow with given facts and a given decider. Nothing is recorded, nothing is done. */
import type { PlannedAction } from "../domain/action.ts";
import type {
  AgentDefinition,
  AgentEvent,
  AgentKit,
  Decided,
  DecisionRequest,
  PolicyCheck,
} from "../domain/agent.ts";
import type { Json } from "../domain/json.ts";
import type { Decider, DeciderAnswer } from "../domain/ports.ts";
import type { Readers } from "../domain/readers.ts";
import type { DecidedBy } from "../domain/run.ts";
import { totalUsage } from "../domain/step.ts";
import type { StepUsage } from "../domain/step.ts";
import type { Clock } from "../resilience/clock.ts";

export interface PlayParts {
  readonly agent: AgentDefinition;
  readonly policy: unknown;
  readonly event: AgentEvent;
  /** When the run began. */
  readonly now: number;
  /** What the agent's steps recorded, by name: they are not done again. */
  readonly steps: Readonly<Record<string, Json>>;
  /** For steps that are not recorded; null: the run can't be played without them. */
  readonly read: Readers | null;
  readonly decider: Decider;
  /** Who may decide. */
  readonly by: DecidedBy;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Played {
  /** Of the main decision; null where the agent ended without one. */
  readonly decision: Json | null;
  readonly decidedBy: DecidedBy | null;
  readonly why: string | null;
  /** Whether a check of the policy asks for a person before anything is done. */
  readonly held: boolean;
  readonly actions: readonly PlannedAction[];
  readonly summary: string;
  readonly usage: StepUsage | null;
  /** How long the decisions took, in milliseconds. */
  readonly ms: number;
}

/** A step was not recorded, and nothing can be read. */
export class NotRecorded extends Error {
  override readonly name = "NotRecorded";
  readonly step: string;

  constructor(step: string) {
    super(`the step ${step} is not recorded`);
    this.step = step;
  }
}

const nothingToRead: Readers = { github: null, linear: null, hubspot: null, zendesk: null, stripe: null };

/** Rejects with what the flow throws: EventFault for what is no event of the agent, NotRecorded. */
export async function play(parts: PlayParts): Promise<Played> {
  const { agent, clock } = parts;
  const made: { name: string; answer: DeciderAnswer }[] = [];
  const checks: PolicyCheck[] = [];
  const used = () => totalUsage(made.flatMap(({ answer }) => answer.usage ?? []));
  let ms = 0;
  const kit: AgentKit<unknown> = {
    event: parts.event,
    policy: parts.policy,
    now: parts.now,
    read: parts.read ?? nothingToRead,
    async step<T extends Json>(name: string, _version: number, fn: () => Promise<T>): Promise<T> {
      const known = parts.steps[name];
      if (known !== undefined) return known as T;
      if (parts.read === null) throw new NotRecorded(name);
      // As the journal keeps it: what is not JSON does not survive.
      return JSON.parse(JSON.stringify(await fn())) as T;
    },
    async decide<D>(request: DecisionRequest<D>): Promise<Decided<D>> {
      const name = request.name ?? "decide";
      const startedAt = clock.now();
      const answer = await parts.decider.decide({
        agent: agent.name,
        name,
        schema: request.schema,
        variables: request.variables,
        facts: request.facts,
        rules: () => request.rules(),
        rulesOnly: request.rulesOnly ?? (parts.by === "rules" ? "only the rules are asked" : null),
        spentUsd: used()?.costUsd ?? 0,
        signal: parts.signal,
      });
      ms += clock.now() - startedAt;
      made.push({ name, answer });
      const { decision, decidedBy, why } = answer;
      const parsed = request.schema.parse(decision);
      checks.push(...(request.guard?.(parsed, decidedBy) ?? []));
      return { decision: parsed, decidedBy, why };
    },
  };
  const { actions, summary } = await agent.flow(kit);
  const main = made.find(({ name }) => name === "decide")?.answer ?? null;
  return {
    decision: main?.decision ?? null,
    decidedBy: main?.decidedBy ?? null,
    why: main?.why ?? null,
    held: checks.some(({ passed, effect }) => !passed && effect === "held"),
    actions,
    summary,
    usage: used(),
    ms,
  };
}
