import { afterAll, beforeAll, describe } from "vitest";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import type { JournalParts } from "../../src/journal/journal.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import { journalContract } from "../contracts/journal.ts";
import { postgresNote, postgresPresent } from "../support/postgres.ts";
import { testDatabase } from "../support/test-database.ts";
import type { TestDatabase } from "../support/test-database.ts";

describe.skipIf(!postgresPresent)(`on PostgreSQL${postgresNote}`, () => {
  let database: TestDatabase;
  let opened: JournalParts | undefined;
  let current: Clock | undefined;
  /** One journal for the file, since to open one is what costs; each test gives it its clock. */
  const open = async (clock: Clock): Promise<JournalParts> => {
    current = clock;
    const now = (): Clock => current ?? clock;
    opened ??= await openPostgresJournal({
      url: database.url,
      clock: { now: () => now().now(), after: (ms, fn) => now().after(ms, fn) },
      timeFrom: "clock",
    });
    return { ...opened, journal: { ...opened.journal, close: () => Promise.resolve() } };
  };
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => opened?.journal.close());
  journalContract("PostgreSQL", open, () => database.empty(), { shared: true });
});
