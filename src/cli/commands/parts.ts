/** What the commands have in common. */
import { Option } from "commander";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { ExitCode } from "../failure.ts";

export type Result = ExitCode | void;

export interface Parts {
  /**
   * Makes a command's action of its task, which gets what commander passes: arguments, options, and the command. `stays`: the
   * process is to run on after it. `alone`: it has nothing to do with a service of this environment.
   */
  readonly does: <A extends readonly unknown[]>(
    task: (context: Context, ...given: A) => Result | Promise<Result>,
    how?: { readonly stays?: boolean; readonly alone?: boolean },
  ) => (...given: A) => Promise<void>;
}

export const remote = () => new Option("--url <address>", "the admin port of a service elsewhere");

export const byTime = (command: Command): Command =>
  command
    .option("--since <time>", "from: 24h, 7d, or 2026-11-24T08:00:00Z")
    .option("--until <time>", "to, in the same forms");
