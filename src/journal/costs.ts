/** What earlier runs of events cost and did, for whoever is about to run them again. */
import type { ActionKind } from "../domain/action-kinds.ts";
import type { PastCost } from "../domain/ports.ts";
import type { StepUsage } from "../domain/step.ts";
import { integer, marks, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql } from "./sql.ts";

interface Found {
  readonly event: string;
  readonly agent: string;
  /** The latest run that asked a model, and what its calls came to. */
  paidBy: string | null;
  costUsd: number | null;
  /** The latest run that planned an action, and how many of each kind. */
  plannedBy: string | null;
  actions: Partial<Record<ActionKind, number>>;
}

export function* pastCosts(events: readonly string[]): Sql<PastCost[]> {
  if (events.length === 0) return [];
  const found = new Map<string, Found>();
  const entry = (event: string, agent: string): Found => {
    const key = `${event} ${agent}`;
    const known = found.get(key);
    if (known) return known;
    const fresh = { event, agent, paidBy: null, costUsd: null, plannedBy: null, actions: {} };
    found.set(key, fresh);
    return fresh;
  };
  const usages = yield* sql.all(
    `SELECT r.event, r.agent, r.id, s.usage FROM runs r JOIN steps s ON s.run = r.id
     WHERE r.event IN (${marks(events)}) AND s.usage IS NOT NULL ORDER BY r.id`,
    ...events,
  );
  for (const row of usages) {
    const of = entry(text(row, "event"), text(row, "agent"));
    const { costUsd } = JSON.parse(text(row, "usage")) as StepUsage;
    const goesOn = of.paidBy === text(row, "id");
    of.paidBy = text(row, "id");
    of.costUsd = goesOn && of.costUsd !== null && costUsd !== null ? of.costUsd + costUsd : costUsd;
  }
  const planned = yield* sql.all(
    `SELECT r.event, r.agent, r.id, a.kind, count(*) AS n FROM runs r JOIN actions a ON a.run = r.id
     WHERE r.event IN (${marks(events)}) GROUP BY r.event, r.agent, r.id, a.kind ORDER BY r.id`,
    ...events,
  );
  for (const row of planned) {
    const of = entry(text(row, "event"), text(row, "agent"));
    if (of.plannedBy !== text(row, "id")) of.actions = {};
    of.plannedBy = text(row, "id");
    of.actions[text(row, "kind") as ActionKind] = integer(row, "n");
  }
  return [...found.values()].map(({ event, agent, costUsd, actions }) => ({
    event,
    agent,
    costUsd,
    actions,
  }));
}
