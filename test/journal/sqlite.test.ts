import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { JournalUnavailable } from "../../src/domain/errors.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { journalContract } from "../contracts/journal.ts";

let folders: string[] = [];
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "signalbox-journal-"));
  folders.push(made);
  return made;
};
const clean = async () => {
  for (const made of folders) rmSync(made, { recursive: true, force: true });
  folders = [];
};

journalContract("SQLite", async (clock) => openSqliteJournal({ folder: folder(), clock }), clean);

describe("journal: SQLite file", () => {
  afterEach(clean);
  const ids = createIds(systemClock);
  const request = (size = 10) => ({
    delivery: null,
    items: [
      {
        event: {
          id: ids("evt"),
          source: "stripe",
          type: "t",
          providerId: "p",
          receivedAt: 1,
          occurredAt: null,
          status: "unrouted" as const,
          body: Buffer.alloc(size, "x"),
          headers: {},
          faults: [],
        },
        dedupeKeys: [ids("evt")],
        runs: [],
      },
    ],
  });

  it("keeps everything over a restart", async () => {
    const at = folder();
    const first = openSqliteJournal({ folder: at, clock: systemClock });
    const [item] = await first.journal.accept(request());
    await first.journal.close();
    const second = openSqliteJournal({ folder: at, clock: systemClock });
    expect((await second.reads.event(item?.event ?? ""))?.body).toHaveLength(10);
    await second.journal.close();
  });

  it("is held by one process: a second opening says what to do", async () => {
    const at = folder();
    const first = openSqliteJournal({ folder: at, clock: systemClock });
    expect(() => openSqliteJournal({ folder: at, clock: systemClock })).toThrow(
      /in use by another signalbox process: stop it/,
    );
    await first.journal.close();
    await openSqliteJournal({ folder: at, clock: systemClock }).journal.close();
  });

  it("refuses what does not fit on a full disk, stores nothing of it, and goes on when there is room", async () => {
    const at = folder();
    const { journal, reads } = openSqliteJournal({ folder: at, clock: systemClock, maxPages: 60 });
    await journal.accept(request());
    await expect(journal.accept(request(1_000_000))).rejects.toThrow(JournalUnavailable);
    expect((await reads.events({ limit: 10 })).items).toHaveLength(1);
    await journal.accept(request());
    expect((await reads.events({ limit: 10 })).items).toHaveLength(2);
    await journal.close();
  });

  it("fails a whole flush together, so that no one is told of a write that is not there", async () => {
    const { journal, reads } = openSqliteJournal({ folder: folder(), clock: systemClock, maxPages: 60 });
    const results = await Promise.allSettled([journal.accept(request()), journal.accept(request(1_000_000))]);
    expect(results.map((result) => result.status)).toEqual(["rejected", "rejected"]);
    expect((await reads.events({ limit: 10 })).items).toEqual([]);
    await journal.close();
  });

  it("takes over the file of the version before signatures were kept", async () => {
    const { Connection } = await import("../../src/journal/sqlite-driver.ts");
    const { migrations } = await import("../../src/journal/migrations/index.ts");
    const at = folder();
    const old = new Connection(join(at, "journal.db"));
    for (const sql of migrations.slice(0, 2)) old.exec(sql);
    old.exec("PRAGMA user_version = 2");
    const values = ["evt_1", "stripe", "t", "p", 1, null, "unrouted", "h", "{}", "[]", Buffer.from("{}")];
    old.run(`INSERT INTO events VALUES (${values.map(() => "?").join(", ")})`, ...values);
    old.close();
    const { journal, reads } = openSqliteJournal({ folder: at, clock: systemClock });
    expect((await reads.event("evt_1"))?.body).toHaveLength(2);
    expect(await journal.receipt("evt_1")).toMatchObject({ erased: false, delivery: null, signed: null });
    await journal.accept(request());
    expect((await reads.events({ limit: 10 })).items).toHaveLength(2);
    await journal.close();
  });

  it("writes ahead to a log, and takes nothing once it is closed", async () => {
    const { Connection } = await import("../../src/journal/sqlite-driver.ts");
    const at = folder();
    const { journal } = openSqliteJournal({ folder: at, clock: systemClock });
    await journal.accept(request());
    const other = new Connection(join(at, "journal.db"));
    expect(other.get("PRAGMA journal_mode")).toMatchObject({ journal_mode: "wal" });
    other.close();
    await journal.close();
    await expect(journal.accept(request())).rejects.toThrow("closed");
  });
});
