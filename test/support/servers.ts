/** What starting and ending a real server takes. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, chownSync, closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

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

/** A file that whoever the server runs as may read, and nobody else. */
export function giveToServer(file: string): void {
  chmodSync(file, 0o600);
  if (unprivileged.uid !== undefined) chownSync(file, unprivileged.uid, unprivileged.gid);
}

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
