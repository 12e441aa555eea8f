/**
 * Real servers for the tests. A run of the tests has one folder; the first test file that needs a server starts it
 * there, those that come later (in other threads) find it, and it is stopped, by its pid, when the run is over.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    servers: string;
  }
}

/** Vitest calls it once, before the first file. */
export function setup(project: TestProject): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-servers-"));
  chmodSync(folder, 0o711);
  project.provide("servers", folder);
  return async () => {
    const pids = readdirSync(folder).filter((name) => name.endsWith(".pid"));
    for (const name of pids) await end(Number(readFileSync(join(folder, name), "utf8")), "SIGINT");
    rmSync(folder, { recursive: true, force: true });
  };
}

/** One that has ended and that nobody has waited for still has its pid: its parent was a thread that is gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/^\d+ \(.*\) Z/s.test(readFileSync(stat, "utf8"));
  } catch {
    return false;
  }
}

/** Signals a process, and resolves once it is gone. */
export async function end(pid: number, signal: NodeJS.Signals): Promise<void> {
  if (isAlive(pid)) process.kill(pid, signal);
  while (isAlive(pid)) await pause(10);
}

/** The server of this run by that name: its address, from whoever comes first. */
export async function serverOfThisRun(
  folder: string,
  name: string,
  start: (at: string) => Promise<{ pid: number; url: string }>,
): Promise<string> {
  const at = join(folder, name);
  const address = `${at}.url`;
  const failure = `${at}.failed`;
  try {
    mkdirSync(at);
  } catch {
    while (!existsSync(address)) {
      if (existsSync(failure)) throw new Error(readFileSync(failure, "utf8"));
      await pause(20);
    }
    return readFileSync(address, "utf8");
  }
  try {
    const { pid, url } = await start(at);
    writeFileSync(`${at}.pid`, String(pid));
    writeFileSync(`${address}.new`, url);
    renameSync(`${address}.new`, address);
    return url;
  } catch (error) {
    writeFileSync(failure, error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error("no port was given"));
      });
    });
  });
}

/** PostgreSQL refuses to run as root: then it runs as `nobody`, who is given the folder. */
const nobody = 65_534;
const unprivileged = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

/** Its output goes to `log`: whoever started it may be gone before it. */
export function spawnUnprivileged(
  program: string,
  args: readonly string[],
  options: { readonly folder: string; readonly log: string },
): ChildProcess {
  if (unprivileged.uid !== undefined) chownSync(options.folder, unprivileged.uid, unprivileged.gid);
  const log = openSync(options.log, "a");
  try {
    return spawn(program, args, {
      ...unprivileged,
      cwd: options.folder,
      env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", log, log],
    });
  } finally {
    closeSync(log);
  }
}
