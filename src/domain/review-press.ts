/** The buttons of a review notice: what they are called, and what they say when they come back. */
import { isObject } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

export type PressDeed = "approve" | "reject";

/** Slack's `action_id` of each. */
export const pressIds: Readonly<Record<PressDeed, string>> = {
  approve: "signalbox.approve",
  reject: "signalbox.reject",
};

export interface Press {
  readonly deed: PressDeed;
  /** The id of an action. */
  readonly action: string;
  /** Of what the person saw. */
  readonly hash: string;
}

/** A button's `value`. */
export const pressValue = ({ action, hash }: Pick<Press, "action" | "hash">): string => `${action} ${hash}`;

/** Whether what Slack sent of a click names a button of ours. */
export const isPress = (actionId: Json | undefined): actionId is string =>
  Object.values(pressIds).some((id) => id === actionId);

/** Null when it is no button of ours, or its value is not one that we gave it. */
export function pressOf({ action_id: id, value }: JsonObject): Press | null {
  const deed = isPress(id) ? (id === pressIds.approve ? "approve" : "reject") : null;
  const [, action, hash] =
    /^(act_[\w-]{1,80}) ([0-9a-f]{64})$/.exec(typeof value === "string" ? value : "") ?? [];
  return deed === null || action === undefined || hash === undefined ? null : { deed, action, hash };
}

/** Of a `block_actions` payload: Slack sends one click at a time. */
export function clickIn(payload: unknown): JsonObject | null {
  const actions = isObject(payload as Json) ? (payload as JsonObject)["actions"] : undefined;
  const first = Array.isArray(actions) ? (actions as Json[])[0] : undefined;
  return first !== undefined && isObject(first) ? first : null;
}
