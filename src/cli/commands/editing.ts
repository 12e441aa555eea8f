/** What editors and shells need. */
import { Argument } from "commander";
import type { Command } from "commander";
import type { Parts } from "./parts.ts";

export function addEditing(program: Command, { does }: Parts): void {
  program
    .command("schema")
    .description("the JSON Schema of signalbox.yaml, for editors")
    .option("--write", "to .signalbox/schema.json beside the configuration")
    .action(
      does(
        async (context, options: { write?: boolean }) =>
          (await import("../schema.ts")).schema(context, options),
        { alone: true },
      ),
    );
  program
    .command("completion")
    .description("a completion script for a shell")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
    .action(
      does(
        async ({ terminal }, shell: "bash" | "zsh" | "fish") => {
          const { completionScript } = await import("../completion.ts");
          terminal.print(completionScript(program, shell).trimEnd());
        },
        { alone: true },
      ),
    );
}
