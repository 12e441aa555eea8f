/**
 * Group commit: writes that arrive together share one transaction, and so one flush to disk.
 *
 * idle      nothing pending.
 * gathering the first write came; until the end of this tick others join it. When writes come thick: for as long as the
 *           turns of the event loop bring more of them, so that nothing waits while there is nothing else to do.
 * flushing  BEGIN IMMEDIATE, every write in a savepoint of its own, COMMIT. Synchronous: nothing runs in between.
 * broken    an I/O error: what is on disk is unknown, so the connection is closed and opened again before the next
 *           write. A flush that failed is never repeated: its writers are told, and the sender comes again.
 * damaged   the file that was to be opened again is not whole. It does not become so by itself: until the next start it is
 *           not looked at again, and nothing is written to it.
 * closed    nothing is taken any more.
 *
 * What keeps it from storing is told as its trouble, until something is stored again, and ten seconds at least: a small
 * write may fit where a larger one does not.
 */
import type { Change } from "../domain/ports.ts";
import { JournalUnavailable } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { isBroken, isFull, isUnavailable } from "./sqlite-driver.ts";
import type { Connection } from "./sqlite-driver.ts";
import { JournalDamaged } from "./sqlite-health.ts";
import type { Scope, Sql, Transaction } from "./sql.ts";
import { noRoomMs, Trouble } from "./trouble.ts";

interface Pending {
  readonly query: (transaction: Transaction) => Sql<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** From this many writes in a flush on, the next one waits for company. */
const thick = 8;
/** Turns of the event loop without a further write before a flush. One alone may fall between two that came together. */
const emptyTurns = 3;
/** Senders may be as fast as we are: then it would never be still. */
const mostTurns = 50;
const mostGathered = 200;

export class Writer {
  readonly #open: (again: boolean) => Connection;
  readonly #turn: (next: () => void) => void;
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: Change) => void>();
  #db: Connection | null;
  #pending: Pending[] = [];
  #scheduled = false;
  #lastBatch = 0;
  #closed = false;
  #damage: JournalDamaged | null = null;
  readonly #trouble: Trouble;

  /**
   * `open` gets true when it is called again after an I/O error. `turn` calls back in the next turn of the event loop;
   * a test that owns it holds flushes back.
   */
  constructor(
    open: (again: boolean) => Connection,
    clock: Clock,
    turn: (next: () => void) => void = setImmediate,
  ) {
    this.#open = open;
    this.#turn = turn;
    this.#clock = clock;
    this.#trouble = new Trouble(clock);
    this.#db = open(false);
  }

  /** Resolves with what `query` ended with once it is on disk. Rejects with what it threw, then nothing of it is stored. */
  write<T>(query: (transaction: Transaction) => Sql<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new JournalUnavailable("the journal is closed"));
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ query, resolve: resolve as Pending["resolve"], reject });
      this.#schedule();
    });
  }

  /** Sees every flushed write. */
  read<T>(query: (scope: Scope) => Sql<T>): T {
    const db = this.#connection();
    try {
      return db.answer(query({ vault: db.vault }), this.#clock.now());
    } catch (error) {
      throw isUnavailable(error) ? this.#failed(error) : error;
    }
  }

  /** Why nothing can be stored, or what is stored not be relied on; null when all is well as far as is known. */
  trouble(): string | null {
    return this.#damage === null ? this.#trouble.why() : this.#damage.message;
  }

  /** The file was found damaged while it is in use. */
  foundDamaged(damage: JournalDamaged): void {
    this.#damage = damage;
    this.#disconnect();
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#db?.close();
    this.#db = null;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#lastBatch >= thick) this.#gather(emptyTurns, mostTurns);
    else this.#turn(() => this.#flush());
  }

  #gather(still: number, turns: number): void {
    const before = this.#pending.length;
    this.#turn(() => {
      const grew = this.#pending.length > before;
      const left = grew ? emptyTurns : still - 1;
      const full = turns === 0 || this.#pending.length >= mostGathered;
      if (left > 0 && !full) this.#gather(left, turns - 1);
      else this.#flush();
    });
  }

  #connection(): Connection {
    if (this.#closed) throw new JournalUnavailable("the journal is closed");
    this.#db ??= this.#reopened();
    return this.#db;
  }

  #reopened(): Connection {
    if (this.#damage !== null) throw new JournalUnavailable(this.#damage.message, { cause: this.#damage });
    try {
      return this.#open(true);
    } catch (error) {
      if (error instanceof JournalDamaged) this.#damage = error;
      throw new JournalUnavailable("the journal could not be opened again", { cause: error });
    }
  }

  #flush(): void {
    this.#scheduled = false;
    const batch = this.#pending;
    this.#pending = [];
    this.#lastBatch = batch.length;
    if (batch.length === 0 || this.#closed) return;
    const changes: Change[] = [];
    const settle: (() => void)[] = [];
    try {
      const db = this.#connection();
      db.exec("BEGIN IMMEDIATE");
      const hadTrouble = this.#trouble.why() !== null;
      const before = hadTrouble ? written(db) : 0;
      for (const pending of batch) settle.push(this.#carryOut(db, pending, changes));
      const wrote = hadTrouble && written(db) > before;
      failPoint("journal.commit");
      db.exec("COMMIT");
      if (wrote) this.#trouble.mended();
      failPoint("journal.committed");
    } catch (error) {
      const failure = this.#failed(error);
      for (const pending of batch) pending.reject(failure);
      return;
    }
    for (const done of settle) done();
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }

  /** One write in its savepoint: its own error undoes it alone; an error of the disk undoes the whole batch. */
  #carryOut(db: Connection, pending: Pending, changes: Change[]): () => void {
    const own: Change[] = [];
    db.run("SAVEPOINT one");
    try {
      const now = this.#clock.now();
      const changed = (kind: Change["kind"], id: string) => own.push({ kind, id });
      const query = pending.query({ now, ours: (time) => time, vault: db.vault, changed });
      const value = db.answer(query, now) as never;
      failPoint("journal.write");
      db.run("RELEASE one");
      changes.push(...own);
      return () => pending.resolve(value);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      db.run("ROLLBACK TO one");
      db.run("RELEASE one");
      return () => pending.reject(error);
    }
  }

  #failed(error: unknown): JournalUnavailable {
    try {
      this.#db?.exec("ROLLBACK");
    } catch {
      // SQLite may have rolled back by itself; there is nothing left to undo then.
    }
    if (isBroken(error)) this.#disconnect();
    this.#trouble.met(whyNot(error), noRoomMs);
    return error instanceof JournalUnavailable
      ? error
      : new JournalUnavailable("the journal could not write to its disk", { cause: error });
  }

  #disconnect(): void {
    try {
      this.#db?.close();
    } catch {
      // The file may be gone from under it; a fresh connection is opened for the next write.
    }
    this.#db = null;
  }
}

/** A flush that had nothing to write succeeds on a full disk too. */
const written = (db: Connection): number => Number(db.get("SELECT total_changes() AS n")?.["n"] ?? 0);

function whyNot(error: unknown): string {
  if (isFull(error))
    return "the disk is full: what does not fit is not stored, and its senders are told to come again";
  const said = error instanceof JournalUnavailable && error.cause instanceof Error ? error.cause : error;
  return `the disk can't be written or read: ${said instanceof Error ? said.message : String(said)}`;
}
