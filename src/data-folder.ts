/**
 * What a process keeps in the data folder beside the journal: the admin token, and where it listens.
 *
 * In the server profile several processes may share a folder. Each has a file of its own, `server.HOST.PID.json`, and
 * `server.json` is whose process came first; the CLI asks any of those that are alive on its host.
 */
import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { version } from "./package.ts";
import type { Clock } from "./resilience/clock.ts";

/** Made when it is missing; only its owner may look into it. */
export const makeFolder = (dataDir: string): void =>
  void mkdirSync(dataDir, { recursive: true, mode: 0o700 });

/** Made once and kept for the CLI to read; only its owner may. Of several processes the first one makes it. */
export function ownToken(dataDir: string): string {
  const file = join(dataDir, "admin-token");
  const there = readIfThere(file);
  if (there !== null) return there.trim();
  const token = randomBytes(32).toString("base64url");
  // Written whole under another name first: whoever sees the file can read the token.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${token}\n`, { mode: 0o600 });
  try {
    linkSync(draft, file);
    return token;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    return readFileSync(file, "utf8").trim();
  } finally {
    rmSync(draft, { force: true });
  }
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Keys as under `server:`; `host` and `port` are null for a process that does not receive. */
export interface ServerFile {
  readonly pid: number;
  readonly version: string;
  readonly host: string | null;
  readonly port: number | null;
  readonly adminHost: string;
  readonly adminPort: number;
}

interface Listening {
  readonly ingest: Place | null;
  readonly admin: Place;
  /** Other processes may tell the same. */
  readonly shared: boolean;
}

const againMs = 5_000;

/**
 * Tells the CLI, and whoever else may read the folder, where this process listens. The answer takes it back. It waits for
 * space where the disk is full: senders are to be told to come again, which needs a service that is up.
 */
export function writeServerFile(dataDir: string, listening: Listening, clock: Clock): () => void {
  let remove = () => {};
  let again = { cancel: () => {} };
  function write(): void {
    try {
      remove = writeFiles(dataDir, listening);
    } catch (error) {
      if (!isFull(error)) throw error;
      again = clock.after(againMs, write);
    }
  }
  write();
  return () => {
    again.cancel();
    remove();
  };
}

/** Whether the disk has no room, as the system or the database says it. */
export const isFull = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes(codeOf(error)) ||
  (error instanceof Error && "errcode" in error && error.errcode === sqliteFull);
const sqliteFull = 13;

function writeFiles(dataDir: string, { ingest, admin, shared }: Listening): () => void {
  const content: ServerFile = {
    pid: process.pid,
    version,
    host: ingest?.host ?? null,
    port: ingest?.port ?? null,
    adminHost: admin.host,
    adminPort: admin.port,
  };
  const text = `${JSON.stringify(content, null, 2)}\n`;
  const common = join(dataDir, "server.json");
  if (!shared) {
    writeWhole(common, text);
    return () => rmSync(common, { force: true });
  }
  const own = join(dataDir, `server.${hostname()}.${process.pid}.json`);
  writeWhole(own, text);
  const first = parsed(common);
  if (first === null || !isAlive(first.pid)) writeWhole(common, text);
  return () => {
    rmSync(own, { force: true });
    if (parsed(common)?.pid === process.pid) rmSync(common, { force: true });
  };
}

/** Whoever looks for the file finds all of it, or none. */
function writeWhole(file: string, text: string): void {
  try {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  } catch (error) {
    rmSync(`${file}.new`, { force: true });
    throw error;
  }
}

/** Where a process of this host listens; of several, one that receives. Null when none is known to run. */
export function readServerFile(dataDir: string): ServerFile | null {
  const mine = `server.${hostname()}.`;
  const names = namesIn(dataDir).filter((name) => name.startsWith(mine) && name.endsWith(".json"));
  const shared = names
    .map((name) => parsed(join(dataDir, name)))
    .filter((file) => file !== null && isAlive(file.pid));
  return shared.find((file) => file?.port !== null) ?? shared[0] ?? parsed(join(dataDir, "server.json"));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function parsed(file: string): ServerFile | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ServerFile;
  } catch {
    return null;
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "unknown";
