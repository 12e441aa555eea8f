import { beforeAll, describe } from "vitest";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import { journalContract } from "../contracts/journal.ts";
import { postgresNote, postgresPresent, testDatabase } from "../support/postgres.ts";
import type { TestDatabase } from "../support/postgres.ts";

describe.skipIf(!postgresPresent)(`on PostgreSQL${postgresNote}`, () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  journalContract(
    "PostgreSQL",
    (clock) => openPostgresJournal({ url: database.url, clock, timeFrom: "clock" }),
    () => database.empty(),
    { shared: true },
  );
});
