import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { JournalUnavailable } from "../../src/domain/errors.ts";
import type { State } from "../../src/domain/ports.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { silentLog } from "../../src/observability/log.ts";
import { sleep } from "../../src/resilience/clock.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import { holdDuties } from "../../src/worker/duties.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { memoryState } from "../support/memory-state.ts";

/**
 * How the journal is from one process: answers after a while, is out of reach, or its answers are lost; and how long the
 * process's duties take to end.
 */
type Line = { delayMs: number; mode: "good" | "away" | "answers lost"; endMs: number };

/** A process that contends; killed, it does nothing more. */
function contender(clock: ManualClock, state: State, owner: string) {
  const line: Line = { delayMs: 0, mode: "good", endMs: 0 };
  let alive = true;
  let running = 0;
  let terms = 0;
  const reach = async <T>(ask: () => Promise<T>): Promise<T> => {
    const { delayMs, mode } = line;
    if (delayMs > 0) await sleep(clock, delayMs);
    if (mode === "away") throw new JournalUnavailable("it can't be reached");
    const answer = await ask();
    if (delayMs > 0) await sleep(clock, delayMs);
    if (mode === "answers lost") throw new JournalUnavailable("the answer was lost");
    return answer;
  };
  const own: Clock = {
    now: clock.now,
    after: (ms, fn) => clock.after(ms, () => (alive ? fn() : undefined)),
  };
  const duties = holdDuties({
    state: {
      ...state,
      get: (...of) => reach(() => state.get(...of)),
      put: (...of) => reach(() => (alive ? state.put(...of) : Promise.resolve(false))),
    },
    clock: own,
    log: silentLog,
    owner,
    begin: () => {
      running += 1;
      terms += 1;
      const stop = async () => {
        if (line.endMs > 0) await sleep(clock, line.endMs);
        running -= 1;
      };
      return [{ stop }];
    },
  });
  return {
    line,
    /** Whether its duties run. */
    works: () => alive && running > 0,
    running: () => running,
    leading: () => alive && duties.leading(),
    terms: () => terms,
    kill: () => (alive = false),
    stop: () => duties.stop(),
  };
}

/** Two processes; the first has the duties. */
async function firstLeads() {
  const clock = manualClock();
  const state = memoryState();
  const first = contender(clock, state, "first");
  await clock.advance(1);
  const second = contender(clock, state, "second");
  await clock.advance(5_000);
  return { clock, first, second };
}

const workers = (all: { works(): boolean }[]) => all.filter((one) => one.works()).length;

