import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { hashJson } from "../../src/domain/json.ts";
import { rekey } from "../../src/journal/rekey.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { createVault, place, sealedBy } from "../../src/journal/vault.ts";
import type { Vault } from "../../src/journal/vault.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { journalContract } from "../contracts/journal.ts";
import { openBeside } from "../support/beside.ts";
import { createRequests } from "../support/requests.ts";

const folders: string[] = [];
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "signalbox-vault-"));
  folders.push(made);
  return made;
};
const clean = async () => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
};
afterEach(clean);

const one = Buffer.alloc(32, 1);
const two = Buffer.alloc(32, 2);
const clock = systemClock;
const ids = createIds(clock);
const marked = "Marked-Secret-Text-4711";

journalContract(
  "SQLite, encrypted",
  async (time) => openSqliteJournal({ folder: folder(), clock: time, vault: createVault([one]) }),
  clean,
);

/** Puts the marked text wherever content goes. */
async function fill(at: string, vault: Vault, inBatch = false) {
  const store = openSqliteJournal({ folder: at, clock, vault });
  const event = ids("evt");
  const run = ids("run");
  await store.journal.accept({
    delivery: { id: ids("dlv"), source: "github", receivedAt: 1, remoteAddress: "", secretIndex: 0 },
    signed: {
      url: null,
      headers: { "x-signature": marked },
      body: Buffer.from(inBatch ? `[{"body":"${marked}"}]` : `{"body":"${marked}"}`),
    },
    items: [
      {
        event: {
          id: event,
          source: "github",
          type: "push",
          providerId: "p",
          receivedAt: 1,
          occurredAt: null,
          status: "routed",
          body: Buffer.from(`{"body":"${marked}"}`),
          headers: { "x-kept": marked },
          faults: [],
        },
        dedupeKeys: [event, `body:${marked}:${event}`],
        runs: [
          {
            id: run,
            route: null,
            agent: "pr-review",
            mode: "review",
            concurrency: null,
            configHash: "c",
            promptHash: null,
          },
        ],
      },
    ],
  });
  await store.journal.keepMalformed(
    { id: ids("dlv"), source: "github", receivedAt: 1, remoteAddress: "", secretIndex: 0, reason: "no JSON" },
    Buffer.from(`broken ${marked}`),
  );
  const claim = await store.journal.claim(run, "me", 10_000);
  const key = { run, fence: claim?.fence ?? 0 };
  const step = (name: string, output: string) => ({
    run,
    name,
    schemaVersion: 1,
    output,
    startedAt: 1,
    endedAt: 2,
    usage: null,
  });
  await store.journal.recordStep(key, step("gather", marked));
  await store.journal.recordDecision(key, step("decide", marked), "rules", "no model");
  const input = { text: marked };
  const action = ids("act");
  await store.journal.recordPlan(key, {
    step: step("plan", "null"),
    actions: [
      createRequests(ids).action(
        { run, name: "post", subject: event },
        { id: action, input, status: "awaiting_review" },
      ),
    ],
  });
  return { store, event, run, action };
}

async function contentOf(store: ReturnType<typeof openSqliteJournal>, event: string, run: string) {
  const found = await store.reads.event(event);
  const work = await store.reads.run(run);
  return {
    body: Buffer.from(found?.body ?? []).toString(),
    signature: (await store.journal.receipt(event))?.signed?.headers,
    headers: found?.headers,
    steps: work?.steps.map(({ output }) => output),
    input: work?.actions[0]?.input,
  };
}
const content = {
  body: `{"body":"${marked}"}`,
  signature: { "x-signature": marked },
  headers: { "x-kept": marked },
  steps: [marked, marked, "null"],
  input: { text: marked },
};

/** Every file of the folder, the write-ahead log included. */
const bytesIn = (at: string): string =>
  readdirSync(at)
    .map((name) => readFileSync(join(at, name), "latin1"))
    .join("");

describe("content at rest", () => {
  it("is readable in the files without a key, and nowhere in them with one", async () => {
    const plain = folder();
    const open = await fill(plain, createVault([]));
    expect(bytesIn(plain)).toContain(marked);
    await open.store.journal.close();

    const at = folder();
    const { store, event, run, action } = await fill(at, createVault([one]));
    const input = { text: `edited ${marked}` };
    const hash = hashJson({ kind: "slack.message", input: content.input });
    await store.journal.approve(action, hash, input, "me");
    for (const part of [
      marked,
      Buffer.from(marked).toString("base64").slice(0, 24),
      Buffer.from(marked).toString("hex"),
    ])
      expect(bytesIn(at)).not.toContain(part);
    expect(await contentOf(store, event, run)).toEqual({ ...content, input });
    await store.journal.close();
    expect(bytesIn(at)).not.toContain(marked);
  });

  it("reads rows that were stored before there was a key, beside sealed ones", async () => {
    const at = folder();
    const before = await fill(at, createVault([]));
    await before.store.journal.close();
    const after = await fill(at, createVault([one]));
    for (const { event, run } of [before, after])
      expect(await contentOf(after.store, event, run)).toEqual(content);
    expect((await after.store.reads.events({ limit: 9 })).items.map(({ headers }) => headers)).toEqual([
      content.headers,
      content.headers,
    ]);
    await after.store.journal.close();
  });

  it("is sealed with the first key and opened with any", async () => {
    const at = folder();
    const old = await fill(at, createVault([one]));
    await old.store.journal.close();
    const rotated = await fill(at, createVault([two, one]));
    for (const { event, run } of [old, rotated])
      expect(await contentOf(rotated.store, event, run)).toEqual(content);
    await rotated.store.journal.close();
  });

  it("is asked for its key at the start, in words that hold no key", async () => {
    const at = folder();
    await (await fill(at, createVault([one]))).store.journal.close();
    const id = createVault([one]).keyId ?? "";
    const opening = (vault: Vault) => () => openSqliteJournal({ folder: at, clock, vault });
    expect(opening(createVault([]))).toThrow(
      `the journal holds encrypted content (key ${id}): set SIGNALBOX_ENCRYPTION_KEY to the key that it was written with`,
    );
    expect(opening(createVault([two]))).toThrow(
      `the journal holds content of a key (${id}) that SIGNALBOX_ENCRYPTION_KEY lacks: add it behind the new one`,
    );
    // The folder was let go each time.
    await opening(createVault([one]))().journal.close();
  });
});

