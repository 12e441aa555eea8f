/** The ports that decisions are made over: a model at its provider, and whoever decides with one or without. */
import type { ZodType } from "zod";
import type { Json, JsonObject } from "./json.ts";
import type { DecidedBy } from "./run.ts";
import type { StepUsage } from "./step.ts";

export interface ModelRequest {
  readonly system: string;
  readonly messages: readonly {
    readonly role: "user" | "assistant";
    readonly text: string;
  }[];
  readonly schemaName: string;
  readonly schema: ZodType;
  readonly maxOutputTokens: number;
  readonly signal: AbortSignal;
}
export type ModelStop = "end" | "refusal" | "truncated";
export interface ModelAnswer {
  /** The text as answered; not yet parsed, whatever the vendor promises. */
  readonly text: string;
  readonly stop: ModelStop;
  readonly usage: StepUsage;
  /** The provider's id of the request, for its support; null where it gave none. */
  readonly requestId?: string | null;
}
/** In USD per million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  /** Writing the five-minute cache; vendors that charge nothing extra have the input price here. */
  readonly cacheWrite: number;
}
/** One provider and model; its breaker's service is `model:<provider>/<model>`. Throws ServiceError. */
export interface Model {
  readonly name: string;
  readonly provider: "anthropic" | "openai";
  readonly model: string;
  /** False without a key. */
  readonly configured: boolean;
  readonly timeoutMs: number;
  /** Today's; null when it is not known. */
  readonly price?: () => ModelPrice | null;
  complete(request: ModelRequest): Promise<ModelAnswer>;
}

export interface DeciderRequest {
  readonly agent: string;
  readonly name: string;
  readonly schema: ZodType;
  readonly variables: JsonObject;
  readonly facts: JsonObject;
  readonly rules: () => unknown;
  readonly rulesOnly: string | null;
  /** What the run's earlier decisions cost, in USD. */
  readonly spentUsd: number;
  readonly signal: AbortSignal;
}
export interface DeciderAnswer {
  readonly decision: Json;
  readonly decidedBy: DecidedBy;
  readonly why: string;
  /** The content hash of the prompt file that was in force; null without one. */
  readonly prompt: string | null;
  readonly usage: StepUsage | null;
  /** Set when the rules decided because none of the models could be reached. */
  readonly unavailable?: Unavailable | null;
}
export interface Unavailable {
  /** The first of them. */
  readonly service: string;
  /** When it may be asked again, in milliseconds since the epoch; null when nobody can say. */
  readonly until: number | null;
  readonly policy: OnModelUnavailable;
}
/**
 * rules: what they decide stands. wait: a model is asked again for as long, then the rules decide. rules-then-redecide: the
 * rules decide, and a model again afterwards, where all the actions are still held for a person.
 */
export type OnModelUnavailable =
  | { readonly kind: "rules" }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "rules-then-redecide" };
export interface Decider {
  decide(request: DeciderRequest): Promise<DeciderAnswer>;
}
