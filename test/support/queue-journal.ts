/** A journal with real time, for queues: runs to hand out, and handlers that claim and settle them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LeaseLost } from "../../src/domain/errors.ts";
import type { Claim, NewRun, Verdict } from "../../src/domain/ports.ts";
import type { Wake } from "../../src/domain/queue.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";

export function openQueueJournal(leaseMs = 60_000) {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-queue-"));
  const store = openSqliteJournal({ folder, clock: systemClock });
  const ids = createIds(systemClock);
  const claims: string[] = [];

  async function accept(count: number, over: Partial<NewRun> = {}): Promise<Wake[]> {
    const runs = Array.from({ length: count }, (): NewRun => ({
      id: ids("run"),
      route: "all",
      agent: "a",
      mode: "auto",
      concurrency: null,
      configHash: "c",
      promptHash: null,
      ...over,
    }));
    await store.journal.accept({
      delivery: null,
      items: runs.map((run) => ({
        event: {
          id: ids("evt"),
          source: "github",
          type: "ping",
          providerId: run.id,
          receivedAt: systemClock.now(),
          occurredAt: null,
          status: "routed",
          body: Buffer.from("{}"),
          headers: {},
          faults: [],
        },
        dedupeKeys: [run.id],
        runs: [run],
      })),
    });
    return runs.map((run) => ({ run: run.id, agent: run.agent, number: 0 }));
  }

  /** A handler as the worker's: claims, works, settles; does nothing with a run that it can't claim. */
  const working = (work: (claim: Claim) => Promise<Verdict>) => async (run: string) => {
    const claim = await store.journal.claim(run, "test", leaseMs);
    if (!claim) return;
    claims.push(run);
    const verdict = await work(claim);
    await store.journal.settle({ run, fence: claim.fence }, verdict).catch((error: unknown) => {
      if (!(error instanceof LeaseLost)) throw error;
    });
  };

  /** Holds every run that comes by until it is opened, and counts them by agent. */
  function gate() {
    const inside = new Map<string, number>();
    const most = new Map<string, number>();
    const total = () => [...inside.values()].reduce((sum, one) => sum + one, 0);
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    return {
      open: () => open(),
      inside: (agent?: string) => (agent === undefined ? total() : (inside.get(agent) ?? 0)),
      most: (agent = "") => most.get(agent) ?? 0,
      async pass({ run: { agent } }: Claim): Promise<Verdict> {
        inside.set(agent, (inside.get(agent) ?? 0) + 1);
        most.set(agent, Math.max(most.get(agent) ?? 0, inside.get(agent) ?? 0));
        most.set("", Math.max(most.get("") ?? 0, total()));
        await opened;
        inside.set(agent, (inside.get(agent) ?? 0) - 1);
        return { kind: "done", summary: "" };
      },
    };
  }

  return {
    ...store,
    clock: systemClock,
    accept,
    working,
    gate,
    /** Runs that were claimed, in the order of their ids; each as often as it was. */
    claimed: () => claims.toSorted(),
    /** The agents of the runs that are not final, one entry each. */
    async open(): Promise<string[]> {
      const { items } = await store.reads.runs({ limit: 500 });
      return items.filter((run) => run.status !== "succeeded").map((run) => run.agent);
    },
    async close() {
      await store.journal.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
