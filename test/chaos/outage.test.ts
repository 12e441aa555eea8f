/**
 * The outage drill: HubSpot is down for two hours while 5,000 events need it. The journal, the worker, the guard and the
 * limiter are the real ones; time is passed in, and HubSpot is a list.
 */
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { ServiceError } from "../../src/domain/errors.ts";
import { openLine } from "../support/line.ts";
import type { Line } from "../support/line.ts";
import { mostInAnyWindow } from "../support/rates.ts";

const minute = 60_000;
const rate = { limit: 100, perMs: 10_000 };
const events = 5_000;
const hands = 32;
const outageMs = 120 * minute;

const agent: AgentDefinition = {
  name: "email-triage",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: ["hubspot.note"],
  flow: async () => ({
    actions: [{ name: "note", kind: "hubspot.note", input: { contactId: "1", body: "hello", at: 0 } }],
    summary: "done",
  }),
};

describe("a vendor that is down for two hours while 5,000 events need it", { timeout: 1_800_000 }, () => {
  let line: Line | undefined;
  afterEach(() => line?.close());

  it("costs no attempt and no dead letter, and all is done after it, once, at the vendor's rate", async () => {
    let isDown = true;
    const calls: number[] = [];
    const effects: string[] = [];
    const on = openLine({
      agent,
      rates: { hubspot: [rate] },
      hands,
      executors: {
        "hubspot.note": {
          repeat: "lookup",
          settleMs: 0,
          lookup: async () => null,
          execute: async (_input, key) => {
            calls.push(on.clock.now());
            if (isDown) throw new ServiceError("hubspot", "unavailable", "answered 503", { status: 503 });
            effects.push(key);
            return { id: key };
          },
        },
      },
    });
    line = on;
    on.start();
    const began = on.clock.now();
    // They come over the first hour and a half.
    for (let batch = 0; batch < 90; batch += 1) {
      const size = Math.ceil((events * (batch + 1)) / 90) - Math.ceil((events * batch) / 90);
      await Promise.all(Array.from({ length: size }, (_, index) => on.receive({ batch, index })));
      await on.clock.advance(minute);
    }
    await on.clock.advance(began + outageMs - on.clock.now());

    const during = await on.reads.overview();
    expect(during.runs).toMatchObject({ dead: 0, succeeded: 0 });
    expect(during.runs.waiting + during.runs.queued + during.runs.running).toBe(events);
    const page = await on.reads.runs({ limit: 200, status: "waiting" });
    for (const run of page.items) {
      expect(run).toMatchObject({ attempts: 0, streak: null, waitingFor: { service: "hubspot" } });
      expect(run.waitingFor?.reason).toContain("breaker is open");
    }
    // What was under way when it opened, and then one probe at a time, for longer and longer: all that HubSpot saw of it.
    expect(calls.length).toBeLessThan(hands + 40);

    isDown = false;
    const recovered = on.clock.now();
    while (effects.length < events && on.clock.now() < recovered + 240 * minute)
      await on.clock.advance(minute);

    expect(new Set(effects).size).toBe(events);
    expect(effects).toHaveLength(events);
    const after = await on.reads.overview();
    expect(after.runs).toMatchObject({ succeeded: events, dead: 0 });
    expect(mostInAnyWindow(calls, rate)).toBeLessThanOrEqual(rate.limit);
    const done = await on.reads.runs({ limit: 200, status: "succeeded" });
    for (const run of done.items) expect(run.attempts).toBe(1);
    // No faster than the rate takes them, and not much slower: the next probe comes within five minutes.
    const took = (calls.at(-1) ?? 0) - recovered;
    expect(took).toBeGreaterThan((events / rate.limit) * rate.perMs * 0.9);
    expect(took).toBeLessThan(16 * minute);
    expect(on.dead).toEqual([]);
  });
});
