import { describe, expect, it } from "vitest";
import type { Settings } from "../src/in-force.ts";
import { silentLog } from "../src/observability/log.ts";
import { joinFleet } from "../src/processes.ts";
import { manualClock } from "./support/clock.ts";
import { memoryState } from "./support/memory-state.ts";

const hourMs = 3_600_000;
const settings = (file: string) =>
  ({ loaded: { hash: file }, prompts: new Map([["pr-review", { hash: "p" }]]) }) as unknown as Settings;

function fleet() {
  const clock = manualClock();
  const state = memoryState();
  const join = (owner: string, role: "ingest" | "worker" = "worker") => {
    let current = settings("one");
    const parts = { state, clock, log: silentLog, owner, role };
    const processes = joinFleet({ ...parts, settings: () => current });
    return {
      ...processes,
      async reload(file: string) {
        current = settings(file);
        processes.reloaded();
        await clock.advance(0);
      },
    };
  };
  return { clock, state, join };
}

describe("the processes of a fleet", () => {
  it("are listed by any of them, with their roles and who leads", async () => {
    const { clock, state, join } = fleet();
    const a = join("a");
    join("b", "ingest");
    await clock.advance(0);
    await state.put("duty", "leader", { holder: "a" }, 0);
    expect(await a.list()).toMatchObject([
      { id: "a", role: "worker", pid: process.pid, leading: true, trouble: null },
      { id: "b", role: "ingest", leading: false, trouble: null },
    ]);
  });

  it("are in trouble half a minute after another has a newer configuration", async () => {
    const { clock, join } = fleet();
    const a = join("a");
    const b = join("b");
    await clock.advance(60_000);
    await a.reload("two");
    await clock.advance(20_000);
    expect((await b.list()).map(({ trouble }) => trouble)).toEqual([null, null]);
    await clock.advance(20_000);
    expect((await b.list()).map(({ trouble }) => trouble)).toEqual([
      null,
      expect.stringMatching(/^its configuration is not the newest, [0-9a-f]{12}, which the worker process/),
    ]);
    await b.reload("two");
    expect((await a.list()).map(({ trouble }) => trouble)).toEqual([null, null]);
  });

  it("are missed when they end without a word, and not when they were stopped", async () => {
    const { clock, state, join } = fleet();
    const a = join("a");
    const b = join("b");
    await clock.advance(0);
    const [, record] = await state.list("process");
    await b.stop();
    expect((await a.list()).map(({ id }) => id)).toEqual(["a"]);
    // As if it had died before that.
    const dead = (await state.list("process")).find(({ key }) => key === record?.key);
    await state.put("process", record?.key ?? "", record?.value ?? null, dead?.version ?? 0);
    await clock.advance(40_000);
    expect(await a.list()).toMatchObject([
      { id: "a", trouble: null },
      { id: "b", trouble: "it ended without a word, or can't reach the database" },
    ]);
    await clock.advance(hourMs);
    expect((await a.list()).map(({ id }) => id)).toEqual(["a"]);
  });

  it("leave no more records than there were processes at a time", async () => {
    const { clock, state, join } = fleet();
    join("a");
    for (let at = 0; at < 5; at += 1) {
      const next = join(`next-${at}`);
      await clock.advance(0);
      await next.stop();
    }
    expect(await state.list("process")).toHaveLength(2);
  });

  it("whose record was taken while they stood still take another", async () => {
    const { clock, state, join } = fleet();
    const a = join("a");
    await clock.advance(0);
    const [own] = await state.list("process");
    await state.put("process", own?.key ?? "", { ...(own?.value as object), id: "other" }, own?.version ?? 0);
    await clock.advance(10_000);
    expect((await a.list()).map(({ id }) => id).toSorted()).toEqual(["a", "other"]);
  });
});
