/**
 * One process of the service, as the harness starts and kills it:
 *
 *   starting ──▶ up ──kill, terminate, fail point──▶ over
 *       └───────────────── fail point ───────────────▲
 */
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../src/package.ts";

/** How a life of the service ended. */
export interface Death {
  /** What of it ended. */
  readonly who: string;
  /** The fail point it killed itself at; null when it was killed or stopped from outside. */
  readonly point: string | null;
  /** Points it came by in this life. */
  readonly passed: readonly string[];
  /** Set when nobody ordered its end: what it wrote last. */
  readonly unexpected: string | null;
}

interface ProgramParts {
  /** How it is called where its end is told. */
  readonly name: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

export interface Program {
  /** Resolves once it is up, or over. */
  readonly started: Promise<void>;
  readonly ended: Promise<Death>;
  /** Fail points it came by so far. */
  readonly passed: ReadonlySet<string>;
  kill(): void;
  terminate(): void;
  /** Null while it is not up; `ingest` is null in one that does not receive. */
  urls(): { readonly ingest: string | null; readonly admin: string } | null;
}

const adminToken = "chaos-admin-token";
const main = join(packageRoot, "dist", "src", "main.js");
export const dataIn = (folder: string): string => join(folder, "data");

/** Starts processes on a folder; what they log goes to `service.log` in it. */
export function programsIn(
  folder: string,
): (parts: Omit<ProgramParts, "folder">, failPoints: string) => Program {
  const log = createWriteStream(join(folder, "service.log"), { flags: "a" });
  const alive = new Set<Program>();
  process.once("exit", () => alive.forEach((one) => one.kill()));
  return (parts, failPoints) => {
    const program = spawnProgram({ ...parts, folder }, failPoints, (text) => log.write(text));
    alive.add(program);
    void program.ended.then(() => alive.delete(program));
    return program;
  };
}

function spawnProgram(
  { name, folder, env, args }: ProgramParts,
  failPoints: string,
  log: (text: string) => void,
): Program {
  const data = dataIn(folder);
  const child = spawn(process.execPath, [main, "start", ...args], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: tmpdir(),
      LOG_LEVEL: "warn",
      ...env,
      SIGNALBOX_DATA_DIR: data,
      SIGNALBOX_ADMIN_TOKEN: adminToken,
      SIGNALBOX_FAIL_POINTS: failPoints,
    },
  });
  const passed = new Set<string>();
  let urls: ReturnType<Program["urls"]> = null;
  let ordered = false;
  let over = false;
  let point: string | null = null;
  let last = "";
  let rest = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log(text);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, passedBy, what] = /^fail point (\S+): (\w+)$/.exec(line) ?? [];
      if (passedBy === undefined) last = line;
      else passed.add(passedBy);
      if (passedBy !== undefined && what === "kill") point = passedBy;
    }
  });
  const ended = new Promise<Death>((resolve) => {
    child.once("close", (code, signal) => {
      urls = null;
      over = true;
      const expected = ordered || (point !== null && signal === "SIGKILL");
      const unexpected = expected ? null : `${name} ended with ${signal ?? code}: ${last}`;
      resolve({ who: name, point: signal === "SIGKILL" ? point : null, passed: [...passed], unexpected });
    });
  });
  async function untilUp(): Promise<void> {
    for (; !over; await new Promise((resolve) => setTimeout(resolve, 20))) {
      urls = urlsOf(data, child.pid);
      if (urls !== null) return;
    }
  }
  const signal = (what: NodeJS.Signals) => {
    ordered = true;
    child.kill(what);
  };
  return {
    started: untilUp(),
    ended,
    passed,
    kill: () => signal("SIGKILL"),
    terminate: () => signal("SIGTERM"),
    urls: () => urls,
  };
}

/** An earlier process may have left its file behind, and in a fleet another has it: the pid says whose it is. */
function urlsOf(data: string, pid: number | undefined): ReturnType<Program["urls"]> {
  const own = join(data, `server.${hostname()}.${pid}.json`);
  const at = (port: number) => `http://127.0.0.1:${port}`;
  try {
    const file = existsSync(own) ? own : join(data, "server.json");
    const found = JSON.parse(readFileSync(file, "utf8")) as {
      pid: number;
      port: number | null;
      adminPort: number;
    };
    if (found.pid !== pid) return null;
    return { ingest: found.port === null ? null : at(found.port), admin: at(found.adminPort) };
  } catch {
    return null;
  }
}

/** Asks the admin API at `url`. Null when it answers nothing, or anything but 2xx. */
export async function askAdmin<T>(url: string, path: string, body?: object): Promise<T | null> {
  const headers = { Authorization: `Bearer ${adminToken}`, "Content-Type": "application/json" };
  const content = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const signal = AbortSignal.timeout(30_000);
  const answer = await fetch(url + path, { headers, ...content, signal }).catch(() => null);
  if (!answer?.ok) return null;
  return (await answer.json().catch(() => null)) as T | null;
}
