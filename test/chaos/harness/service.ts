/**
 * The service under test, as the harness needs it: something that is started, killed and started again on the same
 * data, that takes webhooks and can be asked what it did. Here it is one process on SQLite; a fleet on PostgreSQL and
 * Redis is another implementation of the same interface, whose `kill` picks one of its processes or servers.
 *
 *   down ──start──▶ starting ──▶ up ──kill, stop, fail point──▶ down
 *                       └────────── fail point ─────────────────▲
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../src/package.ts";

/** How a life of the service ended. */
export interface Death {
  /** The fail point it killed itself at; null when it was killed or stopped from outside. */
  readonly point: string | null;
  /** Points it came by in this life. */
  readonly passed: readonly string[];
  /** Set when nobody ordered its end: what it wrote last. */
  readonly unexpected: string | null;
}

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
  /** How large its store is, in pages of SQLite; 0 where it has none. */
  pages(): number;
}

interface EmbeddedOptions {
  readonly folder: string;
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
}

const token = "chaos-admin-token";
const pageBytes = 4_096;
const main = join(packageRoot, "dist", "src", "main.js");

interface Life {
  readonly child: ChildProcess;
  readonly ended: Promise<Death>;
  ordered: boolean;
  urls: { ingest: string; admin: string } | null;
}

export function embeddedService({ folder, config, env }: EmbeddedOptions): ServiceUnderTest {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "signalbox.yaml"), config);
  const data = join(folder, "data");
  const log = createWriteStream(join(folder, "service.log"), { flags: "a" });
  let life: Life | null = null;
  process.once("exit", () => life?.child.kill("SIGKILL"));

  function spawned(failPoints: string): Life {
    const child = spawn(process.execPath, [main, "start"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: tmpdir(),
        LOG_LEVEL: "warn",
        ...env,
        SIGNALBOX_DATA_DIR: data,
        SIGNALBOX_ADMIN_TOKEN: token,
        SIGNALBOX_FAIL_POINTS: failPoints,
      },
    });
    const passed = new Set<string>();
    let point: string | null = null;
    let last = "";
    let rest = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log.write(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [, name, what] = /^fail point (\S+): (\w+)$/.exec(line) ?? [];
        if (name === undefined) last = line;
        else passed.add(name);
        if (name !== undefined && what === "kill") point = name;
      }
    });
    const born: Life = {
      child,
      ordered: false,
      urls: null,
      ended: new Promise((resolve) => {
        child.once("close", (code, signal) => {
          born.urls = null;
          const ordered = born.ordered || (point !== null && signal === "SIGKILL");
          const unexpected = ordered ? null : `it ended with ${signal ?? code}: ${last}`;
          resolve({ point: signal === "SIGKILL" ? point : null, passed: [...passed], unexpected });
        });
      }),
    };
    return born;
  }

  return {
    async start(failPoints) {
      const born = spawned(failPoints);
      life = born;
      let over = false;
      void born.ended.then(() => (over = true));
      while (!over && born.urls === null) {
        born.urls = urlsIn(join(data, "server.json"), born.child.pid);
        if (born.urls === null) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    ended: () => life?.ended ?? Promise.reject(new Error("it was never started")),
    kill() {
      if (life) life.ordered = true;
      life?.child.kill("SIGKILL");
    },
    terminate() {
      if (life) life.ordered = true;
      life?.child.kill("SIGTERM");
    },
    ingestUrl: () => life?.urls?.ingest ?? null,
    async admin<T>(path: string, body?: object): Promise<T | null> {
      const url = life?.urls?.admin;
      if (url === undefined) return null;
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const content = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      const answer = await fetch(url + path, {
        headers,
        ...content,
        signal: AbortSignal.timeout(30_000),
      }).catch(() => null);
      if (!answer?.ok) return null;
      return (await answer.json().catch(() => null)) as T | null;
    },
    pages: () => {
      const file = join(data, "journal.db");
      return existsSync(file) ? Math.ceil(statSync(file).size / pageBytes) : 0;
    },
  };
}

/** An earlier process may have left its file behind: the pid says whose it is. */
function urlsIn(file: string, pid: number | undefined): Life["urls"] {
  try {
    const found = JSON.parse(readFileSync(file, "utf8")) as { pid: number; port: number; adminPort: number };
    if (found.pid !== pid) return null;
    return { ingest: `http://127.0.0.1:${found.port}`, admin: `http://127.0.0.1:${found.adminPort}` };
  } catch {
    return null;
  }
}
