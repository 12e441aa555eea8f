/** What the dashboard and the CLI read. Lists are newest first; ids sort by time, so the last id is the cursor. */
import { actionStatuses, heldStatuses } from "../domain/action.ts";
import type { EventStatus } from "../domain/event.ts";
import type {
  Backlog,
  EventSummary,
  ListQuery,
  Overview,
  Page,
  Reads,
  SourceActivity,
} from "../domain/ports.ts";
import { openStatuses, runStatuses } from "../domain/run.ts";
import type { DecidedBy, Run, RunStatus } from "../domain/run.ts";
import { actionById, actionsOf } from "./actions.ts";
import { attemptsOf } from "./attempts.ts";
import { auditPage } from "./audit.ts";
import { pastCosts } from "./costs.ts";
import {
  actionFrom,
  bodyFrom,
  deliveryColumns,
  deliveryFrom,
  eventColumns,
  eventFrom,
  listedEventFrom,
  integer,
  integerOrNull,
  marks,
  runFrom,
  text,
  textOrNull,
} from "./rows.ts";
import { stepsOf } from "./steps.ts";
import { sql, together } from "./sql.ts";
import type { Database, Row, Scope, Sql, SqlValue } from "./sql.ts";
import { withReasons } from "./waiting.ts";

/** A list's conditions by query field. They are constants of this file; values are bound. */
interface Filter {
  readonly table: string;
  readonly columns: string;
  readonly time: string;
  readonly equals: Partial<Record<"source" | "type" | "agent" | "status" | "run" | "event", string>>;
}

const lists = {
  events: {
    table: "events",
    columns: eventColumns,
    time: "received_at",
    equals: {
      source: "source = ?",
      type: "type = ?",
      status: "status = ?",
      agent: "EXISTS (SELECT 1 FROM runs r WHERE r.event = events.id AND r.agent = ?)",
    },
  },
  runs: {
    table: "runs",
    columns: "*",
    time: "created_at",
    equals: {
      agent: "agent = ?",
      status: "status = ?",
      event: "event = ?",
      source: "(SELECT e.source FROM events e WHERE e.id = runs.event) = ?",
      type: "(SELECT e.type FROM events e WHERE e.id = runs.event) = ?",
    },
  },
  actions: {
    table: "actions",
    columns: "*",
    time: "created_at",
    equals: {
      agent: "agent = ?",
      status: "status = ?",
      run: "run = ?",
      type: "kind = ?",
      event: "run IN (SELECT r.id FROM runs r WHERE r.event = ?)",
      source: "(SELECT e.source FROM runs r JOIN events e ON e.id = r.event WHERE r.id = actions.run) = ?",
    },
  },
} satisfies Record<string, Filter>;

