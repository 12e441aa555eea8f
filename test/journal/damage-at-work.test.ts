import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { JournalUnavailable } from "../../src/domain/errors.ts";
import { Connection } from "../../src/journal/sqlite-driver.ts";
import { inspectMeanwhile } from "../../src/journal/sqlite-health.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { temporaryFolder } from "../support/program.ts";

const open = (folder: string) => openSqliteJournal({ folder, clock: systemClock });
const pageBytes = 4_096;

async function used(entries = 300) {
  const { folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const { journal, state } = open(folder);
  const puts = Array.from({ length: entries }, (_, n) => state.put("meta", `k${n}`, "v".repeat(200), 0));
  await Promise.all(puts);
  await journal.close();
  return { folder, file: join(folder, "journal.db") };
}

/** Of every page but the first, as a disk that lost its mind would leave it. */
function ruin(file: string): void {
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(0xa5, pageBytes), { flag: "r+" });
}

describe("a start beside what does not belong to the journal", () => {
  it("takes no log for that of an empty file, though the folder is new to it, and leaves the log alone", () => {
    const { folder, remove } = temporaryFolder();
    onTestFinished(remove);
    writeFileSync(join(folder, "journal.db"), "");
    writeFileSync(join(folder, "journal.db-wal"), "the last writes");
    expect(() => open(folder)).toThrow(/the file is empty, and its log, journal\.db-wal, is there/);
    expect(readFileSync(join(folder, "journal.db-wal"), "utf8")).toBe("the last writes");
  });

  it("does not bring the log of another file into this one", async () => {
    const { folder, file } = await used();
    const other = await used(900);
    const { journal, state } = open(other.folder);
    for (let n = 0; n < 50; n += 1) await state.put("meta", `later${n}`, "w".repeat(3_000), 0);
    copyFileSync(`${other.file}-wal`, `${file}-wal`);
    await journal.close();
    const before = readFileSync(file);
    expect(() => open(folder)).toThrow(/is damaged/);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("names a lock that can't be used, which holds nothing", async () => {
    const { folder } = await used();
    writeFileSync(join(folder, "lock.db"), "notes ".repeat(500));
    expect(() => open(folder)).toThrow(/lock\.db can't be used\. It holds nothing: delete it/);
  });

  it("adds nothing to the database of another program", () => {
    const { folder, remove } = temporaryFolder();
    onTestFinished(remove);
    const songs = new Connection(join(folder, "journal.db"));
    songs.exec("CREATE TABLE songs (id TEXT)");
    songs.close();
    expect(() => open(folder)).toThrow(/a database of another program/);
  });

  it("finds a file that is cut off", async () => {
    const { folder, file } = await used();
    truncateSync(file, statSync(file).size - 3 * pageBytes);
    rmSync(`${file}-wal`, { force: true });
    expect(() => open(folder)).toThrow(/is damaged/);
  });
});

describe("a journal that is damaged while it is in use", () => {
  it("is read by a process of its own where it is too large to be read at the start", async () => {
    const { file } = await used();
    const found: string[] = [];
    await inspectMeanwhile(file, (damage) => found.push(damage.message)).done;
    expect(found).toEqual([]);
    ruin(file);
    await inspectMeanwhile(file, (damage) => found.push(damage.message)).done;
    expect(found).toEqual([expect.stringContaining("is damaged")]);
  });

  it("is closed in the middle of being read, and takes nothing with it", async () => {
    const { file } = await used();
    const db = new Connection(file);
    // Seconds of reading, so that it is not over when it is stopped.
    db.exec(`WITH RECURSIVE s (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM s WHERE at < 150000)
      INSERT INTO keys SELECT 'event', printf('%064d', at), printf('%064d', at), NULL, 1 FROM s`);
    db.close();
    const found: string[] = [];
    for (const ms of [50, 100, 150, 200]) {
      const check = inspectMeanwhile(file, (damage) => found.push(damage.message));
      await new Promise((resolve) => setTimeout(resolve, ms));
      await check.stop();
    }
    expect(found).toEqual([]);
  });

  it("is left alone from then on: whoever reads or writes is told, and what to do", async () => {
    const { folder, file } = await used(3_000);
    const { journal, reads, state } = open(folder);
    ruin(file);
    await expect(reads.events({ limit: 200 })).rejects.toThrow(JournalUnavailable);
    await expect(state.put("meta", "a", 1, 0)).rejects.toThrow(JournalUnavailable);
    const before = readFileSync(file);
    await expect(state.put("meta", "a", 1, 0)).rejects.toThrow(/signalbox restore FILE/);
    await expect(state.get("meta", "k1")).rejects.toThrow(/signalbox restore FILE/);
    expect(journal.trouble()).toMatch(/is damaged .*signalbox salvage/);
    expect(readFileSync(file).equals(before)).toBe(true);
    await journal.close();
  });
});
