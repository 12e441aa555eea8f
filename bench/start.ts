/**
 * How long a start takes, as a sender sees it: from the spawn of `signalbox start` with an empty data folder to the
 * first signed webhook that is answered 200, and how much memory the service holds when it has had nothing to do for
 * five seconds. A bare `node -e 0` is timed in the same rounds: it is what any program on Node pays.
 *
 *   npm run bench:start -- [--rounds 7]
 */
import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "./load.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
const rounds = Number(values.rounds);

const secret = "bench-secret-0123456789";
const root = fileURLToPath(new URL("../..", import.meta.url));
const idleMs = 5_000;
const askEveryMs = 5;
const giveUpMs = 30_000;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function accepted(port: number): Promise<boolean> {
  const body = JSON.stringify({ action: "opened", id: randomUUID() });
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const response = await fetch(`http://127.0.0.1:${port}/webhooks/github`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-GitHub-Event": "pull_request",
      "X-GitHub-Delivery": randomUUID(),
      "X-Hub-Signature-256": `sha256=${signature}`,
    },
    body,
  }).catch(() => null);
  await response?.arrayBuffer();
  return response?.status === 200;
}

/** Resident memory in MB, as the system counts it. */
function residentMb(pid: number): number {
  const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kb ?? Number.NaN) / 1_000;
}

async function startOnce(): Promise<{ ms: number; residentMb: number }> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
  const port = await freePort();
  // What an operator starts with: the shipped configuration, with one secret set.
  copyFileSync(join(root, "signalbox.yaml"), join(folder, "signalbox.yaml"));
  const begun = performance.now();
  const child = spawn(process.execPath, [join(root, "dist/src/main.js"), "start"], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      SIGNALBOX_HOST: "127.0.0.1",
      PORT: String(port),
      ADMIN_PORT: "0",
      GITHUB_WEBHOOK_SECRET: secret,
      LOG_LEVEL: "error",
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    while (!(await accepted(port))) {
      if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
      if (performance.now() - begun > giveUpMs) throw new Error("the service took no webhook");
      await wait(askEveryMs);
    }
    const ms = performance.now() - begun;
    await wait(idleMs);
    return { ms, residentMb: residentMb(child.pid ?? 0) };
  } finally {
    if (child.exitCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bareNode(): Promise<number> {
  const begun = performance.now();
  await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
  return performance.now() - begun;
}

const starts: { ms: number; residentMb: number }[] = [];
const bare: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  bare.push(await bareNode());
  starts.push(await startOnce());
}

const line = (name: string, all: readonly number[], unit: string): void =>
  console.log(
    `  ${name.padEnd(36)} ${median(all).toFixed(0).padStart(6)} ${unit}   ` +
      `(${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)})`,
  );
console.log(`${rounds} starts, medians (from best to worst)`);
line("node -e 0", bare, "ms");
line(
  "start to the first webhook stored",
  starts.map((start) => start.ms),
  "ms",
);
line(
  "resident after 5 s idle",
  starts.map((start) => start.residentMb),
  "MB",
);
