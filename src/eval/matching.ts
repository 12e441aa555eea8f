/** What of a case does not hold for a decision and what would be done on it, in words; and its classes. Pure. */
import type { PlannedAction } from "../domain/action.ts";
import { isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { Case, FieldMatcher, ItemMatcher, ListMatcher, Matcher } from "./case.ts";
import type { Played } from "./play.ts";
import { noClass } from "./statistics.ts";

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
};

const isListMatcher = (matcher: Matcher): matcher is ListMatcher =>
  typeof matcher === "object" &&
  matcher !== null &&
  !Array.isArray(matcher) &&
  ["some", "none", "also", "atMost"].some((key) => key in matcher);

/** Why `value` is not as the matcher says; null when it is. */
function fieldFault(value: Json | undefined, matcher: FieldMatcher): string | null {
  if (typeof matcher !== "object" || matcher === null)
    return value === matcher ? null : `${show(value)}, not ${show(matcher)}`;
  if (Array.isArray(matcher))
    return (matcher as readonly unknown[]).includes(value)
      ? null
      : `${show(value)}, none of ${matcher.map(show).join(", ")}`;
  const { min, max, has, lacks } = matcher as { min?: number; max?: number; has?: string; lacks?: string };
  if (min !== undefined && !(typeof value === "number" && value >= min))
    return `${show(value)}, below ${min}`;
  if (max !== undefined && !(typeof value === "number" && value <= max))
    return `${show(value)}, above ${max}`;
  const text = (typeof value === "string" ? value : JSON.stringify(value ?? null)).toLowerCase();
  if (has !== undefined && !text.includes(has.toLowerCase())) return `${show(value)}, without ${show(has)}`;
  if (lacks !== undefined && text.includes(lacks.toLowerCase())) return `${show(value)}, with ${show(lacks)}`;
  return null;
}

const isLike = (element: Json, like: ItemMatcher): boolean =>
  isObject(element) &&
  Object.entries(like).every(([field, matcher]) => fieldFault(element[field], matcher) === null);

function listFaults(field: string, value: Json | undefined, matcher: ListMatcher): string[] {
  const list = Array.isArray(value) ? (value as readonly Json[]) : [];
  return [
    ...(matcher.some ?? [])
      .filter((like) => !list.some((element) => isLike(element, like)))
      .map((like) => `${field}: none is like ${show(like)}`),
    ...(matcher.none ?? [])
      .filter((like) => list.some((element) => isLike(element, like)))
      .map((like) => `${field}: one is like ${show(like)}`),
    ...(matcher.atMost !== undefined && list.length > matcher.atMost
      ? [`${field}: ${list.length} of them, at most ${matcher.atMost} expected`]
      : []),
  ];
}

function decisionFaults(expect: Case["expect"], decision: Json | null): string[] {
  const fields = decision !== null && isObject(decision) ? decision : null;
  return Object.entries(expect).flatMap(([field, matcher]) => {
    if (fields === null) return [`${field}: nothing was decided`];
    if (isListMatcher(matcher)) return listFaults(field, fields[field], matcher);
    const fault = fieldFault(fields[field], matcher);
    return fault === null ? [] : [`${field}: ${fault}`];
  });
}

const isOfKind = (kind: string, pattern: string): boolean =>
  pattern === "*" || (pattern.endsWith(".*") ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern);

function actionFaults(expected: Case, actions: readonly PlannedAction[]): string[] {
  const kinds = actions.map(({ kind }) => kind as string);
  const texts = JSON.stringify(actions.map(({ input }) => input)).toLowerCase();
  const inside = (text: string) => texts.includes(JSON.stringify(text.toLowerCase()).slice(1, -1));
  return [
    ...expected.does
      .filter((kind) => !kinds.some((each) => isOfKind(each, kind)))
      .map((kind) => `no ${kind} is planned`),
    ...expected.doesNot
      .filter((kind) => kinds.some((each) => isOfKind(each, kind)))
      .map((kind) => `${kinds.filter((each) => isOfKind(each, kind)).join(", ")} is planned`),
    ...expected.says.filter((text) => !inside(text)).map((text) => `${show(text)} is said nowhere`),
    ...expected.saysNot.filter(inside).map((text) => `${show(text)} is said`),
  ];
}

/** Empty when all of it holds. */
export const faultsOfAnswer = (
  expected: Case,
  { decision, actions, held }: Pick<Played, "decision" | "actions" | "held">,
): string[] => [
  ...decisionFaults(expected.expect, decision),
  ...actionFaults(expected, actions),
  ...(expected.held === null || expected.held === held
    ? []
    : [held ? "it waits for a person" : "it does not wait for a person"]),
];

const className = (value: Json | undefined): string =>
  value === undefined ? noClass : typeof value === "string" ? value : JSON.stringify(value);

/** What a decision names at `label`. */
export function classesIn(decision: Json | null, label: string): string[] {
  const [field = "", inner] = label.split(".");
  const value = decision !== null && isObject(decision) ? decision[field] : undefined;
  if (inner === undefined) return [className(value)];
  const list = Array.isArray(value) ? (value as readonly Json[]) : [];
  const classes = list.flatMap((element) =>
    isObject(element) && element[inner] !== undefined ? [className(element[inner])] : [],
  );
  return classes.length === 0 ? [noClass] : [...new Set(classes)].sort();
}

/** The right classes of a case; where several would do, the one that was answered, else the first. Null: not scored. */
export function classesOf(
  { expect }: Case,
  label: string,
  predicted: readonly string[],
): { readonly expected: readonly string[]; readonly tolerated: readonly string[] } | null {
  const [field = "", inner] = label.split(".");
  const matcher = expect[field];
  if (matcher === undefined) return null;
  if (inner !== undefined) return isListMatcher(matcher) ? classesOfList(matcher, inner, predicted) : null;
  const right = (Array.isArray(matcher) ? (matcher as readonly unknown[]) : [matcher]).map(String);
  return { expected: [predicted.find((name) => right.includes(name)) ?? right[0] ?? noClass], tolerated: [] };
}

function classesOfList(
  { some = [], also = [] }: ListMatcher,
  inner: string,
  predicted: readonly string[],
): { readonly expected: readonly string[]; readonly tolerated: readonly string[] } | null {
  const wanted = some.flatMap((like) => {
    const right = [like[inner]].flat().filter((name) => typeof name === "string");
    return [predicted.find((name) => right.includes(name)) ?? right[0] ?? []].flat();
  });
  if (wanted.length > 0) return { expected: [...new Set(wanted)], tolerated: also };
  // Neither right nor wrong.
  if (predicted.every((name) => also.includes(name))) return null;
  return { expected: [noClass], tolerated: also };
}
