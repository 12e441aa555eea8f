/**
 * The way into a demo that runs beside: what it was set up with, written down while it runs, so that `send` and `trigger`
 * can sign for it. All of it was made up for that demo.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readEnvironment } from "../config/environment.ts";
import type { Environment, Variables } from "../config/environment.ts";
import { packageRoot } from "../package.ts";
import type { Context } from "./context.ts";

export const demoFolder = ({ cwd, environment }: Context): string =>
  join(resolve(cwd, environment.dataDir), "demo");

const fileIn = (folder: string): string => join(folder, "environment.json");

/** The demo's own, from the package: what it runs does not depend on where it is started. */
export const demoConfig = join(packageRoot, "signalbox.yaml");

/** `close` when the demo ends. */
export function openDoor(folder: string, { variables }: Environment): { close(): void } {
  writeFileSync(fileIn(folder), JSON.stringify(variables), { mode: 0o600 });
  return { close: () => rmSync(fileIn(folder), { force: true }) };
}

/** What a command is called with to reach the demo of this data folder; null when none runs. */
export function demoContext(context: Context): Context | null {
  const folder = demoFolder(context);
  if (!existsSync(fileIn(folder)) || !existsSync(join(folder, "server.json"))) return null;
  const variables = JSON.parse(readFileSync(fileIn(folder), "utf8")) as Variables;
  return { ...context, cwd: packageRoot, configFile: demoConfig, environment: readEnvironment(variables) };
}