function* page(list: Filter, query: ListQuery): Sql<Page<Row>> {
  const conditions: string[] = [];
  const values: SqlValue[] = [];
  const where = (condition: string, value: SqlValue | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  where("id < ?", query.cursor);
  where(`${list.time} >= ?`, query.since);
  where(`${list.time} < ?`, query.until);
  where("lower(reason) LIKE ? ESCAPE '\\'", query.cause && pattern(query.cause));
  if (query.deadLetters === true) conditions.push("status = 'dead' AND cleared_at IS NULL");
  for (const [field, condition] of Object.entries(list.equals)) {
    where(condition, query[field as keyof Filter["equals"]]);
  }
  const rows = yield* sql.all(
    `SELECT ${list.columns} FROM ${list.table} ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""}
     ORDER BY id DESC LIMIT ?`,
    ...values,
    query.limit + 1,
  );
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return { items, next: rows.length > query.limit && last ? text(last, "id") : null };
}

/** Matches texts that hold this one, whatever it is made of. */
const pattern = (cause: string): string => `%${cause.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;

function* mapped<T>(rows: Sql<Page<Row>>, map: (row: Row) => T): Sql<Page<T>> {
  const { items, next } = yield* rows;
  return { items: items.map(map), next };
}

function* counts<K extends string>(
  statement: string,
  names: readonly K[],
  values: readonly SqlValue[] = [],
): Sql<Record<K, number>> {
  const rows = yield* sql.all(statement, ...values);
  const found = new Map(rows.map((row) => [text(row, "name"), integer(row, "n")]));
  return Object.fromEntries(names.map((name) => [name, found.get(name) ?? 0])) as Record<K, number>;
}

function* eventsPage({ vault }: Scope, query: ListQuery): Sql<Page<EventSummary>> {
  const { items: rows, next } = yield* page(lists.events, query);
  const ids = rows.map((row) => text(row, "id"));
  const runs =
    ids.length > 0
      ? yield* sql.all(
          `SELECT * FROM runs WHERE event IN (${marks(ids)}) AND about IS NULL ORDER BY id`,
          ...ids,
        )
      : [];
  const items = rows.map((row) => ({
    ...listedEventFrom(row, vault),
    runs: runs
      .filter((run) => text(run, "event") === text(row, "id"))
      .map((run) => ({
        id: text(run, "id"),
        agent: text(run, "agent"),
        status: text(run, "status") as RunStatus,
      })),
  }));
  return { items, next };
}

function* eventById({ vault }: Scope, id: string): Sql<Awaited<ReturnType<Reads["event"]>>> {
  const row = yield* sql.get("SELECT * FROM events WHERE id = ?", id);
  if (!row) return null;
  const deliveries = yield* sql.all(
    `SELECT ${deliveryColumns} FROM deliveries WHERE event = ? ORDER BY received_at, id`,
    id,
  );
  const runs = yield* sql.all("SELECT * FROM runs WHERE event = ? AND about IS NULL ORDER BY id", id);
  return {
    ...eventFrom(row, vault),
    body: bodyFrom(row, vault),
    deliveries: deliveries.map(deliveryFrom),
    runs: yield* withReasons(runs.map(runFrom)),
  };
}

function* runsPage(query: ListQuery): Sql<Page<Run>> {
  const { items, next } = yield* page(lists.runs, query);
  return { items: yield* withReasons(items.map(runFrom)), next };
}

function* runById(scope: Scope, id: string): Sql<Awaited<ReturnType<Reads["run"]>>> {
  const row = yield* sql.get("SELECT * FROM runs WHERE id = ?", id);
  if (!row) return null;
  const [run = runFrom(row)] = yield* withReasons([runFrom(row)]);
  return {
    run,
    steps: yield* stepsOf(scope, id),
    actions: yield* actionsOf(scope, id),
    attempts: yield* attemptsOf(id),
  };
}

function* oldestDueAt(): Sql<number | null> {
  const oldest = yield* sql.get(
    "SELECT min(due_at) AS at FROM runs WHERE due_at <= ? AND status IN ('queued', 'waiting')",
    yield* sql.now(),
  );
  return oldest ? integerOrNull(oldest, "at") : null;
}

function* deadLetters(): Sql<number> {
  const row = yield* sql.get("SELECT count(*) AS n FROM runs WHERE status = 'dead' AND cleared_at IS NULL");
  return row ? integer(row, "n") : 0;
}

function* backlog(): Sql<Backlog> {
  const reviews = yield* sql.get(
    `SELECT count(*) AS n FROM actions WHERE status IN (${marks(heldStatuses)})`,
    ...heldStatuses,
  );
  return {
    runs: yield* counts(
      `SELECT status AS name, count(*) AS n FROM runs WHERE status IN (${marks(openStatuses)}) GROUP BY status`,
      openStatuses,
      openStatuses,
    ),
    deadLetters: yield* deadLetters(),
    reviews: reviews ? integer(reviews, "n") : 0,
    oldestDueAt: yield* oldestDueAt(),
  };
}

function* overview(): Sql<Overview> {
  return {
    events: yield* counts<EventStatus>("SELECT status AS name, count(*) AS n FROM events GROUP BY status", [
      "routed",
      "unrouted",
      "inactive",
    ]),
    runs: yield* counts("SELECT status AS name, count(*) AS n FROM runs GROUP BY status", runStatuses),
    actions: yield* counts(
      "SELECT status AS name, count(*) AS n FROM actions GROUP BY status",
      actionStatuses,
    ),
    decided: yield* counts<DecidedBy>(
      "SELECT decided_by AS name, count(*) AS n FROM runs WHERE decided_by IS NOT NULL GROUP BY decided_by",
      ["model", "rules"],
    ),
    deadLetters: yield* deadLetters(),
    oldestDueAt: yield* oldestDueAt(),
  };
}

function* sourceActivity(): Sql<SourceActivity[]> {
  const kept = yield* sql.all(
    `SELECT d.source, n, at, d.reason FROM deliveries d JOIN
       (SELECT source, count(*) AS n, max(received_at) AS at FROM deliveries
        WHERE body IS NOT NULL AND result = 'malformed' GROUP BY source) latest
     ON d.received_at = at AND d.source = latest.source AND d.body IS NOT NULL AND d.result = 'malformed'
     ORDER BY d.id`,
  );
  const unreadable = new Map(
    kept.map((row) => [
      text(row, "source"),
      { count: integer(row, "n"), lastAt: integer(row, "at"), reason: textOrNull(row, "reason") },
    ]),
  );
  // Ids sort by time; the index on them is all that is read.
  const rows = yield* sql.all(
    `SELECT source, n, (SELECT received_at FROM events WHERE id = newest) AS last
     FROM (SELECT source, count(*) AS n, max(id) AS newest FROM events GROUP BY source) AS counted`,
  );
  const events = new Map(
    rows.map((row) => [
      text(row, "source"),
      { events: integer(row, "n"), lastEventAt: integerOrNull(row, "last") },
    ]),
  );
  // Whoever signed nothing that could be read has sent something all the same.
  const sources = [...new Set([...events.keys(), ...unreadable.keys()])].toSorted();
  const secrets = yield* together(sources.map(lastSecretOf));
  return sources.map((source, at) => ({
    source,
    ...(events.get(source) ?? { events: 0, lastEventAt: null }),
    lastSecret: secrets[at] ?? null,
    unreadable: unreadable.get(source) ?? null,
  }));
}

function* lastSecretOf(source: string): Sql<SourceActivity["lastSecret"]> {
  const row = yield* sql.get(
    `SELECT secret_index, received_at FROM deliveries WHERE source = ? AND secret_index IS NOT NULL
     ORDER BY received_at DESC LIMIT 1`,
    source,
  );
  return row ? { index: integer(row, "secret_index"), at: integer(row, "received_at") } : null;
}

export function createReads({ read }: Pick<Database, "read">): Reads {
  return {
    events: (query) => read((scope) => eventsPage(scope, query)),
    event: (id) => read((scope) => eventById(scope, id)),
    runs: (query) => read(() => runsPage(query)),
    run: (id) => read((scope) => runById(scope, id)),
    actions: (query) =>
      read(({ vault }) => mapped(page(lists.actions, query), (row) => actionFrom(row, vault))),
    action: (id) => read((scope) => actionById(scope, id)),
    overview: () => read(overview),
    backlog: () => read(backlog),
    sourceActivity: () => read(sourceActivity),
    pastCosts: (events) => read(() => pastCosts(events)),
    audit: (query) => read(() => auditPage(query)),
  };
}
