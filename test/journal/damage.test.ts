import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { backUp, restore } from "../../src/journal/backup.ts";
import { salvage } from "../../src/journal/salvage.ts";
import { Connection } from "../../src/journal/sqlite-driver.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { temporaryFolder } from "../support/program.ts";

const acceptance = (number: number) => ({
  delivery: null,
  items: [
    {
      event: {
        id: `evt_${String(number).padStart(5, "0")}`,
        source: "stripe",
        type: "t",
        providerId: `p${number}`,
        receivedAt: 1,
        occurredAt: null,
        status: "unrouted" as const,
        body: Buffer.alloc(2_000, "x"),
        headers: {},
        faults: [],
      },
      dedupeKeys: [`k${number}`],
      runs: [],
    },
  ],
});

const open = (folder: string) => openSqliteJournal({ folder, clock: systemClock });
const count = async (folder: string): Promise<number> => {
  const store = open(folder);
  const { events } = await store.reads.overview();
  await store.journal.close();
  return events.unrouted;
};

/** A folder whose journal holds so many events, closed. */
async function folderOf(events: number) {
  const { folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const { journal } = open(folder);
  await Promise.all(Array.from({ length: events }, (_, number) => journal.accept(acceptance(number))));
  await journal.close();
  return { folder, file: join(folder, "journal.db") };
}

function overwrite(file: string, at: number, bytes: Buffer): void {
  const handle = openSync(file, "r+");
  writeSync(handle, bytes, 0, bytes.length, at);
  closeSync(handle);
}

const damages: Record<string, (file: string) => void> = {
  "is a text": (file) => writeFileSync(file, "not a database, whatever its name says\n".repeat(300)),
  "has no header any more": (file) => overwrite(file, 0, Buffer.alloc(100)),
  "lost its second half": (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096),
  "is empty": (file) => truncateSync(file, 0),
  "has pages of noise": (file) => {
    for (let page = 8; page * 4096 < statSync(file).size; page += 3)
      overwrite(file, page * 4096, Buffer.alloc(4096, 0xa5));
  },
};

describe("a journal that is damaged", () => {
  it.each(Object.keys(damages))(
    "is noticed at the start when it %s: what was found, and two ways out",
    async (how) => {
      const { folder, file } = await folderOf(200);
      damages[how]?.(file);
      const before = readFileSync(file);
      expect(() => open(folder)).toThrow(
        /journal\.db is damaged \(.+\)\. Nothing was changed\..*restore FILE.*salvage/s,
      );
      expect(readFileSync(file).equals(before)).toBe(true);
      // The folder is free again.
      expect(() => open(folder)).toThrow(/is damaged/);
    },
  );

  it("is missed when it is gone: a new one would do everything again", async () => {
    const { folder, file } = await folderOf(1);
    rmSync(file);
    expect(() => open(folder)).toThrow(/the file is gone/);
    expect(existsSync(file)).toBe(false);
  });

  it("comes back from a back-up, and the damaged one is kept", async () => {
    const { folder, file } = await folderOf(50);
    const copy = join(folder, "copy.db");
    expect(backUp(folder, copy)).toMatchObject({ events: 50, runs: 0 });
    damages["is a text"]?.(file);
    const { aside, events } = restore(folder, copy, systemClock);
    expect(events).toBe(50);
    expect(readFileSync(aside ?? "", "utf8")).toMatch(/^not a database/);
    expect(await count(folder)).toBe(50);
  });

  it("gives what can be read of it, from both ends of each table, and says which tables are not whole", async () => {
    const { folder, file } = await folderOf(300);
    const page = Math.floor(statSync(file).size / 4096 / 2);
    overwrite(file, page * 4096, Buffer.alloc(4096, 0xa5));
    const { tables, aside } = salvage(folder, systemClock);
    expect(existsSync(aside ?? "")).toBe(true);
    const damaged = tables.filter(({ whole }) => !whole);
    expect(damaged).toHaveLength(1);
    const events = await count(folder);
    expect(events).toBeGreaterThan(250);
    expect(tables.find(({ name }) => name === "events")?.rows).toBe(events);
  });

  it("of which nothing can be read is left as it is by salvaging, which says so", async () => {
    const { folder, file } = await folderOf(20);
    damages["is a text"]?.(file);
    expect(() => salvage(folder, systemClock)).toThrow(/nothing can be read of .+nothing was changed/);
    expect(readFileSync(file, "utf8")).toMatch(/^not a database/);
    expect(readdirSync(folder).filter((name) => name.includes("salvaged"))).toEqual([]);
  });

  it("is whole after salvaging one that was not damaged at all", async () => {
    const { folder } = await folderOf(20);
    expect(salvage(folder, systemClock).tables.every(({ whole }) => whole)).toBe(true);
    expect(await count(folder)).toBe(20);
    const again = open(folder);
    expect((await again.journal.accept(acceptance(3)))[0]?.duplicate).toBe(true);
    await again.journal.close();
  });
});

describe("a back-up", () => {
  it("is taken while the service writes, holds all that was acknowledged before, and is for its owner only", async () => {
    const { folder } = await folderOf(10);
    const store = open(folder);
    await store.journal.accept(acceptance(10));
    const copy = join(folder, "copy.db");
    expect(backUp(folder, copy).events).toBe(11);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    await store.journal.accept(acceptance(11));
    await store.journal.close();
    expect(await count(folder)).toBe(12);
    expect(readdirSync(folder).filter((name) => name.includes("part"))).toEqual([]);
  });

  it("of a damaged journal is refused, and leaves the back-up of before as it was", async () => {
    const { folder, file } = await folderOf(200);
    const copy = join(folder, "copy.db");
    backUp(folder, copy);
    const before = readFileSync(copy);
    damages["has pages of noise"]?.(file);
    expect(() => backUp(folder, join(folder, "nowhere", "copy.db"))).toThrow("there is no folder");
    expect(() => backUp(folder, copy)).toThrow(/is damaged/);
    expect(readFileSync(copy).equals(before)).toBe(true);
  });

  it("that is damaged, is something else, or is of a newer version is not put in place", async () => {
    const { folder } = await folderOf(5);
    const bad = join(folder, "bad.db");
    backUp(folder, bad);
    damages["has no header any more"]?.(bad);
    expect(() => restore(folder, bad, systemClock)).toThrow(`the back-up ${bad} is damaged, or is none`);
    backUp(folder, bad);
    const newer = new Connection(bad);
    newer.exec("PRAGMA user_version = 9999");
    newer.close();
    expect(() => restore(folder, bad, systemClock)).toThrow(/newer version of signalbox \(schema 9999\)/);
    expect(await count(folder)).toBe(5);
  });

  it("is not put in place while a service holds the folder", async () => {
    const { folder } = await folderOf(5);
    const copy = join(folder, "copy.db");
    backUp(folder, copy);
    const store = open(folder);
    expect(() => restore(folder, copy, systemClock)).toThrow(/in use by another signalbox process/);
    await store.journal.close();
  });
});
