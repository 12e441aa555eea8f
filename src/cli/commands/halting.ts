/** What a person brings to a halt. */
import type { Command } from "commander";
import { remote } from "./parts.ts";
import type { Parts } from "./parts.ts";

export function addHalting(program: Command, { does }: Parts): void {
  program
    .command("pause")
    .description("bring an agent, a destination or all to a halt; without a name, list what is paused")
    .argument("[name]", "an agent, a destination, or all")
    .option("--reason <text>", "why; shown wherever something waits for it")
    .addOption(remote())
    .action(
      does(async (context, name: string | undefined, options: object) =>
        (await import("../pauses.ts")).pause(context, name, options),
      ),
    );
  program
    .command("resume")
    .description("let it go on; what waited goes on at once, one after another")
    .argument("<name>", "an agent, a destination, or all")
    .addOption(remote())
    .action(
      does(async (context, name: string, options: object) =>
        (await import("../pauses.ts")).resume(context, name, options),
      ),
    );
}
