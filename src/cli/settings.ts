/** Reading the configuration for commands that need it. */
import type { Fault } from "../config/faults.ts";
import { renderFaults } from "../config/faults.ts";
import type { Settings } from "../in-force.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure, exitCodes } from "./failure.ts";
import type { Colors } from "./terminal.ts";

export const settingsOptions = ({ configFile, cwd, environment }: Context) => ({
  file: configFile,
  cwd,
  environment,
});

/** Throws a Failure with all faults. */
export async function readSettings(context: Context): Promise<Settings> {
  const { loadSettings } = await import("../in-force.ts");
  const settings = await loadSettings(settingsOptions(context), systemClock.now());
  if (settings.ok) return settings;
  throw invalidConfiguration(settings.faults, context.terminal.notePaint);
}

export function invalidConfiguration(faults: readonly Fault[], paint: Colors): Failure {
  const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
  return new Failure(
    `${renderFaults(faults, { color: paint.isColorSupported })}\n\nThe configuration has ${count}.`,
    { exitCode: exitCodes.configuration },
  );
}
