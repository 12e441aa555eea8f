/** Which agents work on an event: pure, event × routes → runs. */
import type { EventStatus, RoutingFault } from "../domain/event.ts";
import type { Mode } from "../domain/run.ts";
import { compileExpression } from "./expressions.ts";
import type { EventFacts, Expression } from "./expressions.ts";
import { fitsGlob, matches } from "./patterns.ts";

/** A route as configured. */
export interface RouteOptions {
  readonly name: string;
  readonly source: string;
  readonly events: readonly string[];
  readonly match?: unknown;
  readonly if?: string | undefined;
  readonly agent: string;
  readonly mode: Mode;
  readonly enabled: boolean;
  readonly concurrency?:
    { readonly key: string; readonly limit: number; readonly supersede: boolean } | undefined;
}

export interface Route extends Omit<RouteOptions, "if" | "concurrency"> {
  readonly condition: Expression | null;
  readonly concurrency: {
    readonly key: Expression;
    readonly limit: number;
    readonly supersede: boolean;
  } | null;
}

export interface RouteMatch {
  readonly route: string;
  readonly agent: string;
  readonly mode: Mode;
  readonly concurrency: { readonly key: string; readonly limit: number; readonly supersede: boolean } | null;
}

export interface Routed {
  readonly status: EventStatus;
  readonly matches: readonly RouteMatch[];
  readonly faults: readonly RoutingFault[];
}

/** Throws on an expression that does not compile: the configuration was checked before it came here. */
export function compileRoute({ if: condition, concurrency, ...route }: RouteOptions): Route {
  return {
    ...route,
    condition: condition === undefined ? null : compiled(route.name, condition),
    concurrency: concurrency ? { ...concurrency, key: compiled(route.name, concurrency.key) } : null,
  };
}

function compiled(route: string, text: string): Expression {
  const result = compileExpression(text);
  if ("fault" in result) throw new Error(`route ${route}: ${result.fault.message}`);
  return result.expression;
}

/** One run per agent: where two routes lead to the same agent, the first counts. */
export function routeEvent(routes: readonly Route[], event: EventFacts, payload: unknown): Routed {
  const found: RouteMatch[] = [];
  const faults: RoutingFault[] = [];
  let disabled = false;
  for (const route of routes) {
    if (route.source !== event.source || !route.events.some((glob) => fitsGlob(glob, event.type))) continue;
    if (!holds(route, event, payload, faults)) continue;
    if (!route.enabled) {
      disabled = true;
      continue;
    }
    if (found.some((match) => match.agent === route.agent)) continue;
    const concurrency = keyOf(route, event, payload, faults);
    if (concurrency === undefined) continue;
    found.push({ route: route.name, agent: route.agent, mode: route.mode, concurrency });
  }
  return { status: found.length > 0 ? "routed" : disabled ? "inactive" : "unrouted", matches: found, faults };
}

function holds(route: Route, event: EventFacts, payload: unknown, faults: RoutingFault[]): boolean {
  if (route.match !== undefined && !matches(route.match, payload)) return false;
  if (route.condition === null) return true;
  try {
    return route.condition(payload, event) === true;
  } catch (error) {
    faults.push({ route: route.name, part: "if", message: firstLine(error) });
    return false;
  }
}

/** undefined: the key failed, so the route does not match; running without its key would undo its promise of order. */
function keyOf(
  route: Route,
  event: EventFacts,
  payload: unknown,
  faults: RoutingFault[],
): RouteMatch["concurrency"] | undefined {
  if (route.concurrency === null) return null;
  try {
    const key = route.concurrency.key(payload, event);
    if (typeof key === "string" && key !== "") return { ...route.concurrency, key: key.slice(0, 500) };
    throw new Error("the key is not a text, or an empty one");
  } catch (error) {
    faults.push({ route: route.name, part: "concurrency.key", message: firstLine(error) });
    return undefined;
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
