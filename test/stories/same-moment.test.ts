/** Two copies of one event at the same moment, over sockets, into the real journal whose flush the test holds back. */
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Journal } from "../../src/domain/ports.ts";
import { createIngest } from "../../src/http/ingest.ts";
import { createInbox } from "../../src/inbox/accept.ts";
import { compileRoute } from "../../src/inbox/routing.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { createSources } from "../../src/sources/index.ts";
import { openBeside } from "../support/beside.ts";

const secret = "secret-of-the-test";

/** The journal flushes when a turn of the event loop is over; while those are held, nothing is flushed. */
async function start(maxPages?: number) {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-moment-"));
  const clock = systemClock;
  const held: (() => void)[] = [];
  let holding = false;
  const turn = (next: () => void) => void (holding ? held.push(next) : setImmediate(next));
  const store = openSqliteJournal({ folder, clock, turn, ...(maxPages === undefined ? {} : { maxPages }) });
  const waiting = { accepts: 0 };
  const journal: Journal = {
    ...store.journal,
    accept: (request) => {
      waiting.accepts += 1;
      return store.journal.accept(request);
    },
  };
  const ids = createIds(systemClock);
  const route = compileRoute({
    name: "all",
    source: "github",
    events: ["*"],
    agent: "pr-review",
    mode: "dry-run",
    enabled: true,
    concurrency: undefined,
  });
  const inbox = createInbox({
    journal,
    queue: { publish: () => {}, consume: () => ({ stop: async () => {} }) },
    table: () => ({ routes: [route], configHash: "c", promptHash: () => null }),
    clock,
    ids,
    log: silentLog,
  });
  const deps = { clock: systemClock, log: silentLog };
  const sources = createSources([{ type: "github", name: "github", secrets: [secret] }], deps);
  const ingest = createIngest({ ...deps, sources, inbox, metrics: createMetrics() });
  const { port } = await ingest.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await ingest.close(0);
    await store.journal.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const answered: number[] = [];
  return {
    store,
    waiting,
    answered,
    /** What another process would see on disk. */
    onDisk(): number {
      const db = openBeside(join(folder, "journal.db"));
      const row = db.get("SELECT count(*) AS n FROM events WHERE provider_id LIKE 'd-%'");
      db.close();
      return Number(row?.["n"]);
    },
    hold() {
      holding = true;
    },
    release() {
      holding = false;
      for (const next of held.splice(0)) setImmediate(next);
    },
    async send(delivery: string, body: string) {
      const answer = await fetch(`http://127.0.0.1:${port}/webhooks/github`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "X-GitHub-Event": "ping",
          "X-GitHub-Delivery": delivery,
          "X-Hub-Signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
        },
        body,
      });
      answered.push(answer.status);
      return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
    },
  };
}

describe("two deliveries of one event at the same moment", () => {
  it("both wait for the same commit: one is then accepted, the other its duplicate", async () => {
    const on = await start();
    on.hold();
    const both = Promise.all([on.send("d-1", '{"n":1}'), on.send("d-2", '{"n":1}')]);
    await expect.poll(() => on.waiting.accepts).toBe(2);
    expect([on.answered, on.onDisk()]).toEqual([[], 0]);
    on.release();
    const answers = await both;
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.map(({ json }) => String(json["status"])).toSorted()).toEqual(["accepted", "duplicate"]);
    const [one, two] = answers.map(({ json }) => json as { event: string; runs: number });
    expect(one?.event).toBe(two?.event);
    expect((one?.runs ?? 0) + (two?.runs ?? 0)).toBe(1);
    expect(on.onDisk()).toBe(1);
    const event = await on.store.reads.event(String(one?.event));
    expect(event?.deliveries.map(({ result }) => result)).toEqual(["accepted", "duplicate"]);
  });

  it("are both asked to come again when that commit fails, and neither is then a duplicate of nothing", async () => {
    const on = await start(60);
    on.hold();
    const large = `{"a":"${"b".repeat(900_000)}"}`;
    const both = Promise.all([on.send("d-1", large), on.send("d-2", large)]);
    await expect.poll(() => on.waiting.accepts).toBe(2);
    on.release();
    expect((await both).map(({ status }) => status)).toEqual([503, 503]);
    expect(on.onDisk()).toBe(0);
    const small = on.send("d-3", "{}");
    expect((await small).json).toMatchObject({ status: "accepted" });
  });

  it("a copy that comes while the first is not durable is never told that it is a duplicate", async () => {
    const on = await start();
    on.hold();
    const first = on.send("d-1", '{"n":1}');
    await expect.poll(() => on.waiting.accepts).toBe(1);
    const copies = Array.from({ length: 20 }, (_, at) => on.send(`d-${at + 2}`, '{"n":1}'));
    await expect.poll(() => on.waiting.accepts).toBe(21);
    expect([on.answered, on.onDisk()]).toEqual([[], 0]);
    on.release();
    const answers = await Promise.all([first, ...copies]);
    expect(answers.filter(({ json }) => json["status"] === "accepted")).toHaveLength(1);
    expect(answers.filter(({ json }) => json["status"] === "duplicate")).toHaveLength(20);
    expect(on.onDisk()).toBe(1);
  });
});
