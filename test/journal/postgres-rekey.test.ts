import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import { rekeyPostgres } from "../../src/journal/postgres-rekey.ts";
import { createVault } from "../../src/journal/vault.ts";
import type { Vault } from "../../src/journal/vault.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { postgresNote, postgresPresent } from "../support/postgres.ts";
import { testDatabase } from "../support/test-database.ts";
import type { TestDatabase } from "../support/test-database.ts";
import { createRequests } from "../support/requests.ts";

const clock = systemClock;
const { item, request } = createRequests(createIds(clock));
const one = Buffer.alloc(32, 1);
const two = Buffer.alloc(32, 2);
const marked = "Marked-Secret-Text-4711";

describe.skipIf(!postgresPresent)(`content at rest on PostgreSQL${postgresNote}`, () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  beforeEach(() => database.empty());

  const open = (vault: Vault) => openPostgresJournal({ url: database.url, clock, vault, connections: 2 });
  const rekey = (...keys: Buffer[]) => rekeyPostgres({ url: database.url, clock, vault: createVault(keys) });
  /** Puts the marked text wherever content goes; resolves to how to read it. */
  async function fill(vault: Vault, name: string) {
    const { journal } = await open(vault);
    const kept = { body: Buffer.from(`{"body":"${marked}"}`), headers: { "x-kept": marked } };
    const [stored] = await journal.accept(request(item([name], undefined, kept)));
    const run = stored?.runs[0] ?? "";
    const malformed = {
      source: "github",
      receivedAt: 1,
      remoteAddress: "",
      secretIndex: 0,
      reason: "no JSON",
    };
    await journal.keepMalformed({ id: `dlv_${name}`, ...malformed }, Buffer.from(marked));
    const claim = await journal.claim(run, "me", 60_000);
    const step = {
      run,
      name: "gather",
      schemaVersion: 1,
      output: marked,
      startedAt: 1,
      endedAt: 2,
      usage: null,
    };
    await journal.recordStep({ run, fence: claim?.fence ?? 0 }, step);
    await journal.close();
    return { event: stored?.event ?? "", run };
  }
  const content = async (vault: Vault, { event, run }: { event: string; run: string }) => {
    const { journal, reads } = await open(vault);
    const found = await reads.event(event);
    const work = await reads.run(run);
    await journal.close();
    return [Buffer.from(found?.body ?? []).toString(), found?.headers["x-kept"], work?.steps[0]?.output];
  };
  const all = [`{"body":"${marked}"}`, marked, marked];
  /** Everything that stands in the tables, as text. */
  const tables = async () => {
    const rows = await database.query(
      `SELECT coalesce(string_agg(encode(body, 'escape') || headers, ''), '') AS text FROM events
       UNION ALL SELECT coalesce(string_agg(encode(body, 'escape'), ''), '') FROM deliveries
       UNION ALL SELECT coalesce(string_agg(output, ''), '') FROM steps`,
    );
    return rows.map((row) => String(row["text"])).join("");
  };

  it("is sealed by a key, opened by any that is held, and asks for one that is missing", async () => {
    const plain = await fill(createVault([]), "plain");
    expect(await tables()).toContain(marked);
    const old = await fill(createVault([one]), "old");
    const rotated = await fill(createVault([two, one]), "rotated");
    for (const stored of [plain, old, rotated])
      expect(await content(createVault([two, one]), stored)).toEqual(all);
    await expect(open(createVault([]))).rejects.toThrow(/holds encrypted content.*SIGNALBOX_ENCRYPTION_KEY/);
    await expect(open(createVault([two]))).rejects.toThrow(/lacks: add it behind the new one/);
  });

  it("notes the keys of processes that start at the same moment", async () => {
    const opened = await Promise.all(
      [
        [one, two],
        [one, two],
        [two, one],
        [two, one],
      ].map((keys) => open(createVault(keys))),
    );
    await Promise.all(opened.map(({ journal }) => journal.close()));
    const ids = [one, two].map((key) => String(createVault([key]).keyId));
    const [row] = await database.query("SELECT value FROM state WHERE scope = 'meta' AND key = 'encryption'");
    const { keys } = JSON.parse(String(row?.["value"])) as { keys: string[] };
    expect(new Set(keys)).toEqual(new Set(ids));
  });

  it("is sealed anew with the first key, all of it, and lets the others go", async () => {
    const plain = await fill(createVault([]), "plain");
    const old = await fill(createVault([one]), "old");
    const many = Array.from({ length: 250 }, (_, at) => item([`many-${at}`], [], { status: "unrouted" }));
    const { journal } = await open(createVault([one]));
    await journal.accept({ delivery: null, items: many });
    await journal.close();
    expect(await rekey(two, one)).toBe(2 * 4 + 2 * 250);
    expect(await tables()).not.toContain(marked);
    expect(await rekey(two)).toBe(0);
    for (const stored of [plain, old]) expect(await content(createVault([two]), stored)).toEqual(all);
  });

  it("is not sealed anew without a key, or without one that is needed", async () => {
    await fill(createVault([one]), "old");
    await expect(rekey()).rejects.toThrow("is not set");
    await expect(rekey(two)).rejects.toThrow("lacks");
  });
});
