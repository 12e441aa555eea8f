import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { deliver, signGithub } from "../../src/sandbox/senders.ts";
import { runProgram, startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] } }
`;
const env = { GITHUB_WEBHOOK_SECRET: "github-secret" };

const running: RunningProgram[] = [];
const folders: (() => void)[] = [];
async function start(options: Partial<Parameters<typeof startProgram>[0]> = {}): Promise<RunningProgram> {
  const program = await startProgram({ config, env, ...options });
  running.push(program);
  return program;
}
afterEach(async () => {
  for (const program of running.splice(0)) {
    await program.kill();
    program.remove();
  }
  for (const remove of folders.splice(0)) remove();
});

/** Runs `start` where it is to fail. */
async function failToStart(text: string, more: Record<string, string> = {}) {
  const { folder, remove } = temporaryFolder();
  folders.push(remove);
  writeFileSync(join(folder, "signalbox.yaml"), text);
  return runProgram(["start"], { cwd: folder, env: { ...env, ...more } });
}

const push = (program: RunningProgram, payload: object) =>
  deliver(
    `${program.ingestUrl}/webhooks/github`,
    signGithub({ secret: "github-secret", event: "push", payload }),
  );

describe("starting and stopping", () => {
  test("it listens, takes a webhook, and stops on SIGTERM with 0 and nothing left behind", async () => {
    const program = await start();
    expect((await fetch(`${program.adminUrl}/readyz`)).status).toBe(200);
    expect(await push(program, { ref: "refs/heads/main" })).toMatchObject({
      status: 200,
      json: { status: "accepted" },
    });
    expect(statSync(join(program.folder, ".signalbox", "admin-token")).mode & 0o077).toBe(0);
    expect(await program.stop()).toBe(0);
    expect(existsSync(join(program.folder, ".signalbox", "server.json"))).toBe(false);
  });

  test("without a terminal it logs JSON lines only, and no link that logs in", async () => {
    const program = await start();
    await program.stop();
    const lines = program.stderr().trim().split("\n");
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages).toContain("signalbox is listening");
    expect(program.stderr()).not.toMatch(/login\?token/);
  });

  test("what was accepted is there after kill -9, and the same request is a duplicate", async () => {
    const first = await start();
    await push(first, { ref: "refs/heads/main", after: "a1" });
    await first.kill();
    const second = await start({ folder: first.folder });
    expect(await push(second, { ref: "refs/heads/main", after: "a1" })).toMatchObject({
      status: 200,
      json: { status: "duplicate" },
    });
  });

  test("a changed file changes whom the ports answer, and says which port waits for the next start", async () => {
    const program = await start();
    const admin = new URL(program.adminUrl);
    const named = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        get({ port: admin.port, path: "/healthz", headers: { Host: host } }, (answer) =>
          resolve(answer.resume().statusCode),
        ).once("error", reject);
      });
    expect(await named("hooks.acme.example")).toBe(421);
    expect(await push(program, { ref: "refs/heads/one" })).toMatchObject({ status: 200 });
    writeFileSync(
      join(program.folder, "signalbox.yaml"),
      config.replace(
        "port: 0, adminPort: 0",
        "port: 1, adminPort: 0, publicUrl: https://hooks.acme.example, adminHosts: [signalbox], requireHttps: true",
      ),
    );
    await expect
      .poll(() => program.stderr(), { timeout: 60_000 })
      .toContain("server.port: another address is taken at the next start");
    expect(await named("hooks.acme.example")).toBe(200);
    expect(await named("signalbox:8090")).toBe(200);
    expect(await named("other.example")).toBe(421);
    expect(await push(program, { ref: "refs/heads/two" })).toMatchObject({ status: 403 });
  });

  test("a second process on the same data folder says so in a sentence and ends with 1", async () => {
    const program = await start();
    const { code, stdout, stderr } = await program.cli("start");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.replace(/\s+/g, " ")).toContain("is in use by another signalbox process");
    expect(stderr).not.toContain("    at ");
    expect((await fetch(`${program.adminUrl}/healthz`)).status).toBe(200);
  });

  test("SIGTERM while it starts ends it in order", async () => {
    const { folder, remove } = temporaryFolder();
    folders.push(remove);
    writeFileSync(join(folder, "signalbox.yaml"), config);
    const main = join(process.cwd(), "dist/src/main.js");
    const child = spawn(process.execPath, [main, "start"], {
      cwd: folder,
      env: { ...env, PATH: process.env["PATH"] ?? "" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    // The first line says that it listens: what comes after it (watching files, a banner) is still the start.
    await once(child.stderr, "data");
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(existsSync(join(folder, ".signalbox", "server.json"))).toBe(false);
  });
});

describe("ending otherwise", () => {
  test("a crash of the runtime ends the process at once, and leaves it to whoever starts it anew", async () => {
    const program = await start();
    process.kill(program.pid, "SIGSEGV");
    await program.ended;
    expect((await start({ folder: program.folder })).pid).not.toBe(program.pid);
  });

  test("a second signal cuts a stop that takes too long", async () => {
    const program = await start();
    // A request that never ends holds the stop up.
    const { port } = new URL(program.ingestUrl);
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    await once(socket, "connect");
    await fetch(`${program.ingestUrl}/healthz`);
    process.kill(program.pid, "SIGINT");
    await untilRefused(program.ingestUrl);
    process.kill(program.pid, "SIGINT");
    expect(await program.ended).toBe(130);
    socket.destroy();
  });
});

/** Once the stop has begun, nobody new is let in. */
async function untilRefused(url: string): Promise<void> {
  for (;;) if (!(await fetch(`${url}/healthz`).catch(() => null))) return;
}

describe("not starting", () => {
  test("a faulty configuration is shown as check shows it, and ends with 3", async () => {
    const { code, stderr } = await failToStart(config.replace("secrets", "secerts"));
    expect(code).toBe(3);
    expect(stderr).toContain("did you mean: secrets");
  });

  test.each(["port", "adminPort"])("a %s in use is one sentence, and ends with 1", async (name) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await failToStart(
      config.replace(`${name}: 0`, `${name}: ${port}, adminHost: 127.0.0.1`),
    );
    await new Promise((resolve) => taken.close(resolve));
    expect(code).toBe(1);
    expect(stderr).toContain(`port ${port} on 127.0.0.1`);
    expect(stderr.replace(/\s+/g, " ")).toContain(`server.${name} to a free one`);
    expect(stderr).not.toContain("    at ");
  });

  test("one half of the server profile ends with 3 and names the other", async () => {
    const { code, stderr } = await failToStart(config, { REDIS_URL: "redis://127.0.0.1:1" });
    expect(code).toBe(3);
    expect(stderr).toContain("REDIS_URL is set without DATABASE_URL");
  });

  test("a data folder that is a file is a sentence, not a stack", async () => {
    const { folder, remove } = temporaryFolder();
    folders.push(remove);
    mkdirSync(join(folder, "work"));
    writeFileSync(join(folder, "work", "signalbox.yaml"), config);
    writeFileSync(join(folder, "data"), "");
    const { code, stderr } = await runProgram(["start"], {
      cwd: join(folder, "work"),
      env: { ...env, SIGNALBOX_DATA_DIR: "../data" },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("SIGNALBOX_DATA_DIR");
    expect(stderr).not.toContain("    at ");
  });
});
