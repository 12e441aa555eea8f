/** Processes of the real program on a PostgreSQL and a Redis of their own, and a GitHub to work in. */
import { startGithub } from "../../src/sandbox/github.ts";
import type { GithubSandbox } from "../../src/sandbox/github.ts";
import { deliver, signGithub } from "../../src/sandbox/senders.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { startPostgres } from "./postgres.ts";
import type { PostgresServer } from "./postgres.ts";
import { startProgram, temporaryFolder } from "./program.ts";
import type { RunningProgram } from "./program.ts";
import { startRedis } from "./redis.ts";
import type { RedisServer } from "./redis.ts";

export const fleetConfig = (more = "") => `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] } }
routes:
  - name: review
    source: github
    events: ["pull_request.*"]
    agent: pr-review
    mode: auto
    concurrency: { key: "payload.repository.full_name", limit: 3 }
destinations: { github: { token: "\${GITHUB_TOKEN}", baseUrl: "\${GITHUB_API_URL}" } }
worker: { concurrency: 4, drainTimeout: 5s }
breakers: { failures: 50 }
${more}`;

export interface RunRow {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
}

export interface ProcessRow {
  readonly role: string;
  readonly pid: number;
  readonly config: string;
  readonly leading: boolean;
  readonly trouble: string | null;
}

export interface Fleet {
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  readonly github: GithubSandbox;
  readonly folder: string;
  start(role: "ingest" | "worker" | "all"): Promise<RunningProgram>;
  /** Opens a pull request, and tells of it over this process. */
  open(repo: string, number: number, over: RunningProgram): Promise<{ status: number; ms: number }>;
  close(): Promise<void>;
}

export async function openFleet(): Promise<Fleet> {
  const [postgres, redis, github] = await Promise.all([
    startPostgres(),
    startRedis(),
    startGithub({ now: () => systemClock.now() }),
  ]);
  const { folder, remove } = temporaryFolder();
  const programs: RunningProgram[] = [];
  const env = {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    GITHUB_WEBHOOK_SECRET: "s",
    GITHUB_TOKEN: "ghp_story",
    GITHUB_API_URL: github.url,
  };
  return {
    postgres,
    redis,
    github,
    folder,
    async start(role) {
      const program = await startProgram({ config: fleetConfig(), env, folder, args: ["--role", role] });
      programs.push(program);
      return program;
    },
    async open(repo, number, over) {
      addPullRequest(github, repo, number);
      const payload = opened(repo, number);
      const begun = systemClock.now();
      const { status } = await deliver(
        `${over.ingestUrl}/webhooks/github`,
        signGithub({ secret: "s", event: "pull_request", payload }),
      );
      return { status, ms: systemClock.now() - begun };
    },
    async close() {
      for (const program of programs) await program.kill();
      await Promise.all([postgres.stop(), redis.stop(), github.close()]);
      remove();
    },
  };
}

const opened = (repo: string, number: number) => ({
  action: "opened",
  number,
  pull_request: { number, state: "open", draft: false, user: { login: "ada", type: "User" } },
  repository: { name: repo, full_name: `acme/${repo}`, owner: { login: "acme" } },
});

function addPullRequest(github: GithubSandbox, repo: string, number: number): void {
  const known = github.state.pulls.some((one) => one.repo === repo && one.number === number);
  if (known) return;
  const patch = "@@ -1 +1 @@\n-two\n+zwei";
  github.addPullRequest({
    owner: "acme",
    repo,
    number,
    title: "Count in German",
    body: "It counts.",
    branch: `b${number}`,
    baseSha: `ba5e${number}`.padEnd(8, "0"),
    headSha: `4ead${number}`.padEnd(8, "0"),
    author: "ada",
    files: [{ filename: "a.ts", status: "modified", additions: 1, deletions: 1, patch }],
  });
}

/** A list of the admin API of a process. */
export async function list<T>(program: RunningProgram, path: string): Promise<T[]> {
  const answer = await fetch(program.adminUrl + path, {
    headers: { Authorization: `Bearer ${program.token}` },
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { items: T[] }).items;
}
