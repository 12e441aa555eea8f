/** The server profile on the real program, PostgreSQL and Redis: two processes receive, two work, and anything may die. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { fleetConfig, list, openFleet } from "../support/fleet.ts";
import type { Fleet, ProcessRow, RunRow } from "../support/fleet.ts";
import { postgresNote, postgresPresent } from "../support/postgres.ts";
import { runProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";
import { redisNote, redisPresent } from "../support/redis.ts";
import { testDatabase } from "../support/test-database.ts";

describe.skipIf(!postgresPresent || !redisPresent)(`a fleet${postgresNote}${redisNote}`, () => {
  let fleet: Fleet;
  let ingest: [RunningProgram, RunningProgram];
  let workers: RunningProgram[];
  beforeAll(async () => {
    fleet = await openFleet();
    const [a, b, ...rest] = await Promise.all([
      fleet.start("ingest"),
      fleet.start("ingest"),
      fleet.start("worker"),
      fleet.start("worker"),
    ]);
    ingest = [a, b];
    workers = rest;
  }, 120_000);
  afterAll(() => fleet.close());

  const posts = () => fleet.github.requests.filter(({ method }) => method === "POST");
  const reviewed = () => fleet.github.state.reviews.length + fleet.github.state.issueComments.length;
  const runs = () => list<RunRow>(ingest[0], "/api/runs?limit=200");
  const inStatus = async (status: string) => (await runs()).filter((run) => run.status === status).length;
  const processes = (by = ingest[0]) => list<ProcessRow>(by, "/api/processes");
  const leader = async () => (await processes()).find((one) => one.leading && one.trouble === null)?.pid;
  const allDone = async () => {
    const now = await runs();
    return now.length > 0 && now.every((run) => run.status === "succeeded") && reviewed() === now.length;
  };
  /** Ends what the stand-in holds up: their callers see a broken connection. */
  const cut = () => {
    fleet.github.faults.clear();
    fleet.github.faults.down();
    fleet.github.faults.up();
  };

  it("takes events at each of its doors, and does each of them once", async () => {
    for (let number = 1; number <= 6; number += 1)
      expect((await fleet.open(`both-${number}`, 1, ingest[number % 2 === 0 ? 0 : 1])).status).toBe(200);
    // The same delivery at the other door is known there.
    expect((await fleet.open("both-1", 1, ingest[0])).status).toBe(200);
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
    expect([(await runs()).length, reviewed()]).toEqual([6, 6]);
  });

  it("shows its processes at each admin port, one of them leading", async () => {
    await expect.poll(async () => (await processes()).length, { timeout: 60_000 }).toBe(4);
    const rows = await processes(workers[0]);
    expect(rows.map(({ role }) => role).toSorted()).toEqual(["ingest", "ingest", "worker", "worker"]);
    expect(new Set(rows.map(({ config }) => config)).size).toBe(1);
    await expect.poll(leader, { timeout: 60_000 }).toBeTypeOf("number");
    expect(workers.map(({ pid }) => pid)).toContain(await leader());
    const { stdout } = await ingest[0].cli("doctor");
    expect(stdout).toContain("4 processes");
  });

  it("shares one data folder: each finds the same token, and the CLI one that receives", async () => {
    expect(new Set([...ingest, ...workers].map(({ token }) => token)).size).toBe(1);
    expect(existsSync(join(fleet.folder, ".signalbox", "journal.db"))).toBe(false);
    const listed = await workers[0]?.cli("events", "list");
    expect(listed?.code).toBe(0);
  });

  it("works on no more runs of a key than its limit, whichever processes they are in", async () => {
    const before = posts().length;
    fleet.github.faults.stall({ times: Infinity, when: ({ method }) => method === "POST" });
    for (let number = 1; number <= 6; number += 1) await fleet.open("same", number, ingest[0]);
    await expect.poll(() => posts().length - before, { timeout: 60_000 }).toBe(3);
    // What waits for its turn is told again meanwhile, to workers that have hands free.
    await expect.poll(() => inStatus("running"), { timeout: 60_000 }).toBe(3);
    expect(await inStatus("queued")).toBe(3);
    expect(posts().length - before).toBe(3);
    cut();
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
  });

  it("has the runs of a worker that was killed picked up by another", async () => {
    const before = posts().length;
    fleet.github.faults.stall({ times: Infinity, when: ({ method }) => method === "POST" });
    for (let number = 1; number <= 6; number += 1) await fleet.open(`killed-${number}`, 1, ingest[0]);
    // Three in each worker: an agent may have all hands but one.
    await expect.poll(() => posts().length - before, { timeout: 60_000 }).toBe(6);
    await workers[0]?.kill();
    cut();
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
    workers[0] = await fleet.start("worker");
  });

  it("has another process lead when the leader is killed, and when it is stopped", async () => {
    const first = await leader();
    const dead = workers.findIndex(({ pid }) => pid === first);
    await workers[dead]?.kill();
    const next = () => processes().then((rows) => rows.find((one) => one.leading && one.pid !== first));
    await expect.poll(next, { timeout: 60_000, interval: 200 }).toBeTruthy();
    expect(workers[1 - dead]?.stderr()).toContain("duties.begun");
    await fleet.open("after-leader", 1, ingest[1]);
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);

    workers[dead] = await fleet.start("worker");
    expect(await workers[1 - dead]?.stop()).toBe(0);
    await expect
      .poll(() => workers[dead]?.stderr().includes("duties.begun"), { timeout: 60_000, interval: 50 })
      .toBe(true);
    workers[1 - dead] = await fleet.start("worker");
  });

  it("has another process lead while the leader stands still, and the old one give way when it goes on", async () => {
    await expect.poll(leader, { timeout: 60_000 }).toBeTypeOf("number");
    const first = await leader();
    const frozen = workers.find(({ pid }) => pid === first);
    if (frozen === undefined) throw new Error("no worker leads");
    const terms = (word: string) => frozen.stderr().split(word).length - 1;
    process.kill(frozen.pid, "SIGSTOP");
    onTestFinished(() => void process.kill(frozen.pid, "SIGCONT"));
    const next = () => processes().then((rows) => rows.find((one) => one.leading && one.pid !== first)?.pid);
    await expect.poll(next, { timeout: 60_000, interval: 200 }).toBeTypeOf("number");
    await fleet.open("leader-frozen", 1, ingest[0]);
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
    process.kill(frozen.pid, "SIGCONT");
    await expect.poll(() => terms("duties.ended") === terms("duties.begun"), { timeout: 60_000 }).toBe(true);
    expect(await next()).toBeTypeOf("number");
  });

  it("loses nothing when Redis loses everything", async () => {
    const before = posts().length;
    fleet.github.faults.stall({ times: Infinity, when: ({ method }) => method === "POST" });
    for (let number = 1; number <= 12; number += 1) await fleet.open(`flush-${number}`, 1, ingest[0]);
    await expect.poll(() => posts().length - before, { timeout: 60_000 }).toBe(6);
    await fleet.redis.command("FLUSHALL");
    cut();
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
  });

  it("accepts events without Redis, and works on them when it is back with nothing", async () => {
    await fleet.redis.kill();
    const answers = [];
    for (let number = 1; number <= 4; number += 1)
      answers.push(await fleet.open(`no-redis-${number}`, 1, ingest[number % 2 === 0 ? 0 : 1]));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(20_000);
    expect((await fetch(`${ingest[0].adminUrl}/readyz`)).status).toBe(200);
    // Processes start without it, too, and say so.
    const late = await fleet.start("worker");
    await expect.poll(() => late.stderr(), { timeout: 60_000 }).toContain("redis.down");
    expect((await fleet.open("no-redis-5", 1, ingest[0])).status).toBe(200);
    expect(await inStatus("queued")).toBe(5);
    await fleet.redis.start("lost");
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
    expect(await late.stop()).toBe(0);
  });

  it("asks senders to come again without PostgreSQL, and goes on when it is back", async () => {
    await fleet.postgres.kill();
    const { status } = await fleet.open("no-postgres", 1, ingest[0]);
    expect(status).toBe(503);
    expect((await fetch(`${ingest[0].adminUrl}/readyz`)).status).toBe(503);
    await fleet.postgres.start();
    const again = async () => (await fleet.open("no-postgres", 1, ingest[0])).status;
    await expect.poll(again, { timeout: 60_000 }).toBe(200);
    await expect.poll(allDone, { timeout: 60_000 }).toBe(true);
    // One that was killed is shown until its time is over.
    const up = async () => (await processes()).filter((one) => !one.trouble).length;
    await expect.poll(up, { timeout: 60_000 }).toBe([...ingest, ...workers].length);
  });

  it("has a changed configuration in force in every process", async () => {
    const [before] = await processes();
    writeFileSync(join(fleet.folder, "signalbox.yaml"), fleetConfig("retention: { events: 60d }\n"));
    await expect
      .poll(
        async () => {
          const up = (await processes()).filter((one) => one.trouble === null);
          return up.length === 4 && up.every((one) => one.config === up[0]?.config) && up[0]?.config;
        },
        { timeout: 60_000 },
      )
      .toSatisfy((config) => config !== false && config !== before?.config);
  });

  it("shows what another process did while it is watched", async () => {
    const stop = new AbortController();
    const answer = await fetch(`${ingest[0].adminUrl}/api/stream`, {
      headers: { Authorization: `Bearer ${ingest[0].token}` },
      signal: stop.signal,
    });
    let text = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>)
        text += decoder.decode(chunk, { stream: true });
    })().catch(() => undefined);
    await fleet.open("watched", 1, ingest[1]);
    await expect.poll(() => text, { timeout: 60_000 }).toMatch(/event: run\ndata: .*"status":"succeeded"/);
    stop.abort();
    await reading;
  });

  it("lets each process end in order", async () => {
    expect(await Promise.all([...ingest, ...workers].map((program) => program.stop()))).toEqual([0, 0, 0, 0]);
    expect(existsSync(join(fleet.folder, ".signalbox", "server.json"))).toBe(false);
  });
});

