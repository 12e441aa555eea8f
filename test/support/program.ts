/** The real program, as built, in a process of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/package.ts";

const main = join(packageRoot, "dist", "src", "main.js");
/** Of the environment that the tests run in, what a program needs to run at all: no credential of anybody's. */
const bare = { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), TMPDIR: tmpdir() };

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of its own, removed by `remove`. */
export function temporaryFolder(): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Text for stdin, which is closed after it. */
  readonly input?: string;
  /** Sends SIGTERM. */
  readonly terminate?: AbortSignal;
}

/** Runs one command to its end. */
export async function runProgram(args: readonly string[], options: RunOptions): Promise<Finished> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env: { ...bare, ...options.env },
    stdio: "pipe",
  });
  child.stdin.end(options.input ?? "");
  options.terminate?.addEventListener("abort", () => child.kill("SIGTERM"));
  const output = collect(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit) => resolve(exit));
  });
  return { code, ...output() };
}

function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return () => ({ stdout, stderr });
}

export interface ProgramOptions {
  /** The text of signalbox.yaml; its ports should be 0. */
  readonly config: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Keeps the folder, and so the journal, of an earlier one; else a new one that `stop` and `kill` leave for `remove`. */
  readonly folder?: string;
  /** Of `start`: `--role`, `worker`. */
  readonly args?: readonly string[];
}

export interface RunningProgram {
  readonly folder: string;
  readonly pid: number;
  readonly ingestUrl: string;
  readonly adminUrl: string;
  readonly token: string;
  /** What it has written to stderr so far. */
  stderr(): string;
  /** Runs another command in its folder, with its environment. */
  cli(...args: string[]): Promise<Finished>;
  /** Resolves to the exit code once the process is gone; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** SIGTERM; resolves to the exit code once the process is gone. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves once the process is gone. */
  kill(): Promise<void>;
  /** Deletes the folder. */
  remove(): void;
}

interface ServerFile {
  readonly pid: number;
  readonly port: number | null;
  readonly adminPort: number;
}

/** `node dist/src/main.js start`; resolves once it listens. Rejects with what it wrote when it ends before. */
export async function startProgram(options: ProgramOptions): Promise<RunningProgram> {
  const folder = options.folder ?? temporaryFolder().folder;
  const file = join(folder, "signalbox.yaml");
  // Those that run already on this folder would take it for a change.
  if (!existsSync(file) || readFileSync(file, "utf8") !== options.config) writeFileSync(file, options.config);
  const env = { ...bare, ...options.env };
  const child = spawn(process.execPath, [main, "start", ...(options.args ?? [])], {
    cwd: folder,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const output = collect(child);
  const gone = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const server = await Promise.race([
    serverFileOf(folder, child),
    gone.then((code) => Promise.reject(new Error(`it ended with ${code}:\n${output().stderr}`))),
  ]);
  const token =
    options.env?.["SIGNALBOX_ADMIN_TOKEN"] ??
    readFileSync(join(folder, ".signalbox", "admin-token"), "utf8").trim();
  return {
    folder,
    pid: server.pid,
    ingestUrl: `http://127.0.0.1:${server.port}`,
    adminUrl: `http://127.0.0.1:${server.adminPort}`,
    token,
    stderr: () => output().stderr,
    cli: (...args) => runProgram(args, { cwd: folder, env: { ...options.env } }),
    ended: gone,
    stop: () => {
      child.kill("SIGTERM");
      return gone;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await gone;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** An older process may have left its file behind, and in a fleet another has it: the pid says whose it is. */
function serverFileOf(folder: string, child: ChildProcess): Promise<ServerFile> {
  const data = join(folder, ".signalbox");
  const own = join(data, `server.${hostname()}.${child.pid}.json`);
  const read = (): ServerFile | null => {
    const file = existsSync(own) ? own : join(data, "server.json");
    if (!existsSync(file)) return null;
    try {
      const content = JSON.parse(readFileSync(file, "utf8")) as ServerFile;
      return content.pid === child.pid ? content : null;
    } catch {
      return null;
    }
  };
  return new Promise((resolve) => {
    const watcher = watch(folder, { recursive: true }, look);
    child.once("close", () => watcher.close());
    function look(): void {
      const content = read();
      if (content === null) return;
      watcher.close();
      resolve(content);
    }
    // The log's first line comes after the file: a notice that the watcher missed is made up for.
    child.stderr?.on("data", look);
    look();
  });
}
