/**
 * What a queued run waits for: nothing of it is stored, since it changes with what other runs do, and with whether all is
 * paused. Then a parked run whose time has come waits for that as well.
 */
import type { Run, WaitingFor } from "../domain/run.ts";
import { isObject } from "../domain/json.ts";
import { integer, text } from "./rows.ts";
import { getState } from "./state.ts";
import { sql } from "./sql.ts";
import type { Sql } from "./sql.ts";

/** The runs, each queued one with what it waits for. */
export function* withReasons(runs: readonly Run[]): Sql<Run[]> {
  const explained: Run[] = [];
  const isAnyReady = runs.some(({ status }) => status === "queued" || status === "waiting");
  const pause = isAnyReady ? yield* pauseOfAll() : null;
  const now = pause === null ? 0 : yield* sql.now();
  for (const run of runs) {
    const isDue = run.status === "waiting" && (run.waitingFor?.until ?? 0) <= now;
    if (pause !== null && (run.status === "queued" || isDue)) explained.push({ ...run, waitingFor: pause });
    else explained.push(run.status === "queued" ? { ...run, waitingFor: yield* reasonOf(run) } : run);
  }
  return explained;
}

function* pauseOfAll(): Sql<WaitingFor | null> {
  const stored = yield* getState("pause", "all");
  if (!stored || !isObject(stored.value)) return null;
  const reason = stored.value["reason"];
  if (typeof reason !== "string") return null;
  return { kind: "service", service: "all", reason: `everything is ${reason}`, until: null };
}

const ownTurn = "it is taken up as soon as a worker is free";
/** Handed back because what it had to store could not be stored. */
const afterRest = "it was put down, and is taken up again after a pause";

function* reasonOf({ id, agent, concurrency }: Run): Sql<WaitingFor> {
  const waits = (kind: "key" | "turn", reason: string): WaitingFor => ({ kind, reason, until: null });
  const rests = yield* sql.get("SELECT due_at FROM runs WHERE id = ? AND due_at > ?", id, yield* sql.now());
  if (rests) return { ...waits("turn", afterRest), until: integer(rests, "due_at") };
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
