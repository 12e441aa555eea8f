/** What a queued run waits for: nothing of it is stored, since it changes with what other runs do. */
import type { Run, WaitingFor } from "../domain/run.ts";
import { text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql } from "./sql.ts";

/** The runs, each queued one with what it waits for. */
export function* withReasons(runs: readonly Run[]): Sql<Run[]> {
  const explained: Run[] = [];
  for (const run of runs)
    explained.push(run.status === "queued" ? { ...run, waitingFor: yield* reasonOf(run) } : run);
  return explained;
}

const ownTurn = "it is taken up as soon as a worker is free";

function* reasonOf({ id, agent, concurrency }: Run): Sql<WaitingFor> {
  const waits = (kind: "key" | "turn", reason: string): WaitingFor => ({ kind, reason, until: null });
  if (concurrency === null) return waits("turn", ownTurn);
  const { key, limit } = concurrency;
  const holders = yield* sql.all(
    "SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND holds_key = 1 AND id <> ? ORDER BY id LIMIT ?",
    key,
    agent,
    id,
    limit,
  );
  const first = holders[0];
  if (first && holders.length >= limit)
    return waits("key", `${text(first, "id")} holds the concurrency key ${key}`);
  const before = yield* sql.get(
    `SELECT id FROM runs WHERE concurrency_key = ? AND agent = ? AND status = 'queued' AND id < ? ORDER BY id LIMIT 1`,
    key,
    agent,
    id,
  );
  return before
    ? waits("key", `${text(before, "id")} came first with the concurrency key ${key}`)
    : waits("turn", ownTurn);
}
