/** A folder of its own with a configuration in it, and what the loader says about it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { renderFaults } from "../../src/config/faults.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { CheckExpression, LoadResult } from "../../src/config/load.ts";
import type { Variables } from "../../src/config/variables.ts";

export const agents = ["email-triage", "churn-intervention", "pr-review"];

export interface Setup {
  readonly env?: Variables;
  readonly checkExpression?: CheckExpression;
  /** Milliseconds since the epoch; else a day before every date that a test names. */
  readonly now?: number;
}

export async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "signalbox-config-"));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

export async function load(text: string, setup: Setup = {}): Promise<LoadResult> {
  const cwd = await folder();
  await writeFile(path.join(cwd, "signalbox.yaml"), text);
  return loadConfig({
    cwd,
    env: setup.env ?? {},
    agents,
    now: setup.now ?? Date.UTC(2026, 0, 1),
    checkExpression: setup.checkExpression ?? (() => null),
  });
}

/** The loaded configuration; the test fails with the faults' text if there are any. */
export async function good(text: string, setup: Setup = {}): Promise<Extract<LoadResult, { ok: true }>> {
  const result = await load(text, setup);
  if (!result.ok) throw new Error(`expected a good configuration:\n${renderFaults(result.faults)}`);
  return result;
}

/** The faults as a person reads them. */
export async function faultsOf(text: string, setup: Setup = {}): Promise<string> {
  const result = await load(text, setup);
  if (result.ok) throw new Error("expected faults, but the configuration was accepted");
  return `\n${renderFaults(result.faults)}\n`;
}
