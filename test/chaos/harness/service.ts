/**
 * The service under test, as the harness needs it: something that is started, killed and started again on the same
 * data, that takes webhooks and can be asked what it did. Here it is one process on SQLite; fleet.ts has several on
 * PostgreSQL and Redis.
 *
 *   down ──start──▶ starting ──▶ up ──kill, stop, fail point──▶ down
 *                       └────────── fail point ─────────────────▲
 */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askAdmin, dataIn, programsIn } from "./program.ts";
import type { Death, Program } from "./program.ts";

export interface ServiceUnderTest {
  /** Starts it with these fail points armed. Resolves once it is up, or has died on the way there. */
  start(failPoints: string): Promise<void>;
  /** Resolves with how this life ends. */
  ended(): Promise<Death>;
  /** `kill -9`. Returns at once; `ended` tells. */
  kill(): void;
  /** SIGTERM: it drains and ends. */
  terminate(): void;
  /** Where webhooks go; null while it is down. */
  ingestUrl(): string | null;
  /** Asks the admin API. Null when it is down, or answers anything but 2xx. */
  admin<T>(path: string, body?: object): Promise<T | null>;
  /** How large its store is, in pages of SQLite; null where that is no file whose disk could be full. */
  pages(): number | null;
  /** How often what of it ended, where it is more than one process. */
  deaths(): Readonly<Record<string, number>>;
  /** Ends all that it started, however it stands. */
  close(): Promise<void>;
}

export interface ServiceParts {
  readonly folder: string;
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
}

const pageBytes = 4_096;

export function embeddedService({ folder, config, env }: ServiceParts): ServiceUnderTest {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "signalbox.yaml"), config);
  const spawned = programsIn(folder);
  let life: Program | null = null;
  return {
    async start(failPoints) {
      life = spawned({ name: "the service", env, args: [] }, failPoints);
      await life.started;
    },
    ended: () => life?.ended ?? Promise.reject(new Error("it was never started")),
    kill: () => life?.kill(),
    terminate: () => life?.terminate(),
    ingestUrl: () => life?.urls()?.ingest ?? null,
    admin: async <T>(path: string, body?: object) => {
      const url = life?.urls()?.admin;
      return url === undefined ? null : askAdmin<T>(url, path, body);
    },
    pages: () => {
      const file = join(dataIn(folder), "journal.db");
      return existsSync(file) ? Math.ceil(statSync(file).size / pageBytes) : 0;
    },
    deaths: () => ({}),
    async close() {
      life?.kill();
      await life?.ended;
    },
  };
}
