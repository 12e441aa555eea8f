/** What every journal must do for those who run the service: attempts, dead letters, the audit, costs, reasons. */
import { describe, expect, it } from "vitest";
import type { Action } from "../../src/domain/action.ts";
import type { AuditEntry } from "../../src/domain/audit.ts";
import type { Json } from "../../src/domain/json.ts";
import type {
  AcceptedItem,
  Changes,
  Claim,
  Forgotten,
  Journal,
  ListQuery,
  NewRun,
  Reads,
  Verdict,
} from "../../src/domain/ports.ts";
import type { StepRecord, StepUsage } from "../../src/domain/step.ts";
import type { ManualClock } from "../support/clock.ts";

/** The journal of the test that runs, and what the suite of journals makes for it. */
export interface Bench {
  readonly on: () => { readonly journal: Journal; readonly reads: Reads; readonly changes: Changes };
  readonly clock: () => ManualClock;
  readonly run: (over?: Partial<NewRun>) => NewRun;
  readonly accept: (key: string, runs?: NewRun[]) => Promise<AcceptedItem>;
  readonly claimed: (id: string) => Promise<Claim>;
  readonly step: (claim: Claim, name: string) => StepRecord;
  readonly action: (claim: Claim, name: string, over?: Partial<Action>) => Action;
}

const key = (claim: Claim) => ({ run: claim.run.id, fence: claim.fence });
const parked = (reason: string): Verdict => ({
  kind: "parkUntil",
  until: 0,
  reason,
  service: "hubspot",
  by: "service",
  giveBack: 0,
});
const retried = (reason: string): Verdict => ({ kind: "retryAt", at: 0, reason, service: "hubspot" });
const dead = (reason: string): Verdict => ({ kind: "dead", reason });

