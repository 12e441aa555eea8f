/** What only many processes at a time can show: here each has connections of its own. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Action } from "../../src/domain/action.ts";
import { ServiceClosed, ServiceError } from "../../src/domain/errors.ts";
import type { AcceptedItem, Claim } from "../../src/domain/ports.ts";
import type { JournalParts } from "../../src/journal/journal.ts";
import { migrations } from "../../src/journal/migrations/index.ts";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createGuard } from "../../src/resilience/guard.ts";
import type { Guard } from "../../src/resilience/guard.ts";
import { createTurns } from "../../src/resilience/turns.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { postgresNote, postgresPresent } from "../support/postgres.ts";
import { testDatabase } from "../support/test-database.ts";
import type { TestDatabase } from "../support/test-database.ts";
import { createRequests } from "../support/requests.ts";

const clock = systemClock;

/** Waits for what another process, or the database, has yet to do. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(10);
}
const ids = createIds(clock);
const { run, item, request, action: actionOf } = createRequests(ids);

/** Eight at a time on a busy machine are slow, which is not what is tested here. */
const limits = { connect: 60_000, lock: 60_000, statement: 60_000, answer: 60_000 };
const open = (options: Parameters<typeof openPostgresJournal>[0]) =>
  openPostgresJournal({ limits, ...options });

