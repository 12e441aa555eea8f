import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "../support/program.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("../../dist/src/main.js", import.meta.url));

interface Summary {
  readonly events: number;
  readonly notifications: number;
  readonly runs: { readonly succeeded: number; readonly other: Record<string, number> };
  readonly byVendor: Record<string, number>;
  readonly decided: { readonly model: number; readonly rules: number };
  readonly lost: string[];
  readonly duplicated: string[];
}

describe("the demo", () => {
  let folder: string;
  let running: ChildProcess | null = null;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "signalbox-demo-"));
  });
  afterEach(() => {
    running?.kill("SIGKILL");
    running = null;
    rmSync(folder, { recursive: true, force: true });
  });

  function start(...args: string[]): {
    child: ChildProcess;
    text: () => string;
    until: (text: string) => Promise<void>;
  } {
    // A credential in the environment must not reach anything: the demo ignores them all.
    const child = spawn(process.execPath, [program, "demo", ...args], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"],
        STRIPE_API_KEY: "sk_live_must_not_be_used",
        HUBSPOT_TOKEN: "must-not-be-used",
        DATABASE_URL: "postgresql://must-not-be-used",
        LOG_LEVEL: "must-not-be-read",
        CI: "1",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running = child;
    let text = "";
    const waiting: (() => void)[] = [];
    const read = (chunk: Buffer) => {
      text += chunk.toString();
      for (const look of waiting) look();
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    const until = (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => text.includes(wanted) && resolve();
        waiting.push(look);
        child.once("exit", () =>
          reject(new Error(`the demo ended before it said "${wanted}": ${text.slice(-500)}`)),
        );
        look();
      });
    return { child, text: () => text, until };
  }

  const finish = async (child: ChildProcess): Promise<number> =>
    child.exitCode ?? ((await once(child, "exit")) as [number])[0];

  /** The last JSON document of what was printed. */
  function summaryIn(text: string): Summary {
    return JSON.parse(text.slice(text.lastIndexOf("\n{\n"))) as Summary;
  }

  it("runs the scenario once, agrees with the vendors' record, and exits 0", async () => {
    const { child, text } = start("--once", "--json");
    expect(await finish(child), text().slice(-800)).toBe(0);
    const summary = summaryIn(text());
    expect(summary).toMatchObject({ lost: [], duplicated: [], events: 42, runs: { other: {} } });
    expect(summary.decided.model).toBeGreaterThan(0);
    expect(summary.decided.rules).toBeGreaterThan(0);
    expect(Object.keys(summary.byVendor).sort()).toEqual([
      "email",
      "github",
      "hubspot",
      "linear",
      "slack",
      "stripe",
      "zendesk",
    ]);
    expect(text()).not.toContain("must_not_be_used");
  });

  it("killed in the middle and started again, loses no event and does nothing twice", async () => {
    for (const moment of ["1  Signed events", "event     stripe", "2  The models go down"]) {
      const { child, until } = start("--once");
      await until(moment);
      child.kill("SIGKILL");
      await finish(child);
    }
    const { child, text } = start("--once", "--json");
    expect(await finish(child), text().slice(-800)).toBe(0);
    expect(text()).toContain("An earlier demo was cut short");
    expect(summaryIn(text())).toMatchObject({ lost: [], duplicated: [], runs: { other: {} } });
  });

  it("goes on until Ctrl-C, and takes what is triggered beside it, mail too, and counts it like its own", async () => {
    const { child, text, until } = start();
    await until("4  It goes on");
    for (const name of ["inbox.message.received", "stripe.customer.subscription.deleted"]) {
      const sent = await runProgram(["trigger", name, "--json"], { cwd: folder });
      expect(sent.stderr).toContain("this goes to the demo");
      expect(JSON.parse(sent.stdout)).toMatchObject({ status: "accepted", runs: 1 });
    }
    // It goes on until Ctrl-C, and then shows what came of it.
    child.kill("SIGINT");
    expect(await finish(child), text().slice(-800)).toBe(0);
    expect(text()).toMatch(/lost\s+0/);
    expect(text()).toMatch(/duplicated\s+0/);
    const after = await runProgram(["trigger", "inbox.message.received"], { cwd: folder });
    expect(after.code).not.toBe(0);
  });
});
