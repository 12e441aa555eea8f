import { describe, expect, it } from "vitest";
import { ServiceClosed, ServiceError } from "../../src/domain/errors.ts";
import { createGuard } from "../../src/resilience/guard.ts";
import { manualClock } from "../support/clock.ts";
import { memoryState } from "../support/memory-state.ts";

const settings = { failures: 2, openForMs: 1_000, maxOpenForMs: 8_000, probeMs: 5_000 };
const down = new ServiceError("github", "unavailable", "answered 503");
const failing = async () => {
  throw down;
};

function open(state = memoryState(), known: readonly string[] = []) {
  const clock = manualClock();
  const told: string[] = [];
  const make = () =>
    createGuard({
      state,
      clock,
      settings: () => settings,
      known: () => known,
      onChange: (change) => told.push(`${change.service} ${change.state}`),
    });
  return { clock, told, guard: make(), other: make() };
}

describe("guard", () => {
  it("opens for the whole fleet at once, since the state is shared", async () => {
    const { guard, other, told } = open();
    for (let call = 0; call < 2; call += 1) await expect(guard.call("github", failing)).rejects.toBe(down);
    await expect(other.call("github", async () => 1)).rejects.toThrow(ServiceClosed);
    expect(told).toEqual(["github open"]);
  });

  it("lists what is known as closed before anything moved it, and once", async () => {
    const { guard } = open(memoryState(), ["slack", "github"]);
    await guard.call("github", failing).catch(() => {});
    await guard.call("slack", async () => 1);
    expect((await guard.list()).map(({ service, state, failures }) => [service, state, failures])).toEqual([
      ["github", "closed", 1],
      ["slack", "closed", 0],
    ]);
  });

  it("lets one probe in per fleet, and everyone when it succeeds", async () => {
    const { guard, other, clock, told } = open();
    for (let call = 0; call < 2; call += 1) await guard.call("github", failing).catch(() => {});
    await clock.advance(1_000);
    let answer: (value: number) => void = () => {};
    const probe = guard.call("github", () => new Promise<number>((resolve) => (answer = resolve)));
    await clock.advance(0);
    await expect(other.call("github", async () => 2)).rejects.toThrow(ServiceClosed);
    answer(1);
    expect(await probe).toBe(1);
    expect(await other.call("github", async () => 2)).toBe(2);
    expect(told).toEqual(["github open", "github half-open", "github closed"]);
  });

  it("does not let a call from before the opening decide on the probe", async () => {
    const { guard, clock } = open();
    let late: (error: Error) => void = () => {};
    const old = guard.call("github", () => new Promise((_, reject) => (late = reject)));
    for (let call = 0; call < 2; call += 1) await guard.call("github", failing).catch(() => {});
    await clock.advance(1_000);
    let answer: (value: number) => void = () => {};
    const probe = guard.call("github", () => new Promise<number>((resolve) => (answer = resolve)));
    await clock.advance(0);
    late(down);
    await expect(old).rejects.toBe(down);
    expect((await guard.list())[0]?.state).toBe("half-open");
    answer(1);
    await probe;
    expect((await guard.list())[0]?.state).toBe("closed");
  });

  it("is opened by neither 4xx nor rate limits nor faults of our own", async () => {
    const { guard } = open();
    for (const error of [
      new ServiceError("github", "invalid", "422"),
      new ServiceError("github", "rate-limited", "429"),
      new TypeError("ours"),
    ]) {
      for (let call = 0; call < 3; call += 1) {
        await expect(
          guard.call("github", async () => {
            throw error;
          }),
        ).rejects.toBe(error);
      }
    }
    expect(await guard.closed("github")).toBeNull();
  });

  it("pauses a service that refuses our credentials, for longer each time, and ends the pause when it takes them", async () => {
    const { guard, clock, told } = open();
    const refusing = async () => {
      throw new ServiceError("github", "unauthorized", "bad credentials", { status: 401 });
    };
    await guard.call("github", refusing).catch(() => {});
    const first = await guard.closed("github");
    expect(first?.until).toBe(clock.now() + 300_000);
    expect(first?.reason).toContain("refuses our credentials");
    await expect(guard.call("github", async () => 1)).rejects.toThrow(ServiceClosed);
    await clock.advance(300_000);
    await guard.call("github", refusing).catch(() => {});
    expect((await guard.closed("github"))?.until).toBe(clock.now() + 600_000);
    await clock.advance(600_000);
    expect(await guard.call("github", async () => 1)).toBe(1);
    expect((await guard.list())[0]).toMatchObject({ state: "closed", paused: null });
    expect(told).toEqual(["github paused", "github paused", "github resumed"]);
  });

  it("counts nothing for a call that we cut short ourselves: neither for the breaker nor against a probe", async () => {
    const { guard, clock } = open();
    const cut = new AbortController();
    const hanging = () =>
      new Promise((_, reject) => cut.signal.addEventListener("abort", () => reject(down), { once: true }));
    const calls = [1, 2, 3].map(() => guard.call("github", hanging, cut.signal).catch(() => "cut"));
    await clock.advance(0);
    cut.abort();
    expect(await Promise.all(calls)).toEqual(["cut", "cut", "cut"]);
    expect(await guard.closed("github")).toBeNull();
    for (let call = 0; call < 2; call += 1) await guard.call("github", failing).catch(() => {});
    await clock.advance(1_000);
    await guard.call("github", failing, cut.signal).catch(() => {});
    expect(await guard.call("github", async () => "probe")).toBe("probe");
  });

  it("is paused by a person until a person resumes it, whatever the service answers meanwhile", async () => {
    const { guard, other, clock, told } = open();
    let refuse: (error: Error) => void = () => {};
    const under = guard.call("github", () => new Promise((_, reject) => (refuse = reject)));
    await clock.advance(0);
    await guard.pause("github", "moving to another account");
    await expect(other.call("github", async () => 1)).rejects.toMatchObject({ by: "ours" });
    refuse(new ServiceError("github", "unauthorized", "bad credentials", { status: 401 }));
    await expect(under).rejects.toThrow("bad credentials");
    await clock.advance(30 * 24 * 3_600_000);
    expect(await guard.closed("github")).toMatchObject({ reason: "moving to another account", by: "ours" });
    expect(await guard.closed("slack")).toBeNull();
    expect(await other.resume("github")).toBe(true);
    expect(await guard.call("github", async () => 1)).toBe(1);
    expect(await guard.resume("github")).toBe(false);
    expect(told).toEqual(["github paused", "github resumed"]);
  });

  it("does not let a call from before a refusal end the pause that it brought", async () => {
    const { guard, clock } = open();
    let answer: (value: number) => void = () => {};
    const old = guard.call("github", () => new Promise<number>((resolve) => (answer = resolve)));
    const refusing = async () => {
      throw new ServiceError("github", "unauthorized", "answered 403", { status: 403 });
    };
    await guard.call("github", refusing).catch(() => {});
    answer(1);
    expect(await old).toBe(1);
    await expect(guard.call("github", async () => 2)).rejects.toThrow(ServiceClosed);
    await clock.advance(300_000);
    expect(await guard.call("github", async () => 2)).toBe(2);
    expect((await guard.list())[0]?.paused).toBeNull();
  });

  it("counts one refusal where several calls that were under way are refused together", async () => {
    const { guard, clock, told } = open();
    const refuse: ((error: Error) => void)[] = [];
    const calls = Array.from({ length: 6 }, () =>
      guard.call("github", () => new Promise((_, reject) => refuse.push(reject))).catch(() => {}),
    );
    await clock.advance(0);
    for (const one of refuse)
      one(new ServiceError("github", "unauthorized", "bad credentials", { status: 401 }));
    await Promise.all(calls);
    expect((await guard.list())[0]?.paused).toMatchObject({ times: 1, until: clock.now() + 300_000 });
    expect(told).toEqual(["github paused"]);
  });

  it("lets a person end a pause after a refusal", async () => {
    const { guard } = open();
    const refusing = async () => {
      throw new ServiceError("github", "unauthorized", "bad credentials", { status: 401 });
    };
    await guard.call("github", refusing).catch(() => {});
    expect(await guard.resume("github")).toBe(true);
    expect(await guard.closed("github")).toBeNull();
  });

  it("keeps services apart", async () => {
    const { guard } = open();
    for (let call = 0; call < 2; call += 1) await guard.call("github", failing).catch(() => {});
    expect(await guard.call("slack", async () => 1)).toBe(1);
  });
});
