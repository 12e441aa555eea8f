/** What the measurements of a fleet run on: a PostgreSQL and a Redis of their own, and processes of the real program. */
import { createServer, request as send } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { rmSync } from "node:fs";
import pg from "pg";
import { startAnthropic } from "../src/sandbox/anthropic.ts";
import { startGithub } from "../src/sandbox/github.ts";
import type { GithubSandbox } from "../src/sandbox/github.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { startProgram, temporaryFolder } from "../test/support/program.ts";
import type { RunningProgram } from "../test/support/program.ts";
import { startRedis } from "../test/support/redis.ts";

export const secret = "bench-secret-0123456789";
/** As long as a short answer of a small model takes. */
export const modelMs = 500;

export interface Servers {
  readonly redisPort: number;
  readonly github: GithubSandbox;
  /** An empty database of its own, and whoever works on it. */
  installation(hands: number): Promise<Installation>;
  close(): Promise<void>;
}

export interface Installation {
  readonly url: string;
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  start(role: "ingest" | "worker", count: number): Promise<RunningProgram[]>;
  close(): Promise<void>;
}

const config = (hands: number) => `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${BENCH_SECRET}"] } }
routes: [{ name: review, source: github, events: ["pull_request.*"], agent: pr-review, mode: dry-run }]
models: { main: { provider: anthropic, model: claude-sonnet-5-5 } }
destinations: { github: { token: "\${TOKEN}", baseUrl: "\${GITHUB_API_URL}" } }
worker: { concurrency: ${hands}, perAgent: ${hands} }
`;

export async function startServers(): Promise<Servers> {
  const now = () => Date.now();
  const [postgres, redis, github, anthropic] = await Promise.all([
    startPostgres(["max_wal_size=4GB"]),
    // As docker-compose.yml has it: Redis may lose what it holds.
    startRedis({ args: ["--appendfsync", "everysec"] }),
    startGithub({ now }),
    startAnthropic({ now }),
  ]);
  const model = await startSlowly(anthropic.baseUrl, modelMs);
  let made = 0;
  return {
    redisPort: redis.port,
    github,
    async installation(hands) {
      const name = `bench_${++made}`;
      const maker = new pg.Client({ connectionString: postgres.url });
      await maker.connect();
      await maker.query(`CREATE DATABASE ${name}`);
      await maker.end();
      return installationOn(postgres.url.replace(/postgres$/, name), {
        hands,
        env: {
          DATABASE_URL: postgres.url.replace(/postgres$/, name),
          REDIS_URL: redis.url,
          SIGNALBOX_REDIS_PREFIX: name,
          BENCH_SECRET: secret,
          TOKEN: "bench",
          GITHUB_API_URL: github.url,
          ANTHROPIC_API_KEY: "bench",
          ANTHROPIC_BASE_URL: model.url,
          LOG_LEVEL: "error",
        },
      });
    },
    async close() {
      model.server.close();
      model.server.closeAllConnections();
      await Promise.all([postgres.stop(), redis.stop(), github.close(), anthropic.close()]);
    },
  };
}

function installationOn(
  url: string,
  { hands, env }: { readonly hands: number; readonly env: Readonly<Record<string, string>> },
): Installation {
  const { folder } = temporaryFolder();
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  const programs: RunningProgram[] = [];
  return {
    url,
    query: async (text, values = []) => (await pool.query<Record<string, unknown>>(text, [...values])).rows,
    async start(role, count) {
      const args = ["--role", role];
      // The first one makes the tables and the configuration; the others find them.
      for (let started = 0; started < count; started += 1)
        programs.push(await startProgram({ config: config(hands), env, folder, args }));
      return programs.slice(-count);
    },
    async close() {
      await Promise.all(programs.map((program) => program.stop()));
      await pool.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What is asked here is answered by `target`, `ms` later. */
async function startSlowly(target: string, ms: number): Promise<{ url: string; server: Server }> {
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    setTimeout(() => {
      const asked = send(target + (url ?? ""), { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      asked.on("error", () => outgoing.destroy());
      incoming.pipe(asked);
    }, ms);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
