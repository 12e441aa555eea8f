/** The only door for agents: what an agent in agents/ may import besides its own folder. */
import type { AgentDefinition } from "./domain/agent.ts";
import type { ActionInput, ActionKind } from "./domain/action-kinds.ts";
import type { PlannedAction, ResultReference, TextTemplate } from "./domain/action.ts";
import type { JsonObject } from "./domain/json.ts";

export { z } from "zod";
export { EventFault } from "./domain/errors.ts";
export { resultOf, template } from "./domain/action.ts";
export { sha256 } from "./domain/json.ts";
export { plainText } from "./domain/outgoing-text.ts";
export { visible, withoutHiddenMarkup } from "./domain/untrusted-text.ts";
export { mentioned } from "./domain/words.ts";
export type {
  AgentDefinition,
  AgentEvent,
  AgentKit,
  Decided,
  DecisionRequest,
  Outcome,
  PolicyCheck,
} from "./domain/agent.ts";
export type { ActionInput, ActionKind } from "./domain/action-kinds.ts";
export type { PlannedAction, ResultReference, TextTemplate } from "./domain/action.ts";
export type { Json, JsonObject } from "./domain/json.ts";
export type * from "./domain/readers.ts";

/** Declares an agent; its policy's type is taken from its schema. */
export const defineAgent = <P>(agent: AgentDefinition<P>): AgentDefinition<P> => agent;

/** The same shape, where any string field may be, or be a text around, references to earlier actions' results. */
type WithReferences<T> = T extends string
  ? T | ResultReference | TextTemplate
  : T extends readonly (infer I)[]
    ? readonly WithReferences<I>[]
    : T extends object
      ? { readonly [K in keyof T]: WithReferences<T[K]> }
      : T;

/** Plans one action; the input's type follows from the kind. */
export function action<K extends ActionKind>(
  kind: K,
  spec: {
    name: string;
    subject?: string;
    needs?: readonly string[];
    input: WithReferences<ActionInput<K>>;
  },
): PlannedAction {
  return { ...spec, kind, input: spec.input as JsonObject };
}

/** The shape of `T` as plain JSON: what a reader returns, ready to be recorded by `kit.step`. */
export type Plain<T> = T extends readonly (infer I)[]
  ? readonly Plain<I>[]
  : T extends object
    ? { readonly [K in keyof T]: Plain<T[K]> }
    : T;
