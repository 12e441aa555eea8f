import { describe, expect, it } from "vitest";
import type { Backlog } from "../src/domain/ports.ts";
import { createReadiness } from "../src/readiness.ts";
import { manualClock } from "./support/clock.ts";

const minute = 60_000;

function open() {
  const clock = manualClock();
  let paused = false;
  let trouble: string | null = null;
  let oldestDueAt: number | null | "unreadable" = null;
  const backlog = async (): Promise<Backlog> => {
    if (oldestDueAt === "unreadable") throw new Error("the file is gone");
    return {
      runs: { queued: 0, running: 0, waiting: 0, awaiting_review: 0 },
      deadLetters: 0,
      reviews: 0,
      oldestDueAt,
    };
  };
  const readiness = createReadiness({
    reads: { backlog },
    journal: { trouble: () => trouble },
    clock,
    allPaused: async () => paused,
  });
  return {
    clock,
    readiness,
    pause: (now: boolean) => {
      paused = now;
    },
    troubled: (why: string | null) => {
      trouble = why;
    },
    due: (at: typeof oldestDueAt) => {
      oldestDueAt = at;
    },
  };
}

describe("readiness", () => {
  it("is lost when runs could be worked on and none is", async () => {
    const { clock, readiness, due } = open();
    due(clock.now());
    await clock.advance(5 * minute - 1);
    expect(await readiness.check([])).toMatchObject({ ok: true });
    await clock.advance(1);
    expect(await readiness.check([])).toMatchObject({
      ok: false,
      checks: { work: { ok: false, detail: expect.stringContaining("for 300 s, and none was for 300 s") } },
    });
  });

  it("is lost while nothing can be stored, with the reason", async () => {
    const { readiness, troubled } = open();
    troubled("the disk is full");
    expect(await readiness.check([])).toMatchObject({
      ok: false,
      checks: { journal: { ok: false, detail: "the disk is full" } },
    });
    troubled(null);
    expect(await readiness.check([])).toMatchObject({ ok: true });
  });

  it("is kept while an old backlog is worked off", async () => {
    const { clock, readiness, due } = open();
    due(clock.now() - 600 * minute);
    for (let time = 0; time < 10; time += 1) {
      await clock.advance(4 * minute);
      readiness.settled();
      expect(await readiness.check([])).toMatchObject({ ok: true });
    }
    await clock.advance(5 * minute);
    expect(await readiness.check([])).toMatchObject({ ok: false });
  });

  it("is kept when there is nothing to do, however long", async () => {
    const { clock, readiness } = open();
    await clock.advance(600 * minute);
    expect(await readiness.check([])).toMatchObject({ ok: true });
  });

  it("is kept while a person has paused everything, and gets its time once it was resumed", async () => {
    const { clock, readiness, due, pause } = open();
    due(clock.now());
    pause(true);
    for (let time = 0; time < 10; time += 1) {
      await clock.advance(10 * minute);
      expect(await readiness.check([])).toMatchObject({ ok: true });
    }
    pause(false);
    await clock.advance(4 * minute);
    expect(await readiness.check([])).toMatchObject({ ok: true });
    await clock.advance(minute);
    expect(await readiness.check([])).toMatchObject({ ok: false });
  });

  it("is lost while the service is being stopped", async () => {
    const { readiness } = open();
    readiness.draining();
    expect(await readiness.check([])).toMatchObject({ ok: false, checks: { draining: { ok: false } } });
  });

  it("is lost when the journal can't be read, and not by a faulty changed configuration", async () => {
    const { readiness, due } = open();
    const fault = { file: "signalbox.yaml", line: 3, column: 1, message: "no such key" };
    expect(await readiness.check([fault as never])).toMatchObject({
      ok: true,
      checks: {
        configuration: { ok: true, detail: expect.stringContaining("signalbox.yaml:3 no such key") },
      },
    });
    due("unreadable");
    expect(await readiness.check([])).toMatchObject({ ok: false, checks: { journal: { ok: false } } });
  });
});
