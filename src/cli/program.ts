/**
 * Runs the program: one command, then the end of the process. A command returns its exit code, or nothing for 0; a
 * Failure ends it with its own.
 */
import { CommanderError } from "commander";
import { InvalidEnvironment, readBareEnvironment, readEnvironment } from "../config/environment.ts";
import { commands } from "./commands/tree.ts";
import type { GlobalOptions } from "./commands/tree.ts";
import type { Context } from "./context.ts";
import { Failure, exitCodes } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import { createTerminal, wrap } from "./terminal.ts";

/** Runs the program and ends the process with the command's exit code; `start` runs on. */
export async function run(argv: readonly string[]): Promise<void> {
  // A reader that has seen enough (`| head`) is no fault.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? exitCodes.ok : exitCodes.failure);
  });
  // A terminal that was closed must not cut the stop of a service short: there is nobody left to tell.
  process.stderr.on("error", () => undefined);
  let code: ExitCode = exitCodes.ok;
  let runsOn = false;
  const tree = commands(async (task, options, { stays = false, alone = false }) => {
    code = (await task(contextFor(options, alone))) ?? exitCodes.ok;
    runsOn = stays;
  });
  try {
    await tree.parseAsync(argv);
  } catch (error) {
    code = explainEnd(error, tree.opts<GlobalOptions>());
  }
  if (runsOn) return;
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(code);
}

const drained = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => void stream.write("", () => resolve()));

function contextFor(options: GlobalOptions, alone: boolean): Context {
  const environment = alone ? readBareEnvironment() : readEnvironment();
  return {
    environment,
    cwd: process.cwd(),
    configFile: options.config,
    terminal: createTerminal(
      {
        json: options.json ?? false,
        quiet: options.quiet ?? false,
        verbose: options.verbose ?? false,
        color: options.color,
      },
      environment,
    ),
  };
}

/** Commander has printed its own errors already. */
function explainEnd(error: unknown, options: GlobalOptions): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const complain = (text: string) => void process.stderr.write(`${text}\n`);
  if (error instanceof InvalidEnvironment) {
    for (const fault of error.faults) complain(wrap(`signalbox: ${fault}`, 80, "  "));
    return exitCodes.configuration;
  }
  if (error instanceof Failure) {
    if (error.message !== "") complain(heading(error));
    if (error.hint !== null) complain(wrap(error.hint, 80, "  "));
    if (options.verbose && error.cause instanceof Error) complain(error.cause.stack ?? error.cause.message);
    return error.exitCode;
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  complain(wrap(`signalbox: ${message}`, 80, "  "));
  if (options.verbose && stack !== undefined) complain(stack);
  return exitCodes.failure;
}

/** Faults of the configuration come ready-made, over several lines. */
const heading = ({ message }: Failure): string =>
  message.includes("\n") ? message : wrap(`signalbox: ${message}`, 80, "  ");
