import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { ServiceError } from "../../src/domain/errors.ts";
import type { Expansion, Identified, Source, Watch } from "../../src/domain/source.ts";
import { silentLog } from "../../src/observability/log.ts";
import { readFeed } from "../../src/worker/expansion.ts";
import { startSilenceAlarm, unusualSilence } from "../../src/worker/silence.ts";
import { createWatches, heldWatch } from "../../src/worker/watches.ts";
import type { Watches } from "../../src/worker/watches.ts";
import { openLine } from "../support/line.ts";
import type { Line } from "../support/line.ts";
import { rawRequest } from "../support/raw-request.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const never = new AbortController().signal;
const idle: AgentDefinition = {
  name: "email-triage",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: [],
  flow: () => Promise.resolve({ actions: [], summary: "" }),
};

/** A mailbox as a list: its cursor is how many of its messages were read. */
function mailbox() {
  const messages: string[] = [];
  const told: string[] = [];
  const made = { count: 0 };
  const box = {
    messages,
    told,
    fault: null as ServiceError | null,
    watch: (now: number): Watch => ({
      id: `watch-${made.count}`,
      of: "",
      expiresAt: now + 24 * hourMs,
      renewAt: now + 10 * hourMs,
    }),
    made,
    beforeRead: () => Promise.resolve(),
    source: (now: () => number): Source => ({
      name: "mail",
      type: "outlook",
      active: true,
      maxBodyBytes: 1_000,
      keptHeaders: [],
      evidence: null,
      verify: () => ({ secretIndex: 0 }),
      identify: () => [],
      notices: { missed: "rescan", removed: "renew" },
      currentCursor: () => {
        told.push("position");
        return Promise.resolve(String(messages.length));
      },
      expand: async (cursor, _signal, again): Promise<Expansion> => {
        told.push(again ? "rescan" : `read ${cursor}`);
        const from = again || cursor === null ? 0 : Number(cursor);
        const part = messages.slice(from, from + 2).map(message);
        await box.beforeRead();
        if (box.fault) throw box.fault;
        const until = from + part.length;
        return {
          items: part,
          cursor: String(until),
          rescanned: again === true,
          ...(until < messages.length ? { more: true } : {}),
        };
      },
      keepAlive: (held) => {
        told.push(held === null ? "made" : "renewed");
        if (box.fault) return Promise.reject(box.fault);
        if (held === null) made.count += 1;
        return Promise.resolve(box.watch(now()));
      },
    }),
  };
  return box;
}

const message = (id: string): Identified => ({
  providerId: id,
  type: "message.received",
  occurredAt: null,
  dedupeKeys: [`id:${id}`],
  body: Buffer.from("{}"),
  payload: {},
});
const notification = (id: string, type: string): Identified => ({
  ...message(id),
  type,
  notification: { mailbox: "support@example.com" },
});
const down = () => new ServiceError("source:mail", "unavailable", "answered HTTP 503");

let box: ReturnType<typeof mailbox>;
let line: Line;
let source: Source;
let watches: Watches;
let duty: { stop(): Promise<void> } | null;
let lapsed: string[];
beforeEach(() => {
  box = mailbox();
  lapsed = [];
  source = box.source(() => line.clock.now());
  line = openLine({ agent: idle, source });
  watches = newWatches();
  duty = null;
});
afterEach(async () => {
  await duty?.stop();
  await line.close();
});

const parts = () => ({ ...line, sources: () => new Map([[source.name, source]]), log: silentLog });
const newWatches = () => createWatches({ ...parts(), onLapsed: (name) => lapsed.push(name) });
const stored = async () =>
  (await line.reads.events({ limit: 200, type: "message.received" })).items
    .map(({ providerId }) => providerId)
    .toSorted();
const view = () => watches.view(source);

