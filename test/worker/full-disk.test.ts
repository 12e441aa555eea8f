import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { JournalUnavailable } from "../../src/domain/errors.ts";
import { openLine } from "../support/line.ts";
import type { Line } from "../support/line.ts";

const second = 1_000;

describe("a full disk", () => {
  let line: Line | undefined;
  afterEach(async () => {
    await line?.close();
    line = undefined;
  });

  /** An agent with facts of half a megabyte, which do not fit while half of the disk is taken by something old. */
  async function open() {
    let gathered = 0;
    const agent: AgentDefinition = {
      name: "pr-review",
      accepts: ["*"],
      policy: z.unknown(),
      decision: z.unknown(),
      variables: [],
      allows: [],
      flow: async (kit) => {
        await kit.step("gather", 1, async () => {
          gathered += 1;
          return { facts: "x".repeat(500_000) };
        });
        return { actions: [], summary: "done" };
      },
    };
    line = openLine({ agent, maxPages: 250 });
    const malformed = {
      id: "dlv_old",
      source: "github",
      receivedAt: line.clock.now() - 1,
      remoteAddress: "",
      secretIndex: 0,
      reason: "unreadable",
    };
    await line.journal.keepMalformed(malformed, Buffer.alloc(500_000));
    line.start();
    return { on: line, gathered: () => gathered };
  }

  it("makes the worker wait: no attempt and no crash is counted, and it goes on without a restart", async () => {
    const { on, gathered } = await open();
    const run = await on.receive();
    for (let minute = 0; minute < 10; minute += 1) await on.clock.advance(60 * second);
    expect(gathered()).toBeGreaterThan(10);
    // Never more often than it is told to: each time may have cost a model's answer.
    expect(gathered()).toBeLessThanOrEqual(21);
    const waiting = await on.reads.run(run);
    expect(waiting?.run.status).not.toBe("dead");
    expect(waiting?.run.attempts).toBe(0);
    expect(on.dead).toEqual([]);
    expect(await on.journal.eraseContent(on.clock.now(), 10)).toBe(1);
    const done = await on.until(run, "succeeded", "dead");
    expect(done.run).toMatchObject({ status: "succeeded", attempts: 1 });
  });

  it("is the journal's trouble until something was stored again, and what is not stored is said so", async () => {
    const { on } = await open();
    expect(on.journal.trouble()).toBeNull();
    await expect(on.receive({ text: "x".repeat(600_000) })).rejects.toThrow(JournalUnavailable);
    expect(on.journal.trouble()).toContain("the disk is full");
    await on.clock.advance(60 * second);
    expect(on.journal.trouble()).toContain("the disk is full");
    await on.state.put("meta", "small", 1, 0);
    expect(on.journal.trouble()).toBeNull();
    await on.receive();
  });

  it("does not keep retention from erasing, and the space is used again", async () => {
    const { on } = await open();
    await expect(on.receive({ text: "x".repeat(600_000) })).rejects.toThrow(JournalUnavailable);
    expect(await on.journal.eraseContent(on.clock.now(), 10)).toBe(1);
    expect(await on.receive({ text: "x".repeat(600_000) })).toMatch(/^run_/);
  });
});
