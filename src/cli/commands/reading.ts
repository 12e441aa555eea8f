/** What came in, and what became of it. */
import type { Command } from "commander";
import { byTime, remote } from "./parts.ts";
import type { Parts } from "./parts.ts";

export function addReading(program: Command, { does }: Parts): void {
  const paged = (command: Command): Command =>
    byTime(command)
      .option("--limit <count>", "how many, up to 200", "20")
      .option("--cursor <id>", "go on after an earlier list")
      .addOption(remote());
  const ofEvents = (command: Command): Command =>
    command
      .option("--source <name>", "of this source")
      .option("--type <type>", "of this event type")
      .option("--status <status>", "routed, unrouted or inactive");
  const ofRuns = (command: Command): Command =>
    command
      .option("--agent <name>", "of this agent")
      .option("--status <status>", "such as waiting, awaiting_review, dead");

  const events = program.command("events").helpCommand(false).description("what came in");
  paged(ofEvents(events.command("list").description("events, newest first"))).action(
    does(async (context, options: object) => (await import("../lists.ts")).listEvents(context, options)),
  );
  events
    .command("show")
    .description("one event with its deliveries and runs")
    .argument("<id>", "evt_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../lists.ts")).showEvent(context, id, options),
      ),
    );
  ofEvents(events.command("tail").description("events as they come in"))
    .addOption(remote())
    .action(
      does(async (context, options: object) => (await import("../lists.ts")).tailEvents(context, options)),
    );

  const runs = program.command("runs").helpCommand(false).description("what agents work on");
  paged(
    ofRuns(runs.command("list").description("runs, newest first"))
      .option("--source <name>", "of events of this source")
      .option("--type <type>", "of events of this type"),
  ).action(
    does(async (context, options: object) => (await import("../lists.ts")).listRuns(context, options)),
  );
  runs
    .command("show")
    .description("one run with its steps, decision and actions")
    .argument("<id>", "run_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../lists.ts")).showRun(context, id, options),
      ),
    );
  ofRuns(runs.command("tail").description("runs as they change"))
    .addOption(remote())
    .action(
      does(async (context, options: object) => (await import("../lists.ts")).tailRuns(context, options)),
    );

  program
    .command("verify")
    .description("whether a stored event is still what its sender signed; exits 1 where it can't be said")
    .argument("<event>", "evt_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../verify.ts")).verify(context, id, options),
      ),
    );
  const audit = program.command("audit").helpCommand(false).description("who did what to the service");
  byTime(audit.command("list").description("deeds, newest first"))
    .option("--by <who>", "api, cli, dashboard, shell, file, or slack:USER")
    .option("--deed <deed>", "such as action.approve, dead-letter.discard, login")
    .option("--object <id>", "done to this")
    .option("--limit <count>", "how many, up to 200", "20")
    .option("--cursor <id>", "go on after an earlier list")
    .addOption(remote())
    .action(
      does(async (context, options: object) => (await import("../audit.ts")).listAudit(context, options)),
    );
  program
    .command("explain")
    .description("what became of an event, a run or an action, and why")
    .argument("<id>", "evt_…, run_… or act_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("../explain.ts")).explain(context, id, options),
      ),
    );
}
