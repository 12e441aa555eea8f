/** PostgreSQL is killed, stops answering, refuses, or is not what the journal needs. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import pg from "pg";
import { JournalUnavailable, LeaseLost } from "../../src/domain/errors.ts";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { postgresNote, postgresPresent, startPostgres } from "../support/postgres.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { startTcpRelay } from "../support/tcp-relay.ts";
import { createRequests } from "../support/requests.ts";

const clock = systemClock;
const ids = createIds(clock);
const { item, request } = createRequests(ids);

describe.skipIf(!postgresPresent)(`a PostgreSQL that fails${postgresNote}`, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  /** A connection that may be cut, between statements too. */
  const connect = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => {});
    await client.connect();
    return client;
  };
  const query = async (text: string, url = server.url) => {
    const client = await connect(url);
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  /** An empty database of the server. */
  const database = async (name: string, options = ""): Promise<string> => {
    await query(`CREATE DATABASE ${name} ${options}`);
    return server.url.replace(/postgres$/, name);
  };
  /** Short of patience, so that the test is not long. */
  const open = (url: string) =>
    openPostgresJournal({
      url,
      clock,
      connections: 3,
      limits: { connect: 1_000, lock: 300, statement: 600, answer: 700 },
    });

  it("loses nothing that it acknowledged when it is killed in the middle of commits, and doubles nothing", async () => {
    const url = await database("killed");
    const fleet = await Promise.all([1, 2, 3].map(() => open(url)));
    const acknowledged = new Set<string>();
    const refused: string[] = [];
    let next = 0;
    let stopped = false;
    const send = async (at: number, name: string) => {
      const parts = fleet[at % fleet.length];
      try {
        await parts?.journal.accept(request(item([name])));
        acknowledged.add(name);
      } catch (error) {
        expect(error).toBeInstanceOf(JournalUnavailable);
        refused.push(name);
        // As a sender does, and so that the server gets to start.
        await pause(20);
      }
    };
    const senders = Array.from({ length: 12 }, async (_, at) => {
      while (!stopped) {
        next += 1;
        await send(at, `event-${next}`);
      }
    });
    for (let kill = 0; kill < 3; kill += 1) {
      const enough = acknowledged.size + 150;
      while (acknowledged.size < enough) await pause(5);
      await server.kill();
      await server.start();
    }
    stopped = true;
    await Promise.all(senders);
    const stored = async () =>
      (await query("SELECT provider_id AS name FROM events", url)).map((row) => String(row["name"]));
    const there = await stored();
    expect(new Set(there).size).toBe(there.length);
    expect([...acknowledged].filter((name) => !there.includes(name))).toEqual([]);
    expect(refused.length).toBeGreaterThan(0);
    // Those who were refused come again, whether it was stored or not.
    await Promise.all(refused.splice(0).map((name, at) => send(at, name)));
    expect((await stored()).toSorted()).toEqual([...acknowledged].toSorted());
    const [runs] = await query("SELECT count(*)::int AS n FROM runs", url);
    expect(runs?.["n"]).toBe(acknowledged.size);
    await Promise.all(fleet.map(({ journal }) => journal.close()));
  });

  it("is unavailable at once while it is down, to whoever writes or reads, and is there again by itself", async () => {
    const { journal, reads, state } = await open(await database("down"));
    const [before] = await journal.accept(request(item(["before"])));
    const run = before?.runs[0] ?? "";
    const claim = await journal.claim(run, "w", 600_000);
    await server.kill();
    const asked = [
      journal.accept(request(item(["during"]))),
      journal.claim("run_1", "w", 1_000),
      state.put("meta", "a", 1, 0),
      journal.dueRuns(1),
      reads.events({ limit: 1 }),
    ];
    for (const result of await Promise.allSettled(asked))
      expect(result).toMatchObject({ status: "rejected", reason: { name: "JournalUnavailable" } });
    expect(journal.trouble()).toMatch(/^PostgreSQL stores nothing: .+/);
    await server.start();
    expect(await journal.accept(request(item(["during"])))).toMatchObject([{ duplicate: false }]);
    expect(journal.trouble()).toBeNull();
    expect(await journal.accept(request(item(["before"])))).toMatchObject([{ duplicate: true }]);
    expect(await journal.claim(run, "other", 60_000)).toBeNull();
    await journal.extendLease({ run, fence: claim?.fence ?? 0 }, 60_000);
    await journal.close();
  });

  /** As the driver sends it. */
  const commit = "COMMIT\0";
  /** The journal behind a network that can be disturbed. */
  const behindRelay = async (name: string) => {
    const relay = await startTcpRelay(server.port);
    const address = new URL(await database(name));
    address.port = String(relay.port);
    const parts = await open(address.href);
    onTestFinished(async () => {
      relay.resume();
      await parts.journal.close();
      await relay.close();
    });
    return { ...parts, relay };
  };

  it("is unavailable, and does not hang, while it takes connections and answers nothing", async () => {
    const { journal, reads, relay } = await behindRelay("silent");
    await journal.accept(request(item(["before"])));
    relay.stall();
    const asked = [
      ...Array.from({ length: 40 }, (_, at) => journal.accept(request(item([`during-${at}`])))),
      journal.dueRuns(1),
      reads.overview(),
    ];
    for (const result of await Promise.allSettled(asked))
      expect(result).toMatchObject({ status: "rejected", reason: { name: "JournalUnavailable" } });
    relay.resume();
    expect(await journal.accept(request(item(["after"])))).toMatchObject([{ duplicate: false }]);
  });

  it("acknowledges nothing whose commit it was not told of: it comes again, and is a duplicate of itself", async () => {
    const { journal, relay } = await behindRelay("unknown");
    relay.loseAnswerTo(commit);
    await expect(journal.accept(request(item(["a"])))).rejects.toThrow(JournalUnavailable);
    const [again] = await journal.accept(request(item(["a"])));
    expect(again).toMatchObject({ duplicate: true, runs: [] });
    const [due, ...more] = await journal.dueRuns(10);
    expect(more).toEqual([]);
    const claim = await journal.claim(due?.run ?? "", "w", 60_000);
    const key = { run: due?.run ?? "", fence: claim?.fence ?? 0 };
    const step = { run: key.run, name: "gather", schemaVersion: 1, output: 1, startedAt: 1, endedAt: 1 };
    for (let time = 0; time < 2; time += 1) {
      relay.loseAnswerTo(commit);
      await expect(journal.recordStep(key, { ...step, usage: null })).rejects.toThrow(JournalUnavailable);
    }
    expect(await journal.steps(key.run)).toHaveLength(1);
    relay.loseAnswerTo(commit);
    await expect(journal.settle(key, { kind: "done", summary: "" })).rejects.toThrow(JournalUnavailable);
    await expect(journal.settle(key, { kind: "dead", reason: "" })).rejects.toThrow(LeaseLost);
  });

  it("is unavailable to whoever waits too long for another's lock, and to nobody else", async () => {
    const url = await database("locked");
    const { journal } = await open(url);
    const [stored] = await journal.accept(request(item(["a"])));
    const id = stored?.runs[0] ?? "";
    const claim = await journal.claim(id, "w", 60_000);
    const client = await connect(url);
    await client.query("BEGIN");
    await client.query("SELECT 1 FROM runs FOR UPDATE");
    const key = { run: id, fence: claim?.fence ?? 0 };
    const waiting = journal.extendLease(key, 1_000);
    expect(await journal.accept(request(item(["b"])))).toMatchObject([{ duplicate: false }]);
    await expect(waiting).rejects.toThrow(JournalUnavailable);
    expect(journal.trouble()).toBeNull();
    await client.end();
    await journal.extendLease(key, 1_000);
    await journal.close();
  });

  it("goes on over a table that a newer process changed under it", async () => {
    const url = await database("changed");
    const { journal } = await open(url);
    const claims = async (name: string) => {
      const [stored] = await journal.accept(request(item([name])));
      return Promise.all([1, 2, 3].map(() => journal.claim(stored?.runs[0] ?? "", "w", 60_000)));
    };
    await claims("a");
    await query("ALTER TABLE runs ADD COLUMN later TEXT; ALTER TABLE events ADD COLUMN later TEXT", url);
    expect((await claims("b")).filter((claim) => claim !== null)).toHaveLength(1);
    await journal.close();
  });

  it("takes what is under way when it is closed, and nothing after that", async () => {
    const url = await database("closed");
    const { journal, reads } = await open(url);
    const last = [1, 2, 3].map((at) => journal.accept(request(item([`last-${at}`]))));
    await journal.close();
    expect(await Promise.all(last)).toHaveLength(3);
    await expect(journal.accept(request(item(["late"])))).rejects.toThrow("closed");
    await expect(reads.overview()).rejects.toThrow("closed");
    expect(await query("SELECT count(*)::int AS n FROM events", url)).toEqual([{ n: 3 }]);
  });

  describe("at the start", () => {
    it("says when it can't be reached, without the password", async () => {
      const address = new URL(server.url);
      address.password = "pass-word-4711";
      address.port = "1";
      const failure = await open(address.href).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        message: expect.stringMatching(/can't be reached \(.*ECONNREFUSED.*DATABASE_URL/),
      });
      expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain("4711");
      await expect(open("postgresql://me:pass-word-4711@[")).rejects.toThrow(/^DATABASE_URL can't be read/);
    });

    it("does not wait for one that takes the connection and then says nothing", async () => {
      const url = await database("speechless");
      await (await open(url)).journal.close();
      const blocker = await connect(url);
      await blocker.query("BEGIN");
      await blocker.query("LOCK TABLE signalbox_schema");
      await expect(open(url)).rejects.toThrow(/PostgreSQL can't be reached \(Query read timeout\)/);
      await blocker.end();
    });

    it.each([
      ["fsync", "ALTER SYSTEM SET fsync = off", "fsync is off"],
      ["full_page_writes", "ALTER SYSTEM SET full_page_writes = off", "full_page_writes is off"],
    ])("refuses a server whose %s is off, and says how to mend it", async (name, order, words) => {
      const url = await database(`without_${name}`);
      await query(order);
      await query("SELECT pg_reload_conf()");
      while ((await query(`SHOW ${name}`))[0]?.[name] !== "off") continue;
      await expect(open(url)).rejects.toThrow(new RegExp(`${words}.*ALTER SYSTEM SET ${name} = on`));
      await query(`ALTER SYSTEM RESET ${name}`);
      await query("SELECT pg_reload_conf()");
      while ((await query(`SHOW ${name}`))[0]?.[name] !== "on") continue;
      await (await open(url)).journal.close();
    });

    it("refuses a database that does not flush its commits, or is not in UTF-8, or is read-only", async () => {
      const lazy = await database("lazy");
      await query("ALTER DATABASE lazy SET synchronous_commit = off");
      await expect(open(lazy)).rejects.toThrow(/synchronous_commit is off.*ALTER DATABASE/);
      const latin = await database(
        "latin",
        "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
      );
      await expect(open(latin)).rejects.toThrow(/encoded as LATIN1.*UTF8/);
      const still = await database("still");
      await query("ALTER DATABASE still SET default_transaction_read_only = on");
      await expect(open(still)).rejects.toThrow(/read-only: point DATABASE_URL at the primary/);
    });

    it("refuses tables of a newer version, and those of another program", async () => {
      const newer = await database("newer");
      await (await open(newer)).journal.close();
      await query("UPDATE signalbox_schema SET version = version + 1", newer);
      await expect(open(newer)).rejects.toThrow(/written by a newer version of signalbox \(schema \d+\)/);
      const shared = await database("shared_with_others");
      await query("CREATE TABLE events (id int)", shared);
      await expect(open(shared)).rejects.toThrow(/tables of another program.*a database of its own/);
    });
  });
});
