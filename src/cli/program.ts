/**
 * The tree of commands. Each command's code is loaded when it runs, so that `--help` is quick and no SDK is loaded
 * for a list. A command returns its exit code, or nothing for 0; a Failure ends it with its own.
 */
import { Argument, Command, CommanderError, Option } from "commander";
import { InvalidEnvironment, readEnvironment } from "../config/environment.ts";
import { version } from "../package.ts";
import type { Context } from "./context.ts";
import { Failure, exitCodes } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import { createTerminal, wrap } from "./terminal.ts";

interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
}

type Result = ExitCode | void;
type Task = (context: Context) => Result | Promise<Result>;

/** Runs the program and ends the process with the command's exit code; `start` runs on. */
export async function run(argv: readonly string[]): Promise<void> {
  // A reader that has seen enough (`| head`) is no fault.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? exitCodes.ok : exitCodes.failure);
  });
  // A terminal that was closed must not cut the stop of a service short: there is nobody left to tell.
  process.stderr.on("error", () => undefined);
  let code: ExitCode = exitCodes.ok;
  let runsOn = false;
  const tree = commands(async (task, options, stays) => {
    code = (await task(contextFor(options))) ?? exitCodes.ok;
    runsOn = stays;
  });
  try {
    await tree.parseAsync(argv);
  } catch (error) {
    code = explainEnd(error, tree.opts<GlobalOptions>());
  }
  if (runsOn) return;
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(code);
}

const drained = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => void stream.write("", () => resolve()));

function contextFor(options: GlobalOptions): Context {
  const environment = readEnvironment();
  return {
    environment,
    cwd: process.cwd(),
    configFile: options.config,
    terminal: createTerminal(
      {
        json: options.json ?? false,
        quiet: options.quiet ?? false,
        verbose: options.verbose ?? false,
        color: options.color,
      },
      environment,
    ),
  };
}

/** Commander has printed its own errors already. */
function explainEnd(error: unknown, options: GlobalOptions): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const complain = (text: string) => void process.stderr.write(`${text}\n`);
  if (error instanceof InvalidEnvironment) {
    for (const fault of error.faults) complain(wrap(`signalbox: ${fault}`, 80, "  "));
    return exitCodes.configuration;
  }
  if (error instanceof Failure) {
    if (error.message !== "") complain(heading(error));
    if (error.hint !== null) complain(wrap(error.hint, 80, "  "));
    if (options.verbose && error.cause instanceof Error) complain(error.cause.stack ?? error.cause.message);
    return error.exitCode;
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  complain(wrap(`signalbox: ${message}`, 80, "  "));
  if (options.verbose && stack !== undefined) complain(stack);
  return exitCodes.failure;
}

/** Faults of the configuration come ready-made, over several lines. */
const heading = ({ message }: Failure): string =>
  message.includes("\n") ? message : wrap(`signalbox: ${message}`, 80, "  ");

type Runner = (task: Task, options: GlobalOptions, stays: boolean) => Promise<void>;

interface Parts {
  /** Makes a command's action of its task, which gets what commander passes: arguments, options, and the command. */
  readonly does: <A extends readonly unknown[]>(
    task: (context: Context, ...given: A) => Result | Promise<Result>,
    stays?: boolean,
  ) => (...given: A) => Promise<void>;
}

function commands(runner: Runner): Command {
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
      (task, stays = false) =>
      (...given) =>
        runner((context) => task(context, ...given), program.opts<GlobalOptions>(), stays),
  };
  addSetUp(program, parts);
  addSending(program, parts);
  addReading(program, parts);
  addDeciding(program, parts);
  addEditing(program, parts);
  return program;
}

const argumentTerm = (argument: Argument): string =>
  argument.required ? `<${argument.name()}>` : `[${argument.name()}${argument.variadic ? "..." : ""}]`;

const remote = () => new Option("--url <address>", "the admin port of a service elsewhere");