describe.skipIf(!postgresPresent)(`eight processes on one PostgreSQL${postgresNote}`, () => {
  let database: TestDatabase;
  let fleet: JournalParts[] = [];
  beforeAll(async () => {
    database = await testDatabase();
    fleet = await Promise.all(
      Array.from({ length: 8 }, () => open({ url: database.url, clock, connections: 2 })),
    );
  });
  afterAll(async () => {
    await Promise.all(fleet.map((one) => one.journal.close()));
  });
  beforeEach(() => database.empty());

  const first = (): JournalParts => {
    const [one] = fleet;
    if (!one) throw new Error("there is no fleet");
    return one;
  };
  const all = <T>(work: (parts: JournalParts, at: number) => Promise<T>): Promise<T[]> =>
    Promise.all(fleet.map(work));
  const accepted = async (...keys: string[]): Promise<AcceptedItem> => {
    const [answer] = await first().journal.accept(request(item(keys)));
    if (!answer) throw new Error("nothing was accepted");
    return answer;
  };
  const claimed = async (id: string): Promise<Claim> => {
    const claim = await first().journal.claim(id, "w", 60_000);
    if (!claim) throw new Error(`${id} could not be claimed`);
    return claim;
  };
  const keyOf = (claim: Claim) => ({ run: claim.run.id, fence: claim.fence });
  const plan = async (claim: Claim, action: Action) => {
    const place = { run: claim.run.id, name: "plan", schemaVersion: 1, startedAt: 1, endedAt: 2 };
    const step = { ...place, output: null, usage: null };
    await first().journal.recordPlan(keyOf(claim), { step, actions: [action] });
  };
  const planned = async (name: string, subject: string, status: Action["status"] = "planned") => {
    const claim = await claimed((await accepted(name)).runs[0] ?? "");
    const action = actionOf({ run: claim.run.id, name: "post", subject }, { status });
    await plan(claim, action);
    return { claim, action };
  };

  it("one accepts an event that all are sent at the same moment, and the others name it as a duplicate", async () => {
    for (let round = 0; round < 10; round += 1) {
      const answers = (await all(({ journal }) => journal.accept(request(item([`same-${round}`]))))).flat();
      const [original, ...others] = answers.toSorted((a, b) => Number(a.duplicate) - Number(b.duplicate));
      expect(original).toMatchObject({ duplicate: false });
      expect(others).toEqual(others.map(() => ({ event: original?.event, duplicate: true, runs: [] })));
    }
    expect(await database.query("SELECT count(*)::int AS n FROM events")).toEqual([{ n: 10 }]);
    expect(await database.query("SELECT count(*)::int AS n FROM runs")).toEqual([{ n: 10 }]);
    expect(await database.query("SELECT count(*)::int AS n FROM deliveries")).toEqual([{ n: 80 }]);
  });

  it("copies that share any one of their keys, told in any order, are one event", async () => {
    for (let round = 0; round < 10; round += 1) {
      const keys = ["id", "body", "other"].map((name) => `${name}-${round}`);
      const answers = await all(({ journal }, at) =>
        journal.accept(request(item([keys[at % 3] ?? "", keys[(at + 1) % 3] ?? ""]))),
      );
      expect(answers.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    }
    expect(await database.query("SELECT count(*)::int AS n FROM events")).toEqual([{ n: 10 }]);
  });

  it("agents whose actions for one event come to be held at the same moment each have their notice", async () => {
    for (let round = 0; round < 5; round += 1) {
      const agents = fleet.map((_, at) => run({ agent: `agent-${at}` }));
      const [answer] = await first().journal.accept(request(item([`held-${round}`], agents)));
      const claims = await Promise.all((answer?.runs ?? []).map(claimed));
      for (const claim of claims) {
        const held = actionOf(
          { run: claim.run.id, name: "post", subject: claim.run.id },
          { status: "awaiting_review" },
        );
        await plan(claim, held);
      }
      await all(async ({ journal }, at) => {
        const claim = claims[at];
        if (!claim) throw new Error("a run is missing");
        const notice = run({ agent: "review-notice", route: null, about: claim.run.id });
        await journal.settle(keyOf(claim), { kind: "awaitReview", reason: "held", notice });
      });
      const notices = await first().reads.runs({
        limit: 50,
        agent: "review-notice",
        event: answer?.event ?? "",
      });
      expect(notices.items.map(({ generation }) => generation).toSorted((a, b) => a - b)).toEqual(
        fleet.map((_, at) => at),
      );
    }
  });

  it("many events that come to all at the same moment are each there once", async () => {
    const names = Array.from({ length: 200 }, (_, at) => `event-${at}`);
    const answers = await all(({ journal }, at) => {
      const mine = at % 2 === 0 ? names : names.toReversed();
      return Promise.all(mine.map((name) => journal.accept(request(item([name])))));
    });
    expect(answers.flat(2).filter(({ duplicate }) => !duplicate)).toHaveLength(200);
    expect(await database.query("SELECT count(*)::int AS n FROM runs")).toEqual([{ n: 200 }]);
  });

  it("a request that can't be stored does not take with it those that were accepted beside it", async () => {
    const twice = run();
    const { journal } = first();
    const results = await Promise.allSettled([
      journal.accept(request(item(["a"]))),
      journal.accept(request(item(["b"], [twice]), item(["c"], [twice]))),
      journal.accept(request(item(["d"]))),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await database.query("SELECT provider_id FROM events ORDER BY provider_id")).toEqual([
      { provider_id: "a" },
      { provider_id: "d" },
    ]);
  });

  it("one starts again what is dead when all are sent a copy of it", async () => {
    const { event, runs } = await accepted("dies");
    await first().journal.settle(keyOf(await claimed(runs[0] ?? "")), { kind: "dead", reason: "it broke" });
    const answers = (await all(({ journal }) => journal.accept(request(item(["dies"]))))).flat();
    expect(answers.every((answer) => answer.duplicate && answer.event === event)).toBe(true);
    expect(answers.flatMap((answer) => answer.runs)).toHaveLength(1);
  });

  it("each replay of one event is a generation of its own", async () => {
    const { event } = await accepted("again");
    await all(({ journal }) => journal.replay({ event, runs: [run()] }));
    const rows = await database.query("SELECT generation FROM runs ORDER BY generation");
    expect(rows.map((row) => row["generation"])).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
  });

  it("a cursor is moved by one", async () => {
    const cursor = { key: "inbox", value: "100", expected: 0 };
    const results = await Promise.allSettled(
      fleet.map(({ journal }, at) => journal.accept({ ...request(item([`mail-${at}`])), cursor })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await database.query("SELECT count(*)::int AS n FROM events")).toEqual([{ n: 1 }]);
  });

  it("every run is claimed once", async () => {
    const runs: string[] = [];
    for (let at = 0; at < 40; at += 1) runs.push(...(await accepted(`run-${at}`)).runs);
    const claims = await all(({ journal }, at) =>
      Promise.all(runs.map((id) => journal.claim(id, `worker-${at}`, 60_000))),
    );
    const won = claims.flat().flatMap((claim) => (claim ? [claim.run.id] : []));
    expect(won.toSorted()).toEqual(runs.toSorted());
  });

  it("no more runs of a concurrency key are at work than its limit says, wherever they are, and none is left behind", async () => {
    const limits: Record<string, number> = { one: 1, two: 2, three: 3 };
    const queued = new Map<string, string[]>(Object.keys(limits).map((key) => [key, []]));
    for (let at = 0; at < 30; at += 1) {
      for (const [key, limit] of Object.entries(limits)) {
        const made = run({ concurrency: { key, limit, supersede: false } });
        await first().journal.accept(request(item([`${key}-${at}`], [made])));
        queued.get(key)?.push(made.id);
      }
    }
    const atWork = new Map<string, number>();
    const most = new Map<string, number>();
    const order = new Map<string, string[]>(Object.keys(limits).map((key) => [key, []]));
    let left = 90;
    await all(async ({ journal }, at) => {
      while (left > 0) {
        const due = await journal.dueRuns(5);
        for (const { run: id } of due) {
          const claim = await journal.claim(id, `worker-${at}`, 60_000);
          if (!claim) continue;
          const key = claim.run.concurrency?.key ?? "";
          atWork.set(key, (atWork.get(key) ?? 0) + 1);
          most.set(key, Math.max(most.get(key) ?? 0, atWork.get(key) ?? 0));
          order.get(key)?.push(id);
          await journal.extendLease(keyOf(claim), 60_000);
          atWork.set(key, (atWork.get(key) ?? 0) - 1);
          await journal.settle(keyOf(claim), { kind: "done", summary: "" });
          left -= 1;
        }
      }
    });
    for (const [key, limit] of Object.entries(limits)) expect(most.get(key)).toBeLessThanOrEqual(limit);
    expect(order.get("one")).toEqual(queued.get("one"));
  });

  it("of pull request heads that come to all at the same moment the newest is worked on", async () => {
    for (let round = 0; round < 5; round += 1) {
      const concurrency = { key: `pr-${round}`, limit: 1, supersede: true };
      await all(({ journal }, at) =>
        journal.accept(request(item([`${round}-${at}`], [run({ concurrency })], { occurredAt: 1_000 + at }))),
      );
      const rows = await database.query(
        "SELECT order_at, due_at IS NOT NULL AS is_due FROM runs WHERE concurrency_key = $1 AND status <> 'cancelled'",
        [`pr-${round}`],
      );
      expect(rows).toEqual([{ order_at: "1007", is_due: true }]);
    }
  });

  it("one begins an action that several runs have planned under one key, and one takes it over", async () => {
    const made: Awaited<ReturnType<typeof planned>>[] = [];
    for (let at = 0; at < 8; at += 1) made.push(await planned(`plan-${at}`, "same"));
    const begin = async (takeOver?: string) => {
      const results = await Promise.all(
        made.map(({ claim, action }, at) =>
          (fleet[at] ?? first()).journal.beginAction(
            keyOf(claim),
            action.id,
            takeOver === undefined ? {} : { takeOver },
          ),
        ),
      );
      return made.filter((_, at) => results[at]?.go);
    };
    const began = await begin();
    expect(began).toHaveLength(1);
    const [gone] = began;
    if (!gone) throw new Error("none began");
    await first().journal.settle(keyOf(gone.claim), { kind: "dead", reason: "gone" });
    made.splice(made.indexOf(gone), 1);
    expect(await begin(gone.action.id)).toHaveLength(1);
  });

  it("one approves a held action", async () => {
    const { claim, action } = await planned("held", "held", "awaiting_review");
    await first().journal.settle(keyOf(claim), { kind: "awaitReview", reason: "a person" });
    const results = await Promise.allSettled(
      fleet.map(({ journal }, at) =>
        at % 2 === 0
          ? journal.approve(action.id, action.hash, null, "ann")
          : journal.reject(action.id, "no", "ben"),
      ),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "wrong_state" });
  });

  it("one opens a breaker, and one becomes its probe", async () => {
    const opened = await all(({ state }) => state.put("breaker", "github", { state: "open" }, 0));
    const probes = await all(({ state }) => state.put("breaker", "github", { state: "half-open" }, 1));
    expect([opened, probes].map((puts) => puts.filter(Boolean).length)).toEqual([1, 1]);
  });

  it("what a service did to one closes it to all, what a person pauses is paused in all, and one opens it again", async () => {
    const guards = fleet.map(({ state }) =>
      createGuard({
        state,
        clock,
        settings: () => ({ failures: 5, openForMs: 3_600_000, maxOpenForMs: 3_600_000, probeMs: 60_000 }),
        onChange: () => {},
      }),
    );
    const down = new ServiceError("zendesk", "unavailable", "answered 503");
    const call = (guard: Guard, service: string) =>
      guard.call(service, async () => {
        if (service === "zendesk") throw down;
      });
    const failed = await Promise.allSettled(guards.slice(0, 5).map((guard) => call(guard, "zendesk")));
    expect(failed.map((one) => one.status === "rejected" && one.reason)).toEqual([
      down,
      down,
      down,
      down,
      down,
    ]);
    await guards[7]?.pause("linear", "a move");
    for (const service of ["zendesk", "linear"])
      for (const one of await Promise.allSettled(guards.map((guard) => call(guard, service))))
        expect(one).toMatchObject({ status: "rejected", reason: expect.any(ServiceClosed) });
    const resumed = await Promise.all(guards.map((guard) => guard.resume("linear")));
    expect(resumed.filter(Boolean)).toHaveLength(1);
    await Promise.all(guards.map((guard) => call(guard, "linear")));
  });

  it("all together ask a vendor no more than it takes", async () => {
    const turns = fleet.map(({ state }) =>
      createTurns({ state, clock, ratesOf: () => [{ limit: 10, perMs: 3_600_000 }] }),
    );
    const taken = await Promise.allSettled(
      turns.flatMap((own) => [1, 2, 3].map(() => own.take("hubspot", 1, new AbortController().signal))),
    );
    expect(taken.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    for (const one of taken) if (one.status === "rejected") expect(one.reason).toBeInstanceOf(ServiceClosed);
  });

  it("ten that start at once on an empty database make its tables once", async () => {
    const empty = await testDatabase();
    const opened = await Promise.all(
      Array.from({ length: 10 }, () => open({ url: empty.url, clock, connections: 1 })),
    );
    expect(await empty.query("SELECT version FROM signalbox_schema")).toEqual([
      { version: String(migrations.length) },
    ]);
    await Promise.all(opened.map(({ journal }) => journal.close()));
  });

  it("leases and due times are by the database's clock, whatever a process takes the time to be", async () => {
    const hours = (ahead: number) => ({ ...clock, now: () => clock.now() + ahead * 3_600_000 });
    const [fast, slow] = await Promise.all(
      [2, -2].map((ahead) => open({ url: database.url, clock: hours(ahead), connections: 1 })),
    );
    if (!fast || !slow) throw new Error("nothing was opened");
    const id = (await accepted("skewed")).runs[0] ?? "";
    const claim = await slow.journal.claim(id, "slow", 60_000);
    if (!claim) throw new Error("a run that is due could not be claimed");
    expect(await fast.journal.claim(id, "fast", 60_000)).toBeNull();
    const at = hours(-2).now() + 1_000;
    await slow.journal.settle(keyOf(claim), { kind: "retryAt", at, reason: "503", service: null });
    const [row] = await database.query(
      "SELECT due_at - (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS in_ms FROM runs",
    );
    expect(Math.abs(Number(row?.["in_ms"]))).toBeLessThan(10_000);
    await Promise.all([fast, slow].map(({ journal }) => journal.close()));
  });

  it("each is told what another changed, once, and of its own changes only by itself", async () => {
    const [one, other] = fleet;
    if (!one || !other) throw new Error("there is no fleet");
    const told = new Map([one, other].map((parts) => [parts, [] as string[]]));
    const stop = [one, other].map((parts) =>
      parts.changes.subscribe(({ kind, id }) => told.get(parts)?.push(`${kind} ${id}`)),
    );
    // Other files have databases of their own on the same server.
    const ours =
      "pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    const isListening = async () =>
      (await database.query(`SELECT count(*)::int AS n FROM ${ours}`))[0]?.["n"] === 2;
    await until(isListening);
    const [stored] = await one.journal.accept(request(item(["told"])));
    await other.state.put("breaker", "model:anthropic/x", {}, 0);
    const all = [`event ${stored?.event}`, `run ${stored?.runs[0]}`, "breaker model:anthropic/x"];
    // What the test before this one changed may be told late.
    const ofThese = (changes: readonly string[]) => changes.filter((change) => all.includes(change));
    await until(() => [...told.values()].every((changes) => ofThese(changes).length >= all.length));
    for (const changes of told.values()) expect(ofThese(changes).toSorted()).toEqual(all.toSorted());

    // Its connection is cut: what it missed meanwhile it is told when it is back.
    await database.query(`SELECT pg_terminate_backend(pid) FROM ${ours} AND pid <> pg_backend_pid()`);
    const [missed] = await one.journal.accept(request(item(["missed"])));
    await until(() => told.get(other)?.includes(`event ${missed?.event}`) ?? false);
    await until(isListening);
    for (const end of stop) end();
    await until(async () => !(await isListening()));
  });

  it("erases nothing that is begun again at the same moment", async () => {
    const names = Array.from({ length: 20 }, (_, at) => `old-${at}`);
    for (const name of names) {
      const id = (await accepted(name)).runs[0] ?? "";
      await first().journal.settle(keyOf(await claimed(id)), { kind: "dead", reason: "it broke" });
    }
    await all(async ({ journal }, at) => {
      if (at % 2 === 0) await journal.eraseContent(clock.now(), 20);
      else await Promise.all(names.map((name) => journal.accept(request(item([name])))));
    });
    const erased = "FROM events e JOIN runs r ON r.event = e.id WHERE e.body IS NULL AND r.status = 'queued'";
    expect(await database.query(`SELECT e.id ${erased}`)).toEqual([]);
  });

  it("what a stranger writes is stored, whatever characters it is made of", async () => {
    const odd = "a\0b\uD800c\u{1F600}'\"\\{},";
    const made = run({ concurrency: { key: odd, limit: 1, supersede: true } });
    const [stored] = await first().journal.accept(
      request(item([odd], [made], { providerId: odd, type: odd, headers: { [odd]: odd } })),
    );
    const event = await first().reads.event(stored?.event ?? "");
    expect(event?.providerId).toBe("a\uFFFDb\uFFFDc\u{1F600}'\"\\{},");
    expect((await first().journal.accept(request(item([odd]))))[0]).toMatchObject({ duplicate: true });
  });
});
