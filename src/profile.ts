/** What the profiles differ in: the database that the journal is in, and the queue. */
import type { Environment } from "./config/environment.ts";
import type { Queue } from "./domain/queue.ts";
import type { JournalParts } from "./journal/journal.ts";
import { openSqliteJournal } from "./journal/sqlite.ts";
import { createVault } from "./journal/vault.ts";
import type { Log } from "./observability/log.ts";
import { createEmbeddedQueue } from "./queue/embedded.ts";
import type { Clock } from "./resilience/clock.ts";

interface ProfileParts {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Log;
}

/** Throws an Error that says what to do. */
export async function openStore(
  { environment, clock }: ProfileParts,
  dataDir: string,
): Promise<JournalParts> {
  const maxPages = environment.failPlan.journalPages;
  return openSqliteJournal({
    folder: dataDir,
    clock,
    vault: createVault(environment.encryptionKeys),
    ...(maxPages === null ? {} : { maxPages }),
  });
}

export async function openQueue({ clock, log }: ProfileParts, { journal }: JournalParts): Promise<Queue> {
  return createEmbeddedQueue(journal, clock, log);
}
