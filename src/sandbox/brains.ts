/**
 * What the sandbox's models think with. The first brain that matches a request answers it; a request that none matches
 * is answered with a valid value for its schema, so that any agent runs.
 */
import type { Json } from "../domain/json.ts";
import { valueFor } from "./schema-values.ts";

export interface ModelRequest {
  readonly system: string;
  /** All that the user turns say. */
  readonly user: string;
  /** JSON Schema of the wanted answer; an empty object when none was asked for. */
  readonly schema: object;
  readonly schemaName?: string;
  readonly model: string;
}

export interface Brain {
  matches(request: ModelRequest): boolean;
  /** Any JSON value; a text is sent as it is. */
  answer(request: ModelRequest): unknown;
}

/** What a model that no brain speaks for answers. */
const lastResort: Brain = {
  matches: () => true,
  answer: ({ schema }): Json => (Object.keys(schema).length === 0 ? "Understood." : valueFor(schema)),
};

export function think(brains: readonly Brain[], request: ModelRequest): string {
  const brain = brains.find((one) => one.matches(request)) ?? lastResort;
  const answer = brain.answer(request);
  return typeof answer === "string" ? answer : JSON.stringify(answer);
}