export function operatorsContract({ on, clock, run, accept, claimed, step, action }: Bench): void {
  const started = async (name: string, runs?: NewRun[]) => {
    const item = await accept(name, runs);
    return { event: item.event, run: item.runs[0] ?? "" };
  };
  const put = async (id: string, verdict: Verdict, at: string | null = "gather") => {
    const claim = await claimed(id);
    const startedAt = clock().now();
    await clock().advance(10);
    await on().journal.settle(key(claim), verdict, { startedAt, at });
  };
  const attemptsOf = async (id: string) => (await on().reads.run(id))?.attempts ?? [];
  const runOf = async (id: string) => {
    const found = await on().reads.run(id);
    if (!found) throw new Error(`there is no run ${id}`);
    return found.run;
  };
  const deadLetters = async (query: Partial<ListQuery> = {}) =>
    (await on().reads.runs({ limit: 50, deadLetters: true, ...query })).items.map(({ id }) => id);

  describe("attempts", () => {
    it("are all kept with where they failed, whose fault it was, and whether they counted; success is none", async () => {
      const { run: id } = await started("a");
      const began = clock().now();
      await put(id, retried("answered 500"));
      await put(id, parked("its breaker is open"), "note");
      await put(id, dead("failed 2 times: answered 500"), "note");
      expect(await attemptsOf(id)).toEqual([
        {
          number: 1,
          times: 1,
          startedAt: began,
          endedAt: began + 10,
          end: "retryAt",
          at: "gather",
          service: "hubspot",
          error: "answered 500",
          counted: true,
        },
        expect.objectContaining({ number: 2, end: "parkUntil", at: "note", counted: false }),
        expect.objectContaining({ number: 3, end: "dead", service: null, counted: true }),
      ]);
      const { run: other } = await started("b");
      await put(other, { kind: "done", summary: "all well" });
      expect(await attemptsOf(other)).toEqual([]);
    });

    it("that are given back do not count any more, and those before them still do", async () => {
      const { run: id } = await started("a");
      await put(id, { kind: "retryAt", at: 0, reason: "a bug", service: null });
      await put(id, retried("answered 500"));
      await put(id, retried("answered 502"));
      await put(id, { ...parked("its breaker is open"), giveBack: 2 } as Verdict);
      expect((await attemptsOf(id)).map(({ end, counted }) => [end, counted])).toEqual([
        ["retryAt", true],
        ["retryAt", false],
        ["retryAt", false],
        ["parkUntil", false],
      ]);
    });

    it("that end alike in a row are one record with a count: a run that is parked for a day leaves one", async () => {
      const { run: id } = await started("a");
      for (let time = 0; time < 200; time += 1) await put(id, parked("its breaker is open"));
      await put(id, retried("answered 500"));
      expect(await attemptsOf(id)).toMatchObject([
        { number: 1, times: 200, end: "parkUntil" },
        { number: 201, times: 1, end: "retryAt" },
      ]);
    });

    it("leave no more than fifty records, however they differ, and the last one always", async () => {
      const { run: id } = await started("a");
      for (let time = 0; time < 70; time += 1) await put(id, parked(`busy until ${time}`));
      await put(id, dead("parked too long"));
      const kept = await attemptsOf(id);
      expect(kept).toHaveLength(51);
      expect(kept[49]).toMatchObject({ number: 50, times: 21, error: "busy until 69" });
      expect(kept[50]).toMatchObject({ number: 71, error: "parked too long" });
    });

    it("whose worker ended without a verdict are kept as lost", async () => {
      const { run: id } = await started("a");
      await claimed(id);
      await clock().advance(60_000);
      await put(id, dead("no"));
      expect(await attemptsOf(id)).toMatchObject([
        { number: 1, end: "lost", error: expect.stringContaining("its worker ended"), counted: false },
        { number: 2, end: "dead" },
      ]);
    });
  });

  describe("dead letters", () => {
    it("are the dead runs, by agent, source, type, time and cause", async () => {
      const first = await started("a");
      await put(first.run, dead("zendesk: 422 the Requester is 100% suspended"));
      await clock().advance(1_000);
      const second = await started("b", [run({ agent: "email-triage" })]);
      await put(second.run, dead("failed 4 times: answered 503"));
      await started("c");
      expect(await deadLetters()).toEqual([second.run, first.run]);
      expect(await deadLetters({ agent: "pr-review" })).toEqual([first.run]);
      expect(await deadLetters({ source: "stripe" })).toEqual([]);
      expect(await deadLetters({ type: "pull_request.opened", since: clock().now() - 500 })).toEqual([
        second.run,
      ]);
      expect(await deadLetters({ cause: "requester IS" })).toEqual([first.run]);
      expect(await deadLetters({ cause: "100%" })).toEqual([first.run]);
      expect(await deadLetters({ cause: "4%3" })).toEqual([]);
      expect((await on().reads.backlog()).deadLetters).toBe(2);
      expect((await on().reads.overview()).deadLetters).toBe(2);
    });

    it("leave the queue when they are discarded, with who and why; the run stays dead", async () => {
      const { run: id } = await started("a");
      await put(id, dead("no"));
      const told: string[] = [];
      on().changes.subscribe((change) => told.push(change.id));
      await on().journal.discard(id, "spam", "cli");
      expect(await deadLetters()).toEqual([]);
      expect((await on().reads.backlog()).deadLetters).toBe(0);
      expect(await runOf(id)).toMatchObject({
        status: "dead",
        reason: "no",
        cleared: { at: clock().now(), by: "cli", reason: "spam" },
      });
      expect(told).toEqual([id]);
      await expect(on().journal.discard(id, "again", "cli")).rejects.toMatchObject({ code: "wrong_state" });
    });

    it("are all that can be discarded", async () => {
      const { run: id } = await started("a");
      await expect(on().journal.discard(id, "x", "cli")).rejects.toMatchObject({ code: "wrong_state" });
      await expect(on().journal.discard("run_none", "x", "cli")).rejects.toMatchObject({ code: "not_found" });
      expect((await runOf(id)).cleared).toBeNull();
    });

    it("leave the queue when they are run again, for the new run to succeed or die in their place", async () => {
      const { event, run: id } = await started("a");
      const other = await started("b");
      for (const each of [id, other.run]) await put(each, dead("no"));
      const again = run();
      await on().journal.replay({ event, runs: [again, run({ agent: "email-triage" })] });
      expect(await deadLetters()).toEqual([other.run]);
      expect((await runOf(id)).cleared).toMatchObject({ by: "replay", reason: `run again as ${again.id}` });
      await put(again.id, dead("no again"));
      expect(await deadLetters()).toEqual([again.id, other.run]);
    });
  });

  describe("the audit", () => {
    const entry = (over: Partial<AuditEntry> = {}): AuditEntry => ({
      by: "cli",
      address: "127.0.0.1",
      deed: "run.cancel",
      object: "run_1",
      reason: "superseded",
      details: { filter: { agent: "pr-review" } },
      ...over,
    });

    it("keeps what was done in order, and is asked by person, deed, object and time, page by page", async () => {
      await on().journal.recordDeed("aud_1", entry());
      await clock().advance(1_000);
      const login = entry({ by: "dashboard", deed: "login", object: null, reason: null, details: null });
      await on().journal.recordDeed("aud_2", login);
      await on().journal.recordDeed("aud_3", entry({ object: "run_3" }));
      const page = await on().reads.audit({ limit: 2 });
      expect(page.items.map(({ id }) => id)).toEqual(["aud_3", "aud_2"]);
      const rest = await on().reads.audit({ limit: 2, cursor: page.next ?? "" });
      expect(rest).toEqual({
        items: [{ ...entry(), id: "aud_1", at: clock().now() - 1_000 }],
        next: null,
      });
      const ids = async (query: object) =>
        (await on().reads.audit({ limit: 9, ...query })).items.map(({ id }) => id);
      expect(await ids({ deed: "login" })).toEqual(["aud_2"]);
      expect(await ids({ by: "cli", object: "run_3" })).toEqual(["aud_3"]);
      expect(await ids({ until: clock().now() })).toEqual(["aud_1"]);
      expect(page.items[1]).toEqual({ ...login, id: "aud_2", at: clock().now() });
    });
  });

  describe("past costs", () => {
    const usage = (costUsd: number | null): StepUsage => ({
      model: "m",
      inputTokens: 1,
      outputTokens: 1,
      costUsd,
    });
    const paid = async (id: string, costs: readonly (number | null)[], kinds: readonly Action["kind"][]) => {
      const claim = await claimed(id);
      for (const [index, cost] of costs.entries())
        await on().journal.recordStep(key(claim), { ...step(claim, `ask${index}`), usage: usage(cost) });
      const actions = kinds.map((kind, index) => action(claim, `do${index}`, { kind, key: `${id}${index}` }));
      await on().journal.recordPlan(key(claim), { step: step(claim, "plan"), actions });
      await on().journal.settle(key(claim), dead("no"));
    };

    it("are those of the latest run of each event and agent that says so", async () => {
      const { event, run: id } = await started("a", [run(), run({ agent: "email-triage" })]);
      await paid(id, [0.01, 0.02], ["hubspot.note", "hubspot.note", "email.send"]);
      const again = run();
      await on().journal.replay({ event, runs: [again] });
      await paid(again.id, [0.04, 0.01], []);
      const other = await started("b");
      await paid(other.run, [null], ["slack.message"]);
      const costs = await on().reads.pastCosts([event, other.event, "evt_none"]);
      expect(costs).toHaveLength(2);
      const [first, second] = costs;
      expect(first).toMatchObject({
        event,
        agent: "pr-review",
        actions: { "hubspot.note": 2, "email.send": 1 },
      });
      expect(first?.costUsd).toBeCloseTo(0.05);
      expect(second).toMatchObject({ event: other.event, costUsd: null, actions: { "slack.message": 1 } });
      expect(await on().reads.pastCosts([])).toEqual([]);
    });
  });

  describe("what a queued run waits for", () => {
    const keyed = () => run({ concurrency: { key: "octo/repo#7", limit: 1, supersede: false } });

    it("is the run that holds its concurrency key, or that came first with it, or a free worker", async () => {
      const [a, b, c] = [
        await started("a", [keyed()]),
        await started("b", [keyed()]),
        await started("c", [keyed()]),
      ];
      const free = await started("d");
      const waits = async (id: string) => (await runOf(id)).waitingFor;
      expect(await waits(a.run)).toEqual({
        kind: "turn",
        reason: "it is taken up as soon as a worker is free",
        until: null,
      });
      expect(await waits(b.run)).toMatchObject({
        kind: "key",
        reason: `${a.run} came first with the concurrency key octo/repo#7`,
      });
      const claim = await claimed(a.run);
      expect(await waits(a.run)).toBeNull();
      for (const id of [b.run, c.run])
        expect(await waits(id)).toMatchObject({
          kind: "key",
          reason: `${a.run} holds the concurrency key octo/repo#7`,
        });
      await on().journal.settle(key(claim), { kind: "done", summary: "" });
      expect(await waits(b.run)).toMatchObject({ kind: "turn" });
      expect(await waits(free.run)).toMatchObject({ kind: "turn" });
      const listed = (await on().reads.runs({ limit: 9, status: "queued" })).items;
      expect(listed.map(({ waitingFor }) => waitingFor?.kind)).toEqual(["turn", "key", "turn"]);
      expect((await on().reads.event(c.event))?.runs[0]?.waitingFor?.kind).toBe("key");
    });

    it("is the end of its pause where it was handed back for a while", async () => {
      const { run: id } = await started("rests");
      const claim = await claimed(id);
      const before = clock().now();
      await on().journal.handBack(key(claim), 30_000);
      const { waitingFor } = await runOf(id);
      expect(waitingFor).toMatchObject({
        kind: "turn",
        reason: "it was put down, and is taken up again after a pause",
      });
      expect((waitingFor?.until ?? 0) - before).toBeGreaterThanOrEqual(30_000);
    });

    it("makes the oldest run that is due one that could be claimed: not one behind a key that is held", async () => {
      const a = await started("a", [keyed()]);
      await put(a.run, { ...parked("its breaker is open"), until: clock().now() + 3_600_000 } as Verdict);
      await started("b", [keyed()]);
      await clock().advance(600_000);
      expect((await on().reads.backlog()).oldestDueAt).toBeNull();
      await started("c");
      expect((await on().reads.backlog()).oldestDueAt).toBe(clock().now());
    });
  });

  describe("forgetting a person", () => {
    const address = "Dana@Northwind.example";
    const forget = async (dryRun = false, limit = 2) => {
      const open: string[] = [];
      let erased = 0;
      for (let after: string | null = ""; after !== null;) {
        const next: Forgotten = await on().journal.forget(address, { after, limit, dryRun });
        erased += next.erased;
        open.push(...next.open);
        after = next.after;
      }
      return { erased, open };
    };
    /** An event whose one run ended, after a step with this output. */
    const told = async (name: string, output: Json) => {
      const { event, run: id } = await started(name);
      const claim = await claimed(id);
      await on().journal.recordStep(key(claim), { ...step(claim, "gather"), output });
      await on().journal.settle(key(claim), dead(`no such user: ${address}`));
      return event;
    };
    const factsOf = async (event: string) => {
      const found = await on().reads.event(event);
      const work = await on().reads.run(found?.runs[0]?.id ?? "");
      return { body: found?.body.length, output: work?.steps[0]?.output, reason: work?.run.reason };
    };

    it("erases what names them, in any case and encoding, wherever it stands, and nothing of others", async () => {
      const raw = Buffer.from(
        `From: <dana@northwind.EXAMPLE>\r\nSubject: Hello\r\n\r\n${"Hello. ".repeat(9)}`,
      );
      const theirs = [
        await told("a", { contact: { email: "DANA@northwind.example" } }),
        await told("b", { raw: raw.toString("base64url") }),
      ];
      const others = [
        await told("c", "joedana@northwind.example wrote"),
        await told("d", "dana@northwind.example.org wrote"),
        await told("e", "dana-anne@northwind.example wrote"),
      ];
      expect(await forget(true)).toEqual({ erased: 2, open: [] });
      expect((await factsOf(theirs[0] ?? "")).output).not.toBeNull();
      expect(await forget()).toEqual({ erased: 2, open: [] });
      for (const event of theirs)
        expect(await factsOf(event)).toEqual({ body: 0, output: null, reason: "no such user: [forgotten]" });
      for (const event of others) expect((await factsOf(event)).output).toMatch(/ wrote$/);
      expect(await forget()).toEqual({ erased: 0, open: [] });
    });

    it("leaves what is still being worked on, and names it", async () => {
      const { event, run: id } = await started("open");
      const claim = await claimed(id);
      await on().journal.recordStep(key(claim), { ...step(claim, "gather"), output: address });
      expect(await forget()).toEqual({ erased: 0, open: [event] });
      await on().journal.settle(key(claim), { kind: "done", summary: "" });
      expect(await forget()).toEqual({ erased: 1, open: [] });
      // Sent again, it is known all the same.
      expect(await accept("open")).toMatchObject({ event, duplicate: true });
    });

    it("erases bytes that could not be read as well", async () => {
      const unread = { source: "github", receivedAt: clock().now(), remoteAddress: "", secretIndex: 0 };
      await on().journal.keepMalformed(
        { id: `dlv_${clock().now()}`, ...unread, reason: "no JSON" },
        Buffer.from(`not JSON, but of ${address}`),
      );
      expect(await forget()).toEqual({ erased: 1, open: [] });
      expect(await forget()).toEqual({ erased: 0, open: [] });
    });
  });
}
