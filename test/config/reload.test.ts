import { EventEmitter, once } from "node:events";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Fault } from "../../src/config/faults.ts";
import { watchConfig } from "../../src/config/reload.ts";
import type { Watch, WatchOptions } from "../../src/config/reload.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import { folder } from "./bench.ts";

type Result = { ok: true; value: number } | { ok: false; faults: readonly Fault[] };
const fault: Fault = { file: "signalbox.yaml", line: 1, column: 1, message: "wrong" };

/** Time that passes when the test says so. */
function handClock(): Clock & { pass(ms: number): void } {
  let now = 0;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.push(timer);
      return { cancel: () => void (timers = timers.filter((one) => one !== timer)) };
    },
    pass(ms) {
      now += ms;
      const due = timers.filter(({ at }) => at <= now);
      timers = timers.filter(({ at }) => at > now);
      for (const { fn } of due) fn();
    },
  };
}

/** A watch whose changes and loads the test makes itself. */
async function setup() {
  const clock = handClock();
  const told: unknown[] = [];
  const loads: ((result: Result | Error) => void)[] = [];
  let change = (): void => undefined;
  let stopped = false;
  const watch: Watch = async (_, onChange) => {
    change = onChange;
    return async () => void (stopped = true);
  };
  const options: WatchOptions<Result> = {
    files: ["/etc/signalbox.yaml"],
    clock,
    watch,
    load: () =>
      new Promise((resolve, reject) => {
        loads.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
      }),
    onGood: ({ value }) => told.push(value),
    onBad: (faults) => told.push(faults.map(({ message }) => message)),
  };
  const watching = await watchConfig(options);
  const finish = async (index: number, result: Result | Error): Promise<void> => {
    loads[index]?.(result);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return { clock, told, loads, change: () => change(), finish, watching, stopped: () => stopped };
}

describe("a changed configuration", () => {
  it("is loaded once it has been quiet, however many writes it took", async () => {
    const { clock, told, loads, change, finish } = await setup();
    change();
    clock.pass(150);
    change();
    clock.pass(150);
    expect(loads).toHaveLength(0);
    clock.pass(50);
    expect(loads).toHaveLength(1);
    await finish(0, { ok: true, value: 7 });
    expect(told).toEqual([7]);
  });

  it("never comes into force when it is bad; the reason is told", async () => {
    const { clock, told, change, finish } = await setup();
    change();
    clock.pass(200);
    await finish(0, { ok: false, faults: [fault] });
    expect(told).toEqual([["wrong"]]);
  });

  it("is loaded anew when it changes during a load, whose result is dropped", async () => {
    const { clock, told, loads, change, finish } = await setup();
    change();
    clock.pass(200);
    change();
    clock.pass(1_000);
    expect(loads).toHaveLength(1);
    await finish(0, { ok: true, value: 1 });
    expect(told).toEqual([]);
    clock.pass(200);
    await finish(1, { ok: true, value: 2 });
    expect(told).toEqual([2]);
  });

  it("survives a load that throws, and the next change works", async () => {
    const { clock, told, change, finish } = await setup();
    change();
    clock.pass(200);
    await finish(0, new Error("boom"));
    expect(told).toEqual([
      ["could not be loaded again because of an unexpected error; the configuration in force stays"],
    ]);
    change();
    clock.pass(200);
    await finish(1, { ok: true, value: 2 });
    expect(told[1]).toBe(2);
  });

  it("is ignored after closing, even when a load was at work", async () => {
    const { clock, told, loads, change, finish, watching, stopped } = await setup();
    change();
    clock.pass(200);
    await watching.close();
    await finish(0, { ok: true, value: 1 });
    change();
    clock.pass(1_000);
    expect([told, loads.length, stopped()]).toEqual([[], 1, true]);
  });

  it("is loaded on request, without a change", async () => {
    const { clock, told, finish, watching } = await setup();
    watching.reload();
    clock.pass(200);
    await finish(0, { ok: true, value: 3 });
    expect(told).toEqual([3]);
  });
});

describe("the file system", () => {
  it("tells of a file that is replaced, deleted and made again, and of prompts in a folder made later", async () => {
    const root = await folder();
    const file = path.join(root, "signalbox.yaml");
    const prompts = path.join(root, "prompts");
    await writeFile(file, "1");
    const seen = new EventEmitter();
    const watching = await watchConfig({
      files: [file],
      folders: [prompts],
      clock: systemClock,
      load: async () => ({
        ok: true as const,
        text: await readFile(file, "utf8").catch(() => "none"),
        prompts: await readdir(prompts).catch(() => null),
      }),
      onGood: ({ text, prompts: names }) => seen.emit(`${text} ${names?.join() ?? "none"}`),
      onBad: () => undefined,
    });
    onTestFinished(() => watching.close());
    const told = (state: string): Promise<unknown> => once(seen, state);

    await Promise.all([told("in-place none"), writeFile(file, "in-place")]);
    await writeFile(`${file}.new`, "replaced");
    await Promise.all([told("replaced none"), rename(`${file}.new`, file)]);
    await Promise.all([told("none none"), rm(file)]);
    await Promise.all([told("again none"), writeFile(file, "again")]);
    await Promise.all([told("again "), mkdir(prompts)]);
    await Promise.all([told("again pr-review.yaml"), writeFile(path.join(prompts, "pr-review.yaml"), "x")]);
  });
});
