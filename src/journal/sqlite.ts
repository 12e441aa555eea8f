/**
 * The journal on SQLite: one file in the data folder, WAL, synchronous=FULL, one process at a time.
 *
 * The folder's lock is an exclusive transaction on a second file, held as long as the process lives: the operating
 * system gives it back after kill -9, where a pid file would have to be believed.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Changes, Journal, Reads, State } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { actionsOf, approve, beginAction, endAction, recordPlan, reject } from "./actions.ts";
import { accept, keepMalformed } from "./events.ts";
import { migrations } from "./migrations/index.ts";
import { createReads } from "./reads.ts";
import { eraseContent } from "./retention.ts";
import { integer, text } from "./rows.ts";
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
import { Connection, isBusy } from "./sqlite-driver.ts";
import { getState, listState, putState } from "./state.ts";
import { recordDecision, recordStep, stepsOf } from "./steps.ts";
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
  /** Limits the file, to test a full disk. */
  readonly maxPages?: number;
}

/** Throws when another process holds the folder, or when the file was written by a newer version. */
export function openSqliteJournal({ folder, clock, maxPages }: SqliteOptions): SqliteJournal {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(folder);
  const file = join(folder, "journal.db");
  const writer = new Writer((again) => openFile(file, { maxPages, verify: again }), clock);
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

function lockFolder(folder: string): Connection {
  const lock = new Connection(join(folder, "lock.db"));
  try {
    lock.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    throw new Error(
      `the data folder ${folder} is in use by another signalbox process: stop it, or set SIGNALBOX_DATA_DIR to another folder`,
      { cause: error },
    );
  }
}

/** `verify`: after an I/O error the file is checked before it is believed; at a normal start that would cost seconds. */
function openFile(file: string, options: { maxPages: number | undefined; verify: boolean }): Connection {
  const db = new Connection(file);
  // FULL on every opening: SQLite falls back to NORMAL for a WAL file, and an acknowledged event could be lost.
  db.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON",
  );
  // Each write has a savepoint, and a savepoint copies the pages it changes: into memory, not into a file of its own.
  db.exec("PRAGMA temp_store = MEMORY");
  // Dedupe keys are spread over their whole index: 16 MB keep some hundred thousand of them at hand.
  db.exec("PRAGMA cache_size = -16000");
  if (options.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${Math.trunc(options.maxPages)}`);
  const check = options.verify ? db.get("PRAGMA quick_check(1)") : undefined;
  if (check && text(check, "quick_check") !== "ok")
    throw new Error(`${file} is damaged: restore it from a backup`);
  migrate(db, file);
  return db;
}

function migrate(db: Connection, file: string): void {
  const version = integer(db.get("PRAGMA user_version") ?? {}, "user_version");
  if (version > migrations.length) {
    throw new Error(
      `${file} was written by a newer version of signalbox (schema ${version}): install that version`,
    );
  }
  migrations.slice(version).forEach((sql, index) => {
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${version + index + 1}; COMMIT`);
  });
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
