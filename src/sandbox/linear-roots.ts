/** What Linear's queries and mutations share. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asNumber, asText } from "./bodies.ts";
import type { Resolved } from "./graphql-selection.ts";
import type { IssueRecord, LinearState } from "./linear-types.ts";
import { identifierOf } from "./linear-types.ts";

export type Roots = Readonly<Record<string, (args: JsonObject) => Resolved>>;

/** An input that Linear refuses; the message is what it answers. */
export class InputFault extends Error {
  override readonly name = "InputFault";
}

export const nextUuid = (state: LinearState): string =>
  `00000000-0000-4000-8000-${String(state.nextId++).padStart(12, "0")}`;

/** By id or by `ENG-123`. */
export function findIssue(state: LinearState, id: Json | undefined): IssueRecord {
  const wanted = asText(id)?.toLowerCase();
  const found = state.issues.find(
    (one) => one.id === wanted || identifierOf(state, one).toLowerCase() === wanted,
  );
  if (!found) throw new InputFault("Entity not found: Issue - Could not find referenced Issue.");
  return found;
}

/** Priorities are 0 (none) to 4 (low). */
export function priorityOf(value: Json | undefined): number | undefined {
  const priority = asNumber(value);
  if (priority !== undefined && (priority < 0 || priority > 4)) {
    throw new InputFault("Argument Validation Error: priority must not be greater than 4");
  }
  return priority;
}
