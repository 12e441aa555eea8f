/** The runs of one agent on one event: the first one is of generation 0, and each replay of a later one. */
import type { Run } from "../domain/run.ts";
import { integerOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql } from "./sql.ts";

/** Above all earlier ones of the event, so that (event, agent, generation) stays unique; those of notices count alone. */
export function* nextGeneration(event: string): Sql<number> {
  const past = "SELECT max(generation) AS n FROM runs WHERE event = ? AND about IS NULL";
  return after(yield* sql.get(past, event));
}

/** As nextGeneration, for the notices of an event. */
export function* nextNotice(event: string): Sql<number> {
  const past = "SELECT max(generation) AS n FROM runs WHERE event = ? AND about IS NOT NULL";
  return after(yield* sql.get(past, event));
}

const after = (row: Row | undefined): number => (row ? (integerOrNull(row, "n") ?? -1) : -1) + 1;

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