describe("a watch", () => {
  it("is made at the start, after it was noted where the mailbox stands; then the feed is read once", async () => {
    box.messages.push("old");
    duty = watches.begin();
    await line.clock.advance(0);
    expect(box.told).toEqual(["position", "made", "read 1"]);
    expect(await view()).toEqual({
      id: "watch-1",
      state: "active",
      expiresAt: line.clock.now() + 24 * hourMs,
      lastRenewedAt: line.clock.now(),
      error: null,
    });
    expect(await heldWatch(line.state, "mail")).toMatchObject({ id: "watch-1" });
    expect(await stored()).toEqual([]);
  });

  it("is renewed when that is due, not before, and at every start", async () => {
    duty = watches.begin();
    await line.clock.advance(9 * hourMs);
    expect(box.told).toEqual(["position", "made", "read 0"]);
    await line.clock.advance(hourMs + minuteMs);
    expect(box.told.slice(3)).toEqual(["renewed"]);
    await duty?.stop();
    watches = newWatches();
    duty = watches.begin();
    await line.clock.advance(0);
    expect(box.told.slice(4)).toEqual(["renewed"]);
  });

  it("is renewed as the configuration says once that was replaced", async () => {
    duty = watches.begin();
    await line.clock.advance(0);
    watches.reloaded();
    await line.clock.advance(minuteMs);
    expect(box.told.slice(3)).toEqual(["renewed"]);
  });

  it("that lives for a moment only does not keep its provider busy", async () => {
    box.watch = (now) => ({ id: "watch", of: "", expiresAt: now + 1, renewAt: now });
    duty = watches.begin();
    await line.clock.advance(30 * minuteMs);
    expect(box.told.filter((one) => one === "made" || one === "renewed").length).toBeLessThanOrEqual(4);
  });

  it("that can't be renewed is tried again, less and less often, and shows why", async () => {
    duty = watches.begin();
    await line.clock.advance(0);
    const before = box.told.length;
    box.fault = new ServiceError("source:mail", "invalid", "answered HTTP 400");
    await line.clock.advance(10 * hourMs);
    const tries: number[] = [];
    for (let minute = 0; minute < 70; minute += 1) {
      const count = box.told.length;
      await line.clock.advance(minuteMs);
      if (box.told.length > count) tries.push(minute);
    }
    expect(box.told.length).toBeGreaterThan(before);
    const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(16);
    expect(await view()).toMatchObject({
      state: "failing",
      error: expect.stringContaining("HTTP 400") as string,
    });
    expect(lapsed).toEqual([]);
    await line.clock.advance(24 * hourMs);
    expect((await view())?.state).toBe("lapsed");
    expect(lapsed).toEqual(["mail"]);
    const gauge = (await line.metrics.watchExpires.get()).values;
    expect(gauge[0]?.value).toBeLessThan(0);
    box.fault = null;
    await line.clock.advance(hourMs);
    expect(await view()).toMatchObject({ state: "active", error: null });
  });

  it("that is new but whose feed could not be read then is not done with until it was read", async () => {
    await line.state.put("cursor", "mail", "0", 0);
    box.messages.push("unannounced");
    const { keepAlive } = source;
    source = {
      ...source,
      keepAlive: async (held, signal) => {
        const watch = await keepAlive?.(held, signal);
        if (!watch) throw new Error("a watch is made");
        box.fault = held === null ? down() : null;
        return watch;
      },
    };
    duty = watches.begin();
    await line.clock.advance(0);
    expect([await stored(), (await view())?.state]).toEqual([[], "failing"]);
    box.fault = null;
    await line.clock.advance(2 * minuteMs);
    expect([await stored(), (await view())?.state]).toEqual([["unannounced"], "active"]);
  });

  it("is renewed once, however many ask for it at the same moment", async () => {
    duty = watches.begin();
    await line.clock.advance(0);
    await Promise.all([watches.renew("mail", never), watches.renew("mail", never)]);
    expect(box.told.slice(3)).toEqual(["renewed"]);
  });

  it("is nobody's business where the provider is told by a person", async () => {
    const { keepAlive: _, ...without } = source;
    expect(await watches.view(without)).toBeNull();
  });
});

describe("a notification", () => {
  const accept = (...items: Identified[]) =>
    line.inbox.accept(source, rawRequest({}, "{}", line.clock.now()), { secretIndex: 0 }, items);
  const read = async () => {
    line.start();
    await line.clock.advance(1_000);
  };

  it("has the mailbox read once, however many of its kind come in one request", async () => {
    const accepted = await accept(...["a", "b", "c"].map((id) => notification(id, "created")));
    expect(accepted.map(({ runs }) => runs.length)).toEqual([1, 0, 0]);
    const again = await accept(...["a", "d", "e"].map((id) => notification(id, "created")));
    expect(again.map(({ duplicate, runs }) => [duplicate, runs.length])).toEqual([
      [true, 0],
      [false, 1],
      [false, 0],
    ]);
  });

  it("of another kind in the same request is not lost in it", async () => {
    const accepted = await accept(notification("a", "created"), notification("b", "missed"));
    expect(accepted.map(({ runs }) => runs.length)).toEqual([1, 1]);
  });

  it("that some were missed has the feed read to its end, and then a window once more", async () => {
    await line.state.put("cursor", "mail", "1", 0);
    box.messages.push("a", "b", "c", "d");
    await accept(notification("n", "missed"));
    await read();
    expect(box.told).toEqual(["read 1", "read 3", "rescan", "read 2"]);
    expect(await stored()).toEqual(["a", "b", "c", "d"]);
    expect(await line.state.get("cursor", "mail")).toMatchObject({ value: "4" });
  });

  it("that the watch was removed has it renewed before the feed is read", async () => {
    await line.state.put("cursor", "mail", "0", 0);
    await accept(notification("n", "removed"));
    await read();
    expect(line.renewed).toEqual(["mail"]);
    expect(box.told).toEqual(["read 0"]);
  });
});

