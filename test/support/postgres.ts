/** A throw-away PostgreSQL on a free port, with its data in a folder of its own. */
import { spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { postgresFolder } from "../../.config/install-servers.mjs";
import { end, freePort, spawnUnprivileged } from "./servers.ts";

const binaries = postgresFolder();
export const postgresPresent = binaries !== null;
/** For the titles of `describe.skipIf(!postgresPresent)`. */
export const postgresNote = postgresPresent
  ? ""
  : " [skipped: PostgreSQL is not installed; `npm test` installs it on Debian as root]";

export interface PostgresServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** SIGKILL of the server, and so of all its processes, as a power cut would. Resolves once they are gone. */
  kill(): Promise<void>;
  /** The same data on the same port. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const major = (): number =>
  Number(/\d+/.exec(spawnSync(join(binaries ?? "", "postgres"), ["--version"]).stdout.toString())?.[0] ?? 0);

/** A server of its own, for a test that kills it. `settings` are `name=value`. */
export async function startPostgres(
  settings: readonly string[] = [],
  at = mkdtempSync(join(tmpdir(), "signalbox-pg-")),
): Promise<PostgresServer> {
  if (binaries === null) throw new Error("PostgreSQL is not installed");
  // Whoever the server runs as has to come by here.
  chmodSync(at, 0o711);
  const data = join(at, "data");
  mkdirSync(data);
  const log = join(at, "log");
  const launch = (program: string, args: readonly string[]): ChildProcess =>
    spawnUnprivileged(join(binaries, program), args, { folder: data, log });
  const initdb = launch("initdb", ["-D", data, "-U", "signalbox", "-A", "trust", "-E", "UTF8", "--no-sync"]);
  const [code] = (await once(initdb, "close")) as [number | null];
  if (code !== 0) throw new Error(`initdb failed: ${readFileSync(log, "utf8")}`);
  const port = await freePort();
  const url = `postgresql://signalbox@127.0.0.1:${port}/postgres`;
  const options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];
  // After a kill it flushes all of its files, most of which nobody wrote to.
  if (major() >= 14) options.push("recovery_init_sync_method=syncfs");
  const given = [...options, ...settings].flatMap((setting) => ["-c", setting]);
  let pid = 0;
  /** Whether it answers; false when it ended at once. */
  const begin = async (): Promise<boolean> => {
    const child = launch("postgres", ["-D", data, "-p", String(port), ...given]);
    let ended = false;
    child.once("close", () => (ended = true));
    if (child.pid === undefined) throw new Error("PostgreSQL could not be started");
    pid = child.pid;
    while (!(await answers(url))) {
      if (ended) return false;
      await pause(20);
    }
    return true;
  };
  const start = async (): Promise<void> => {
    // After a SIGKILL its own processes live on for a moment, and with them the memory that a new server refuses to share.
    for (let attempt = 0; attempt < 50; attempt += 1) {
      if (await begin()) return;
      await pause(100);
    }
    throw new Error(`PostgreSQL did not start: ${readFileSync(log, "utf8").slice(-4_000)}`);
  };
  await start();
  return {
    url,
    port,
    get pid() {
      return pid;
    },
    start,
    kill: () => end(pid, "SIGKILL"),
    async stop() {
      await end(pid, "SIGINT");
      rmSync(at, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
