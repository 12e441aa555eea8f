import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { runProgram, temporaryFolder } from "../support/program.ts";

const folders: (() => void)[] = [];
function folder(files: Readonly<Record<string, string>> = {}): string {
  const made = temporaryFolder();
  folders.push(made.remove);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(made.folder, name), text);
  return made.folder;
}
afterEach(() => {
  for (const remove of folders.splice(0)) remove();
});

const run = (args: readonly string[], cwd = folder(), env: Record<string, string> = {}) =>
  runProgram(args, { cwd, env });

const small = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] } }
`;
const broken = `version: 1
sources:
  github: { type: github, secerts: ["\${GITHUB_WEBHOOK_SECRET}"] }
`;
const longest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

describe("help and usage", () => {
  test("--help lists every command of the contract on stdout, in 80 columns", async () => {
    const { code, stdout } = await run(["--help"]);
    expect(code).toBe(0);
    expect(longest(stdout)).toBeLessThanOrEqual(80);
    const named = [...stdout.matchAll(/^ {2}([a-z-]+)(?: [<[].*?)? {2,}\S/gm)].map((match) => match[1]);
    for (const command of [
      "demo",
      "init",
      "start",
      "check",
      "doctor",
      "send",
      "trigger",
      "events",
      "runs",
      "dead-letters",
      "replay",
      "audit",
      "eval",
      "backtest",
      "review",
      "verify",
      "explain",
      "schema",
      "completion",
    ])
      expect(named).toContain(command);
  });

  test.each([
    [["evnts"], "Did you mean events?"],
    [["events", "show"], "missing required argument"],
    [["check", "--nope"], "unknown option"],
    [["start", "--role", "boss"], "Allowed choices are all, ingest, worker"],
    [["start", "--role", "worker"], "needs the server profile"],
    [["completion", "tcsh"], "Allowed choices are bash, zsh, fish"],
    [["replay"], "nothing says what to replay"],
    [["replay", "--event", "evt_1", "--source", "github"], "exclude each other"],
    [["dead-letters", "replay"], "say which dead letters"],
    [["events", "show", "run_1"], "is a run"],
  ])("%j ends with 2 and says why on stderr", async (args, why) => {
    const { code, stdout, stderr } = await run(args, folder({ "signalbox.yaml": small }));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.replace(/\s+/g, " ")).toContain(why);
  });

  test("--version prints the package's version", async () => {
    const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect((await run(["--version"])).stdout).toBe(`${manifest.version}\n`);
  });

  test("an environment that contradicts itself ends with 3", async () => {
    const { code, stderr } = await run(["check"], folder(), { DATABASE_URL: "postgresql://localhost/a" });
    expect(code).toBe(3);
    expect(stderr).toContain("DATABASE_URL is set without REDIS_URL");
  });

  test.each([[["init"]], [["schema"]], [["completion", "bash"]]])(
    "%j has nothing to do with what is set for a service",
    async (args) => {
      const { code } = await run(args, folder(), {
        DATABASE_URL: "postgresql://localhost/a",
        LOG_LEVEL: "loud",
      });
      expect(code).toBe(0);
    },
  );

  test("without a service, a list says how to start one and ends with 1", async () => {
    const { code, stdout, stderr } = await run(["events", "list"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("signalbox start");
  });

  test("the token of the data folder is not sent to another computer", async () => {
    const cwd = folder();
    mkdirSync(join(cwd, ".signalbox"));
    writeFileSync(join(cwd, ".signalbox", "admin-token"), "the-token-of-this-folder");
    const { code, stderr } = await run(["runs", "list", "--url", "http://signalbox.invalid:8090"], cwd);
    expect(code).toBe(1);
    expect(stderr).toContain("SIGNALBOX_ADMIN_TOKEN");
  });
});

describe("check", () => {
  test("a broken file ends with 3 and shows place, caret and the right word", async () => {
    const { code, stdout } = await run(["check"], folder({ "signalbox.yaml": broken }));
    expect(code).toBe(3);
    expect(stdout).toMatch(/^signalbox\.yaml:3:27 /m);
    expect(stdout).toContain("^^^^^^^");
    expect(stdout).toContain("did you mean: secrets");
  });

  test("--json gives the faults as data", async () => {
    const { code, stdout } = await run(["check", "--json"], folder({ "signalbox.yaml": broken }));
    expect(code).toBe(3);
    const answer = JSON.parse(stdout) as { ok: boolean; faults: { line: number }[]; warnings: unknown[] };
    expect(answer.ok).toBe(false);
    expect(answer.faults[0]?.line).toBe(3);
  });

  test("a right file is ok, with its warnings on stderr", async () => {
    const { code, stdout, stderr } = await run(["check"], folder({ "signalbox.yaml": small }));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok: 1 source, 0 routes, /);
    expect(stderr).toContain("source github is inactive");
  });

  test("a fault in a prompt is found too", async () => {
    const cwd = folder({ "signalbox.yaml": small });
    mkdirSync(join(cwd, "prompts"));
    writeFileSync(join(cwd, "prompts", "pr-review.yaml"), "agent: pr-review\nversion: none\n");
    const { code, stdout } = await run(["check"], cwd);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^prompts\/pr-review\.yaml:2:10 /m);
  });

  test("a faulty configuration hides no fault of a prompt", async () => {
    const cwd = folder({ "signalbox.yaml": broken });
    mkdirSync(join(cwd, "prompts"));
    writeFileSync(join(cwd, "prompts", "pr-review.yaml"), "agent: pr-review\nversion: none\n");
    const { code, stdout } = await run(["check"], cwd);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^signalbox\.yaml:3:27 /m);
    expect(stdout).toMatch(/^prompts\/pr-review\.yaml:2:10 /m);
  });

  test("--config names another file", async () => {
    const { code } = await run(["check", "-c", "other.yaml"], folder({ "other.yaml": small }));
    expect(code).toBe(0);
  });
});

describe("init and schema", () => {
  test("init writes a configuration that check accepts, and keeps it the next time", async () => {
    const cwd = folder();
    const first = await run(["init"], cwd);
    expect(first.code).toBe(0);
    expect(readdirSync(cwd).toSorted()).toEqual([".signalbox", "prompts", "signalbox.yaml"]);
    expect(statSync(join(cwd, ".signalbox")).mode & 0o077).toBe(0);
    expect((await run(["check"], cwd)).code).toBe(0);

    writeFileSync(join(cwd, "signalbox.yaml"), small);
    const second = await run(["init", "--json"], cwd);
    expect((JSON.parse(second.stdout) as { kept: string[] }).kept).toContain("signalbox.yaml");
    expect(readFileSync(join(cwd, "signalbox.yaml"), "utf8")).toBe(small);

    await run(["init", "--force"], cwd);
    expect(readFileSync(join(cwd, "signalbox.yaml"), "utf8")).not.toBe(small);
  });

  test("schema prints the JSON Schema, and --write puts it where editors look", async () => {
    const cwd = folder();
    const printed = JSON.parse((await run(["schema"], cwd)).stdout) as { properties: object };
    expect(Object.keys(printed.properties)).toContain("sources");
    await run(["schema", "--write"], cwd);
    const file = join(cwd, ".signalbox", "schema.json");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(printed);
  });
});

describe("doctor", () => {
  interface Report {
    readonly ok: boolean;
    readonly findings: readonly { check: string; status: string; message: string; fix?: string }[];
  }
  const doctor = async (cwd: string) => {
    const { code, stdout } = await run(["doctor", "--json"], cwd);
    return { code, report: JSON.parse(stdout) as Report };
  };

  test("a port in use is a fault, which says what to do and ends with 4", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, report } = await doctor(
      folder({ "signalbox.yaml": small.replace("port: 0,", `port: ${port},`) }),
    );
    await new Promise((resolve) => taken.close(resolve));
    expect(code).toBe(4);
    expect(report.findings.find((one) => one.status === "fault")).toMatchObject({
      check: "port",
      message: `${port} on 127.0.0.1 is in use`,
    });
  });

  test("a faulty configuration is a fault", async () => {
    const { code, report } = await doctor(folder({ "signalbox.yaml": broken }));
    expect(code).toBe(4);
    expect(report.findings.find((one) => one.status === "fault")?.check).toBe("configuration");
  });

  test("what has no credentials is a warning, which alone ends with 0", async () => {
    const { code, report } = await doctor(folder({ "signalbox.yaml": small }));
    expect(code).toBe(0);
    expect(report.ok).toBe(true);
    expect(report.findings.some((one) => one.message.includes("github is inactive"))).toBe(true);
  });
});

describe("completion", () => {
  test.each(["bash", "zsh", "fish"])("%s gets every command, its parts and its options", async (shell) => {
    const { code, stdout } = await run(["completion", shell]);
    expect(code).toBe(0);
    for (const word of ["dead-letters", "approve", "hash"]) expect(stdout).toContain(word);
  });

  test("the script for bash completes a part of a command, and an option", async () => {
    const { stdout } = await run(["completion", "bash"]);
    const ask = (words: string) => {
      const line = `COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _signalbox; echo "\${COMPREPLY[@]}"`;
      return spawnSync("bash", ["-c", `${stdout}\n${line}`], { encoding: "utf8" }).stdout.trim();
    };
    expect(ask("signalbox review a")).toBe("approve");
    expect(ask("signalbox dead-letters replay --al")).toBe("--all");
    expect(ask("signalbox events list --js")).toBe("--json");
  });
});