function addSetUp(program: Command, { does }: Parts): void {
  program
    .command("demo")
    .description("watch it work against stand-ins: no account, no key, nothing is sent")
    .option("--once", "end when everything is done")
    .action(
      does(async (context, { once = false }: { once?: boolean }) =>
        (await import("./demo.ts")).demo(context, { once }),
      ),
    );
  program
    .command("init")
    .description("write a configuration and prompts to begin with")
    .option("--force", "replace files that exist")
    .action(
      does(async (context, options: { force?: boolean }) =>
        (await import("./init.ts")).init(context, options),
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
        async (context, options: { role: string }) => (await import("./start.ts")).start(context, options),
        true,
      ),
    );
  program
    .command("check")
    .description("say what is wrong with the configuration and the prompts")
    .action(does(async (context) => (await import("./check.ts")).check(context)));
  program
    .command("doctor")
    .description("look at everything the service needs here")
    .action(does(async (context) => (await import("./doctor.ts")).doctor(context)));
  program
    .command("rekey")
    .description(
      "encrypt what is stored with the first key of SIGNALBOX_ENCRYPTION_KEY; stop the service first",
    )
    .action(does(async (context) => (await import("./rekey.ts")).rekey(context)));
}

function addSending(program: Command, { does }: Parts): void {
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
        (await import("./send.ts")).send(context, file, options),
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
        (await import("./send.ts")).trigger(context, name, options),
      ),
    );
}

const byTime = (command: Command): Command =>
  command
    .option("--since <time>", "from: 24h, 7d, or 2026-11-24T08:00:00Z")
    .option("--until <time>", "to, in the same forms");

function addReading(program: Command, { does }: Parts): void {
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
    does(async (context, options: object) => (await import("./lists.ts")).listEvents(context, options)),
  );
  events
    .command("show")
    .description("one event with its deliveries and runs")
    .argument("<id>", "evt_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("./lists.ts")).showEvent(context, id, options),
      ),
    );
  ofEvents(events.command("tail").description("events as they come in"))
    .addOption(remote())
    .action(
      does(async (context, options: object) => (await import("./lists.ts")).tailEvents(context, options)),
    );

  const runs = program.command("runs").helpCommand(false).description("what agents work on");
  paged(
    ofRuns(runs.command("list").description("runs, newest first"))
      .option("--source <name>", "of events of this source")
      .option("--type <type>", "of events of this type"),
  ).action(does(async (context, options: object) => (await import("./lists.ts")).listRuns(context, options)));
  runs
    .command("show")
    .description("one run with its steps, decision and actions")
    .argument("<id>", "run_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("./lists.ts")).showRun(context, id, options),
      ),
    );
  ofRuns(runs.command("tail").description("runs as they change"))
    .addOption(remote())
    .action(
      does(async (context, options: object) => (await import("./lists.ts")).tailRuns(context, options)),
    );

  program
    .command("explain")
    .description("what became of an event, a run or an action, and why")
    .argument("<id>", "evt_…, run_… or act_…")
    .addOption(remote())
    .action(
      does(async (context, id: string, options: object) =>
        (await import("./explain.ts")).explain(context, id, options),
      ),
    );
}

function addDeciding(program: Command, { does }: Parts): void {
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
      does(async (context, options: object) => (await import("./review.ts")).listReviews(context, options)),
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
        (await import("./review.ts")).approve(context, id, options),
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
        (await import("./review.ts")).reject(context, id, options),
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
        (await import("./replay.ts")).listDeadLetters(context, options),
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
      (await import("./replay.ts")).replayDeadLetters(context, ids, options),
    ),
  );
  selecting(
    program
      .command("replay")
      .description("run stored events again under today's configuration")
      .option("--event <id>", "this event")
      .option("--run <id>", "the event of this run, for its agent alone")
      .option("--status <status>", "runs in this state"),
  ).action(does(async (context, options: object) => (await import("./replay.ts")).replay(context, options)));
}

function addEditing(program: Command, { does }: Parts): void {
  program
    .command("schema")
    .description("the JSON Schema of signalbox.yaml, for editors")
    .option("--write", "to .signalbox/schema.json beside the configuration")
    .action(
      does(async (context, options: { write?: boolean }) =>
        (await import("./schema.ts")).schema(context, options),
      ),
    );
  program
    .command("completion")
    .description("a completion script for a shell")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
    .action(
      does(async ({ terminal }, shell: "bash" | "zsh" | "fish") => {
        const { completionScript } = await import("./completion.ts");
        terminal.print(completionScript(program, shell).trimEnd());
      }),
    );
}
