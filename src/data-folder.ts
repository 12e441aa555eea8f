/** What a process keeps in the data folder beside the journal: the admin token, and where it listens. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "./package.ts";

/** Made once and kept for the CLI to read; only its owner may. */
export function ownToken(dataDir: string): string {
  const file = join(dataDir, "admin-token");
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const token = randomBytes(32).toString("base64url");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  return token;
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/**
 * Tells the CLI, and whoever else may read the folder, where the service listens; keys as under `server:`. The answer
 * takes the file away.
 */
export function writeServerFile(dataDir: string, ingest: Place, admin: Place): () => void {
  const content = {
    pid: process.pid,
    version,
    host: ingest.host,
    port: ingest.port,
    adminHost: admin.host,
    adminPort: admin.port,
  };
  const file = join(dataDir, "server.json");
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return () => rmSync(file, { force: true });
}
