/** What every queue must do. Run against each implementation, with a real journal below. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Claim, Journal, Verdict } from "../../src/domain/ports.ts";
import type { Hands, Queue } from "../../src/domain/queue.ts";
import { openQueueJournal } from "../support/queue-journal.ts";

export interface OpenQueue {
  readonly queue: Queue;
  close(): Promise<void>;
}

export const soon = { timeout: 60_000, interval: 10 };
const many: Hands = { total: 8, perAgent: 8 };
const done: Verdict = { kind: "done", summary: "" };

export function queueContract(name: string, open: (journal: Journal) => Promise<OpenQueue>): void {
  describe(`queue: ${name}`, () => {
    let on: ReturnType<typeof openQueueJournal>;
    let opened: OpenQueue;
    let consumers: { stop(): Promise<void> }[] = [];
    beforeEach(async () => {
      on = openQueueJournal();
      opened = await open(on.journal);
    });
    afterEach(async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      consumers = [];
      await opened.close();
      await on.close();
    });

    const consume = (work: (claim: Claim) => Promise<Verdict>, hands: Hands = many) => {
      const consumer = opened.queue.consume(on.working(work), hands);
      consumers.push(consumer);
      return consumer;
    };
    const all = (runs: readonly string[]) =>
      vi
        .waitFor(async () => expect(await on.open()).toEqual([]), soon)
        .then(() => expect(on.claimed()).toEqual(runs));

    it("hands out what it is told", async () => {
      consume(async () => done);
      const wakes = await on.accept(20);
      opened.queue.publish(wakes);
      await all(wakes.map((wake) => wake.run));
    });

    it("hands out what it was never told, or was told while nobody listened", async () => {
      const before = await on.accept(3);
      opened.queue.publish(before.slice(0, 1));
      consume(async () => done);
      await all(before.map((wake) => wake.run));
    });

    it("may be told the same run again and again", async () => {
      consume(async () => done);
      const wakes = await on.accept(5);
      for (let time = 0; time < 5; time += 1) opened.queue.publish(wakes);
      await all(wakes.map((wake) => wake.run));
    });

    it("hands a run out again when its wait is over, not before, and within a second or two", async () => {
      const times: number[] = [];
      let at = 0;
      consume(async (claim) => {
        times.push(on.clock.now());
        if (claim.fence > 1) return done;
        at = on.clock.now() + 700;
        return { kind: "retryAt", at, reason: "again", service: null };
      });
      opened.queue.publish(await on.accept(1));
      await vi.waitFor(async () => expect(await on.open()).toEqual([]), soon);
      expect(times).toHaveLength(2);
      expect(times[1]).toBeGreaterThanOrEqual(at);
      expect(times[1]).toBeLessThan(at + 2_500);
    });

    it("hands out the next run of a concurrency key when the one before has ended", async () => {
      const concurrency = { key: "one", limit: 1, supersede: false };
      const order: string[] = [];
      consume(async (claim) => {
        order.push(claim.run.id);
        return done;
      });
      const wakes = [...(await on.accept(1, { concurrency })), ...(await on.accept(1, { concurrency }))];
      opened.queue.publish(wakes);
      await vi.waitFor(async () => {
        opened.queue.publish([]);
        expect(await on.open()).toEqual([]);
      }, soon);
      expect(order).toEqual(wakes.map((wake) => wake.run));
    });

    it("works on no more at once than there are hands, of one agent and in total", async () => {
      const gate = on.gate();
      consume(gate.pass, { total: 4, perAgent: 3 });
      opened.queue.publish(await on.accept(10, { agent: "a" }));
      await vi.waitFor(() => expect(gate.inside("a")).toBe(3), soon);
      opened.queue.publish(await on.accept(10, { agent: "b" }));
      await vi.waitFor(() => expect(gate.inside("b")).toBe(1), soon);
      gate.open();
      await vi.waitFor(async () => expect(await on.open()).toEqual([]), soon);
      expect(gate.most("a")).toBe(3);
      expect(gate.most()).toBe(4);
    });

    it("takes more at once when it is given more hands", async () => {
      const gate = on.gate();
      const hands = { total: 1, perAgent: 1 };
      consume(gate.pass, hands);
      opened.queue.publish(await on.accept(6));
      await vi.waitFor(() => expect(gate.inside()).toBe(1), soon);
      Object.assign(hands, { total: 3, perAgent: 3 });
      await vi.waitFor(() => {
        opened.queue.publish([]);
        expect(gate.inside()).toBe(3);
      }, soon);
      gate.open();
      await vi.waitFor(async () => expect(await on.open()).toEqual([]), soon);
      expect(gate.most()).toBe(3);
    });

    it("goes on with the others while an agent is stuck, however much that one has waiting", async () => {
      const gate = on.gate();
      const stuck = await on.accept(300, { agent: "a" });
      opened.queue.publish(stuck);
      consume((claim) => (claim.run.agent === "a" ? gate.pass(claim) : Promise.resolve(done)), {
        total: 4,
        perAgent: 3,
      });
      await vi.waitFor(() => expect(gate.inside("a")).toBe(3), soon);
      opened.queue.publish(await on.accept(10, { agent: "b" }));
      await on.accept(10, { agent: "c" });
      await vi.waitFor(async () => expect(new Set(await on.open())).toEqual(new Set(["a"])), soon);
      expect(gate.inside("a")).toBe(3);
      gate.open();
    });

    it("gives the hands that come free to the agent that has the fewest, while others have much waiting", async () => {
      const inside: { agent: string; leave(): void }[] = [];
      const within = (agent: string) => inside.filter((one) => one.agent === agent).length;
      consume(
        ({ run: { agent } }) =>
          new Promise((resolve) => {
            const one = {
              agent,
              leave: () => {
                inside.splice(inside.indexOf(one), 1);
                resolve(done);
              },
            };
            inside.push(one);
          }),
        { total: 3, perAgent: 2 },
      );
      opened.queue.publish(await on.accept(60, { agent: "a" }));
      await vi.waitFor(() => expect(within("a")).toBe(2), soon);
      opened.queue.publish([
        ...(await on.accept(60, { agent: "b" })),
        ...(await on.accept(1, { agent: "c" })),
      ]);
      await vi.waitFor(() => expect(inside).toHaveLength(3), soon);
      let left = 0;
      while (within("c") === 0) {
        expect((left += 1)).toBeLessThan(5);
        inside.find((one) => one.agent === "b")?.leave();
        await vi.waitFor(() => expect(inside).toHaveLength(3), soon);
      }
      while ((await on.open()).length > 0) {
        for (let one = inside[0]; one; one = inside[0]) one.leave();
        await new Promise((resolve) => setImmediate(resolve));
      }
    });

    it("hands a run out again whose handler failed", async () => {
      let failures = 0;
      const consumer = opened.queue.consume(async (run) => {
        if ((failures += 1) === 1) throw new Error("on purpose");
        await on.working(async () => done)(run);
      }, many);
      consumers.push(consumer);
      opened.queue.publish(await on.accept(1));
      await vi.waitFor(async () => expect(await on.open()).toEqual([]), soon);
    });

    it("waits for what is in hand when it stops, and hands out nothing more", async () => {
      const gate = on.gate();
      const consumer = consume(gate.pass, { total: 1, perAgent: 1 });
      opened.queue.publish(await on.accept(2));
      await vi.waitFor(() => expect(gate.inside()).toBe(1), soon);
      let stopped = false;
      const stop = consumer.stop().then(() => (stopped = true));
      opened.queue.publish([]);
      await new Promise((resolve) => setImmediate(resolve));
      expect(stopped).toBe(false);
      gate.open();
      await stop;
      expect(await on.open()).toHaveLength(1);
    });
  });
}
