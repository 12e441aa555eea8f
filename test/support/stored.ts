/** What a source accepted, stored in a journal on disk, to look at and to change there as someone else might. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { AcceptedItem } from "../../src/domain/ports.ts";
import type { Wake } from "../../src/domain/queue.ts";
import type { RawRequest, Source } from "../../src/domain/source.ts";
import type { RouteOptions } from "../../src/inbox/routing.ts";
import { createInbox } from "../../src/inbox/accept.ts";
import { compileRoute } from "../../src/inbox/routing.ts";
import type { SqlValue } from "../../src/journal/sql.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { createVault } from "../../src/journal/vault.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { replay } from "../../src/worker/replay.ts";
import { verifyAgain } from "../../src/worker/verify.ts";
import type { ReplayFilter } from "../../src/domain/replay.ts";
import { manualClock } from "./clock.ts";
import { openBeside } from "./beside.ts";

export interface StoredOptions {
  /** Seals the content. */
  readonly key?: Buffer;
  readonly route?: Pick<RouteOptions, "source" | "agent">;
}

/** An empty journal in a folder of its own, closed and removed when the test ends. */
export function openStored({ key, route }: StoredOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-stored-"));
  const clock = manualClock();
  const store = openSqliteJournal({ folder, clock, vault: createVault(key ? [key] : []) });
  const published: string[] = [];
  const queue = {
    publish: (wakes: readonly Wake[]) => void published.push(...wakes.map(({ run }) => run)),
    consume: () => ({ stop: async () => {} }),
  };
  const routes = route
    ? [compileRoute({ name: "all", events: ["*"], mode: "auto", enabled: true, ...route })]
    : [];
  const inbox = createInbox({
    journal: store.journal,
    queue,
    table: () => ({ routes, configHash: "config", promptHash: () => null }),
    clock,
    ids: createIds(clock),
    log: silentLog,
  });
  onTestFinished(async () => {
    await store.journal.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const mapOf = (sources: readonly Source[]) => new Map(sources.map((source) => [source.name, source]));
  const verify = (event: string, ...sources: Source[]) =>
    verifyAgain({ journal: store.journal, sources: mapOf(sources) }, event);
  return {
    ...store,
    inbox,
    clock,
    published,
    /** As the receiver does it. */
    async receive(source: Source, request: RawRequest): Promise<AcceptedItem[]> {
      return inbox.accept(source, request, await source.verify(request), source.identify(request));
    },
    verify,
    replay: (filter: ReplayFilter, dryRun: boolean, ...sources: Source[]) =>
      replay(
        {
          ...store,
          queue,
          jobs: { create: () => Promise.reject(new Error("small replays need no job")) },
          verify: (event) => verify(event, ...sources),
          runsFor: inbox.runsFor,
          expansionOf: inbox.expansionOf,
        },
        filter,
        { dryRun, by: "api" },
      ),
    /** Behind the journal's back. Returns how many rows changed. */
    change(sql: string, ...values: SqlValue[]): number {
      const db = openBeside(join(folder, "journal.db"));
      try {
        return db.run(sql, ...values);
      } finally {
        db.close();
      }
    },
    /** Flips one bit in the middle of a stored value. */
    flip(table: string, column: string, where: string): void {
      const db = openBeside(join(folder, "journal.db"));
      try {
        const value = db.get(`SELECT ${column} AS value FROM ${table} WHERE ${where}`)?.["value"];
        if (!(value instanceof Uint8Array)) throw new Error(`${table}.${column} holds no bytes`);
        const bytes = Buffer.from(value);
        const at = bytes.length >> 1;
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        if (db.run(`UPDATE ${table} SET ${column} = ? WHERE ${where}`, bytes) !== 1)
          throw new Error("more than one row was changed");
      } finally {
        db.close();
      }
    },
    /** Every file of the folder, the write-ahead log included. */
    bytes: (): string =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), "latin1"))
        .join(""),
  };
}

/** What of a credential would be found in a file, however it is written there. */
export const spellings = (text: string): string[] => [
  text,
  Buffer.from(text, "latin1").toString("hex"),
  // Three beginnings: base64 looks different by where in a group of three bytes it starts.
  ...[0, 1, 2].map((skip) => Buffer.from(text, "latin1").subarray(skip).toString("base64").slice(0, 40)),
];
