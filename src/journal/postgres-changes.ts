/**
 * Changes, told from process to process: by NOTIFY, in bunches, outside of the transactions that made them. Inside, each
 * commit of the whole database would wait for the one before; as rows to be polled for, each write would pay for an index.
 *
 * deaf       nobody subscribes here. What this process changes is told to the others, if one of them listens.
 * listening  a connection of its own, which holds a lock to say so, and is asked now and then whether it is still there.
 * broken     that connection ended: a new one is opened soon. What was told meanwhile is unknown, so the newest rows are
 *            told as changed.
 *
 * A process that dies between a commit and its telling tells nothing: a page is then late, and nothing else.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import type { Change } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { lockNumber, openClient, usualLimits } from "./postgres-driver.ts";
import { text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Scope, Sql } from "./sql.ts";

const channel = "signalbox";
const listening = lockNumber("someone listens");
const bunchMs = 100;
/** Of what one process changes in that time; who subscribes could not look up more either. */
const mostInBunch = 5_000;
/** PostgreSQL takes 8,000. */
const longestPayload = 7_900;
const againMs = 1_000;
const askMs = 15_000;
/** Of each kind. */
const newestRows = 50;

export interface ChangesParts {
  readonly url: string;
  readonly clock: Clock;
  readonly read: <T>(query: (scope: Scope) => Sql<T>) => Promise<T>;
}

export class PostgresChanges {
  readonly #parts: ChangesParts;
  /** Tells this process from the others. */
  readonly #self = randomUUID();
  readonly #listeners = new Set<(change: Change) => void>();
  /** By `kind:id`: a run that changes five times is told once. */
  readonly #untold = new Set<string>();
  #bunch: { cancel(): void } | null = null;
  #client: Client | null = null;
  #timer: { cancel(): void } | null = null;
  #opening = false;
  #closed = false;

  constructor(parts: ChangesParts) {
    this.#parts = parts;
  }

  /** Of this process, after their commit. */
  made(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#tell(change);
      if (this.#untold.size < mostInBunch) this.#untold.add(`${change.kind}:${change.id}`);
    }
    if (!this.#closed) this.#bunch ??= this.#parts.clock.after(bunchMs, () => void this.#sendBunch());
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    void this.#listen(false);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  close(): void {
    this.#closed = true;
    this.#bunch?.cancel();
    this.#listeners.clear();
    this.#stop();
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  async #sendBunch(): Promise<void> {
    this.#bunch = null;
    const payloads = packed(this.#self, [...this.#untold]);
    this.#untold.clear();
    // When the database is away, nobody can read what changed either.
    await this.#parts.read(() => notify(payloads)).catch(() => {});
  }

  async #listen(again: boolean): Promise<void> {
    if (this.#opening || this.#client !== null || this.#listeners.size === 0) return;
    this.#opening = true;
    try {
      const client = await openClient(this.#parts.url, usualLimits.answer);
      client.once("end", () => this.#lost(client));
      client.on("notification", ({ payload = "" }) => this.#heard(payload));
      this.#client = client;
      await client.query("SELECT pg_advisory_lock_shared($1)", [listening]);
      await client.query(`LISTEN ${channel}`);
      this.#askLater(client);
      if (this.#listeners.size === 0) this.#stop();
      else if (again) for (const change of await this.#parts.read(newest)) this.#tell(change);
    } catch {
      if (this.#client === null) this.#listenLater();
      else this.#stop(true);
    } finally {
      this.#opening = false;
    }
  }

  #heard(payload: string): void {
    const [from, ...told] = payload.split("\n");
    if (from === this.#self) return;
    for (const one of told) {
      const at = one.indexOf(":");
      this.#tell({ kind: one.slice(0, at) as Change["kind"], id: one.slice(at + 1) });
    }
  }

  /** A connection may be gone without a word. */
  #askLater(client: Client): void {
    this.#timer = this.#parts.clock.after(askMs, () => void this.#ask(client));
  }

  async #ask(client: Client): Promise<void> {
    try {
      await client.query("SELECT 1");
      if (this.#client === client) this.#askLater(client);
    } catch {
      this.#lost(client);
    }
  }

  #lost(client: Client): void {
    if (this.#client === client) this.#stop(true);
  }

  #stop(again = false): void {
    this.#timer?.cancel();
    this.#timer = null;
    const client = this.#client;
    this.#client = null;
    void client?.end().catch(() => {});
    if (again) this.#listenLater();
  }

  #listenLater(): void {
    if (!this.#closed) this.#timer = this.#parts.clock.after(againMs, () => void this.#listen(true));
  }
}

function packed(self: string, told: readonly string[]): string[] {
  const payloads: string[] = [];
  let payload = self;
  for (const one of told) {
    if (Buffer.byteLength(payload) + Buffer.byteLength(one) + 1 > longestPayload) {
      payloads.push(payload);
      payload = self;
    }
    payload += `\n${one}`;
  }
  return payload === self ? payloads : [...payloads, payload];
}

/** Whoever listens holds the lock: when it can be had, there is nobody to tell. */
function* notify(payloads: readonly string[]): Sql<void> {
  for (const payload of payloads) {
    yield* sql.all(
      `SELECT pg_notify('${channel}', ?) WHERE NOT pg_try_advisory_xact_lock(?)`,
      payload,
      listening,
    );
  }
}

function* newest(): Sql<Change[]> {
  const changes: Change[] = [];
  for (const [kind, table] of [
    ["event", "events"],
    ["run", "runs"],
    ["action", "actions"],
  ] as const) {
    const rows = yield* sql.all(`SELECT id FROM ${table} ORDER BY id DESC LIMIT ?`, newestRows);
    changes.push(...rows.map((row) => ({ kind, id: text(row, "id") })));
  }
  const breakers = yield* sql.all("SELECT key AS id FROM state WHERE scope = 'breaker'");
  return [...changes, ...breakers.map((row) => ({ kind: "breaker" as const, id: text(row, "id") }))];
}
