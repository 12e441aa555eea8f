import type { Json, JsonObject } from "./json.ts";
import { isObject, sha256 } from "./json.ts";
import type { ActionKind } from "./action-kinds.ts";

/**
 * An action is one outward effect, planned as data and carried out once.
 *
 *   planned ──▶ executing ──▶ done | failed | uncertain      executing is flushed to disk before the request leaves
 *      │            └──▶ planned   (it certainly had no effect: may be tried again)
 *      ├──▶ awaiting_review       (its agent has acted as often as it may within an hour)
 *      ├──▶ skipped               (same key already used, a dependency was not done, or a precondition fell)
 *   awaiting_review ──▶ planned (approved) | rejected | skipped
 *   planned ──▶ done                     (a dry run, or a look-up found that it was done before)
 *   planned ──▶ uncertain                (an earlier run used the key, and what came of it can't be looked up)
 *   uncertain ──▶ planned (repeat it) | rejected (leave it)    (a person looked)
 *
 * A dry run ends `done` with `dryRun: true` and never uses up its key.
 */
export const actionStatuses = [
  "planned",
  "awaiting_review",
  "executing",
  "done",
  "failed",
  "skipped",
  "rejected",
  "uncertain",
] as const;
export type ActionStatus = (typeof actionStatuses)[number];

/** Those that wait for a person: before the one is done, and since nobody knows whether the other was. */
export const heldStatuses = ["awaiting_review", "uncertain"] as const satisfies readonly ActionStatus[];

const transitions: Readonly<Record<ActionStatus, readonly ActionStatus[]>> = {
  planned: ["executing", "awaiting_review", "done", "skipped", "uncertain"],
  awaiting_review: ["planned", "rejected", "skipped"],
  executing: ["executing", "planned", "done", "failed", "uncertain", "skipped"],
  uncertain: ["planned", "rejected"],
  done: [],
  failed: [],
  skipped: [],
  rejected: [],
};

/** The states an action may be in for it to become `to`. */
export const actionStatesBefore = (to: ActionStatus): ActionStatus[] =>
  actionStatuses.filter((from) => transitions[from].includes(to));

export const isHeld = ({ status }: Pick<Action, "status">): boolean =>
  heldStatuses.some((held) => held === status);

/** What `plan` returns: an action as data. */
export interface PlannedAction {
  /** Unique within the run; part of the idempotency key. */
  readonly name: string;
  readonly kind: ActionKind;
  /** What the action is about: `sub_1:2026-11`, `octo/repo#7@sha`. The event, where it is left out. */
  readonly subject?: string;
  /** Fits the kind's schema once references are resolved. */
  readonly input: JsonObject;
  /** Names of actions that must be done before this one. References add to it by themselves. */
  readonly needs?: readonly string[];
}

/** What a vendor gave back: ids and links, all strings, for people and for actions that build on it. */
export type ActionRef = Readonly<Record<string, string>>;

export interface Action {
  /** `act_` and a time-ordered UUID. */
  readonly id: string;
  readonly run: string;
  readonly agent: string;
  readonly name: string;
  readonly kind: ActionKind;
  readonly subject: string;
  readonly key: string;
  readonly status: ActionStatus;
  readonly input: JsonObject;
  /** Of kind and input: what an approval binds to. */
  readonly hash: string;
  readonly needs: readonly string[];
  readonly ref: ActionRef | null;
  readonly dryRun: boolean;
  /** Why it was skipped, held, failed, rejected or is uncertain. */
  readonly reason: string | null;
  /** Who approved or rejected it, as in the audit; null while nobody did. */
  readonly reviewedBy: string | null;
  /** Requests that were begun. */
  readonly attempts: number;
  /** When the last request was begun; a repeat waits the vendor's settle time from here before it looks up. */
  readonly intentAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * The idempotency key: of agent, action name and subject, and of nothing else. A run id, an ordinal or the payload
 * in it would make a retry, a replay or a reworded draft act twice.
 */
export const actionKey = (agent: string, name: string, subject: string): string =>
  sha256("signalbox-action", agent, name, subject).slice(0, 40);

/** A typed reference to an earlier action's result, put into an action's input. */
export interface ResultReference extends JsonObject {
  readonly $result: string;
  readonly field: string;
}

export const resultOf = (action: string, field: string): ResultReference => ({
  $result: action,
  field,
});

/** Text with earlier results in it: `{name}` stands for the reference of that name. */
export interface TextTemplate extends JsonObject {
  readonly $text: string;
  readonly values: { readonly [name: string]: ResultReference };
}

export const template = (text: string, values: TextTemplate["values"]): TextTemplate => ({
  $text: text,
  values,
});

const isReference = (value: Json): value is ResultReference =>
  isObject(value) && typeof value["$result"] === "string" && typeof value["field"] === "string";
const isTemplate = (value: Json): value is TextTemplate =>
  isObject(value) && typeof value["$text"] === "string" && isObject(value["values"] ?? null);

/** Names of the actions whose results an input uses. */
export function referencesIn(input: Json): string[] {
  const names = new Set<string>();
  walk(input, (reference) => {
    names.add(reference.$result);
    return "";
  });
  return [...names];
}

/** The input with every reference replaced by what `resultOfAction` gives for it. */
export const resolveReferences = (
  input: JsonObject,
  resultOfAction: (reference: ResultReference) => string,
): JsonObject => walk(input, resultOfAction) as JsonObject;

function walk(value: Json, resolve: (reference: ResultReference) => string): Json {
  if (isReference(value)) return resolve(value);
  if (isTemplate(value)) {
    const texts = Object.entries(value.values).map(
      ([name, reference]) => [name, resolve(reference)] as const,
    );
    return texts.reduce((text, [name, result]) => text.replaceAll(`{${name}}`, result), value.$text);
  }
  if (Array.isArray(value)) return value.map((item: Json) => walk(item, resolve));
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, resolve)]));
  }
  return value;
}
