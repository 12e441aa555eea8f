/** The journal on SQLite: one file in the data folder, WAL, synchronous=FULL, one process at a time. */
import type { Changes, Journal, Reads, State } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { actionsOf, approve, beginAction, endAction, recordPlan, reject } from "./actions.ts";
import { accept, keepMalformed } from "./events.ts";
import { createReads } from "./reads.ts";
import { eraseContent } from "./retention.ts";
import { integer } from "./rows.ts";
import {
  cancel,
  claim,
  dueRuns,
  extendLease,
  insertRuns,
  nextDue,
  nextGeneration,
  parkedFor,
  releaseOrphans,
  settle,
} from "./runs.ts";
import type { Connection } from "./sqlite-driver.ts";
import { holdFolder, openFile } from "./sqlite-file.ts";
import { getState, listState, putState } from "./state.ts";
import { recordDecision, recordStep, stepsOf } from "./steps.ts";
import { requireKeys } from "./rekey.ts";
import type { Vault } from "./vault.ts";
import { Writer } from "./writer.ts";
import type { Transaction } from "./writer.ts";

export interface SqliteJournal {
  readonly journal: Journal;
  readonly reads: Reads;
  readonly state: State;
  readonly changes: Changes;
}

export interface SqliteOptions {
  /** Created with mode 0700 when it is missing. */
  readonly folder: string;
  readonly clock: Clock;
  /** Seals content at rest; without it new content is stored plain. */
  readonly vault?: Vault;
  /** Limits the file, to test a full disk. */
  readonly maxPages?: number;
}

/**
 * Throws when another process holds the folder, when the file was written by a newer version, or when it holds content
 * that is sealed with a key which is not there.
 */
export function openSqliteJournal({ folder, clock, maxPages, vault }: SqliteOptions): SqliteJournal {
  const { file, lock } = holdFolder(folder);
  const open = (again: boolean): Connection => {
    const db = openFile(file, { maxPages, vault, verify: again });
    requireKeys(db, clock.now());
    return db;
  };
  let writer: Writer;
  try {
    writer = new Writer(open, clock);
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    journal: journalOn(writer, clock, () => lock.close()),
    reads: createReads(() => writer.read(), clock),
    state: {
      get: async (scope, key) => getState(writer.read(), scope, key),
      list: async (scope) => listState(writer.read(), scope),
      put: (scope, key, value, expected) => writer.write((tx) => putState(tx, scope, key, value, expected)),
    },
    changes: { subscribe: (listener) => writer.subscribe(listener) },
  };
}

function journalOn(writer: Writer, clock: Clock, unlock: () => void): Journal {
  const write = <T>(work: (tx: Transaction) => T): Promise<T> => writer.write(work);
  const queuedAfter = (tx: Transaction, run: string) => ({
    run,
    queued: tx.db.get("SELECT 1 FROM runs WHERE id = ? AND status = 'queued'", run) !== undefined,
  });
  return {
    accept: (request) => write((tx) => accept(tx, request)),
    keepMalformed: (delivery, body) => write((tx) => keepMalformed(tx, delivery, body)),

    dueRuns: async (limit) => dueRuns(writer.read(), clock.now(), limit),
    nextDue: async () => nextDue(writer.read(), clock.now()),
    claim: (run, owner, leaseMs) => write((tx) => claim(tx, run, owner, leaseMs)),
    extendLease: (key, leaseMs) => write((tx) => extendLease(tx, key, leaseMs)),
    releaseOrphans: () => write(releaseOrphans),

    steps: async (run) => stepsOf(writer.read(), run),
    recordStep: (key, step) => write((tx) => recordStep(tx, key, step)),
    recordDecision: (key, step, by, why) => write((tx) => recordDecision(tx, key, step, by, why)),
    recordPlan: (key, plan) => write((tx) => recordPlan(tx, key, plan)),
    actions: async (run) => actionsOf(writer.read(), run),
    beginAction: (key, action, takeOver) => write((tx) => beginAction(tx, key, action, takeOver)),
    endAction: (key, action, outcome) => write((tx) => endAction(tx, key, action, outcome)),
    settle: (key, verdict) => write((tx) => settle(tx, key, verdict)),
    parkedFor: async (service) => parkedFor(writer.read(), service),

    approve: (action, hash, edited, by) =>
      write((tx) => queuedAfter(tx, approve(tx, action, hash, edited, by))),
    reject: (action, reason, by) => write((tx) => queuedAfter(tx, reject(tx, action, reason, by))),
    cancel: (run, reason) => write((tx) => cancel(tx, run, reason)),
    replay: ({ event, runs }) =>
      write((tx) => {
        const orderAt = integer(
          tx.db.get("SELECT received_at AS at FROM events WHERE id = ?", event) ?? {},
          "at",
        );
        return insertRuns(tx, event, orderAt, nextGeneration(tx.db, event), runs);
      }),

    eraseContent: (before, limit) => write((tx) => eraseContent(tx, before, limit)),
    close: async () => {
      writer.close();
      unlock();
    },
  };
}
