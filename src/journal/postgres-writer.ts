/**
 * Transactions on PostgreSQL, many at a time, from many processes (READ COMMITTED: each query takes the locks it needs).
 *
 * write    a transaction on one of the connections. Of a deadlock or the like nothing is stored: it is made again. Of a
 *          connection that breaks before its first statement was answered, too. One that breaks later, in COMMIT above
 *          all, leaves it open whether anything is stored: that is told as unavailable, and whoever asked comes again.
 * gather   writes that come at the same moment and have no key in common go into one transaction, in step, and share its
 *          trips and its flush. While as many of those are under way as may be, the next ones gather. When one of them
 *          fails, each is tried alone, so that it fails for itself.
 * closed   nothing is taken any more; what is under way ends.
 *
 * That the server stores nothing is told as this process's trouble, until something of it is stored again.
 */
import type { Pool, PoolClient } from "pg";
import { JournalUnavailable } from "../domain/errors.ts";
import type { Change } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import type { FailPoint } from "../resilience/fail-points.ts";
import { PostgresFault, prepareAnew, Session } from "./postgres-driver.ts";
import { together } from "./sql.ts";
import type { Scope, Sql, Transaction } from "./sql.ts";
import { noRoomMs, Trouble } from "./trouble.ts";
import type { Vault } from "./vault.ts";

export interface PostgresWriterParts {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly vault: Vault;
  /** Whose clock leases and due times are by. `clock` is for tests that own the time. */
  readonly timeFrom: "database" | "clock";
  /** Told after the commit. */
  readonly onChanges: (changes: readonly Change[]) => void;
}

