/** `signalbox doctor`: looks at everything that the service needs here, and says what to do. Changes nothing. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { gapNotes } from "../config/gaps.ts";
import { secretFindings } from "../config/secret-dates.ts";
import { loadSettings } from "../in-force.ts";
import type { Settings } from "../in-force.ts";
import { verifyFile } from "../journal/sqlite-health.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure, exitCodes } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import type { Finding } from "./finding.ts";
import { processFindings, serverFindings } from "./doctor-fleet.ts";
import { connect, dataFolder, readServerFile, urlOf } from "./service.ts";
import type { BreakerRow, List, ProcessView, SourceRow } from "./service.ts";
import { settingsOptions } from "./settings.ts";
import { counted, moment } from "./tables.ts";
import { wrap } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

export async function doctor(context: Context): Promise<ExitCode> {
  const { terminal } = context;
  const settings = await loadSettings(settingsOptions(context), systemClock.now());
  const findings = [
    nodeVersion(),
    ...configuration(settings),
    ...(await dataFolderFindings(context)),
    ...journalFindings(context),
    ...(await service(context, settings.ok ? settings : null)),
  ];
  const faults = findings.filter((one) => one.status === "fault").length;
  if (terminal.json) terminal.printJson({ ok: faults === 0, findings });
  else {
    for (const finding of findings) print(terminal, finding);
    const warnings = findings.filter((one) => one.status === "warn").length;
    terminal.note(`\n${counted(faults, "fault")}, ${counted(warnings, "warning")}`);
  }
  return faults === 0 ? exitCodes.ok : exitCodes.doctor;
}

function print(terminal: Terminal, { check, status, message, fix }: Finding): void {
  const colors = {
    ok: terminal.paint.green,
    note: terminal.paint.cyan,
    warn: terminal.paint.yellow,
    fault: terminal.paint.red,
  };
  const indent = " ".repeat(7);
  terminal.print(wrap(`${colors[status](status.padEnd(5))}  ${check}: ${message}`, terminal.width, indent));
  if (fix !== undefined) terminal.print(wrap(indent + terminal.paint.dim(fix), terminal.width, ""));
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const check = "node";
  return major > 20 || (major === 20 && minor >= 19)
    ? { check, status: "ok", message: process.versions.node }
    : {
        check,
        status: "fault",
        message: `${process.versions.node} is too old`,
        fix: "Install Node 20.19 or later.",
      };
}

function configuration(settings: Awaited<ReturnType<typeof loadSettings>>): Finding[] {
  const check = "configuration";
  if (!settings.ok) {
    const [first] = settings.faults;
    const place =
      first === undefined ? "" : `${first.file}${first.line > 0 ? `:${first.line}` : ""} ${first.message}`;
    return [
      {
        check,
        status: "fault",
        message: `${counted(settings.faults.length, "fault")}; the first: ${place}`,
        fix: "See all of them with `signalbox check`; begin one with `signalbox init`.",
      },
    ];
  }
  const { config, warnings, idle } = settings.loaded;
  return [
    {
      check,
      status: "ok",
      message: `${counted(config.routes.length, "route")} from ${counted(Object.keys(config.sources).length, "source")}`,
    },
    ...warnings.map(({ message }): Finding => ({ check, status: "warn", message })),
    ...secretFindings(config, systemClock.now()).map((finding): Finding => ({
      check: "secrets",
      status: "warn",
      ...finding,
    })),
    ...gapNotes(config, idle.sources).map((note): Finding => ({ check: "healing", status: "note", ...note })),
  ];
}

const lowBytes = 1_000_000_000;
const tooLowBytes = 100_000_000;

/** Reads every page, with a connection of its own: the service may run. */
function journalFindings(context: Context): Finding[] {
  const file = join(dataFolder(context), "journal.db");
  if (context.environment.databaseUrl !== null || !existsSync(file)) return [];
  const check = "journal";
  try {
    const { events, runs } = verifyFile(file);
    return [{ check, status: "ok", message: `whole; ${counted(events, "event")}, ${counted(runs, "run")}` }];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [{ check, status: "fault", message }];
  }
}

async function dataFolderFindings(context: Context): Promise<Finding[]> {
  const folder = dataFolder(context);
  const check = "data folder";
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
  } catch {
    const fix = "Give this user the right to write there, or set SIGNALBOX_DATA_DIR.";
    return [{ check, status: "fault", message: `${folder} can't be written`, fix }];
  }
  if (!statSync(there).isDirectory())
    return [
      { check, status: "fault", message: `${there} is a file`, fix: "Set SIGNALBOX_DATA_DIR to a folder." },
    ];
  const { bavail, bsize } = await statfs(there);
  const free = bavail * bsize;
  const space = `${(free / 1e9).toFixed(1)} GB free`;
  if (free < lowBytes) {
    const fix = "Free some space: without it no event can be stored, and senders are answered 503.";
    return [{ check, status: free < tooLowBytes ? "fault" : "warn", message: `${folder}, ${space}`, fix }];
  }
  const open = there === folder && (statSync(folder).mode & 0o077) !== 0;
  return [
    {
      check,
      status: "ok",
      message: `${folder}${there === folder ? "" : " (made at the first start)"}, ${space}`,
    },
    ...(open
      ? [
          {
            check,
            status: "warn",
            message: "other users of this computer can open it, and it holds what customers wrote",
            fix: `chmod 700 ${folder}`,
          } as const,
        ]
      : []),
  ];
}

