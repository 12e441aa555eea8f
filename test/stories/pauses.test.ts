/** A person brings everything to a halt with the command line, and lets it go on. */
import { afterEach, describe, expect, it } from "vitest";
import { deliver, signGithub } from "../../src/sandbox/senders.ts";
import { startProgram } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] } }
routes: [{ name: review, source: github, events: ["pull_request.*"], agent: pr-review, mode: auto }]
`;
const payload = {
  action: "opened",
  number: 7,
  pull_request: { number: 7, state: "open", draft: false, user: { login: "ada", type: "User" } },
  repository: { name: "web", full_name: "acme/web", owner: { login: "acme" } },
};

describe("pause and resume", () => {
  let program: RunningProgram | undefined;
  afterEach(async () => {
    await program?.kill();
    program?.remove();
  });

  it("stop all work and let it go on, while receiving goes on and a restart forgets nothing", async () => {
    const env = { GITHUB_WEBHOOK_SECRET: "s" };
    let running = await startProgram({ config, env });
    program = running;
    const paused = await running.cli("pause", "all", "--reason", "moving house");
    expect(paused).toMatchObject({ code: 0, stdout: expect.stringContaining("all is paused") });
    await running.kill();
    running = await startProgram({ config, env, folder: running.folder });
    program = running;
    const sent = await deliver(
      `${running.ingestUrl}/webhooks/github`,
      signGithub({ secret: "s", event: "pull_request", payload }),
    );
    expect(sent.status).toBe(200);
    const list = JSON.parse((await running.cli("pause", "--json")).stdout) as { items: object[] };
    expect(list.items).toMatchObject([{ name: "all", by: "person", reason: "paused by hand: moving house" }]);
    const runs = async () => {
      const { stdout } = await running.cli("runs", "list", "--json");
      return (JSON.parse(stdout) as { items: { status: string }[] }).items.map(({ status }) => status);
    };
    expect(await runs()).toEqual(["queued"]);
    expect((await fetch(`${running.adminUrl}/readyz`)).status).toBe(200);

    expect(await running.cli("pause", "slakc")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("neither an agent nor a destination slakc"),
    });
    expect(await running.cli("resume", "all")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("all goes on"),
    });
    await expect.poll(runs, { timeout: 60_000 }).toEqual(["succeeded"]);
    const audit = JSON.parse((await running.cli("audit", "list", "--json")).stdout) as { items: object[] };
    expect(audit.items).toMatchObject([
      { deed: "resume", by: "cli", object: "all" },
      { deed: "pause", by: "cli", object: "all", reason: "moving house" },
    ]);
  });
});
