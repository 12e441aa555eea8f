/** Events brought in by hand: made here and sent as their provider would, or fetched from it. */
import type { Command } from "commander";
import { remote } from "./parts.ts";
import type { Parts } from "./parts.ts";

export function addSending(program: Command, { does }: Parts): void {
  program
    .command("send")
    .description("send a file to the service, signed as its source would")
    .argument("<file>", "the body, byte for byte; - for stdin")
    .requiredOption("--source <name>", "a source of the configuration")
    .option("--event <name>", "GitHub's event, where the body does not show it")
    .option("--id <id>", "GitHub's delivery id; default: a new one")
    .option("--url <address>", "a webhook port elsewhere")
    .action(
      does(async (context, file: string, options: { source: string }) =>
        (await import("../send.ts")).send(context, file, options),
      ),
    );
  program
    .command("trigger")
    .description("send a built-in example event")
    .argument("<source.event>", "such as github.pull_request.opened")
    .option("--id <id>", "the event's id; default: a new one")
    .option("--url <address>", "a webhook port elsewhere")
    .action(
      does(async (context, name: string, options: object) =>
        (await import("../send.ts")).trigger(context, name, options),
      ),
    );
  program
    .command("heal")
    .description("fetch now what a provider did not manage to deliver")
    .argument("[source]", "a source of the configuration; default: all that can be healed")
    .option("--since <time>", "from: 24h, 7d, or 2026-11-24T08:00:00Z; default: where it was healed to")
    .addOption(remote())
    .action(
      does(async (context, source: string | undefined, options: object) =>
        (await import("../heal.ts")).heal(context, source, options),
      ),
    );
}
