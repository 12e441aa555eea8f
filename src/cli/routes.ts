/** Why a route took an event or did not, in a sentence. */
import type { RouteConfig } from "../config/schema.ts";
import type { EventFacts } from "../inbox/expressions.ts";
import { compileExpression } from "../inbox/expressions.ts";
import { fitsGlob, matches } from "../inbox/patterns.ts";

export interface RouteVerdict {
  readonly route: string;
  readonly agent: string;
  readonly matched: boolean;
  /** Continues "the route NAME …". */
  readonly why: string;
}

/** One verdict per route. Another source's routes are left out: nobody expects them to match. */
export function judgeRoutes(
  routes: readonly RouteConfig[],
  event: EventFacts,
  payload: unknown,
): RouteVerdict[] {
  const taken = new Map<string, string>();
  return routes.flatMap((route) => {
    if (route.source !== event.source) return [];
    const objection = objectionOf(route, event, payload, taken);
    if (objection === null) taken.set(route.agent, route.name);
    const glob = route.events.find((one) => fitsGlob(one, event.type)) ?? "";
    return {
      route: route.name,
      agent: route.agent,
      matched: objection === null,
      why: objection ?? `matches: its events have ${glob}${conditionsOf(route)}`,
    };
  });
}

function conditionsOf(route: RouteConfig): string {
  const held = [
    ...(route.match === undefined ? [] : ["its patterns fit"]),
    ...(route.if === undefined ? [] : ["its condition holds"]),
  ];
  return held.length === 0 ? "" : `, ${held.join(" and ")}`;
}

function objectionOf(
  route: RouteConfig,
  event: EventFacts,
  payload: unknown,
  taken: ReadonlyMap<string, string>,
): string | null {
  if (!route.events.some((glob) => fitsGlob(glob, event.type)))
    return `does not match: its events are ${route.events.join(", ")}`;
  const misfit = route.match === undefined ? null : misfitOf(route.match, payload, "");
  if (misfit !== null) return `does not match: ${misfit}`;
  const condition = route.if === undefined ? null : faultOf(route.if, event, payload);
  if (condition !== null) return `does not match: ${condition}`;
  if (!route.enabled) return "would match, but is switched off (enabled: false)";
  const first = taken.get(route.agent);
  if (first !== undefined) return `would match, but ${first} gave the event to ${route.agent} already`;
  return null;
}

/** The first pattern that does not fit: `pull_request.draft is true, not false`. */
function misfitOf(pattern: unknown, value: unknown, path: string): string | null {
  if (matches(pattern, value)) return null;
  const isFields =
    pattern !== null &&
    typeof pattern === "object" &&
    !Array.isArray(pattern) &&
    Object.keys(pattern).every((key) => !key.startsWith("$"));
  if (isFields) {
    for (const [key, part] of Object.entries(pattern)) {
      const below: unknown =
        value !== null && typeof value === "object" && Object.hasOwn(value, key)
          ? (value as Record<string, unknown>)[key]
          : undefined;
      const found = misfitOf(part, below, path === "" ? key : `${path}.${key}`);
      if (found !== null) return found;
    }
  }
  const shown = value === undefined ? "missing" : short(value);
  const place = path === "" ? "the body" : path;
  return Array.isArray(pattern)
    ? `${place} is ${shown}, which is none of ${short(pattern)}`
    : `${place} is ${shown}, which is not ${short(pattern)}`;
}

const short = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

function faultOf(text: string, event: EventFacts, payload: unknown): string | null {
  const compiled = compileExpression(text);
  if ("fault" in compiled) return `its condition is faulty: ${compiled.fault.message}`;
  try {
    const result = compiled.expression(payload, event);
    return result === true ? null : `its condition is ${short(result)}: ${text.trim()}`;
  } catch (error) {
    const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return `its condition failed: ${first}`;
  }
}
