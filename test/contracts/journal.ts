/** What every journal must do. Run against each implementation. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Action, ActionStatus } from "../../src/domain/action.ts";
import { actionKey } from "../../src/domain/action.ts";
import { LeaseLost } from "../../src/domain/errors.ts";
import type {
  AcceptRequest,
  Changes,
  Claim,
  Journal,
  NewRun,
  Reads,
  State,
  Verdict,
} from "../../src/domain/ports.ts";
import type { StepRecord } from "../../src/domain/step.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { createRequests } from "../support/requests.ts";
import { operatorsContract } from "./operators.ts";

export interface OpenJournal {
  readonly journal: Journal;
  readonly reads: Reads;
  readonly state: State;
  readonly changes: Changes;
}

export function journalContract(
  name: string,
  open: (clock: ManualClock) => Promise<OpenJournal>,
  clean: () => Promise<void>,
  /** Other processes have it too. */
  { shared = false }: { readonly shared?: boolean } = {},
): void {
  describe(`journal: ${name}`, () => {
    let clock: ManualClock;
    let ids: ReturnType<typeof createIds>;
    let on: OpenJournal;
    beforeEach(async () => {
      clock = manualClock();
      ids = createIds(clock);
      on = await open(clock);
    });
    afterEach(async () => {
      await on.journal.close();
      await clean();
    });

    const run = (over?: Partial<NewRun>): NewRun => createRequests(ids).run(over);
    const request = (
      key: string,
      runs: NewRun[] = [run()],
      over: { occurredAt?: number | null } = {},
    ): AcceptRequest => ({
      delivery: {
        id: ids("dlv"),
        source: "github",
        receivedAt: clock.now(),
        remoteAddress: "127.0.0.1",
        secretIndex: 0,
      },
      items: [
        {
          event: {
            id: ids("evt"),
            source: "github",
            type: "pull_request.opened",
            providerId: key,
            receivedAt: clock.now(),
            occurredAt: over.occurredAt ?? null,
            status: "routed",
            body: Buffer.from(`{"key":"${key}"}`),
            headers: { "x-github-event": "pull_request" },
            faults: [],
          },
          dedupeKeys: [`id:${key}`],
          runs,
        },
      ],
    });
    const accept = async (key: string, runs?: NewRun[], over?: { occurredAt?: number | null }) => {
      const [item] = await on.journal.accept(request(key, runs, over));
      if (!item) throw new Error("nothing was accepted");
      return item;
    };
    const claimed = async (id: string): Promise<Claim> => {
      const claim = await on.journal.claim(id, "test", 60_000);
      if (!claim) throw new Error(`${id} could not be claimed`);
      return claim;
    };
    const key = (claim: Claim) => ({ run: claim.run.id, fence: claim.fence });
    const settle = (claim: Claim, verdict: Verdict) => on.journal.settle(key(claim), verdict);
    const runOf = async (id: string) => {
      const found = await on.reads.run(id);
      if (!found) throw new Error(`there is no run ${id}`);
      return found.run;
    };
    const step = (claim: Claim, name: string): StepRecord => ({
      run: claim.run.id,
      name,
      schemaVersion: 1,
      output: { name },
      startedAt: clock.now(),
      endedAt: clock.now(),
      usage: null,
    });
    const action = (claim: Claim, name: string, over: Partial<Action> = {}): Action =>
      createRequests(ids).action(
        { run: claim.run.id, name, subject: "s" },
        { createdAt: clock.now(), updatedAt: clock.now(), ...over },
      );
    const planned = async (key_: string, make: (claim: Claim) => Action[]) => {
      const accepted = await accept(key_);
      const claim = await claimed(accepted.runs[0] ?? "");
      const actions = make(claim);
      await on.journal.recordPlan(key(claim), { step: step(claim, "plan"), actions });
      return { claim, actions };
    };
    const due = async (agent?: string) => (await on.journal.dueRuns(10, agent)).map((wake) => wake.run);
    const statusOf = async (id: string): Promise<ActionStatus | undefined> =>
      (await on.reads.action(id))?.status;

    operatorsContract({ on: () => on, clock: () => clock, run, accept, claimed, step, action });

    describe("acceptance", () => {
      it("stores the event with its bytes, its delivery and its runs", async () => {
        const { event, duplicate, runs } = await accept("a");
        expect(duplicate).toBe(false);
        const stored = await on.reads.event(event);
        expect(Buffer.from(stored?.body ?? []).toString()).toBe('{"key":"a"}');
        expect(stored).toMatchObject({
          source: "github",
          status: "routed",
          headers: { "x-github-event": "pull_request" },
        });
        expect(stored?.deliveries).toMatchObject([{ result: "accepted", secretIndex: 0 }]);
        expect(stored?.runs.map((one) => one.id)).toEqual(runs);
      });

      it("answers a second copy with the first event, starts nothing, and records the delivery", async () => {
        const first = await accept("a");
        const second = await accept("a");
        expect(second).toEqual({ event: first.event, duplicate: true, runs: [] });
        const stored = await on.reads.event(first.event);
        expect(stored?.deliveries.map((delivery) => delivery.result)).toEqual(["accepted", "duplicate"]);
        expect(stored?.runs).toHaveLength(1);
      });

      it("keeps one of two copies that arrive at the same moment", async () => {
        const both = await Promise.all([accept("a"), accept("a")]);
        expect(both.filter((item) => item.duplicate)).toHaveLength(1);
        expect(new Set(both.map((item) => item.event)).size).toBe(1);
      });

      it("treats any known dedupe key as a duplicate", async () => {
        const first = request("a");
        const [item] = first.items;
        if (!item) throw new Error("no item");
        await on.journal.accept({ ...first, items: [{ ...item, dedupeKeys: ["id:a", "body:1"] }] });
        const second = request("b");
        const [other] = second.items;
        if (!other) throw new Error("no item");
        const [answer] = await on.journal.accept({
          ...second,
          items: [{ ...other, dedupeKeys: ["id:b", "body:1"] }],
        });
        expect(answer).toMatchObject({ duplicate: true, event: item.event.id });
      });

      it("gives a duplicate's other keys to nobody: a later event may have them", async () => {
        const keyed = async (key: string, ...dedupeKeys: string[]) => {
          const { items, ...rest } = request(key);
          return on.journal.accept({ ...rest, items: items.map((item) => ({ ...item, dedupeKeys })) });
        };
        const [first] = await keyed("a", "id:a", "body:1");
        expect(await keyed("b", "id:b", "body:1")).toMatchObject([{ duplicate: true, event: first?.event }]);
        const [later] = await keyed("c", "id:b", "body:2");
        expect(later?.duplicate).toBe(false);
        expect(await keyed("d", "id:b", "body:3")).toMatchObject([{ duplicate: true, event: later?.event }]);
      });

      it("stores a batch whole or not at all", async () => {
        const broken = request("b").items.map((one) => ({ ...one, runs: [run({ id: "run_same" })] }));
        const good = request("a").items.map((one) => ({ ...one, runs: [run({ id: "run_same" })] }));
        await expect(on.journal.accept({ delivery: null, items: [...good, ...broken] })).rejects.toThrow(
          /UNIQUE|unique/,
        );
        expect((await on.reads.events({ limit: 10 })).items).toEqual([]);
        expect((await accept("a")).duplicate).toBe(false);
      });

      describe("of an event that is there already, as a word to try again", () => {
        const died = async (id: string) => settle(await claimed(id), { kind: "dead", reason: "it broke" });

        it("starts the dead agents' runs anew, a generation higher, and stays a duplicate", async () => {
          const first = await accept("a", [run(), run({ agent: "email-triage" })]);
          for (const id of first.runs) await died(id);
          const again = await accept("a", [run(), run({ agent: "churn-intervention" })]);
          expect(again).toMatchObject({ event: first.event, duplicate: true });
          expect(again.runs).toHaveLength(1);
          expect(await runOf(again.runs[0] ?? "")).toMatchObject({
            event: first.event,
            agent: "pr-review",
            generation: 1,
            status: "queued",
          });
          expect((await on.reads.event(first.event))?.deliveries.map(({ result }) => result)).toEqual([
            "accepted",
            "duplicate",
          ]);
        });

        it("starts nothing while a run of it is under way, waits, or once one succeeded", async () => {
          const first = await accept("a", [run(), run({ agent: "email-triage" })]);
          const [dead = "", other = ""] = first.runs;
          await died(dead);
          const copy = async () => (await accept("a", [run(), run({ agent: "email-triage" })])).runs;
          expect(await copy()).toEqual([]);
          const claim = await claimed(other);
          expect(await copy()).toEqual([]);
          await settle(claim, { kind: "awaitReview", reason: "a person" });
          expect(await copy()).toEqual([]);
          const done = await accept("b");
          await settle(await claimed(done.runs[0] ?? ""), { kind: "done", summary: "" });
          expect((await accept("b")).runs).toEqual([]);
        });

        it("starts nothing once a replay of the dead run got through", async () => {
          const first = await accept("a");
          await died(first.runs[0] ?? "");
          const [replayed = ""] = await on.journal.replay({ event: first.event, runs: [run()] });
          await settle(await claimed(replayed), { kind: "done", summary: "" });
          expect((await accept("a")).runs).toEqual([]);
        });

        it("starts one run for two copies that arrive at the same moment", async () => {
          const first = await accept("a");
          await died(first.runs[0] ?? "");
          const both = await Promise.all([accept("a"), accept("a")]);
          expect(both.flatMap((item) => item.runs)).toHaveLength(1);
        });

        it("ends after five generations: what keeps dying is a person's", async () => {
          let { runs } = await accept("a");
          for (let generation = 1; generation < 5; generation += 1) {
            await died(runs[0] ?? "");
            ({ runs } = await accept("a"));
            expect(runs).toHaveLength(1);
          }
          await died(runs[0] ?? "");
          expect((await accept("a")).runs).toEqual([]);
        });

        it("starts what a failed route expression kept from starting, and nothing where no route matched", async () => {
          const faulty = request("a", []);
          const fault = { route: "all", part: "if", message: "no such key" } as const;
          await on.journal.accept({
            ...faulty,
            items: faulty.items.map((item) => ({
              ...item,
              event: { ...item.event, status: "unrouted", faults: [fault] },
            })),
          });
          const again = await accept("a");
          expect(again).toMatchObject({ duplicate: true });
          expect(again.runs).toHaveLength(1);
          expect(await on.reads.event(again.event)).toMatchObject({ status: "routed", faults: [] });
          await accept("b", []);
          expect((await accept("b")).runs).toEqual([]);
        });

        it("starts nothing for an event whose content was erased", async () => {
          const first = await accept("a");
          await died(first.runs[0] ?? "");
          await clock.advance(1_000);
          await on.journal.eraseContent(clock.now(), 10);
          expect((await accept("a")).runs).toEqual([]);
        });

        it("keeps no delivery of a plain duplicate when only news are wanted", async () => {
          const first = await accept("a");
          await on.journal.accept({ ...request("a"), newsOnly: true });
          await on.journal.accept({ ...request("b"), newsOnly: true });
          expect((await on.reads.event(first.event))?.deliveries).toHaveLength(1);
          const [fresh] = (await on.reads.events({ limit: 1 })).items;
          expect((await on.reads.event(fresh?.id ?? ""))?.deliveries).toHaveLength(1);
        });
      });

      it("gives an event back with how it came and what it was signed with, until its content is erased", async () => {
        const item = request("a", []);
        const body = item.items[0]?.event.body ?? Buffer.alloc(0);
        const signed = { url: "/webhooks/github?a=1", headers: { "x-signature": "s" }, body };
        const [stored] = await on.journal.accept({ ...item, signed });
        const receipt = await on.journal.receipt(stored?.event ?? "");
        expect(receipt).toMatchObject({
          erased: false,
          delivery: { result: "accepted", receivedAt: clock.now(), remoteAddress: "127.0.0.1" },
          signed: { url: signed.url, headers: signed.headers },
        });
        expect(Buffer.from(receipt?.signed?.body ?? [])).toEqual(body);
        expect(Buffer.from(receipt?.event.body ?? [])).toEqual(body);
        // A further copy does not take the place of the first one's signature.
        await on.journal.accept({
          ...request("a", []),
          signed: { ...signed, headers: { "x-signature": "t" } },
        });
        expect(await on.journal.receipt(stored?.event ?? "")).toEqual(receipt);
        expect((await on.journal.receipt((await accept("b", [])).event))?.signed).toBeNull();
        expect(await on.journal.receipt("evt_none")).toBeNull();
        await clock.advance(1_000);
        await on.journal.eraseContent(clock.now(), 10);
        expect(await on.journal.receipt(stored?.event ?? "")).toMatchObject({ erased: true, signed: null });
      });

      it("moves a cursor with the items, and stores neither when someone else moved it", async () => {
        const cursor = { key: "inbox", value: "100", expected: 0 };
        await on.journal.accept({ ...request("a"), cursor });
        expect(await on.state.get("cursor", "inbox")).toEqual({ value: "100", version: 1 });
        await expect(on.journal.accept({ ...request("b"), cursor })).rejects.toThrow("moved by someone else");
        expect((await on.reads.events({ limit: 10 })).items).toHaveLength(1);
        await on.journal.accept({ ...request("b"), cursor: { ...cursor, value: "200", expected: 1 } });
        expect(await on.state.get("cursor", "inbox")).toEqual({ value: "200", version: 2 });
      });

      it("tells of changes after they are stored", async () => {
        const told: string[] = [];
        const stop = on.changes.subscribe((change) => told.push(change.kind));
        await accept("a");
        expect(told).toEqual(["event", "run"]);
        stop();
        await accept("b");
        expect(told).toHaveLength(2);
      });
    });

    describe("superseding", () => {
      const superseding = () => [run({ concurrency: { key: "pr1", limit: 1, supersede: true } })];
      it("cancels the waiting run of an older event", async () => {
        const older = await accept("a", superseding(), { occurredAt: 1_000 });
        const newer = await accept("b", superseding(), { occurredAt: 2_000 });
        expect((await runOf(older.runs[0] ?? "")).status).toBe("cancelled");
        expect((await runOf(newer.runs[0] ?? "")).status).toBe("queued");
      });

      it("cancels a late older event itself", async () => {
        const newer = await accept("a", superseding(), { occurredAt: 2_000 });
        const late = await accept("b", superseding(), { occurredAt: 1_000 });
        expect(await runOf(late.runs[0] ?? "")).toMatchObject({
          status: "cancelled",
          reason: expect.stringContaining("newer event"),
        });
        expect((await runOf(newer.runs[0] ?? "")).status).toBe("queued");
      });

      it("cancels a parked run of an older event, which held the key", async () => {
        const older = await accept("a", superseding(), { occurredAt: 1_000 });
        await settle(await claimed(older.runs[0] ?? ""), {
          kind: "parkUntil",
          until: clock.now() + 60_000,
          reason: "its breaker is open",
          service: "github",
          by: "service",
          giveBack: 0,
        });
        const newer = await accept("b", superseding(), { occurredAt: 2_000 });
        expect((await runOf(older.runs[0] ?? "")).status).toBe("cancelled");
        expect(await due()).toEqual(newer.runs);
      });

      it("orders a replay by its event's time too: an older event never takes the place of a newer one", async () => {
        const older = await accept("a", superseding(), { occurredAt: 1_000 });
        await settle(await claimed(older.runs[0] ?? ""), { kind: "dead", reason: "gone" });
        await clock.advance(60_000);
        const newer = await accept("b", superseding(), { occurredAt: 2_000 });
        const [again = ""] = await on.journal.replay({ event: older.event, runs: superseding() });
        expect((await runOf(newer.runs[0] ?? "")).status).toBe("queued");
        expect(await runOf(again)).toMatchObject({
          status: "cancelled",
          reason: expect.stringContaining("newer event"),
        });
        const [last = ""] = await on.journal.replay({ event: newer.event, runs: superseding() });
        expect((await runOf(last)).status).toBe("queued");
      });

      it("leaves a run that is at work", async () => {
        const older = await accept("a", superseding(), { occurredAt: 1_000 });
        await claimed(older.runs[0] ?? "");
        await accept("b", superseding(), { occurredAt: 2_000 });
        expect((await runOf(older.runs[0] ?? "")).status).toBe("running");
      });
    });

    describe("claims", () => {
      it("gives a run to one worker only", async () => {
        const { runs } = await accept("a");
        const claims = await Promise.all([1, 2, 3].map(() => on.journal.claim(runs[0] ?? "", "w", 60_000)));
        expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
      });

      it("gives a run whose lease ran out to the next, with a higher fence, and refuses the first one's writes", async () => {
        const { runs } = await accept("a");
        const first = await claimed(runs[0] ?? "");
        await clock.advance(60_000);
        expect(await due()).toEqual(runs);
        const second = await claimed(runs[0] ?? "");
        expect(second.fence).toBe(first.fence + 1);
        expect(second.crashes).toBe(1);
        const planned = [action(second, "a"), action(second, "b")];
        await on.journal.recordPlan(key(second), { step: step(second, "plan"), actions: planned });
        const [began, other] = planned.map(({ id }) => id);
        await on.journal.beginAction(key(second), began ?? "");
        const outdated = key(first);
        const writes: Record<string, () => Promise<unknown>> = {
          extendLease: () => on.journal.extendLease(outdated, 60_000),
          handBack: () => on.journal.handBack(outdated),
          recordStep: () => on.journal.recordStep(outdated, step(first, "gather")),
          recordDecision: () => on.journal.recordDecision(outdated, step(first, "decide"), "rules", "w"),
          recordPlan: () => on.journal.recordPlan(outdated, { step: step(first, "again"), actions: [] }),
          beginAction: () => on.journal.beginAction(outdated, other ?? ""),
          endAction: () => on.journal.endAction(outdated, began ?? "", { status: "done" }),
          settle: () => settle(first, { kind: "done", summary: "" }),
        };
        for (const [name, write] of Object.entries(writes)) {
          await expect(write(), name).rejects.toThrow(LeaseLost);
        }
        expect((await on.journal.steps(runs[0] ?? "")).map(({ name }) => name)).toEqual(["plan"]);
        expect(await Promise.all([began, other].map((id) => statusOf(id ?? "")))).toEqual([
          "executing",
          "planned",
        ]);
        await settle(second, { kind: "done", summary: "" });
        await expect(on.journal.extendLease(key(second), 60_000)).rejects.toThrow(LeaseLost);
      });

      it("takes a run back unfinished: due at once, nothing counted, its key kept, its worker shut out", async () => {
        const concurrency = { key: "pr1", limit: 1, supersede: false };
        const id = (await accept("a", [run({ concurrency })])).runs[0] ?? "";
        const next = (await accept("b", [run({ concurrency })])).runs[0] ?? "";
        const claim = await claimed(id);
        await on.journal.recordStep(key(claim), step(claim, "gather"));
        await on.journal.handBack(key(claim));
        expect(await runOf(id)).toMatchObject({ status: "queued", attempts: 0 });
        expect(await due()).toEqual([id]);
        expect(await on.journal.claim(next, "w", 60_000)).toBeNull();
        await expect(settle(claim, { kind: "done", summary: "" })).rejects.toThrow(LeaseLost);
        expect(await claimed(id)).toMatchObject({ crashes: 0, fence: claim.fence + 1 });
      });

      it("names the agents that have something due, and tells each one's runs apart, with how often they were claimed", async () => {
        const { runs } = await accept("a", [run(), run({ agent: "email-triage" })]);
        const [review = "", triage = ""] = runs;
        expect(await on.journal.dueAgents()).toEqual(["email-triage", "pr-review"]);
        expect(await due("email-triage")).toEqual([triage]);
        expect(await on.journal.dueRuns(10, "pr-review")).toEqual([
          { run: review, agent: "pr-review", number: 0 },
        ]);
        await claimed(review);
        expect(await on.journal.dueAgents()).toEqual(["email-triage"]);
        await clock.advance(60_000);
        expect(await on.journal.dueAgents()).toEqual(["email-triage", "pr-review"]);
        expect(await on.journal.dueRuns(10, "pr-review")).toEqual([
          { run: review, agent: "pr-review", number: 1 },
        ]);
        expect(await due("churn-intervention")).toEqual([]);
      });

      it("keeps an extended lease", async () => {
        const { runs } = await accept("a");
        const claim = await claimed(runs[0] ?? "");
        await clock.advance(50_000);
        await on.journal.extendLease(key(claim), 60_000);
        await clock.advance(50_000);
        expect(await on.journal.claim(runs[0] ?? "", "other", 60_000)).toBeNull();
      });

      it.runIf(shared)("frees no orphans: another process may have them at work", async () => {
        const { runs } = await accept("a");
        await claimed(runs[0] ?? "");
        expect(await on.journal.releaseOrphans()).toBe(0);
        expect(await on.journal.dueRuns(10)).toEqual([]);
      });

      it.skipIf(shared)("frees orphans at once", async () => {
        const { runs } = await accept("a");
        await claimed(runs[0] ?? "");
        expect(await due()).toEqual([]);
        expect(await on.journal.releaseOrphans()).toBe(1);
        expect(await due()).toEqual(runs);
      });

      it("counts crashes in a row, and starts again when the run got on", async () => {
        const { runs } = await accept("a");
        const id = runs[0] ?? "";
        for (const crashes of [0, 1, 2]) {
          expect((await claimed(id)).crashes).toBe(crashes);
          await clock.advance(60_000);
        }
        const claim = await claimed(id);
        await on.journal.recordStep(key(claim), step(claim, "gather"));
        await clock.advance(60_000);
        expect((await claimed(id)).crashes).toBe(1);
      });

      it("lets a run rest that its process died of again and again, longer each time, and says why", async () => {
        const { runs } = await accept("a");
        const id = runs[0] ?? "";
        /** Its process is gone: noticed at the next start, or, among several processes, at the end of the lease. */
        const orphaned = () => (shared ? clock.advance(60_000) : on.journal.releaseOrphans());
        for (const crashes of [0, 1, 2, 3]) {
          expect((await claimed(id)).crashes).toBe(crashes);
          await orphaned();
        }
        for (const [crashes, rest] of [
          [4, 4_000],
          [5, 8_000],
        ] as const) {
          const claim = await on.journal.claim(id, "other", 60_000);
          expect(claim).toBeNull();
          expect((await on.reads.run(id))?.run).toMatchObject({
            status: "waiting",
            waitingFor: { kind: "retry", until: clock.now() + rest },
          });
          await on.journal.releaseOrphans();
          expect(await due()).toEqual([]);
          await clock.advance(rest);
          expect((await claimed(id)).crashes).toBe(crashes);
          await orphaned();
        }
      });

      it("serialises runs of one concurrency key in their order", async () => {
        const concurrency = { key: "pr1", limit: 1, supersede: false };
        const first = (await accept("a", [run({ concurrency })])).runs[0] ?? "";
        const second = (await accept("b", [run({ concurrency })])).runs[0] ?? "";
        const other =
          (await accept("c", [run({ concurrency: { ...concurrency, key: "pr2" } })])).runs[0] ?? "";
        expect(await on.journal.claim(second, "w", 60_000)).toBeNull();
        expect(new Set(await due())).toEqual(new Set([first, other]));
        const claim = await claimed(first);
        expect(await on.journal.claim(second, "w", 60_000)).toBeNull();
        await settle(claim, { kind: "done", summary: "" });
        expect(await on.journal.claim(second, "w", 60_000)).not.toBeNull();
      });

      it("makes the next run of a key due once the one before it is cancelled, superseded, held or done", async () => {
        const concurrency = { key: "pr1", limit: 1, supersede: false };
        const queued: string[] = [];
        for (const name of ["a", "b", "c", "d", "e"])
          queued.push((await accept(name, [run({ concurrency })])).runs[0] ?? "");
        const [a = "", b = "", c = "", d = "", e = ""] = queued;
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: a }]);
        await on.journal.cancel(a, "not needed");
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: b }]);
        const held = await claimed(b);
        expect(await on.journal.dueRuns(10)).toEqual([]);
        await on.journal.recordPlan(key(held), {
          step: step(held, "plan"),
          actions: [action(held, "a", { status: "awaiting_review" })],
        });
        await settle(held, { kind: "awaitReview", reason: "r" });
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: c }]);
        await settle(await claimed(c), { kind: "dead", reason: "gone" });
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: d }]);
        await settle(await claimed(d), { kind: "done", summary: "" });
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: e }]);
      });

      it("lets as many runs of a key work as its limit says, and a reviewed one come before those that came later", async () => {
        const concurrency = { key: "pr1", limit: 2, supersede: false };
        const queued: string[] = [];
        for (const name of ["a", "b", "c", "d"])
          queued.push((await accept(name, [run({ concurrency })])).runs[0] ?? "");
        const [a = "", b = "", c = ""] = queued;
        const first = await claimed(a);
        const second = await claimed(b);
        expect(await on.journal.dueRuns(10)).toEqual([]);
        expect(await on.journal.claim(c, "w", 60_000)).toBeNull();
        const held = action(first, "a", { status: "awaiting_review" });
        await on.journal.recordPlan(key(first), { step: step(first, "plan"), actions: [held] });
        await settle(first, { kind: "awaitReview", reason: "r" });
        const third = await claimed(c);
        await on.journal.approve(held.id, held.hash, null, "ann");
        expect(await on.journal.dueRuns(10)).toEqual([]);
        await settle(third, { kind: "done", summary: "" });
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: a }]);
        await settle(second, { kind: "done", summary: "" });
        await claimed(a);
        expect(await on.journal.dueRuns(10)).toMatchObject([{ run: queued[3] }]);
      });

      it("tells keys apart however long they are", async () => {
        const long = (end: string) => ({ key: `${"x".repeat(5_000)}${end}`, limit: 1, supersede: false });
        const first = (await accept("a", [run({ concurrency: long("1") })])).runs[0] ?? "";
        const same = (await accept("b", [run({ concurrency: long("1") })])).runs[0] ?? "";
        const other = (await accept("c", [run({ concurrency: long("2") })])).runs[0] ?? "";
        await claimed(first);
        expect(await on.journal.claim(same, "w", 60_000)).toBeNull();
        await claimed(other);
      });

      it("keeps the key while parked, and releases it while a person is awaited", async () => {
        const concurrency = { key: "pr1", limit: 1, supersede: false };
        const first = (await accept("a", [run({ concurrency })])).runs[0] ?? "";
        const second = (await accept("b", [run({ concurrency })])).runs[0] ?? "";
        await settle(await claimed(first), {
          kind: "parkUntil",
          until: clock.now() + 1_000,
          reason: "r",
          service: "github",
          by: "service",
          giveBack: 0,
        });
        expect(await on.journal.claim(second, "w", 60_000)).toBeNull();
        await clock.advance(1_000);
        const again = await claimed(first);
        await on.journal.recordPlan(key(again), {
          step: step(again, "plan"),
          actions: [action(again, "a", { status: "awaiting_review" })],
        });
        await settle(again, { kind: "awaitReview", reason: "r" });
        expect(await on.journal.claim(second, "w", 60_000)).not.toBeNull();
      });
    });

    describe("verdicts", () => {
      it("counts an attempt for a retry and none for parking, and gives a streak back", async () => {
        const id = (await accept("a")).runs[0] ?? "";
        for (const attempt of [1, 2]) {
          await settle(await claimed(id), {
            kind: "retryAt",
            at: clock.now() + 1_000,
            reason: "503",
            service: "github",
          });
          expect(await runOf(id)).toMatchObject({
            status: "waiting",
            attempts: attempt,
            streak: { service: "github", count: attempt },
          });
          expect(await on.journal.nextDue()).toBe(clock.now() + 1_000);
          await clock.advance(1_000);
        }
        await settle(await claimed(id), {
          kind: "parkUntil",
          until: clock.now() + 5_000,
          reason: "open",
          service: "github",
          by: "service",
          giveBack: 2,
        });
        expect(await runOf(id)).toMatchObject({
          status: "waiting",
          attempts: 0,
          streak: null,
          waitingFor: { kind: "service", service: "github", reason: "open" },
          parkedSince: clock.now(),
        });
        expect(await on.journal.parkedFor("github")).toBe(1);
      });

      it("wakes the runs that are parked for a service, one after another, and no others", async () => {
        const ids_: string[] = [];
        for (const [index, service] of ["github", "github", "slack", "github"].entries()) {
          const id = (await accept(`w${index}`)).runs[0] ?? "";
          ids_.push(id);
          await settle(await claimed(id), {
            kind: "parkUntil",
            until: clock.now() + 900_000,
            reason: "paused by hand",
            service,
            by: "ours",
            giveBack: 0,
          });
        }
        expect(await on.journal.wakeParked("github", 100)).toBe(3);
        const due_ = await Promise.all(ids_.map(async (id) => (await runOf(id)).waitingFor?.until));
        expect(due_.map((at) => (at ?? 0) - clock.now())).toEqual([0, 100, 900_000, 200]);
        expect((await runOf(ids_[1] ?? "")).waitingFor?.reason).not.toContain("paused");
        expect(await due()).toEqual([ids_[0]]);
        await clock.advance(200);
        expect(await due()).toEqual([ids_[0], ids_[1], ids_[3]]);
        expect(await on.journal.parkedFor("github")).toBe(3);
        expect(await on.journal.wakeParked("linear", 100)).toBe(0);
      });

      it("has one of those that wait for a service look in when it may be asked, however far behind each was put", async () => {
        const ids_: string[] = [];
        const park = async (id: string, until: number, askAt: number, service = "github") =>
          settle(await claimed(id), {
            kind: "parkUntil",
            until: clock.now() + until,
            askAt: clock.now() + askAt,
            reason: "its breaker is open",
            service,
            by: "service",
            giveBack: 0,
          });
        for (const [index, service] of ["slack", "github", "github", "github"].entries()) {
          const id = (await accept(`l${index}`)).runs[0] ?? "";
          ids_.push(id);
          await park(id, 60_000 + index * 2_000, 60_000 + (service === "slack" ? 0 : 30_000), service);
        }
        const dueIn = async () =>
          (await Promise.all(ids_.map(async (id) => (await runOf(id)).waitingFor?.until ?? 0))).map(
            (at) => at - clock.now(),
          );
        expect(await dueIn()).toEqual([60_000, 62_000, 64_000, 66_000]);
        await clock.advance(62_000);
        expect(await due()).toEqual([ids_[0], ids_[1]]);
        // It looked in, failed, and is behind the others again: the next one comes when the service may be asked.
        await park(ids_[1] ?? "", 90_000, 1_000);
        expect(await dueIn()).toEqual([-2_000, 90_000, 1_000, 4_000]);
        await park(ids_[0] ?? "", 90_000, 0, "slack");
        expect(await dueIn()).toEqual([0, 90_000, 1_000, 4_000]);
      });

      it("lets a run age while it waits for a service, and not while the wait is ours", async () => {
        const id = (await accept("a")).runs[0] ?? "";
        const park = async (by: "service" | "ours") => {
          await settle(await claimed(id), {
            kind: "parkUntil",
            until: clock.now() + 1_000,
            reason: "r",
            service: "github",
            by,
            giveBack: 0,
          });
          const { parkedSince } = await runOf(id);
          await clock.advance(1_000);
          return parkedSince === null ? null : clock.now() - parkedSince;
        };
        expect(await park("service")).toBe(1_000);
        expect(await park("service")).toBe(2_000);
        expect(await park("ours")).toBeNull();
        expect(await park("service")).toBe(1_000);
      });

      it("ends a run for good", async () => {
        const id = (await accept("a")).runs[0] ?? "";
        await settle(await claimed(id), { kind: "dead", reason: "gone" });
        expect(await runOf(id)).toMatchObject({ status: "dead", reason: "gone", attempts: 1 });
        expect(await on.journal.claim(id, "w", 60_000)).toBeNull();
        await expect(on.journal.cancel(id, "x")).rejects.toMatchObject({ code: "wrong_state" });
      });

      it("tells who decided", async () => {
        const id = (await accept("a")).runs[0] ?? "";
        const claim = await claimed(id);
        await on.journal.recordDecision(key(claim), step(claim, "decide"), "rules", "no model");
        expect(await settle(claim, { kind: "done", summary: "ok" })).toBe("rules");
        expect(await runOf(id)).toMatchObject({
          decidedBy: "rules",
          decidedWhy: "no model",
          attempts: 1,
          reason: "ok",
        });
      });
    });

    describe("actions", () => {
      it("begins an action under its key and remembers the intent", async () => {
        const { claim, actions } = await planned("a", (of) => [action(of, "post")]);
        const id = actions[0]?.id ?? "";
        expect(await on.journal.beginAction(key(claim), id)).toEqual({ go: true });
        expect(await on.reads.action(id)).toMatchObject({
          status: "executing",
          attempts: 1,
          intentAt: clock.now(),
        });
        await on.journal.endAction(key(claim), id, { status: "done", ref: { id: "1" } });
        expect(await on.reads.action(id)).toMatchObject({ status: "done", ref: { id: "1" } });
      });

      it("refuses a second action with the same key, and says whether its payload is the same", async () => {
        const first = await planned("a", (of) => [action(of, "post")]);
        const id = first.actions[0]?.id ?? "";
        await on.journal.beginAction(key(first.claim), id);
        await on.journal.endAction(key(first.claim), id, { status: "done", ref: { id: "1" } });
        const second = await planned("b", (of) => [action(of, "post")]);
        expect(await on.journal.beginAction(key(second.claim), second.actions[0]?.id ?? "")).toMatchObject({
          go: false,
          samePayload: true,
          holder: { id, ref: { id: "1" } },
        });
        const third = await planned("c", (of) => [action(of, "post", { hash: "other" })]);
        expect(await on.journal.beginAction(key(third.claim), third.actions[0]?.id ?? "")).toMatchObject({
          go: false,
          samePayload: false,
        });
      });

      it("gives the key back when there was certainly no effect, and not for a dry run's sake", async () => {
        const first = await planned("a", (of) => [action(of, "post"), action(of, "dry")]);
        const [post, dry] = first.actions;
        await on.journal.beginAction(key(first.claim), post?.id ?? "");
        await on.journal.endAction(key(first.claim), post?.id ?? "", {
          status: "planned",
          reason: "refused",
        });
        await on.journal.endAction(key(first.claim), dry?.id ?? "", {
          status: "done",
          dryRun: true,
          ref: {},
        });
        const second = await planned("b", (of) => [action(of, "post"), action(of, "dry")]);
        for (const other of second.actions)
          expect(await on.journal.beginAction(key(second.claim), other.id)).toEqual({ go: true });
      });

      describe("with a cap", () => {
        const cap = { limit: 3, withinMs: 3_600_000 };
        let runs_ = 0;
        const plannedOne = (over: Partial<Action> = {}) =>
          planned(`cap${(runs_ += 1)}`, (claim) => [
            action(claim, "a", { key: actionKey("pr-review", "a", `${runs_}`), ...over }),
          ]);
        const begin = async (over: Partial<Action> = {}) => {
          const { claim, actions } = await plannedOne(over);
          const id = actions[0]?.id ?? "";
          return { claim, id, begun: await on.journal.beginAction(key(claim), id, { cap }) };
        };

        it("holds what its agent would begin beyond it within the hour, and says why", async () => {
          for (let index = 0; index < 3; index += 1) expect((await begin()).begun).toEqual({ go: true });
          const { id, begun, claim } = await begin();
          expect(begun).toEqual({ go: false, capped: true });
          expect(await on.reads.action(id)).toMatchObject({
            status: "awaiting_review",
            attempts: 0,
            reason: "more than 3 actions of pr-review within an hour",
          });
          await settle(claim, { kind: "awaitReview", reason: "r" });
          expect((await runOf(claim.run.id)).status).toBe("awaiting_review");
          expect((await begin({ agent: "email-triage" })).begun).toEqual({ go: true });
          await clock.advance(3_600_000);
          expect((await begin()).begun).toEqual({ go: true });
        });

        it("gives the key of what it held back, and counts what a person approved neither then nor later", async () => {
          for (let index = 0; index < 3; index += 1) await begin();
          const first = await begin();
          const held = await on.reads.action(first.id);
          const rival = await plannedOne({ key: held?.key ?? "" });
          expect(await on.journal.beginAction(key(rival.claim), rival.actions[0]?.id ?? "")).toEqual({
            go: true,
          });
          const { id, claim } = await begin();
          await settle(claim, { kind: "awaitReview", reason: "r" });
          await on.journal.approve(id, (await on.reads.action(id))?.hash ?? "", null, "ann");
          const again = await claimed(claim.run.id);
          expect(await on.journal.beginAction(key(again), id, { cap })).toEqual({ go: true });
          await clock.advance(3_600_000 - 1);
          expect((await begin()).begun).toMatchObject({ capped: true });
        });

        it("counts an action once however often it is repeated, and not when it certainly had no effect", async () => {
          const one = await begin();
          for (let repeat = 0; repeat < 5; repeat += 1)
            expect(await on.journal.beginAction(key(one.claim), one.id, { cap })).toEqual({ go: true });
          for (let index = 0; index < 4; index += 1) {
            const { id, claim, begun } = await begin();
            expect(begun).toEqual({ go: true });
            await on.journal.endAction(key(claim), id, { status: "planned" });
          }
          for (let index = 0; index < 2; index += 1) expect((await begin()).begun).toEqual({ go: true });
          expect(await on.journal.beginAction(key(one.claim), one.id, { cap })).toEqual({ go: true });
          expect((await begin()).begun).toMatchObject({ capped: true });
        });

        it("lets as many through and no more when they come at the same moment", async () => {
          const made = [];
          for (let index = 0; index < 8; index += 1) made.push(await plannedOne());
          const begun = await Promise.all(
            made.map(({ claim, actions }) =>
              on.journal.beginAction(key(claim), actions[0]?.id ?? "", { cap }),
            ),
          );
          expect(begun.filter(({ go }) => go)).toHaveLength(3);
        });
      });

      it("lets an outcome that was looked up be taken over", async () => {
        const first = await planned("a", (of) => [action(of, "post")]);
        const holder = first.actions[0]?.id ?? "";
        await on.journal.beginAction(key(first.claim), holder);
        await settle(first.claim, { kind: "dead", reason: "gone" });
        expect(await statusOf(holder)).toBe("uncertain");
        expect((await on.reads.backlog()).reviews).toBe(1);
        const second = await planned("b", (of) => [action(of, "post")]);
        const id = second.actions[0]?.id ?? "";
        expect(await on.journal.beginAction(key(second.claim), id)).toMatchObject({
          go: false,
          holder: { status: "uncertain" },
        });
        expect(await on.journal.beginAction(key(second.claim), id, { takeOver: holder })).toEqual({
          go: true,
        });
      });

      it("refuses illegal transitions", async () => {
        const { claim, actions } = await planned("a", (of) => [action(of, "post")]);
        const id = actions[0]?.id ?? "";
        await on.journal.beginAction(key(claim), id);
        await on.journal.endAction(key(claim), id, { status: "done", ref: {} });
        await expect(on.journal.endAction(key(claim), id, { status: "planned" })).rejects.toThrow(
          "can't become planned",
        );
        await expect(on.journal.beginAction(key(claim), id)).rejects.toThrow("can't become executing");
      });

      it("skips what a finished run had not begun", async () => {
        const { claim, actions } = await planned("a", (of) => [action(of, "post")]);
        await settle(claim, { kind: "cancelled", reason: "the pull request was closed" });
        expect(await on.reads.action(actions[0]?.id ?? "")).toMatchObject({
          status: "skipped",
          reason: expect.stringContaining("closed"),
        });
      });
    });

    describe("reviews", () => {
      const held = async () => {
        const made = await planned("a", (of) => [
          action(of, "coupon", { status: "awaiting_review" }),
          action(of, "mail", { status: "awaiting_review", needs: ["coupon"] }),
        ]);
        await settle(made.claim, { kind: "awaitReview", reason: "2 actions wait" });
        const [coupon, mail] = made.actions;
        if (!coupon || !mail) throw new Error("nothing is held");
        return { ...made, coupon, mail, id: made.claim.run.id };
      };

      it("puts the run back to work when an action is approved as it was shown", async () => {
        const { coupon, id } = await held();
        expect(await runOf(id)).toMatchObject({
          status: "awaiting_review",
          waitingFor: { kind: "person", until: null },
        });
        expect(await on.journal.approve(coupon.id, coupon.hash, null, "ann")).toEqual({
          run: id,
          queued: true,
        });
        expect(await statusOf(coupon.id)).toBe("planned");
        expect(await due()).toEqual([id]);
      });

      it("refuses an approval of what has changed, and one that was given already", async () => {
        const { coupon } = await held();
        await expect(on.journal.approve(coupon.id, "stale", null, "ann")).rejects.toMatchObject({
          code: "stale_hash",
        });
        await on.journal.approve(coupon.id, coupon.hash, null, "ann");
        await expect(on.journal.approve(coupon.id, coupon.hash, null, "ann")).rejects.toMatchObject({
          code: "wrong_state",
        });
        await expect(on.journal.approve("act_none", coupon.hash, null, "ann")).rejects.toMatchObject({
          code: "not_found",
        });
      });

      it("takes an edit, which changes the hash", async () => {
        const { coupon } = await held();
        await on.journal.approve(coupon.id, coupon.hash, { text: "better" }, "ann");
        const edited = await on.reads.action(coupon.id);
        expect(edited).toMatchObject({ input: { text: "better" } });
        expect(edited?.hash).not.toBe(coupon.hash);
      });

      it("skips the dependents of a rejected action and lets the run end", async () => {
        const { coupon, mail, id } = await held();
        expect(await on.journal.reject(coupon.id, "too generous", "ann")).toEqual({ run: id, queued: true });
        expect(await statusOf(mail.id)).toBe("skipped");
        const claim = await claimed(id);
        await settle(claim, { kind: "rejected", reason: "too generous" });
        expect((await runOf(id)).status).toBe("rejected");
      });

      it("goes on at once when an approval came while the run was under way, and waits when it could not act on it", async () => {
        const { coupon, mail, id } = await held();
        await on.journal.approve(mail.id, mail.hash, null, "ann");
        const claim = await claimed(id);
        await settle(claim, { kind: "awaitReview", reason: "the coupon waits" });
        expect((await runOf(id)).status).toBe("awaiting_review");
        await on.journal.approve(coupon.id, coupon.hash, null, "ann");
        const again = await claimed(id);
        await settle(again, { kind: "awaitReview", reason: "not seen yet" });
        expect((await runOf(id)).status).toBe("queued");
      });

      const noticed = async (claim: Claim): Promise<string | null> => {
        const notice = run({ agent: "review-notice", route: null, about: claim.run.id });
        await settle(claim, { kind: "awaitReview", reason: "r", notice });
        return (await on.reads.run(notice.id)) && notice.id;
      };

      it("starts a notice of what is held once, again for what is held anew, and none for a run that goes on", async () => {
        const { claim, actions } = await planned("a", (of) => [
          action(of, "coupon", { status: "awaiting_review" }),
          action(of, "mail", { status: "awaiting_review" }),
        ]);
        const [coupon, mail] = actions;
        const notice = await noticed(claim);
        expect(await runOf(notice ?? "")).toMatchObject({
          about: claim.run.id,
          event: claim.run.event,
          status: "queued",
          generation: 0,
        });
        expect(await due()).toEqual([notice]);
        await on.journal.approve(coupon?.id ?? "", coupon?.hash ?? "", null, "ann");
        expect(await on.reads.action(coupon?.id ?? "")).toMatchObject({ reviewedBy: "ann" });
        const again = await claimed(claim.run.id);
        await on.journal.beginAction(key(again), coupon?.id ?? "");
        await on.journal.endAction(key(again), coupon?.id ?? "", { status: "uncertain" });
        const anew = await noticed(again);
        expect(await runOf(anew ?? "")).toMatchObject({ about: claim.run.id, generation: 1 });
        await on.journal.approve(mail?.id ?? "", mail?.hash ?? "", null, "ann");
        const third = await claimed(claim.run.id);
        expect(await noticed(third)).toBeNull();
        expect((await runOf(claim.run.id)).status).toBe("queued");
      });

      it("counts notices neither as replays of the event nor as work on it that never completed", async () => {
        const { claim } = await planned("a", (of) => [action(of, "post", { status: "awaiting_review" })]);
        const notice = (await noticed(claim)) ?? "";
        await settle(await claimed(notice), { kind: "cancelled", reason: "it was decided" });
        await on.journal.cancel(claim.run.id, "by hand");
        const again = run();
        await on.journal.replay({ event: claim.run.event, runs: [again] });
        expect((await runOf(again.id)).generation).toBe(1);
        await settle(await claimed(again.id), { kind: "dead", reason: "it failed" });
        expect(await accept("a")).toMatchObject({ duplicate: true, runs: [expect.any(String)] });
      });
    });

    describe("replays", () => {
      it("starts new runs of a stored event, and keeps (event, agent) unique otherwise", async () => {
        const { event, runs } = await accept("a");
        const again = run();
        expect(await on.journal.replay({ event, runs: [again] })).toEqual([again.id]);
        expect((await on.reads.event(event))?.runs.map((one) => [one.id, one.generation])).toEqual([
          [runs[0], 0],
          [again.id, 1],
        ]);
      });
    });

    describe("state", () => {
      it("is changed by compare-and-set only", async () => {
        expect(await on.state.put("breaker", "github", { state: "open" }, 0)).toBe(true);
        expect(await on.state.put("breaker", "github", { state: "closed" }, 0)).toBe(false);
        expect(await on.state.put("breaker", "github", { state: "closed" }, 1)).toBe(true);
        expect(await on.state.list("breaker")).toEqual([
          { key: "github", value: { state: "closed" }, version: 2 },
        ]);
        expect(await on.state.get("pause", "github")).toBeNull();
      });
    });

    describe("reads", () => {
      it("pages newest first while new rows come in", async () => {
        const events: string[] = [];
        for (const name of ["a", "b", "c"]) {
          await clock.advance(1);
          events.unshift((await accept(name)).event);
        }
        const first = await on.reads.events({ limit: 2 });
        expect(first.items.map((item) => item.id)).toEqual(events.slice(0, 2));
        await accept("d");
        const second = await on.reads.events({ limit: 2, cursor: first.next ?? "" });
        expect(second.items.map((item) => item.id)).toEqual(events.slice(2));
        expect(second.next).toBeNull();
      });

      it("filters actions by their event and source, and events by the agents that worked on them", async () => {
        const { claim, actions } = await planned("a", (of) => [action(of, "post")]);
        await accept("b", [run({ agent: "email-triage" })]);
        const ids = async (query: object) =>
          (await on.reads.actions({ limit: 5, ...query })).items.map((one) => one.id);
        expect(await ids({ event: claim.event.id })).toEqual([actions[0]?.id]);
        expect(await ids({ event: "evt_none" })).toEqual([]);
        expect(await ids({ source: "github" })).toEqual([actions[0]?.id]);
        expect(await ids({ source: "stripe" })).toEqual([]);
        const events = await on.reads.events({ limit: 5, agent: "pr-review" });
        expect(events.items.map((one) => one.id)).toEqual([claim.event.id]);
      });

      it("filters by every field of a query", async () => {
        await accept("a");
        await clock.advance(1_000);
        const { runs } = await accept("b", [run({ agent: "email-triage" })]);
        expect((await on.reads.runs({ limit: 5, agent: "email-triage" })).items.map((one) => one.id)).toEqual(
          runs,
        );
        expect((await on.reads.runs({ limit: 5, source: "github" })).items).toHaveLength(2);
        expect((await on.reads.events({ limit: 5, since: clock.now() })).items).toHaveLength(1);
        expect((await on.reads.events({ limit: 5, until: clock.now() })).items).toHaveLength(1);
        expect((await on.reads.events({ limit: 5, type: "push" })).items).toEqual([]);
        expect(await on.reads.overview()).toMatchObject({
          events: { routed: 2 },
          runs: { queued: 2 },
          oldestDueAt: clock.now() - 1_000,
        });
        expect(await on.reads.backlog()).toEqual({
          runs: { queued: 2, running: 0, waiting: 0, awaiting_review: 0 },
          deadLetters: 0,
          reviews: 0,
          oldestDueAt: clock.now() - 1_000,
        });
        expect(await on.reads.sourceActivity()).toEqual([
          {
            source: "github",
            events: 2,
            lastEventAt: clock.now(),
            lastSecret: { index: 0, at: clock.now() },
            unreadable: null,
          },
        ]);
      });
    });

    describe("what is signed and can't be read", () => {
      it("is counted by source with the latest reason, also where nothing else came, until its bytes are erased", async () => {
        const keep = (id: string, source: string, reason: string) =>
          on.journal.keepMalformed(
            { id, source, receivedAt: clock.now(), remoteAddress: "192.0.2.1", secretIndex: 0, reason },
            Buffer.from("{"),
          );
        await accept("a");
        await keep("dlv_1", "forms", "half a document");
        await clock.advance(1_000);
        await keep("dlv_2", "forms", "no id");
        const lastSecret = { index: 0, at: clock.now() };
        expect(await on.reads.sourceActivity()).toMatchObject([
          {
            source: "forms",
            events: 0,
            lastEventAt: null,
            lastSecret,
            unreadable: { count: 2, lastAt: clock.now(), reason: "no id" },
          },
          { source: "github", events: 1, unreadable: null },
        ]);
        // The event's run is still waiting: there is nothing else to erase.
        expect(await on.journal.eraseContent(clock.now() + 1, 1)).toBe(1);
        expect(await on.journal.eraseContent(clock.now() + 1, 10)).toBe(1);
        expect(await on.journal.eraseContent(clock.now() + 1, 10)).toBe(0);
        expect(await on.reads.sourceActivity()).toMatchObject([{ source: "github", unreadable: null }]);
      });
    });

    describe("retention", () => {
      it("erases the content of finished events and keeps what makes things happen once", async () => {
        const { claim, actions } = await planned("a", (of) => [action(of, "post")]);
        await on.journal.beginAction(key(claim), actions[0]?.id ?? "");
        await on.journal.endAction(key(claim), actions[0]?.id ?? "", { status: "done", ref: { id: "1" } });
        await settle(claim, { kind: "done", summary: "" });
        const open = await accept("open");
        await clock.advance(1_000);
        expect(await on.journal.eraseContent(clock.now(), 100)).toBe(1);
        expect((await on.reads.event(claim.event.id))?.body).toHaveLength(0);
        expect((await on.reads.run(claim.run.id))?.steps[0]?.output).toBeNull();
        expect((await on.reads.event(open.event))?.body).not.toHaveLength(0);
        expect((await accept("a")).duplicate).toBe(true);
        const replayed = await planned("z", (of) => [action(of, "post")]);
        expect(
          await on.journal.beginAction(key(replayed.claim), replayed.actions[0]?.id ?? ""),
        ).toMatchObject({ go: false });
      });

      describe("of what happened", () => {
        const day = 86_400_000;
        const finished = async (name: string) => {
          const { claim: of, actions } = await planned(name, (made) => [action(made, "post")]);
          await on.journal.beginAction(key(of), actions[0]?.id ?? "");
          await on.journal.endAction(key(of), actions[0]?.id ?? "", { status: "done" });
          await settle(of, { kind: "done", summary: "" });
          return of;
        };
        const allKeys = async (before: number) => {
          for (let at = await on.journal.eraseKeys(before, 1, null); at !== null;)
            at = await on.journal.eraseKeys(before, 1, at);
        };

        it("erases it only once its content is erased, and leaves no row of it", async () => {
          const of = await finished("a");
          await clock.advance(3 * day);
          expect(await on.journal.eraseHistory(clock.now(), 10)).toBe(0);
          expect(await on.journal.eraseContent(clock.now(), 10)).toBe(1);
          expect(await on.journal.eraseHistory(clock.now(), 10)).toBe(1);
          expect(await on.reads.event(of.event.id)).toBeNull();
          expect(await on.reads.run(of.run.id)).toBeNull();
          expect((await on.reads.runs({ limit: 10 })).items).toEqual([]);
          expect((await on.reads.actions({ limit: 10 })).items).toEqual([]);
          expect(await on.journal.eraseHistory(clock.now(), 10)).toBe(0);
        });

        it("goes by few events at a time, and keeps those with a run that is not final or was until lately", async () => {
          for (const name of ["a", "b", "c"]) await finished(name);
          await clock.advance(3 * day);
          await on.journal.eraseContent(clock.now(), 10);
          const open = await accept("open");
          const late = await finished("late");
          await clock.advance(day / 2);
          await on.journal.eraseContent(clock.now(), 10);
          expect(await on.journal.eraseHistory(clock.now(), 2)).toBe(2);
          expect(await on.journal.eraseHistory(clock.now(), 2)).toBe(1);
          expect(await on.journal.eraseHistory(clock.now(), 2)).toBe(0);
          expect(await on.reads.event(open.event)).not.toBeNull();
          expect(await on.reads.event(late.event.id)).not.toBeNull();
        });

        it("erases keys by their age, a few at a time, and none that an unfinished run has a part in", async () => {
          await finished("a");
          const waiting = await planned("waits", (of) => [action(of, "mail")]);
          await on.journal.beginAction(key(waiting.claim), waiting.actions[0]?.id ?? "");
          await clock.advance(2 * day);
          await finished("young");
          await allKeys(clock.now() - day);
          expect((await accept("waits")).duplicate).toBe(true);
          expect((await accept("young")).duplicate).toBe(true);
          expect((await accept("a")).duplicate).toBe(false);
        });

        it("erases requests that could not be read, and deeds", async () => {
          const deed = {
            by: "cli",
            address: null,
            deed: "login",
            object: null,
            reason: null,
            details: null,
          } as const;
          await on.journal.recordDeed("aud_1", deed);
          await on.journal.keepMalformed(
            {
              id: "dlv_1",
              source: "s",
              receivedAt: clock.now(),
              remoteAddress: "",
              secretIndex: 0,
              reason: "r",
            },
            Buffer.from("?"),
          );
          await clock.advance(day);
          await on.journal.recordDeed("aud_2", deed);
          expect(await on.journal.eraseHistory(clock.now(), 10)).toBe(2);
          expect((await on.reads.audit({ limit: 10 })).items.map(({ id }) => id)).toEqual(["aud_2"]);
          expect(await on.journal.eraseHistory(clock.now(), 10)).toBe(0);
        });
      });
    });
  });
}
