/**
 * The ingest path against a bare node:http server that reads the body, checks the HMAC and answers: the limit of what
 * any receiver on Node can do. Both run as processes of their own, take turns, and get the same signed bodies over the
 * same number of connections in a closed loop. Every answer of the service is after its flush to disk.
 *
 *   npm run bench:ingest -- [--rounds 5] [--requests 8000] [--connections 64]
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pullRequestBody, signedRequest } from "./github-events.ts";
import { median, percentile, runLoad } from "./load.ts";
import type { LoadResult } from "./load.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "8000" },
    connections: { type: "string", default: "64" },
  },
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);
const connections = Number(values.connections);

const secret = "bench-secret-0123456789";
const root = fileURLToPath(new URL("../..", import.meta.url));

interface Target {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** About as large as a Stripe charge (3.8 kB) or a GitHub pull request (21 kB). */
const request = (size: number): Buffer =>
  signedRequest(pullRequestBody({ action: "opened", number: 7, size }), secret);

async function startLimit(): Promise<Target> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./limit-server.js", import.meta.url)), secret],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { name: "node:http + HMAC only (the limit)", port: Number(line.toString()), child };
}

async function startService(folder: string): Promise<Target> {
  writeFileSync(
    join(folder, "signalbox.yaml"),
    `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${BENCH_SECRET}"] } }
routes: [{ name: none, source: github, events: [push], agent: pr-review, mode: dry-run }]
`,
  );
  const child = spawn(process.execPath, [join(root, "dist/src/main.js"), "start"], {
    cwd: folder,
    env: { PATH: process.env["PATH"], BENCH_SECRET: secret, LOG_LEVEL: "error" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const file = join(folder, ".signalbox", "server.json");
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
  const { port } = JSON.parse(readFileSync(file, "utf8")) as { port: number };
  return { name: "signalbox, stored and flushed", port, child };
}

async function compare(size: number, targets: readonly Target[]): Promise<void> {
  const results = new Map<string, LoadResult[]>(targets.map((target) => [target.name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const target of round % 2 === 0 ? targets : targets.toReversed()) {
      const prepared = Array.from({ length: requests }, () => request(size));
      const result = await runLoad(target.port, prepared, connections);
      // The first round warms up both.
      if (round > 0) results.get(target.name)?.push(result);
    }
  }
  const rates = targets.map((target) => median((results.get(target.name) ?? []).map((one) => one.perSecond)));
  console.log(
    `\n${(size / 1_000).toFixed(1)} kB bodies, ${connections} connections, ${rounds} rounds of ${requests}, medians`,
  );
  targets.forEach((target, index) => {
    const all = (results.get(target.name) ?? []).flatMap((one) => one.latencies);
    const share = Math.round((100 * (rates[index] ?? 0)) / (rates[0] ?? 1));
    const rate = Math.round(rates[index] ?? 0);
    console.log(
      `  ${target.name.padEnd(36)} ${String(rate).padStart(7)} req/s  ${String(share).padStart(3)} %   ` +
        `p50 ${percentile(all, 50).toFixed(1)} ms  p99 ${percentile(all, 99).toFixed(1)} ms`,
    );
  });
}

const folder = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
const targets = [await startLimit(), await startService(folder)];
try {
  for (const size of [3_800, 21_000]) await compare(size, targets);
} finally {
  for (const { child } of targets) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  rmSync(folder, { recursive: true, force: true });
}
