/** `signalbox start`: runs the service until a signal ends it. */
import { relative } from "node:path";
import closeWithGrace from "close-with-grace";
import { InvalidConfiguration, startApp } from "../app.ts";
import type { App, Role } from "../app.ts";
import { isFull } from "../data-folder.ts";
import { createLog } from "../observability/log.ts";
import type { Log } from "../observability/log.ts";
import { version } from "../package.ts";
import { deadline, systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure, exitCodes } from "./failure.ts";
import { lineWriter } from "./log-lines.ts";
import { dataFolder, urlOf } from "./service.ts";
import { invalidConfiguration, settingsOptions } from "./settings.ts";
import { wrap } from "./terminal.ts";

/**
 * What the processor or the runtime raises when it crashes. A handler would return into the crash and raise it again,
 * for ever: the process would neither work nor end, and nobody would start it anew.
 */
const crashSignals = ["SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"] as const;

/** How long a start that a signal meets may still take. */
const startGraceMs = 15_000;

export async function start(context: Context, options: { role: Role }): Promise<void> {
  const { terminal, environment } = context;
  if (options.role !== "all" && environment.databaseUrl === null) {
    throw new Failure(
      `--role ${options.role} needs the server profile; the embedded one is a single process`,
      {
        exitCode: exitCodes.usage,
        hint: "Set DATABASE_URL and REDIS_URL, or leave --role out.",
      },
    );
  }
  const level = terminal.verbose ? "debug" : terminal.quiet ? "warn" : environment.logLevel;
  const log = terminal.attended ? createLog(level, lineWriter(terminal.notePaint)) : createLog(level);
  // A signal during the start is heard too: the app is stopped as soon as it is there.
  const starting = startOrExplain(context, log, options.role);
  const grace = stopGracefully(context, starting, log);
  try {
    announce(context, await starting, log);
  } catch (error) {
    grace.uninstall();
    throw error;
  }
}

function stopGracefully({ terminal }: Context, starting: Promise<App>, log: Log): { uninstall(): void } {
  return closeWithGrace(
    {
      // The configuration says how long a stop may take; see `within`.
      delay: false,
      logger: undefined,
      skip: [...crashSignals],
      onSecondSignal: (signal: string) => {
        terminal.complain("Cut short; work in hand goes on at the next start.");
        process.exit(signal === "SIGINT" ? exitCodes.interrupted : exitCodes.failure);
      },
    },
    async ({ signal, err }) => {
      if (err) log.error({ err }, "an unexpected error stops the service");
      else if (terminal.attended) terminal.note(`\n${signal ?? "End"}: finishing the work in hand …`);
      // A start may wait for another process that changes the tables; nothing is in hand yet.
      if (!(await within(startGraceMs, starting))) {
        terminal.complain("The start took too long and was cut; nothing is lost.");
        process.exit(exitCodes.failure);
      }
      const app = await starting;
      if (!(await within(app.stopMs(), app.stop()))) {
        terminal.complain("The stop took too long and was cut; nothing is lost.");
        process.exit(exitCodes.failure);
      }
      if (terminal.attended) terminal.note("Stopped. Everything received is stored.");
      else log.info({}, "stopped");
    },
  );
}

/** Whether it ended in time: only a stop that hangs is cut. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const limit = deadline(systemClock, ms);
  const late = new Promise<false>((resolve) => {
    limit.signal.addEventListener("abort", () => resolve(false), { once: true });
  });
  const inTime = await Promise.race([work.then(() => true), late]);
  limit.done();
  return inTime;
}

async function startOrExplain(context: Context, log: Log, role: Role): Promise<App> {
  try {
    return await startApp({ ...settingsOptions(context), log, role });
  } catch (error) {
    if (error instanceof InvalidConfiguration)
      throw invalidConfiguration(error.faults, context.terminal.notePaint);
    throw folderFailure(context, error) ?? error;
  }
}

/** What the system says of the data folder, as a sentence; null for other errors. */
function folderFailure(context: Context, error: unknown): Failure | null {
  const folder = dataFolder(context);
  if (isFull(error))
    return new Failure(`the disk that holds the data folder ${folder} is full`, {
      hint: "Make space there and start again; what is stored stays stored.",
      cause: error,
    });
  if (!(error instanceof Error) || !("path" in error) || !String(error.path).startsWith(folder)) return null;
  const code = "code" in error ? String(error.code) : "unknown error";
  const isFile = code === "EEXIST" || code === "ENOTDIR";
  return new Failure(
    isFile ? `the data folder ${folder} is a file` : `the data folder ${folder} can't be used (${code})`,
    { hint: "Set SIGNALBOX_DATA_DIR to a folder that this user may write to.", cause: error },
  );
}

/** For a person: a banner. For a collector of logs: lines as all others, without the link that logs in. */
function announce({ terminal, cwd }: Context, app: App, log: Log): void {
  const { config, idle, warnings } = app.config;
  const webhooks = app.ingest && urlOf(app.ingest.host, app.ingest.port);
  const admin = urlOf(app.admin.host, app.admin.port);
  if (!terminal.attended) {
    const { role, dataDir } = app;
    log.info({ version, role, webhooks, dashboard: admin, dataDir }, "signalbox is listening");
    for (const { file, line, message } of warnings)
      log.warn({ file, line, reason: message }, "configuration");
    return;
  }
  const { bold, cyan, dim, yellow } = terminal.notePaint;
  const active = Object.keys(config.sources).filter((name) => !idle.sources.has(name));
  const dryRun = [...idle.destinations];
  const ready = Object.keys(config.models).filter((name) => !idle.models.has(name));
  const rows: [string, string][] = [
    webhooks === null
      ? ["webhooks", dim("received by other processes")]
      : ["webhooks", cyan(`${webhooks}/webhooks/`) + (active.length === 0 ? "" : oneOf(active))],
    ["dashboard", cyan(`${admin}${app.loginPath()}`)],
    ["", dim("the link logs in once, within the hour")],
    ["data", relative(cwd, app.dataDir) || app.dataDir],
  ];
  if (idle.sources.size > 0)
    rows.push(["inactive", yellow([...idle.sources].join(", ")) + dim("  no secret is set and unexpired")]);
  if (dryRun.length > 0)
    rows.push(["dry-run", yellow(dryRun.join(", ")) + dim("  actions are only recorded")]);
  rows.push(["models", ready.length > 0 ? ready.join(", ") : yellow("none has a key: the rules decide")]);
  terminal.note(`${bold("Signalbox")} ${version}\n`);
  for (const [name, text] of rows) terminal.note(`  ${name.padEnd(10)} ${text}`);
  if (warnings.length > 0)
    terminal.note(wrap(`\n${dim("`signalbox check` says how to set what is missing. Ctrl-C stops.")}`, 80));
  terminal.note("");
}

const oneOf = (names: readonly string[]): string =>
  names.length === 1 ? (names[0] ?? "") : `{${names.join(",")}}`;
