/** What differs between what was decided and planned once and now. Pure. Wording is told apart from judgement. */
import type { PlannedAction } from "../domain/action.ts";
import { hashJson, isObject } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";

export interface FieldChange {
  readonly field: string;
  readonly before: Json;
  readonly now: Json;
}
export interface ActionChange {
  readonly name: string;
  readonly kind: string;
  /** reworded: only texts differ. */
  readonly change: "added" | "removed" | "changed" | "reworded";
}

/** A text of several words says the same in many ways; a single word is a choice. */
const isWording = (text: string): boolean => /\s/.test(text.trim());
/** How sure somebody was is no judgement on the matter. */
const beside = new Set(["confidence"]);

/** Whether both judge alike, whatever their words. The order in a list does not count. */
function alike(one: Json, other: Json): boolean {
  if (typeof one === "string" && typeof other === "string")
    return one === other || isWording(one) || isWording(other);
  if (Array.isArray(one) && Array.isArray(other)) return listsAlike(one, other);
  if (one === null || other === null || !isObject(one) || !isObject(other)) return one === other;
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.every((name) => beside.has(name) || alike(one[name] ?? null, other[name] ?? null));
}

function listsAlike(one: readonly Json[], other: readonly Json[]): boolean {
  const left = [...other];
  for (const item of one) {
    const at = left.findIndex((each) => alike(item, each));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return left.length === 0;
}

/** The fields that were judged otherwise. */
export function decisionChanges(before: Json | null, now: Json | null): FieldChange[] {
  const [one, other] = [fieldsOf(before), fieldsOf(now)];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.flatMap((field) => {
    const [was, is] = [one[field] ?? null, other[field] ?? null];
    if (beside.has(field) || alike(was, is)) return [];
    return [{ field, before: was, now: is }];
  });
}

const fieldsOf = (decision: Json | null): JsonObject =>
  decision !== null && isObject(decision) ? decision : {};

/** By name: an agent gives the same thing the same name. */
export function actionChanges(
  before: readonly Pick<PlannedAction, "name" | "kind" | "input">[],
  now: readonly Pick<PlannedAction, "name" | "kind" | "input">[],
): ActionChange[] {
  const find = (list: typeof before, { name, kind }: Pick<PlannedAction, "name" | "kind">) =>
    list.find((each) => each.name === name && each.kind === kind);
  const gone = before.filter((each) => find(now, each) === undefined);
  return [
    ...gone.map(({ name, kind }): ActionChange => ({ name, kind, change: "removed" })),
    ...now.flatMap((each): ActionChange[] => {
      const { name, kind } = each;
      const earlier = find(before, each);
      if (earlier === undefined) return [{ name, kind, change: "added" }];
      if (!alike(earlier.input, each.input)) return [{ name, kind, change: "changed" }];
      return hashJson(earlier.input) === hashJson(each.input) ? [] : [{ name, kind, change: "reworded" }];
    }),
  ];
}