describe("rekey", () => {
  it("seals plain and old content with the first key, leaves no old bytes, and lets the old key go", async () => {
    const at = folder();
    const plain = await fill(at, createVault([]));
    await plain.store.journal.close();
    const old = await fill(at, createVault([one]), true);
    await old.store.journal.close();
    expect(bytesIn(at)).toContain(marked);
    // A request of a batch is one value more: its signature is beside its bytes, not in the event's row.
    expect(rekey({ folder: at, vault: createVault([two, one]), clock })).toBe(8 + 9);
    expect(bytesIn(at)).not.toContain(marked);
    expect(rekey({ folder: at, vault: createVault([two]), clock })).toBe(0);
    const store = openSqliteJournal({ folder: at, clock, vault: createVault([two]) });
    for (const { event, run } of [plain, old]) expect(await contentOf(store, event, run)).toEqual(content);
    await store.journal.close();
  });

  it("goes through more rows than one batch, and leaves erased content alone", async () => {
    const at = folder();
    const store = openSqliteJournal({ folder: at, clock });
    const items = Array.from({ length: 450 }, () => ({
      event: {
        id: ids("evt"),
        source: "s",
        type: "t",
        providerId: "p",
        receivedAt: 1,
        occurredAt: null,
        status: "unrouted" as const,
        body: Buffer.from(marked),
        headers: {},
        faults: [],
      },
      dedupeKeys: [ids("evt")],
      runs: [],
    }));
    await store.journal.accept({ delivery: null, items });
    expect(await store.journal.eraseContent(2, 50)).toBe(50);
    await store.journal.close();
    expect(rekey({ folder: at, vault: createVault([one]), clock })).toBe(400);
    expect(bytesIn(at)).not.toContain(marked);
  });

  it("refuses without a key, without one that is needed, and while a service runs on the folder", async () => {
    const at = folder();
    const { store } = await fill(at, createVault([one]));
    expect(() => rekey({ folder: at, vault: createVault([one]), clock })).toThrow(/in use by another/);
    await store.journal.close();
    expect(() => rekey({ folder: at, vault: createVault([]), clock })).toThrow(/is not set/);
    expect(() => rekey({ folder: at, vault: createVault([two]), clock })).toThrow(/lacks/);
  });
});

describe("a sealed value", () => {
  const vault = createVault([one]);
  const at = place.eventBody("evt_1");

  it("is another each time, and names its key", () => {
    const sealed = vault.sealBytes(Buffer.from(marked), at);
    expect(Buffer.from(sealed).equals(vault.sealBytes(Buffer.from(marked), at))).toBe(false);
    expect(sealedBy(sealed)).toBe(vault.keyId);
    expect(sealedBy(vault.sealText("{}", at))).toBe(vault.keyId);
    expect(sealedBy(Buffer.from("{}"))).toBeNull();
    expect(sealedBy("{}")).toBeNull();
  });

  it("opens in its own place only, and not when any byte of it was changed", () => {
    const sealed = Buffer.from(vault.sealBytes(Buffer.from(marked), at));
    expect(() => vault.openBytes(sealed, place.eventBody("evt_2"))).toThrow(/its row was changed or moved/);
    expect(() => vault.openBytes(sealed, place.deliveryBody("evt_1"))).toThrow(/changed or moved/);
    for (let index = 5; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => vault.openBytes(changed, at)).toThrow(index < 9 ? /does not hold/ : /changed or moved/);
    }
    expect(() => vault.openBytes(sealed.subarray(0, 20), at)).toThrow(/changed or moved/);
  });

  it("of one event that was changed hides no other from a list", async () => {
    const at = folder();
    const { store, event } = await fill(at, createVault([one]));
    const other = openBeside(join(at, "journal.db"));
    other.run("UPDATE events SET headers = 'x' || headers WHERE id = ?", event);
    other.close();
    const { items } = await store.reads.events({ limit: 10 });
    expect(items.map(({ id, headers }) => ({ id, headers }))).toEqual([{ id: event, headers: {} }]);
    await expect(store.reads.event(event)).rejects.toThrow(/is not valid JSON/);
    await store.journal.close();
  });

  it("is told from bytes of a sender that begin like one", () => {
    const lookalike = vault.sealBytes(Buffer.from("x"), at);
    for (const keys of [[], [one]]) {
      const own = createVault(keys);
      expect(
        Buffer.from(own.openBytes(own.sealBytes(lookalike, at), at)).equals(Buffer.from(lookalike)),
      ).toBe(true);
    }
    const empty = new Uint8Array();
    expect(vault.openBytes(vault.sealBytes(empty, at), at)).toHaveLength(0);
  });
});
