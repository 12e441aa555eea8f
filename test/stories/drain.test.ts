/** A stop while a vendor takes its time: what can end ends, what can't is handed back and goes on at once elsewhere. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GithubSandbox } from "../../src/sandbox/github.ts";
import { startGithub } from "../../src/sandbox/github.ts";
import { deliver, signGithub } from "../../src/sandbox/senders.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { startProgram } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const config = (drainTimeout: string) => `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] } }
routes: [{ name: review, source: github, events: ["pull_request.*"], agent: pr-review, mode: auto }]
destinations: { github: { token: "\${GITHUB_TOKEN}", baseUrl: "\${GITHUB_API_URL}" } }
worker: { drainTimeout: ${drainTimeout} }
`;
const payload = {
  action: "opened",
  number: 7,
  pull_request: { number: 7, state: "open", draft: false, user: { login: "ada", type: "User" } },
  repository: { name: "web", full_name: "acme/web", owner: { login: "acme" } },
};

interface RunRow {
  readonly status: string;
  readonly attempts: number;
}

describe("SIGTERM during a slow call to a vendor", () => {
  let github: GithubSandbox;
  const programs: RunningProgram[] = [];
  beforeEach(async () => {
    github = await startGithub({ now: () => systemClock.now() });
    github.addPullRequest({
      owner: "acme",
      repo: "web",
      number: 7,
      title: "Count in German",
      body: "It counts.",
      branch: "german",
      baseSha: "ba5eba5e",
      headSha: "4ead4ead",
      author: "ada",
      files: [
        {
          filename: "a.ts",
          status: "modified",
          additions: 1,
          deletions: 1,
          patch: "@@ -1 +1 @@\n-two\n+zwei",
        },
      ],
    });
  });
  afterEach(async () => {
    for (const program of programs) await program.kill();
    for (const program of programs.splice(0)) program.remove();
    await github.close();
  });

  const start = async (drainTimeout: string, folder?: string): Promise<RunningProgram> => {
    const program = await startProgram({
      config: config(drainTimeout),
      env: { GITHUB_WEBHOOK_SECRET: "s", GITHUB_TOKEN: "ghp_story", GITHUB_API_URL: github.url },
      ...(folder === undefined ? {} : { folder }),
    });
    programs.push(program);
    return program;
  };
  const push = (program: RunningProgram) =>
    deliver(
      `${program.ingestUrl}/webhooks/github`,
      signGithub({ secret: "s", event: "pull_request", payload }),
    );
  const runOf = async (program: RunningProgram): Promise<RunRow | undefined> => {
    const answer = await fetch(`${program.adminUrl}/api/runs`, {
      headers: { Authorization: `Bearer ${program.token}` },
    });
    return ((await answer.json()) as { items: RunRow[] }).items[0];
  };
  const writes = () => github.requests.filter(({ method }) => method === "POST");
  const comments = () => github.state.reviews.length + github.state.issueComments.length;

  it("hands the run back when its time is over, and the next process ends it at once, and once", async () => {
    github.faults.stall({ when: ({ method }) => method === "POST" });
    const first = await start("3s");
    await push(first);
    await expect.poll(() => writes().length, { timeout: 60_000 }).toBe(1);
    const stopped = first.stop();
    await expect
      .poll(async () => (await fetch(`${first.adminUrl}/readyz`)).status, { timeout: 60_000, interval: 20 })
      .toBe(503);
    await expect(push(first)).rejects.toThrow("fetch failed");
    expect(await stopped).toBe(0);
    expect(first.stderr()).toContain("run.handed-back");
    expect(comments()).toBe(0);

    const second = await start("3s", first.folder);
    await expect.poll(async () => (await runOf(second))?.status, { timeout: 60_000 }).toBe("succeeded");
    expect((await runOf(second))?.attempts).toBe(1);
    expect(comments()).toBe(1);
  });

  it("lets a run end that can, and ends then", async () => {
    github.faults.stall({ when: ({ method }) => method === "POST" });
    const first = await start("30s");
    await push(first);
    await expect.poll(() => writes().length, { timeout: 60_000 }).toBe(1);
    const stopped = first.stop();
    await expect
      .poll(async () => (await fetch(`${first.adminUrl}/readyz`)).status, { interval: 20 })
      .toBe(503);
    // The connection breaks: the attempt ends, and is retried by the next process.
    github.faults.down();
    expect(await stopped).toBe(0);
    expect(first.stderr()).not.toContain("run.handed-back");
    github.faults.up();
    const second = await start("30s", first.folder);
    await expect.poll(async () => (await runOf(second))?.status, { timeout: 60_000 }).toBe("succeeded");
    expect(comments()).toBe(1);
  });

  it("is cut at once by a second signal, and nothing is lost", async () => {
    github.faults.stall({ when: ({ method }) => method === "POST" });
    const first = await start("30s");
    await push(first);
    await expect.poll(() => writes().length, { timeout: 60_000 }).toBe(1);
    void first.stop();
    await expect
      .poll(async () => (await fetch(`${first.adminUrl}/readyz`)).status, { interval: 20 })
      .toBe(503);
    expect(await first.stop()).toBe(1);
    const second = await start("30s", first.folder);
    await expect.poll(async () => (await runOf(second))?.status, { timeout: 60_000 }).toBe("succeeded");
    expect(comments()).toBe(1);
  });
});
