/**
 * Real servers for the tests. A run of the tests has one folder; the first test file that needs a server starts it
 * there, those that come later (in other threads) find it, and it is stopped, by its pid, when the run is over.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TestProject } from "vitest/node";
import { end } from "./servers.ts";

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
