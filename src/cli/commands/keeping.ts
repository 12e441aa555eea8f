/** The journal's file: kept, brought back, sealed anew. */
import type { Command } from "commander";
import { remote } from "./parts.ts";
import type { Parts } from "./parts.ts";

export function addKeeping(program: Command, { does }: Parts): void {
  program
    .command("backup")
    .description("copy the journal to a file, also while the service runs")
    .argument("<file>", "the copy")
    .option("--force", "replace the file if it exists")
    .action(
      does(async (context, file: string, options: { force?: boolean }) =>
        (await import("../keeping.ts")).backup(context, file, options),
      ),
    );
  program
    .command("restore")
    .description("put a back-up in the journal's place; stop the service first")
    .argument("<file>", "what `backup` wrote")
    .action(does(async (context, file: string) => (await import("../keeping.ts")).restore(context, file)));
  program
    .command("salvage")
    .description("save what can be read of a damaged journal; stop the service first")
    .action(does(async (context) => (await import("../keeping.ts")).salvage(context)));
  program
    .command("forget")
    .description("erase what is stored about a person; what happened when stays, without content")
    .argument("<email>", "their address")
    .option("--dry-run", "count only")
    .addOption(remote())
    .action(
      does(async (context, email: string, options: object) =>
        (await import("../forget.ts")).forget(context, email, options),
      ),
    );
  program
    .command("rekey")
    .description(
      "encrypt what is stored with the first key of SIGNALBOX_ENCRYPTION_KEY; stop the service first",
    )
    .action(does(async (context) => (await import("../rekey.ts")).rekey(context)));
}
