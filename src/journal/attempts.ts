/** Attempts that did not end well: one row for those in a row that ended alike, and at most so many rows a run. */
import type { Attempt, AttemptEnd, AttemptPlace } from "../domain/attempt.ts";
import type { Verdict } from "../domain/ports.ts";
import { integer, text, textOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql, Transaction } from "./sql.ts";

/** A run that can't be settled for weeks leaves no more than this; the last row then takes what is like nothing. */
const mostRows = 50;
const longestError = 1_000;

const attemptFrom = (row: Row): Attempt => ({
  number: integer(row, "number"),
  times: integer(row, "times"),
  startedAt: integer(row, "started_at"),
  endedAt: integer(row, "ended_at"),
  end: text(row, "ended_as") as AttemptEnd,
  at: textOrNull(row, "place"),
  service: textOrNull(row, "service"),
  error: text(row, "error"),
  counted: integer(row, "counted") === 1,
});

export function* attemptsOf(run: string): Sql<Attempt[]> {
  return (yield* sql.all("SELECT * FROM attempts WHERE run = ? ORDER BY number", run)).map(attemptFrom);
}

type Ended = Omit<Attempt, "number" | "times" | "endedAt">;

/** Of a verdict that is no success. `place` is null for whoever settles without having worked on the run. */
export function* recordAttempt(
  tx: Transaction,
  run: string,
  verdict: Exclude<Verdict, { kind: "done" }>,
  place: AttemptPlace | null,
): Sql<void> {
  if (verdict.kind === "parkUntil" && verdict.giveBack > 0) yield* giveBack(run, verdict.service);
  yield* append(tx, run, {
    startedAt: place ? tx.ours(place.startedAt) : tx.now,
    end: verdict.kind,
    at: place?.at ?? null,
    service: "service" in verdict ? verdict.service : null,
    error: verdict.reason.slice(0, longestError),
    counted: verdict.kind === "retryAt" || verdict.kind === "dead",
  });
}

/** The last attempts in a row that failed because of the service do not count any more. */
function* giveBack(run: string, service: string): Sql<void> {
  yield* sql.run(
    `UPDATE attempts SET counted = 0 WHERE run = ? AND service = ? AND ended_as = 'retryAt' AND number > (
       SELECT coalesce(max(number), 0) FROM attempts
       WHERE run = ? AND (ended_as <> 'retryAt' OR service IS NULL OR service <> ?))`,
    run,
    service,
    run,
    service,
  );
}

/** The worker that held the run is gone, or was too slow. */
export const recordLostAttempt = (tx: Transaction, run: string, startedAt: number): Sql<void> =>
  append(tx, run, {
    startedAt,
    end: "lost",
    at: null,
    service: null,
    error: "its worker ended, or lost its lease, before it came to a verdict",
    counted: false,
  });

function* append(tx: Transaction, run: string, ended: Ended): Sql<void> {
  const row = yield* sql.get("SELECT * FROM attempts WHERE run = ? ORDER BY number DESC LIMIT 1", run);
  const last = row && attemptFrom(row);
  const rows = yield* sql.get("SELECT count(*) AS n FROM attempts WHERE run = ?", run);
  const full = rows !== undefined && integer(rows, "n") >= mostRows && ended.end !== "dead";
  if (last && (isAlike(last, ended) || full)) {
    yield* sql.run(
      `UPDATE attempts SET times = times + 1, ended_at = ?, ended_as = ?, place = ?, service = ?, error = ?, counted = ?
       WHERE run = ? AND number = ?`,
      tx.now,
      ended.end,
      ended.at,
      ended.service,
      ended.error,
      ended.counted ? 1 : 0,
      run,
      last.number,
    );
    return;
  }
  yield* sql.run(
    `INSERT INTO attempts (run, number, times, started_at, ended_at, ended_as, place, service, error, counted)
     VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)`,
    run,
    last ? last.number + last.times : 1,
    ended.startedAt,
    tx.now,
    ended.end,
    ended.at,
    ended.service,
    ended.error,
    ended.counted ? 1 : 0,
  );
}

const isAlike = (last: Attempt, ended: Ended): boolean =>
  last.end === ended.end &&
  last.at === ended.at &&
  last.service === ended.service &&
  last.error === ended.error;
