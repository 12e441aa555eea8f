/**
 * What the profiles differ in: the database that the journal is in, the queue, and whether there are other processes.
 *
 *   embedded  nothing is set. SQLite in the data folder, which one process holds.
 *   server    DATABASE_URL and REDIS_URL are set. PostgreSQL and BullMQ, for any number of processes.
 */
import { agents } from "../agents/index.ts";
import type { Environment } from "./config/environment.ts";
import type { Queue } from "./domain/queue.ts";
import { systemAgents } from "./domain/run.ts";
import type { JournalParts } from "./journal/journal.ts";
import { openSqliteJournal } from "./journal/sqlite.ts";
import { createVault } from "./journal/vault.ts";
import type { Log } from "./observability/log.ts";
import { createEmbeddedQueue } from "./queue/embedded.ts";
import type { Clock } from "./resilience/clock.ts";
import { holdDuties } from "./worker/duties.ts";

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
  const vault = createVault(environment.encryptionKeys);
  if (environment.databaseUrl !== null) {
    const { openPostgresJournal } = await import("./journal/postgres.ts");
    return openPostgresJournal({ url: environment.databaseUrl, clock, vault });
  }
  const maxPages = environment.failPlan.journalPages;
  return openSqliteJournal({
    folder: dataDir,
    clock,
    vault,
    ...(maxPages === null ? {} : { maxPages }),
  });
}

export interface WorkQueue extends Queue {
  /** The duty of one process: has the queue told of what is due. Null where each looks for itself. */
  readonly publishDue: (() => { stop(): Promise<void> }) | null;
  /** Why nothing can be queued now; null when it can. */
  trouble(): string | null;
  /** After its consumers. */
  close(): Promise<void>;
}

/** Throws an Error that says what to do. A queue that can't be reached is not waited for. */
export async function openQueue(
  { environment, clock, log }: ProfileParts,
  { journal }: JournalParts,
): Promise<WorkQueue> {
  if (environment.redisUrl === null) {
    const queue = createEmbeddedQueue(journal, clock, log);
    return { ...queue, publishDue: null, trouble: () => null, close: async () => {} };
  }
  const { openBullmqQueue } = await import("./queue/bullmq.ts");
  return openBullmqQueue({
    url: environment.redisUrl,
    prefix: environment.redisPrefix,
    allowEviction: environment.redisAllowEviction,
    agents: [...agents.map((agent) => agent.name), ...systemAgents],
    journal,
    clock,
    log,
  });
}

interface LeadingParts extends ProfileParts {
  readonly store: JournalParts;
  readonly owner: string;
  readonly begin: () => readonly { stop(): Promise<void> }[];
}

/** Does what is done once: always where there is one process, and else whenever it is this one's turn. */
export function lead({ environment, store, begin, ...parts }: LeadingParts): { stop(): Promise<void> } {
  if (environment.databaseUrl !== null) return holdDuties({ ...parts, state: store.state, begin });
  const duties = begin();
  return { stop: async () => void (await Promise.all(duties.map((duty) => duty.stop()))) };
}
