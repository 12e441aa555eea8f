/** The runs of one agent on one event: the first one is of generation 0, and each replay of a later one. */
import type { Run } from "../domain/run.ts";
import { integerOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql } from "./sql.ts";

/** A generation above all earlier ones of the event, so that (event, agent, generation) stays unique. */
export function* nextGeneration(event: string): Sql<number> {
  const row = yield* sql.get("SELECT max(generation) AS n FROM runs WHERE event = ?", event);
  return (row ? (integerOrNull(row, "n") ?? -1) : -1) + 1;
}

/** When the first run that acted was created, of those before this one; null when none did. */
export function* actedFirstAt({ event, agent, generation }: Run): Sql<number | null> {
  if (generation === 0) return null;
  const row = yield* sql.get(
    `SELECT min(r.created_at) AS at FROM runs r WHERE r.event = ? AND r.agent = ? AND r.generation < ?
       AND EXISTS (SELECT 1 FROM actions a WHERE a.run = r.id AND a.dry_run = 0
                     AND a.status IN ('done', 'executing', 'uncertain'))`,
    event,
    agent,
    generation,
  );
  return row ? integerOrNull(row, "at") : null;
}