interface Gathered {
  readonly query: (tx: Transaction) => Sql<unknown>;
  readonly keys: readonly string[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const mostAttempts = 5;
/** More at a time would each hold less, and make as many flushes of what two can carry. */
const mostFlushes = 2;
const mostGathered = 200;

export class PostgresWriter {
  readonly #parts: PostgresWriterParts;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #trouble: Trouble;
  #gathered: Gathered[] = [];
  #flushes = 0;
  #scheduled = false;
  #closed = false;

  constructor(parts: PostgresWriterParts) {
    this.#parts = parts;
    this.#trouble = new Trouble(parts.clock);
  }

  /** Why nothing can be stored; null when all is well as far as is known. */
  trouble(): string | null {
    return this.#trouble.why();
  }

  async write<T>(query: (tx: Transaction) => Sql<T>): Promise<T> {
    if (this.#closed) throw new JournalUnavailable("the journal is closed");
    return this.#committed(query);
  }

  gather<T>(query: (tx: Transaction) => Sql<T>, keys: readonly string[] | null): Promise<T> {
    if (keys === null || this.#closed) return this.write(query);
    return new Promise<T>((resolve, reject) => {
      this.#gathered.push({ query, keys, resolve: resolve as Gathered["resolve"], reject });
      this.#schedule();
    });
  }

  async read<T>(query: (scope: Scope) => Sql<T>): Promise<T> {
    if (this.#closed) throw new JournalUnavailable("the journal is closed");
    return this.#repeating(async () => {
      const { session, release } = await this.#connection();
      try {
        return await carriedOut(session, query({ vault: this.#parts.vault }));
      } catch (error) {
        release.broken = error instanceof PostgresFault && error.isLost;
        throw error;
      } finally {
        release.now();
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#flushNow();
    // The pool serves nobody any more once it is ended.
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await this.#parts.pool.end();
  }

  async #committed<T>(query: (tx: Transaction) => Sql<T>): Promise<T> {
    const changes: Change[] = [];
    const value = await this.#repeating(async () => {
      changes.length = 0;
      return this.#transaction(query, changes);
    });
    this.#trouble.mended();
    if (changes.length > 0) this.#parts.onChanges(changes);
    return value;
  }

  /** Again, as long as nothing is stored and it may end otherwise; then in our own words. */
  #repeating<T>(attempt: () => Promise<T>): Promise<T> {
    const repeated = this.#repeated(attempt).finally(() => this.#underWay.delete(repeated));
    this.#underWay.add(repeated);
    return repeated;
  }

  async #repeated<T>(attempt: () => Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt();
      } catch (error) {
        const fault = error instanceof NotBegun ? error.fault : error;
        if (!(fault instanceof PostgresFault)) throw fault;
        const mayEndOtherwise = error instanceof NotBegun ? !fault.isSilence : fault.isWorthRepeating;
        if (attempts === mostAttempts || !mayEndOtherwise) {
          if (fault.isServers)
            this.#trouble.met(`PostgreSQL stores nothing: ${fault.message}`, fault.isNoRoom ? noRoomMs : 0);
          throw fault.inOurWords();
        }
        if (fault.code === "0A000") prepareAnew();
      }
    }
  }

  async #transaction<T>(query: (tx: Transaction) => Sql<T>, changes: Change[]): Promise<T> {
    const { clock, vault } = this.#parts;
    const { session, release } = await this.#connection();
    try {
      const now = await session.begin().catch((error: unknown) => {
        release.broken = true;
        throw new NotBegun(error);
      });
      const behind = now - clock.now();
      const value = await carriedOut(
        session,
        query({
          now,
          vault,
          ours: (time) => time + behind,
          changed: (kind, id) => changes.push({ kind, id }),
        }),
      );
      pass("journal.write");
      pass("journal.commit");
      const { command } = await session.plain("COMMIT");
      pass("journal.committed");
      if (command !== "COMMIT") throw new JournalUnavailable("PostgreSQL rolled the transaction back");
      return value;
    } catch (error) {
      if (!release.broken) await session.plain("ROLLBACK").catch(() => (release.broken = true));
      throw error;
    } finally {
      release.now();
    }
  }

  /** A broken one is not given back; the pool opens another when it is needed. */
  async #connection(): Promise<{ session: Session; release: { broken: boolean; now(): void } }> {
    const { pool, clock, timeFrom } = this.#parts;
    let client: PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw new PostgresFault(error);
    }
    const session = new Session(client, timeFrom === "clock" ? () => clock.now() : null);
    const release = { broken: false, now: () => client.release(release.broken) };
    return { session, release };
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushes >= mostFlushes) return;
    this.#scheduled = true;
    setImmediate(() => this.#flushNow());
  }

  #flushNow(): void {
    this.#scheduled = false;
    while (this.#gathered.length > 0 && (this.#flushes < mostFlushes || this.#closed)) {
      this.#flushes += 1;
      void this.#flush(this.#taken()).finally(() => {
        this.#flushes -= 1;
        if (this.#gathered.length > 0) this.#schedule();
      });
    }
  }

  /** As many as have no key in common; the others wait for the next flush, and so for the outcome of this one. */
  #taken(): Gathered[] {
    const keys = new Set<string>();
    const left: Gathered[] = [];
    const taken: Gathered[] = [];
    for (const one of this.#gathered) {
      if (taken.length === mostGathered || one.keys.some((key) => keys.has(key))) {
        left.push(one);
        continue;
      }
      for (const key of one.keys) keys.add(key);
      taken.push(one);
    }
    this.#gathered = left;
    return taken;
  }

  async #flush(batch: readonly Gathered[]): Promise<void> {
    try {
      const values = await this.#committed((tx) => together(batch.map(({ query }) => query(tx))));
      for (const [at, { resolve }] of batch.entries()) resolve(values[at]);
    } catch (error) {
      if (error instanceof JournalUnavailable) {
        // Those who came meanwhile would only find out the same, later.
        const waiting = this.#gathered;
        this.#gathered = [];
        for (const { reject } of [...batch, ...waiting]) reject(error);
        return;
      }
      await Promise.all(
        batch.map(({ query, resolve, reject }) => this.#committed(query).then(resolve, reject)),
      );
    }
  }
}

/** The connection was broken before the transaction began: nothing of it was asked. */
class NotBegun extends Error {
  readonly fault: PostgresFault;
  constructor(error: unknown) {
    super("the transaction did not begin");
    this.fault = error instanceof PostgresFault ? error : new PostgresFault(error);
  }
}

/** Where a fail point plays a disk that fails, it is the server's. */
function pass(point: FailPoint): void {
  try {
    failPoint(point);
  } catch (error) {
    throw new PostgresFault(error);
  }
}

async function carriedOut<T>(session: Session, query: Sql<T>): Promise<T> {
  let step = query.next();
  while (step.done !== true) step = query.next(await session.answer(step.value));
  return step.value;
}
