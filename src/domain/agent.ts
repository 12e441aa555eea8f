/** What an agent is. Agents see this through src/agent-kit.ts only. */
import type { ZodType } from "zod";
import type { ActionKind } from "./action-kinds.ts";
import type { PlannedAction } from "./action.ts";
import type { Json, JsonObject } from "./json.ts";
import type { DecidedBy } from "./run.ts";
import type { Readers } from "./readers.ts";

export interface AgentEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly receivedAt: number;
  /** The parsed body. Untrusted: agents parse the fields they use. */
  readonly payload: unknown;
}

/** One limit that a decision was held against by code, after the schema and before the plan. */
export interface PolicyCheck {
  readonly name: string;
  readonly passed: boolean;
  /** For people: what was asked, and what is allowed. */
  readonly detail: string;
  /**
   * What comes of it when it did not pass. clamped: the plan stays inside the limit all the same. held: so do the actions,
   * until a person has looked.
   */
  readonly effect?: "clamped" | "held";
}

export interface DecisionRequest<D> {
  /** The step's name; `decide` unless an agent decides more than once. */
  readonly name?: string;
  readonly schemaVersion: number;
  /**
   * All that may be decided. Closed objects, every field required, `nullable` instead of `optional`; no record, tuple,
   * transform or union at the root, so that both vendors can be held to it.
   */
  readonly schema: ZodType<D>;
  /** Filled into the prompt's template. Untrusted text belongs here and nowhere else. */
  readonly variables: JsonObject;
  /** What was gathered: the conditions under `rules:` in the prompt file are over it. */
  readonly facts: JsonObject;
  /** Decides without a model, where none of those conditions holds; pure. */
  rules(): D;
  /** Holds a decision against the policy; pure. Without it, all that the schema takes may be planned from. */
  guard?(decision: D, decidedBy: DecidedBy): readonly PolicyCheck[];
  /** Set to the reason when no model should be asked (nothing to judge, or the facts leave no choice). */
  readonly rulesOnly?: string;
}

export interface Decided<D> {
  readonly decision: D;
  readonly decidedBy: DecidedBy;
  /** One sentence: which model, or why the rules. */
  readonly why: string;
}

/** What a flow works with. Everything outside goes through here, so that it is recorded and limited. */
export interface AgentKit<P> {
  readonly event: AgentEvent;
  /** From the agent's prompt file, checked against its policy schema. */
  readonly policy: P;
  /**
   * Milliseconds since the epoch, the same for every attempt of the run: decisions do not change with a retry. A replay
   * has that of the run which acted first on its event: what it plans alike is the same payload, and goes on from there.
   */
  readonly now: number;
  readonly read: Readers;
  /** Runs `fn` once and records what it returns; a retried run gets the record. */
  step<T extends Json>(name: string, schemaVersion: number, fn: () => Promise<T>): Promise<T>;
  /** A model behind its breaker, else the rules; recorded like a step. */
  decide<D>(request: DecisionRequest<D>): Promise<Decided<D>>;
}

export interface Outcome {
  /** In the order they should be carried out; empty when there is nothing to do. */
  readonly actions: readonly PlannedAction[];
  /** One sentence for people: what was decided, or why nothing is done. */
  readonly summary: string;
}

export interface AgentDefinition<P = unknown> {
  readonly name: string;
  /** Event types it understands, as globs; a route that sends it others is a configuration error. */
  readonly accepts: readonly string[];
  /** Its limits, with a default for every field; `{ ...policy, rules }` of the prompt file is parsed with it. */
  readonly policy: ZodType<P>;
  /** What its (main) decision may be; the examples of the prompt file are checked against it. */
  readonly decision: ZodType;
  /** The variables that its prompt's template may use. */
  readonly variables: readonly string[];
  /** All the kinds of action it may ever plan. */
  readonly allows: readonly ActionKind[];
  flow(kit: AgentKit<P>): Promise<Outcome>;
  /**
   * Which limit an action passes that a person edited, in words; null when none. What a flow plans is within them anyway.
   * `input` fits the kind's schema, but for references to other actions' results.
   */
  passes?(action: Pick<PlannedAction, "kind" | "input">, policy: P): string | null;
  /**
   * Reads again what the decision stood on, before acting after any wait (retry, park, review).
   * Returns why the actions no longer apply, or null. A missing method means nothing can have changed.
   */
  stillApplies?(kit: AgentKit<P>): Promise<string | null>;
}
