/** Runs an agent's flow in memory: given readers, and a given decision or the rules. Nothing is recorded elsewhere. */
import { expect } from "vitest";
import { actionKinds } from "../../src/domain/action-kinds.ts";
import { referencesIn, resolveReferences } from "../../src/domain/action.ts";
import type { PlannedAction } from "../../src/domain/action.ts";
import type {
  AgentDefinition,
  AgentKit,
  Decided,
  DecisionRequest,
  Outcome,
  PolicyCheck,
} from "../../src/domain/agent.ts";
import type { Json, JsonObject } from "../../src/domain/json.ts";
import type { Readers } from "../../src/domain/readers.ts";

export interface KitOptions {
  readonly payload: unknown;
  readonly type?: string;
  readonly policy?: object;
  readonly now?: number;
  readonly read?: Partial<Readers>;
  /** What the model answers; the rules decide where it is left out. */
  readonly decision?: unknown;
  /** The same, worked out from the prompt's variables. */
  readonly model?: (variables: JsonObject) => unknown;
}

export interface Played {
  readonly outcome: Outcome;
  readonly decided: Decided<unknown> | null;
  /** The variables that the prompt would have been filled with. */
  readonly variables: Readonly<Record<string, Json>> | null;
  /** What the decision was held against. */
  readonly checks: readonly PolicyCheck[];
  /** Whether a person has to look before anything is done. */
  readonly held: boolean;
  readonly stillApplies: (read?: Partial<Readers>) => Promise<string | null>;
}

const noReaders: Readers = { github: null, linear: null, hubspot: null, zendesk: null, stripe: null };
export const noon = Date.UTC(2026, 10, 24, 12);

export async function play(agent: AgentDefinition, options: KitOptions): Promise<Played> {
  const steps = new Map<string, Json>();
  let decided: Decided<unknown> | null = null;
  let variables: Readonly<Record<string, Json>> | null = null;
  let checks: readonly PolicyCheck[] = [];
  const kit: AgentKit<unknown> = {
    event: {
      id: "evt_1",
      source: "test",
      type: options.type ?? "test",
      receivedAt: noon,
      payload: options.payload,
    },
    policy: agent.policy.parse(options.policy ?? {}),
    now: options.now ?? noon,
    read: { ...noReaders, ...options.read },
    async step<T extends Json>(name: string, _version: number, fn: () => Promise<T>): Promise<T> {
      const known = steps.get(name);
      // As the journal keeps it: what is not JSON does not survive.
      const output = known ?? (JSON.parse(JSON.stringify(await fn())) as Json);
      steps.set(name, output);
      return output as T;
    },
    decide<D>(request: DecisionRequest<D>): Promise<Decided<D>> {
      const model = options.model ?? (options.decision === undefined ? null : () => options.decision);
      const useRules = model === null || request.rulesOnly !== undefined;
      const decision = request.schema.parse(useRules ? request.rules() : model(request.variables));
      const answer: Decided<D> = useRules
        ? { decision, decidedBy: "rules", why: request.rulesOnly ?? "no model is configured" }
        : { decision, decidedBy: "model", why: "test-model (main) answered" };
      decided = answer;
      checks = request.guard?.(decision, answer.decidedBy) ?? [];
      variables = request.variables;
      return Promise.resolve(answer);
    },
  };
  const outcome = await agent.flow(kit);
  return {
    outcome,
    decided,
    variables,
    checks,
    held: checks.some(({ passed, effect }) => !passed && effect === "held"),
    stillApplies: (read = {}) =>
      agent.stillApplies?.({ ...kit, read: { ...kit.read, ...read } }) ?? Promise.resolve(null),
  };
}

/** What a plan must be for a worker to carry it out; throws otherwise. Returns the inputs with results filled in. */
export function carriedOut(agent: AgentDefinition, actions: readonly PlannedAction[]): Map<string, unknown> {
  const inputs = new Map<string, unknown>();
  for (const planned of actions) {
    expect(agent.allows, `${agent.name} may plan ${planned.kind}`).toContain(planned.kind);
    expect(inputs.has(planned.name), `the name ${planned.name} is unique`).toBe(false);
    for (const name of [...referencesIn(planned.input), ...(planned.needs ?? [])])
      expect([...inputs.keys()], `${planned.name} comes after ${name}`).toContain(name);
    const input = resolveReferences(planned.input, ({ $result, field }) => `${$result}-${field}`);
    inputs.set(planned.name, actionKinds[planned.kind].parse(input));
  }
  return inputs;
}