async function service(context: Context, settings: Settings | null): Promise<Finding[]> {
  const file = readServerFile(context);
  const url = file === null ? null : urlOf(file.adminHost, file.adminPort);
  const ready = url === null ? null : await fetch(`${url}/readyz`).catch(() => null);
  if (url === null || ready === null)
    return [...(settings === null ? [] : await portsFree(settings)), ...(await serverFindings(context))];
  const { checks } = (await ready.json()) as { checks: Record<string, { ok: boolean; detail?: string }> };
  return [
    { check: "service", status: "ok", message: `runs at ${url}` },
    ...Object.entries(checks).map(([name, { ok, detail }]): Finding => {
      const message = detail ?? (ok ? "ready" : "not ready");
      return { check: name, status: ok ? (detail === undefined ? "ok" : "warn") : "fault", message };
    }),
    ...(await inside(context)),
  ];
}

async function portsFree({ loaded }: Settings): Promise<Finding[]> {
  const { host, port, adminHost, adminPort } = loaded.config.server;
  const findings: Finding[] = [
    {
      check: "service",
      status: "warn",
      message: "it is not running",
      fix: "Start it with `signalbox start`.",
    },
  ];
  for (const [name, address, number] of [
    ["port", host, port],
    ["adminPort", adminHost, adminPort],
  ] as const) {
    if (number === 0) continue;
    const code = await tryPort(address, number);
    findings.push(
      code === null
        ? { check: name, status: "ok", message: `${number} on ${address} is free` }
        : {
            check: name,
            status: "fault",
            message: `${number} on ${address} ${code === "EADDRINUSE" ? "is in use" : `can't be opened (${code})`}`,
            fix: `Stop what listens there, or choose another ${name} under \`server:\`.`,
          },
    );
  }
  return findings;
}

/** Null when it could be opened. */
function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown error"));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

/** What makes a provider notify us has to be renewed before it lapses, or a mailbox falls silent. */
function watchFinding({ name, watch }: SourceRow): Finding[] {
  if (watch === null) return [];
  const until = watch.expiresAt === null ? "" : ` until ${watch.expiresAt}`;
  const why = watch.error === null ? "" : `: ${watch.error}`;
  const check = "watch";
  const fix = "It is tried again by itself; check the source's credentials and server.publicUrl.";
  switch (watch.state) {
    case "active":
      return [{ check, status: "ok", message: `${name} is notified${until}` }];
    case "failing":
      return [
        {
          check,
          status: "warn",
          message: `of ${name}${until === "" ? " can't be made" : ` lasts${until}, but can't be renewed`}${why}`,
          fix,
        },
      ];
    case "lapsed":
      return [{ check, status: "fault", message: `of ${name} has lapsed: nothing is announced${why}`, fix }];
    case "none":
      return [{ check, status: "warn", message: `of ${name} is not made yet${why}`, fix }];
  }
}

/** The signature is right: this is the sender's own word, and it will not come again by itself. */
function unreadableFinding({ name, unreadable }: SourceRow): Finding[] {
  if (unreadable === null) return [];
  const { count, lastAt, reason } = unreadable;
  return [
    {
      check: "unreadable",
      status: "warn",
      message:
        `${count === 1 ? "1 signed request" : `${count} signed requests`} of ${name} could not be read, ` +
        `the latest at ${moment(lastAt)}: ${reason ?? "no reason is known"}`,
      fix: "Nothing was lost: the bytes are kept. Look at what the sender is set to send, such as its content type.",
    },
  ];
}

/** What the running service itself would complain of. */
async function inside(context: Context): Promise<Finding[]> {
  try {
    const api = connect(context);
    const breakers = await api.get<List<BreakerRow>>("/api/breakers");
    const sources = await api.get<List<SourceRow>>("/api/sources");
    const processes = await api.get<List<ProcessView>>("/api/processes");
    const { deadLetters } = await api.get<{ deadLetters: number }>("/api/overview");
    return [
      ...breakers.items
        .filter(({ state }) => state !== "closed")
        .map(({ service: name, state, reason }): Finding => {
          const fix = "Its work is parked and goes on by itself when it answers again.";
          return {
            check: "breaker",
            status: "warn",
            message: `${name} is ${state}: ${reason ?? "it fails"}`,
            fix,
          };
        }),
      ...processFindings(processes.items, context.environment.databaseUrl !== null),
      ...sources.items.flatMap(watchFinding),
      ...sources.items.flatMap(unreadableFinding),
      deadLetters === 0
        ? { check: "dead letters", status: "ok", message: "none" }
        : {
            check: "dead letters",
            status: "warn",
            message: String(deadLetters),
            fix: "Read them with `signalbox dead-letters list`, run them again with `… replay`.",
          },
    ];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [
      {
        check: "admin API",
        status: "warn",
        message: error.message,
        ...(error.hint === null ? {} : { fix: error.hint }),
      },
    ];
  }
}
