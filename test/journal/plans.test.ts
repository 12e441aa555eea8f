/** What is asked all the time is answered from an index, on either database: their own plans say so. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Claim, Verdict } from "../../src/domain/ports.ts";
import { accept } from "../../src/journal/events.ts";
import { dueAgents, dueRuns, nextDue, parkedFor } from "../../src/journal/due.ts";
import { Session } from "../../src/journal/postgres-driver.ts";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import { eraseContent } from "../../src/journal/retention.ts";
import { claim, extendLease, settle } from "../../src/journal/runs.ts";
import type { Sql, Statement, Transaction } from "../../src/journal/sql.ts";
import { Connection } from "../../src/journal/sqlite-driver.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { createVault } from "../../src/journal/vault.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { postgresNote, postgresPresent } from "../support/postgres.ts";
import { testDatabase } from "../support/test-database.ts";
import { createRequests } from "../support/requests.ts";

const clock = systemClock;
const { item, request, run } = createRequests(createIds(clock));
const tx: Transaction = {
  // After everything that is stored meanwhile has become due.
  now: clock.now() + 600_000,
  ours: (time) => time,
  vault: createVault([]),
  changed: () => {},
};
const keyed = { key: "held", limit: 1, supersede: true };
const key = (held: Claim) => ({ run: held.run.id, fence: held.fence });

/** Enough rows that a plan without an index would be a bad one; most wait behind one key. */
const many = Array.from({ length: 3_000 }, (_, at) =>
  item([`many-${at}`], [run(at % 2 === 0 ? { concurrency: { ...keyed, supersede: false } } : {})]),
);

/** Every statement of the work that never rests. `answer` carries a query out, and looks at the plans on its way. */
async function everything(answer: <T>(query: Sql<T>) => Promise<T>): Promise<void> {
  await answer(accept(tx, request(item(["new"], [run({ concurrency: { ...keyed, key: "pr" } })]))));
  await answer(accept(tx, request(item(["new"]))));
  const verdicts: Verdict[] = [
    { kind: "done", summary: "" },
    { kind: "dead", reason: "gone" },
    { kind: "awaitReview", reason: "a person" },
    { kind: "retryAt", at: tx.now, reason: "503", service: "github" },
    {
      kind: "parkUntil",
      until: tx.now,
      askAt: tx.now,
      reason: "open",
      service: "github",
      by: "service",
      giveBack: 0,
    },
  ];
  for (const verdict of verdicts) {
    const [due] = await answer(dueRuns(1));
    const held = await answer(claim(tx, due?.run ?? "", "w", 60_000));
    if (!held) throw new Error("nothing could be claimed");
    await answer(extendLease(tx, key(held), 60_000));
    await answer(settle(tx, key(held), verdict, null));
  }
  await answer(dueRuns(10, "pr-review"));
  await answer(dueAgents());
  await answer(nextDue());
  await answer(parkedFor("github"));
  // Of content that is all old enough; the rest of it takes as long as it takes.
  await answer(eraseContent(1, 10));
}

interface Asked {
  readonly text: string;
  readonly values: readonly unknown[];
}
/** Those that have a plan. */
const plain = (asked: Statement): Asked[] => {
  if (asked.want === "each") return asked.statements.flatMap(plain);
  return asked.want === "changes" || asked.want === "row" || asked.want === "rows" ? [asked] : [];
};

/** What is due is read in its order, from the oldest on: sorted, all of it would be read for the first ten. */
const isDue = (text: string): boolean => text.includes("ORDER BY r.due_at");

describe("the plans of SQLite", () => {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-plans-"));
  let db: Connection;
  beforeAll(async () => {
    const { journal } = openSqliteJournal({ folder, clock });
    await journal.accept(request(...many));
    await journal.close();
    db = new Connection(join(folder, "journal.db"));
  });
  afterAll(() => {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("read no table from end to end", async () => {
    const scans: string[] = [];
    await everything(async (query) => {
      let step = query.next();
      while (step.done !== true) {
        const asked = step.value;
        for (const { text } of plain(asked))
          for (const row of db.all(`EXPLAIN QUERY PLAN ${text}`)) {
            const detail = String(row["detail"]);
            if (isDue(text) && detail.includes("TEMP B-TREE")) scans.push(`${detail}: ${text}`);
            // A scan of an index that holds nothing else, such as that of the due ones, is what it is for.
            if (/^SCAN (?!.*USING .*INDEX)(?!named|parked|CONSTANT|\()/.test(detail))
              scans.push(`${detail}: ${text}`);
          }
        const one = (function* (): Sql<unknown> {
          return yield asked;
        })();
        step = query.next(db.answer(one, tx.now) as never);
      }
      return step.value;
    });
    expect(scans).toEqual([]);
  });
});

describe.skipIf(!postgresPresent)(`the plans of PostgreSQL${postgresNote}`, () => {
  let pool: pg.Pool;
  beforeAll(async () => {
    const { url, query } = await testDatabase();
    const { journal } = await openPostgresJournal({ url, clock, connections: 2 });
    await journal.accept(request(...many));
    await journal.close();
    await query("ANALYZE");
    pool = new pg.Pool({ connectionString: url });
  });
  afterAll(() => pool.end());

  it("read no table from end to end", async () => {
    const client = await pool.connect();
    onTestFinished(() => client.release(true));
    const session = new Session(client, () => tx.now);
    const scans: string[] = [];
    await session.begin();
    await everything(async (query) => {
      let step = query.next();
      while (step.done !== true) {
        for (const asked of plain(step.value)) {
          // As it is planned for these rows, most of them in one table; and as it is when an index is taken if there is one.
          scans.push(...(await readThrough(client, asked, "runs")));
          await client.query("SET LOCAL enable_seqscan = off");
          scans.push(...(await readThrough(client, asked, "\\w+")));
          await client.query("SET LOCAL enable_seqscan = on");
        }
        step = query.next(await session.answer(step.value));
      }
      return step.value;
    });
    await session.plain("ROLLBACK");
    expect(scans).toEqual([]);
  });
});

async function readThrough(client: pg.PoolClient, asked: Asked, table: string): Promise<string[]> {
  let mark = 0;
  const text = asked.text.replace(/\?/g, () => `$${(mark += 1)}`);
  const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN ${text}`, [...asked.values]);
  return rows
    .map((row) => row["QUERY PLAN"].trim())
    .filter((line) => new RegExp(`Seq Scan on ${table}\\b`).test(line) || (isDue(text) && /Sort/.test(line)))
    .map((line) => `${line}: ${asked.text}`);
}
