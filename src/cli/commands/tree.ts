/**
 * The tree of commands. Each command's code is loaded when it runs, so that `--help` is quick and no SDK is loaded
 * for a list.
 */
import { Command } from "commander";
import type { Argument } from "commander";
import { version } from "../../package.ts";
import type { Context } from "../context.ts";
import { addDeciding } from "./deciding.ts";
import { addEditing } from "./editing.ts";
import { addEvaluating } from "./evaluating.ts";
import { addKeeping } from "./keeping.ts";
import { addHalting } from "./halting.ts";
import type { Parts, Result } from "./parts.ts";
import { addReading } from "./reading.ts";
import { addSending } from "./sending.ts";
import { addSetUp } from "./set-up.ts";

export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
}

type Task = (context: Context) => Result | Promise<Result>;
/** Runs one command's task, as `Parts` says how. */
type Runner = (
  task: Task,
  options: GlobalOptions,
  how: { readonly stays?: boolean; readonly alone?: boolean },
) => Promise<void>;

export function commands(runner: Runner): Command {
  const program = new Command("signalbox");
  program
    .description("Turns webhooks into work done by AI agents, safely.")
    .option("-c, --config <file>", "the configuration; default: signalbox.yaml in this folder")
    .option("--json", "print data as JSON; NDJSON where something is followed")
    .option("-q, --quiet", "print data and errors only")
    .option("-v, --verbose", "say more")
    .option("--no-color", "no colours; NO_COLOR does the same")
    .version(version, "--version", "print the version")
    .exitOverride()
    .showHelpAfterError("Add --help for what is possible.")
    .helpCommand(false)
    .configureHelp({
      showGlobalOptions: true,
      helpWidth: Math.min(process.stdout.columns || 80, 100),
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(argumentTerm)].join(" "),
    });
  const parts: Parts = {
    does:
      (task, how = {}) =>
      (...given) =>
        runner((context) => task(context, ...given), program.opts<GlobalOptions>(), how),
  };
  addSetUp(program, parts);
  addSending(program, parts);
  addReading(program, parts);
  addDeciding(program, parts);
  addEvaluating(program, parts);
  addKeeping(program, parts);
  addHalting(program, parts);
  addEditing(program, parts);
  return program;
}

const argumentTerm = (argument: Argument): string =>
  argument.required ? `<${argument.name()}>` : `[${argument.name()}${argument.variadic ? "..." : ""}]`;
