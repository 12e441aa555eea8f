import { afterEach, describe, expect, it } from "vitest";
import { JournalUnavailable } from "../../src/domain/errors.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { armFailPoints, failPoint, nothingFails, readFailPlan } from "../../src/resilience/fail-points.ts";
import { temporaryFolder } from "../support/program.ts";

const arm = (text: string) => armFailPoints(readFailPlan(text));

describe("the journal on a disk that fails at a commit", () => {
  const place = temporaryFolder();
  const { journal, state } = openSqliteJournal({ folder: place.folder, clock: systemClock });
  afterEach(() => armFailPoints(nothingFails));

  it.each(["ioerror", "full"])(
    "tells the writer of %s, keeps nothing of it, and takes the next write",
    async (what) => {
      arm(`journal.commit=${what}`);
      await expect(state.put("meta", what, "first", 0)).rejects.toThrow(JournalUnavailable);
      expect(await state.get("meta", what)).toBeNull();
      expect(await state.put("meta", what, "second", 0)).toBe(true);
      expect((await state.get("meta", what))?.value).toBe("second");
    },
  );

  it("says what is on disk when the error came after the commit: nothing is stored a second time", async () => {
    arm("journal.committed=ioerror@1");
    await expect(state.put("meta", "late", "first", 0)).rejects.toThrow(JournalUnavailable);
    expect((await state.get("meta", "late"))?.value).toBe("first");
    expect(await state.put("meta", "late", "second", 0)).toBe(false);
  });

  it("fails at the hit that was ordered and at no other", async () => {
    arm("journal.write=full@2");
    expect(await state.put("meta", "one", 1, 0)).toBe(true);
    await expect(state.put("meta", "two", 2, 0)).rejects.toThrow(JournalUnavailable);
    expect(await state.put("meta", "three", 3, 0)).toBe(true);
    armFailPoints(nothingFails);
    expect(() => failPoint("journal.write")).not.toThrow();
    await journal.close();
    place.remove();
  });
});