describe.skipIf(!postgresPresent)(`a start${postgresNote}`, { concurrent: true }, () => {
  const start = async (env: Record<string, string>, ...args: string[]) => {
    const { folder, remove } = temporaryFolder();
    writeFileSync(join(folder, "signalbox.yaml"), fleetConfig());
    const ended = await runProgram(["start", ...args], {
      cwd: folder,
      env: { GITHUB_WEBHOOK_SECRET: "s", ...env },
    });
    remove();
    return { ...ended, said: ended.stderr.replace(/\s+/g, " ") };
  };

  it("without a database ends with 1 and says which address to look at, but not the address", async () => {
    const { code, said } = await start({
      DATABASE_URL: "postgresql://signalbox:hush@127.0.0.1:1/none",
      REDIS_URL: "redis://127.0.0.1:1",
    });
    expect(code).toBe(1);
    expect(said).toContain("PostgreSQL can't be reached");
    expect(said).toContain("DATABASE_URL");
    expect(said).not.toContain("hush");
    expect(said).not.toContain(" at ");
  });

  it("that waits for another process to change the tables can be stopped", async ({
    expect,
    onTestFinished,
  }) => {
    const database = await testDatabase();
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    onTestFinished(() => other.end());
    await other.query("SELECT pg_advisory_lock($1)", ["7245301896"]);
    const { folder, remove } = temporaryFolder();
    onTestFinished(remove);
    writeFileSync(join(folder, "signalbox.yaml"), fleetConfig());
    const env = { DATABASE_URL: database.url, REDIS_URL: "redis://127.0.0.1:1", GITHUB_WEBHOOK_SECRET: "s" };
    const asked = new AbortController();
    const ended = runProgram(["start"], { cwd: folder, env, terminate: asked.signal });
    const waiting = () =>
      database.query(
        "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database() AND NOT granted",
      );
    await expect.poll(waiting, { timeout: 60_000 }).toHaveLength(1);
    asked.abort();
    expect(await ended).toMatchObject({ code: 1, stderr: expect.stringContaining("was cut") });
  }, 120_000);

  it("as one role needs the server profile", async () => {
    const { code, said } = await start({}, "--role", "worker");
    expect(code).toBe(2);
    expect(said).toContain("Set DATABASE_URL and REDIS_URL");
  });
});