describe("reading a feed twice at the same moment", () => {
  it("stores every message once, and both readers come to the end", async () => {
    await line.state.put("cursor", "mail", "0", 0);
    box.messages.push("a", "b", "c", "d", "e");
    const [one, two] = await Promise.all([
      readFeed(parts(), "mail", never),
      readFeed(parts(), "mail", never),
    ]);
    expect(one.fresh + two.fresh).toBe(5);
    expect(await stored()).toEqual(["a", "b", "c", "d", "e"]);
    expect(await line.state.get("cursor", "mail")).toMatchObject({ value: "5" });
  });

  it("does the re-scan that it was asked for, though another reader moved the cursor meanwhile", async () => {
    await line.state.put("cursor", "mail", "1", 0);
    box.messages.push("a", "b");
    let moves = 1;
    box.beforeRead = async () => {
      const held = await line.state.get("cursor", "mail");
      if (box.told.at(-1) === "rescan" && moves-- > 0) {
        await line.state.put("cursor", "mail", "2", held?.version ?? 0);
      }
    };
    await readFeed(parts(), "mail", never, true);
    expect(box.told).toEqual(["read 1", "rescan", "rescan"]);
    expect(await stored()).toEqual(["a", "b"]);
  });
});

describe("unusual silence", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  /** Every so many hours until so many hours ago, newest first. */
  const sent = (count: number, everyHours: number, agoHours: number) =>
    Array.from({ length: count }, (_, at) => now - (agoHours + at * everyHours) * hourMs);

  it("is longer than a day, and than three times the longest pause of late", () => {
    expect(unusualSilence(sent(50, 1, 23), now)).toBeNull();
    expect(unusualSilence(sent(50, 1, 25), now)).toBe(25 * hourMs);
    expect(unusualSilence(sent(50, 24, 71), now)).toBeNull();
    expect(unusualSilence(sent(50, 24, 73), now)).toBe(73 * hourMs);
    const withWeekend = [...sent(20, 1, 100), ...sent(20, 1, 100 + 19 + 60)];
    expect(unusualSilence(withWeekend, now)).toBeNull();
  });

  it("is not seen in a source that has hardly ever sent, or in the past beyond its last 50 events", () => {
    expect(unusualSilence(sent(9, 1, 1_000), now)).toBeNull();
    expect(unusualSilence([], now)).toBeNull();
    expect(unusualSilence([...sent(50, 1, 25), now - 9_000 * hourMs], now)).toBe(25 * hourMs);
  });

  it("does not depend on the order in which the times are given", () => {
    const times = sent(30, 2, 50);
    expect(unusualSilence(times.toReversed(), now)).toBe(unusualSilence(times, now));
  });

  it("is told once, also over a restart, and again when the source has sent in between", async () => {
    const told: string[] = [];
    const start = () => startSilenceAlarm({ ...parts(), onSilent: (_, text) => told.push(text) });
    const send = async (round: string) => {
      for (let at = 0; at < 12; at += 1) {
        await line.inbox.accept(source, rawRequest({}, "{}", line.clock.now()), { secretIndex: 0 }, [
          message(`${round} ${at}`),
        ]);
        await line.clock.advance(minuteMs);
      }
    };
    let alarm = start();
    await send("one");
    await line.clock.advance(25 * hourMs);
    await alarm.stop();
    alarm = start();
    await line.clock.advance(hourMs);
    expect(told).toEqual([expect.stringMatching(/^mail has sent nothing for 24 hours/)]);
    for (let round = 0; round < 5; round += 1) await send(`round ${round}`);
    await line.clock.advance(100 * hourMs);
    await alarm.stop();
    expect(told).toHaveLength(2);
  });
});
