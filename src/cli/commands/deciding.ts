/** What a person decides: about held actions, and about work to be done again. */
import type { Command } from "commander";
import { byTime, remote } from "./parts.ts";
import type { Parts } from "./parts.ts";

export function addDeciding(program: Command, { does }: Parts): void {
  const selecting = (command: Command): Command =>
    byTime(
      command
        .option("--source <name>", "events of this source")
        .option("--type <type>", "events of this type")
        .option("--agent <name>", "runs of this agent"),
    )
      .option("--dry-run", "count only")
      .option("-y, --yes", "do not ask")
      .addOption(remote());

  const review = program
    .command("review")
    .helpCommand(false)
    .description("decide about actions that wait for a person");
  review
    .command("list")
    .description("actions that wait")
    .option("--agent <name>", "of this agent")
    .addOption(remote())
    .action(
      does(async (context, options: object) => (await import("../review.ts")).listReviews(context, options)),
    );
  review
    .command("approve")
    .description("approve exactly the payload that was shown")
    .argument("<id>", "act_…")
    .option("--hash <hash>", "of the payload that was read; without it, it is shown and asked for")
    .option("--edit <file>", "JSON file with the input to use instead")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../review.ts")).approve(context, id, options),
      ),
    );
  review
    .command("reject")
    .description("reject an action; what builds on it is skipped")
    .argument("<id>", "act_…")
    .requiredOption("--reason <text>", "why; it is kept with the action")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: { reason: string }) =>
        (await import("../review.ts")).reject(context, id, options),
      ),
    );

  const dead = program.command("dead-letters").helpCommand(false).description("work that was given up");
  byTime(
    dead.command("list").description("dead runs, newest first").option("--agent <name>", "of this agent"),
  )
    .option("--source <name>", "of events of this source")
    .option("--limit <count>", "how many, up to 200", "20")
    .option("--cursor <id>", "go on after an earlier list")
    .addOption(remote())
    .action(
      does(async (context, options: object) =>
        (await import("../replay.ts")).listDeadLetters(context, options),
      ),
    );
  selecting(
    dead
      .command("replay")
      .description("run dead letters again")
      .argument("[id...]", "run_… or evt_…")
      .option("--all", "all dead letters"),
  ).action(
    does(async (context, ids: string[], options: object) =>
      (await import("../replay.ts")).replayDeadLetters(context, ids, options),
    ),
  );
  selecting(
    program
      .command("replay")
      .description("run stored events again under today's configuration")
      .option("--event <id>", "this event")
      .option("--run <id>", "the event of this run, for its agent alone")
      .option("--status <status>", "runs in this state"),
  ).action(does(async (context, options: object) => (await import("../replay.ts")).replay(context, options)));
}
