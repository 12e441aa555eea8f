/** From an empty folder to a service that runs. */
import { Option } from "commander";
import type { Role } from "../../app.ts";
import type { Command } from "commander";
import type { Parts } from "./parts.ts";

export function addSetUp(program: Command, { does }: Parts): void {
  program
    .command("demo")
    .description("watch it work against stand-ins: no account, no key, nothing is sent")
    .option("--once", "end when everything is done")
    .action(
      does(
        async (context, { once = false }: { once?: boolean }) =>
          (await import("../demo.ts")).demo(context, { once }),
        { alone: true },
      ),
    );
  program
    .command("init")
    .description("write a configuration and prompts to begin with")
    .option("--force", "replace files that exist")
    .action(
      does(
        async (context, options: { force?: boolean }) => (await import("../init.ts")).init(context, options),
        { alone: true },
      ),
    );
  program
    .command("start")
    .description("run the service")
    .addOption(
      new Option("--role <role>", "what this process does")
        .choices(["all", "ingest", "worker"])
        .default("all"),
    )
    .action(
      does(
        async (context, options: { role: Role }) => (await import("../start.ts")).start(context, options),
        { stays: true },
      ),
    );
  program
    .command("check")
    .description("say what is wrong with the configuration and the prompts")
    .action(does(async (context) => (await import("../check.ts")).check(context)));
  program
    .command("doctor")
    .description("look at everything the service needs here")
    .action(does(async (context) => (await import("../doctor.ts")).doctor(context)));
}