describe("the duties of a fleet", () => {
  it("are begun at once by a process that is alone, and by one of several", async () => {
    const clock = manualClock();
    const state = memoryState();
    const first = contender(clock, state, "first");
    await clock.advance(1);
    expect(first.works()).toBe(true);
    const others = ["second", "third"].map((owner) => contender(clock, state, owner));
    await clock.advance(120_000);
    expect(workers([first, ...others])).toBe(1);
    expect(first.terms()).toBe(1);
  });

  it("move within 15 s when their holder is killed, and only once its lease is over", async () => {
    const clock = manualClock();
    const state = memoryState();
    const [first, second] = [contender(clock, state, "first"), contender(clock, state, "second")];
    await clock.advance(10_000);
    const [holder, other] = first.works() ? [first, second] : [second, first];
    holder.kill();
    await clock.advance(5_000);
    expect(other.works()).toBe(false);
    await clock.advance(10_000);
    expect(other.works()).toBe(true);
  });

  it("are handed over within two seconds when their holder stops", async () => {
    const { clock, first, second } = await firstLeads();
    await first.stop();
    expect(first.works()).toBe(false);
    await clock.advance(2_000);
    expect(second.works()).toBe(true);
  });

  it("are ended by a holder that can't reach the journal, before another begins", async () => {
    const { clock, first, second } = await firstLeads();
    first.line.mode = "away";
    let between = 0;
    while (!second.works()) {
      await clock.advance(100);
      between += workers([first, second]) === 0 ? 1 : 0;
      expect(workers([first, second])).toBeLessThan(2);
    }
    expect(between).toBeGreaterThan(5);
    first.line.mode = "good";
    await clock.advance(60_000);
    expect([first.works(), second.works()]).toEqual([false, true]);
  });

  it("go on after a short outage of the journal, and after a long one, with one holder", async () => {
    const clock = manualClock();
    const state = memoryState();
    const all = [contender(clock, state, "first"), contender(clock, state, "second")];
    await clock.advance(5_000);
    for (const one of all) one.line.mode = "away";
    await clock.advance(3_000);
    for (const one of all) one.line.mode = "good";
    await clock.advance(20_000);
    expect(all.map((one) => one.terms()).reduce((sum, terms) => sum + terms)).toBe(1);
    for (const one of all) one.line.mode = "away";
    await clock.advance(60_000);
    expect(workers(all)).toBe(0);
    for (const one of all) one.line.mode = "good";
    await clock.advance(15_000);
    expect(workers(all)).toBe(1);
  });

  it("are begun again by the same process only when those of its last term have ended", async () => {
    const clock = manualClock();
    const only = contender(clock, memoryState(), "only");
    await clock.advance(1);
    Object.assign(only.line, { mode: "away", endMs: 30_000 });
    await clock.advance(10_000);
    only.line.mode = "good";
    for (let second = 0; second < 40; second += 1) {
      await clock.advance(1_000);
      expect(only.running()).toBeLessThan(2);
    }
    expect([only.running(), only.terms()]).toEqual([1, 2]);
  });

  it("never run twice at a time and never rest for long, whatever becomes of processes and of their way to the journal", async () => {
    const event = fc.record({
      waitMs: fc.integer({ min: 1, max: 12_000 }),
      who: fc.nat(2),
      what: fc.constantFrom("kill", "stop", "away", "answers lost", "slow", "good", "good"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 14 }), async (events) => {
        const clock = manualClock();
        const state = memoryState();
        let born = 0;
        const birth = () => contender(clock, state, `process ${(born += 1)}`);
        const all = [birth(), birth(), birth()];
        const pass = async (ms: number) => {
          for (let left = ms; left > 0; left -= 500) {
            await clock.advance(Math.min(left, 500));
            expect(workers(all)).toBeLessThan(2);
            expect(all.filter((one) => one.leading()).length).toBeLessThan(2);
          }
        };
        for (const { waitMs, who, what } of events) {
          await pass(waitMs);
          const one = all[who];
          if (!one) continue;
          if (what === "kill") one.kill();
          else if (what === "stop") {
            one.line.mode = "good";
            one.line.delayMs = 0;
            void one.stop();
          } else if (what === "slow") one.line.delayMs = 3_000;
          else {
            one.line.mode = what;
            one.line.delayMs = 0;
          }
          if (what === "kill" || what === "stop") all[who] = birth();
        }
        for (const one of all) Object.assign(one.line, { mode: "good", delayMs: 0 });
        await pass(20_000);
        expect(workers(all)).toBe(1);
      }),
      { numRuns: 100 },
    );
  });

  it("are held over the journal itself", async () => {
    const folder = mkdtempSync(join(tmpdir(), "signalbox-duties-"));
    const clock = manualClock();
    const store = openSqliteJournal({ folder, clock });
    const first = contender(clock, store.state, "first");
    await clock.advance(10);
    const second = contender(clock, store.state, "second");
    await clock.advance(5_000);
    expect([first.works(), second.works()]).toEqual([true, false]);
    await first.stop();
    await clock.advance(2_000);
    expect(second.works()).toBe(true);
    await second.stop();
    await store.journal.close();
    rmSync(folder, { recursive: true, force: true });
  });
});
