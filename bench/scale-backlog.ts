/**
 * What a backlog costs: what is asked for each run, with a thousand runs waiting and with a million, on either database.
 * Both stores are open at the same time and asked in turn. Half of what waits is due, the other half parked for a service
 * that is down; the rows are copies of one that the journal itself has stored.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { Journal } from "../src/domain/ports.ts";
import { openPostgresJournal } from "../src/journal/postgres.ts";
import { Connection } from "../src/journal/sqlite-driver.ts";
import { openSqliteJournal } from "../src/journal/sqlite.ts";
import { systemClock } from "../src/resilience/clock.ts";
import { createIds } from "../src/resilience/ids.ts";
import { createRequests } from "../test/support/requests.ts";
import type { Servers } from "./fleet.ts";
import { pullRequestBody } from "./github-events.ts";
import { median, percentile } from "./load.ts";
import { row } from "./print.ts";

export interface BacklogOptions {
  readonly backlog: number;
  readonly claims: number;
}

const small = 1_000;
const clock = systemClock;

interface Store {
  readonly journal: Journal;
  /** Megabytes on disk. */
  readonly megabytes: number;
  close(): Promise<void>;
}

/** Copies of the one event and its one run; `n` numbers them. Their ids sort as those of the journal do. */
const copies = {
  events: (numbers: string) => `
    INSERT INTO events (id, source, type, provider_id, received_at, occurred_at, status, body_hash, headers, faults, body)
    SELECT e.id || n.id, source, type, provider_id || n.id, received_at, occurred_at, e.status, body_hash, headers, faults, body
    FROM events e, (${numbers}) n`,
  runs: (numbers: string) => `
    INSERT INTO runs (id, event, route, agent, generation, mode, status, due_at, waiting_service, order_at, config_hash, created_at, updated_at)
    SELECT r.id || n.id, r.event || n.id, route, agent, generation, mode,
      CASE WHEN n.at % 2 = 0 THEN 'waiting' ELSE 'queued' END, CASE WHEN n.at % 2 = 0 THEN due_at + 86400000 ELSE due_at END,
      CASE WHEN n.at % 2 = 0 THEN 'github' END, order_at, config_hash, created_at, updated_at
    FROM runs r, (${numbers}) n`,
};
const numbersOf = {
  sqlite: (count: number) =>
    `WITH RECURSIVE s (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM s WHERE at < ${count}) SELECT at, printf('-%08d', at) AS id FROM s`,
  postgres: (count: number) =>
    `SELECT at, '-' || lpad(at::text, 8, '0') AS id FROM generate_series(1, ${count}) AS at`,
};

async function storeOne(journal: Journal): Promise<void> {
  const { item, request, run } = createRequests(createIds(clock));
  const body = Buffer.from(pullRequestBody({ action: "opened", number: 7, size: 1_000 }));
  await journal.accept(request(item(["first"], [run()], { body })));
}

async function sqliteWith(count: number): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
  const first = openSqliteJournal({ folder, clock });
  await storeOne(first.journal);
  await first.journal.close();
  const file = join(folder, "journal.db");
  const db = new Connection(file);
  db.exec(copies.events(numbersOf.sqlite(count)));
  db.exec(copies.runs(numbersOf.sqlite(count)));
  db.close();
  const { journal } = openSqliteJournal({ folder, clock });
  return {
    journal,
    megabytes: statSync(file).size / 1e6,
    async close() {
      await journal.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function postgresWith(count: number, servers: Servers): Promise<Store> {
  const { url, close } = await servers.installation(1);
  const { journal } = await openPostgresJournal({ url, clock });
  await storeOne(journal);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(copies.events(numbersOf.postgres(count)));
  await client.query(copies.runs(numbersOf.postgres(count)));
  // As autovacuum does some minutes later.
  await client.query("VACUUM ANALYZE");
  await client.query("CHECKPOINT");
  const { rows } = await client.query<{ bytes: string }>(
    "SELECT pg_database_size(current_database()) AS bytes",
  );
  await client.end();
  return {
    journal,
    megabytes: Number(rows[0]?.bytes) / 1e6,
    async close() {
      await journal.close();
      await close();
    },
  };
}

const questions = [
  "dueRuns(100)",
  "dueRuns(100, agent)",
  "dueAgents()",
  "nextDue()",
  "claim",
  "settle",
] as const;
type Times = Record<(typeof questions)[number], number[]>;

/** One of each, as the publisher and a worker ask. */
async function askAll(journal: Journal, times: Times): Promise<void> {
  const timed = async <T>(name: keyof Times, ask: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const answer = await ask();
    times[name].push(performance.now() - begun);
    return answer;
  };
  const [wake] = await timed("dueRuns(100)", () => journal.dueRuns(100));
  await timed("dueRuns(100, agent)", () => journal.dueRuns(100, "pr-review"));
  await timed("dueAgents()", () => journal.dueAgents());
  await timed("nextDue()", () => journal.nextDue());
  const claim = await timed("claim", () => journal.claim(wake?.run ?? "", "bench", 60_000));
  if (claim === null) throw new Error("what was due could not be claimed");
  const key = { run: claim.run.id, fence: claim.fence };
  await timed("settle", () => journal.settle(key, { kind: "done", summary: "" }));
}

const noTimes = (): Times => ({
  "dueRuns(100)": [],
  "dueRuns(100, agent)": [],
  "dueAgents()": [],
  "nextDue()": [],
  claim: [],
  settle: [],
});

async function compare(
  profile: string,
  stores: readonly [Store, Store],
  { backlog, claims }: BacklogOptions,
): Promise<void> {
  const times = [noTimes(), noTimes()] as const;
  for (let round = -10; round < claims; round += 1) {
    for (const at of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      await askAll(stores[at].journal, round < 0 ? noTimes() : times[at]);
  }
  console.log(
    `\n${profile}: ${small} and ${backlog} waiting runs (${stores[1].megabytes.toFixed(0)} MB), medians of ${claims}`,
  );
  for (const question of questions) {
    const [few, many] = [times[0][question], times[1][question]];
    const ms = (all: readonly number[]) => `${median(all).toFixed(2)} ms`;
    row(question, [
      ms(few),
      ms(many),
      `${(median(many) / median(few)).toFixed(2)} x`,
      `p99 ${percentile(few, 99).toFixed(1)}`,
      `${percentile(many, 99).toFixed(1)} ms`,
    ]);
  }
}

const profiles = {
  sqlite: { name: "SQLite", storeWith: (count: number) => sqliteWith(count) },
  postgres: { name: "PostgreSQL", storeWith: postgresWith },
};

export async function measureBacklog(
  profile: keyof typeof profiles,
  servers: Servers,
  options: BacklogOptions,
): Promise<void> {
  const { name, storeWith } = profiles[profile];
  const stores = [await storeWith(small, servers), await storeWith(options.backlog, servers)] as const;
  await compare(name, stores, options);
  for (const store of stores) await store.close();
}
