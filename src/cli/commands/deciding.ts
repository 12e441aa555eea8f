/** What a person decides: about held actions, and about work to be done again. */
import { Option } from "commander";
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
    .option("--reason <text>", "why; it is kept with the action")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: { reason?: string }) =>
        (await import("../review.ts")).reject(context, id, options),
      ),
    );

  const dead = program.command("dead-letters").helpCommand(false).description("work that was given up");
  byTime(
    dead.command("list").description("dead runs, newest first").option("--agent <name>", "of this agent"),
  )
    .option("--source <name>", "of events of this source")
    .option("--type <type>", "of events of this type")
    .addOption(cause())
    .option("--limit <count>", "how many, up to 200", "20")
    .option("--cursor <id>", "go on after an earlier list")
    .addOption(remote())
    .action(
      does(async (context, options: object) =>
        (await import("../dead-letters.ts")).listDeadLetters(context, options),
      ),
    );
  dead
    .command("show")
    .description("one dead run with how each attempt ended, and its event")
    .argument("<id>", "run_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../dead-letters.ts")).showDeadLetter(context, id, options),
      ),
    );
  selecting(
    dead
      .command("replay")
      .description("run dead letters again")
      .argument("[id...]", "run_… or evt_…")
      .option("--all", "all dead letters"),
  )
    .addOption(cause())
    .addOption(rate())
    .action(
      does(async (context, ids: string[], options: object) =>
        (await import("../replay.ts")).replayDeadLetters(context, ids, options),
      ),
    );
  selecting(
    dead
      .command("discard")
      .description("take dead letters out of the queue; the runs stay dead")
      .argument("[id...]", "run_…"),
  )
    .addOption(cause())
    .requiredOption("--reason <text>", "why; it is kept with the run")
    .action(
      does(async (context, ids: string[], options: { reason: string }) =>
        (await import("../dead-letters.ts")).discardDeadLetters(context, ids, options),
      ),
    );

  const replay = selecting(
    program
      .command("replay")
      .helpCommand(false)
      .description("run stored events again under today's configuration")
      .option("--event <id>", "this event")
      .option("--run <id>", "the event of this run, for its agent alone")
      .option("--status <status>", "runs in this state"),
  )
    .addOption(cause())
    .addOption(rate())
    .action(
      does(async (context, options: object) => (await import("../replay.ts")).replay(context, options)),
    );
  replay
    .command("list")
    .description("paced replays, newest first")
    .addOption(remote())
    .action(
      does(async (context, options: object) =>
        (await import("../replay-jobs.ts")).listReplays(context, options),
      ),
    );
  replay
    .command("show")
    .description("how far a paced replay is")
    .argument("<id>", "rpl_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../replay-jobs.ts")).showReplay(context, id, options),
      ),
    );
  for (const [deed, description] of [
    ["cancel", "start no more of its runs"],
    ["resume", "go on where it was cancelled"],
  ] as const) {
    replay
      .command(deed)
      .description(description)
      .argument("<id>", "rpl_…")
      .addOption(remote())
      .action(
        does(async (context, id: string, options: object) =>
          (await import("../replay-jobs.ts")).changeReplay(context, deed, id, options),
        ),
      );
  }
}

const cause = () => new Option("--cause <text>", "runs whose reason has this text in it");
const rate = () =>
  new Option("--rate <pace>", "how many to start: 5/s, 100/m; the default for more than 200 is 5/s");
