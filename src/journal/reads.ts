/** What the dashboard and the CLI read. Lists are newest first; ids sort by time, so the last id is the cursor. */
import { actionStatuses } from "../domain/action.ts";
import type { Action } from "../domain/action.ts";
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
import type { Clock } from "../resilience/clock.ts";
import { actionById, actionsOf } from "./actions.ts";
import {
  actionFrom,
  bodyFrom,
  deliveryFrom,
  eventColumns,
  eventFrom,
  integer,
  integerOrNull,
  marks,
  runFrom,
  text,
} from "./rows.ts";
import { stepsOf } from "./steps.ts";
import type { Connection, Row, SqlValue } from "./sqlite-driver.ts";

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

function page(db: Connection, list: Filter, query: ListQuery): Page<Row> {
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
  for (const [field, condition] of Object.entries(list.equals)) {
    where(condition, query[field as keyof Filter["equals"]]);
  }
  const rows = db.all(
    `SELECT ${list.columns} FROM ${list.table} ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""}
     ORDER BY id DESC LIMIT ?`,
    ...values,
    query.limit + 1,
  );
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return { items, next: rows.length > query.limit && last ? text(last, "id") : null };
}

const mapped = <T>(rows: Page<Row>, map: (row: Row) => T): Page<T> => ({
  items: rows.items.map(map),
  next: rows.next,
});

function counts<K extends string>(
  db: Connection,
  sql: string,
  names: readonly K[],
  values: readonly SqlValue[] = [],
): Record<K, number> {
  const found = new Map(db.all(sql, ...values).map((row) => [text(row, "name"), integer(row, "n")]));
  return Object.fromEntries(names.map((name) => [name, found.get(name) ?? 0])) as Record<K, number>;
}

function withRuns(db: Connection, rows: readonly Row[]): EventSummary[] {
  const ids = rows.map((row) => text(row, "id"));
  const runs =
    ids.length > 0 ? db.all(`SELECT * FROM runs WHERE event IN (${marks(ids)}) ORDER BY id`, ...ids) : [];
  return rows.map((row) => ({
    ...eventFrom(row, db.vault),
    runs: runs
      .filter((run) => text(run, "event") === text(row, "id"))
      .map((run) => ({
        id: text(run, "id"),
        agent: text(run, "agent"),
        status: text(run, "status") as RunStatus,
      })),
  }));
}

function oldestDueAt(db: Connection, now: number): number | null {
  const oldest = db.get(
    "SELECT min(due_at) AS at FROM runs WHERE due_at <= ? AND status IN ('queued', 'waiting')",
    now,
  );
  return oldest ? integerOrNull(oldest, "at") : null;
}

function backlog(db: Connection, now: number): Backlog {
  const among = [...openStatuses, "dead"] as const;
  const { dead, ...runs } = counts(
    db,
    `SELECT status AS name, count(*) AS n FROM runs WHERE status IN (${marks(among)}) GROUP BY status`,
    among,
    among,
  );
  const reviews = db.get("SELECT count(*) AS n FROM actions WHERE status = 'awaiting_review'");
  return { runs, dead, reviews: reviews ? integer(reviews, "n") : 0, oldestDueAt: oldestDueAt(db, now) };
}

function overview(db: Connection, now: number): Overview {
  return {
    events: counts<EventStatus>(db, "SELECT status AS name, count(*) AS n FROM events GROUP BY status", [
      "routed",
      "unrouted",
      "inactive",
    ]),
    runs: counts(db, "SELECT status AS name, count(*) AS n FROM runs GROUP BY status", runStatuses),
    actions: counts(db, "SELECT status AS name, count(*) AS n FROM actions GROUP BY status", actionStatuses),
    decided: counts<DecidedBy>(
      db,
      "SELECT decided_by AS name, count(*) AS n FROM runs WHERE decided_by IS NOT NULL GROUP BY decided_by",
      ["model", "rules"],
    ),
    oldestDueAt: oldestDueAt(db, now),
  };
}

function sourceActivity(db: Connection): SourceActivity[] {
  // SQLite takes the other columns from the row that max() was found in.
  const secrets = new Map(
    db
      .all(
        `SELECT source, secret_index, max(received_at) AS at FROM deliveries
         WHERE secret_index IS NOT NULL GROUP BY source`,
      )
      .map((row) => [text(row, "source"), { index: integer(row, "secret_index"), at: integer(row, "at") }]),
  );
  return (
    db
      // Ids sort by time; the index on them is all that is read.
      .all(
        `SELECT source, n, (SELECT received_at FROM events WHERE id = newest) AS last
       FROM (SELECT source, count(*) AS n, max(id) AS newest FROM events GROUP BY source) ORDER BY source`,
      )
      .map((row) => ({
        source: text(row, "source"),
        events: integer(row, "n"),
        lastEventAt: integerOrNull(row, "last"),
        lastSecret: secrets.get(text(row, "source")) ?? null,
      }))
  );
}

/** `connection` is asked for each time: the writer may have had to open it again. */
export function createReads(connection: () => Connection, clock: Clock): Reads {
  return {
    events: async (query) => {
      const db = connection();
      const rows = page(db, lists.events, query);
      return { items: withRuns(db, rows.items), next: rows.next };
    },
    event: async (id) => {
      const db = connection();
      const row = db.get("SELECT * FROM events WHERE id = ?", id);
      if (!row) return null;
      return {
        ...eventFrom(row, db.vault),
        body: bodyFrom(row, db.vault),
        deliveries: db.all("SELECT * FROM deliveries WHERE event = ? ORDER BY rowid", id).map(deliveryFrom),
        runs: db.all("SELECT * FROM runs WHERE event = ? ORDER BY id", id).map(runFrom),
      };
    },
    runs: async (query): Promise<Page<Run>> => mapped(page(connection(), lists.runs, query), runFrom),
    run: async (id) => {
      const db = connection();
      const row = db.get("SELECT * FROM runs WHERE id = ?", id);
      return row ? { run: runFrom(row), steps: stepsOf(db, id), actions: actionsOf(db, id) } : null;
    },
    actions: async (query): Promise<Page<Action>> => {
      const db = connection();
      return mapped(page(db, lists.actions, query), (row) => actionFrom(row, db.vault));
    },
    action: async (id) => actionById(connection(), id),
    overview: async () => overview(connection(), clock.now()),
    backlog: async () => backlog(connection(), clock.now()),
    sourceActivity: async () => sourceActivity(connection()),
  };
}
