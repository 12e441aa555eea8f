/** `backup`, `restore` and `salvage`: the journal's file, kept and brought back. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { backUp, restore as restoreJournal } from "../journal/backup.ts";
import { salvage as salvageJournal } from "../journal/salvage.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure, exitCodes, usage } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import { dataFolder } from "./service.ts";
import { counted } from "./tables.ts";
import { wrap } from "./terminal.ts";

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

/** With DATABASE_URL the journal is no file of ours. */
function requireFileProfile({ environment }: Context, command: string, instead: string): void {
  if (environment.databaseUrl !== null)
    throw new Failure(`${command} is for the journal in a file, and DATABASE_URL is set`, { hint: instead });
}

export function backup(context: Context, file: string, { force = false }: { force?: boolean }): void {
  const { terminal, cwd } = context;
  requireFileProfile(
    context,
    "backup",
    'PostgreSQL has a tool of its own: pg_dump --format=custom --file=journal.dump "$DATABASE_URL"',
  );
  const to = resolve(cwd, file);
  if (existsSync(to) && !force)
    throw usage(`${file} exists`, "Name another file, or replace this one with --force.");
  const { bytes, events, runs } = backUp(dataFolder(context), to);
  if (terminal.json) terminal.printJson({ file: to, bytes, events, runs });
  else
    terminal.print(
      `${file}: ${counted(events, "event")} and ${counted(runs, "run")}, ${megabytes(bytes)}, checked`,
    );
  terminal.note("The encryption key and the configuration are not in it: keep them apart.");
}

export function restore(context: Context, file: string): void {
  const { terminal, cwd } = context;
  requireFileProfile(
    context,
    "restore",
    'PostgreSQL has a tool of its own: pg_restore --clean --dbname="$DATABASE_URL" journal.dump',
  );
  const restored = restoreJournal(dataFolder(context), resolve(cwd, file), systemClock);
  if (terminal.json) terminal.printJson(restored);
  else
    terminal.print(
      `restored ${counted(restored.events, "event")} and ${counted(restored.runs, "run")} from ${file}`,
    );
  if (restored.aside !== null) terminal.note(`The journal that was there is kept as ${restored.aside}`);
  terminal.note(
    wrap(
      "What came and what was done after the back-up is not in it. `signalbox heal` fetches what providers still have. " +
        "Before the first start, see docs/operating.md for what may be done a second time.",
      terminal.width,
    ),
  );
}

export function salvage(context: Context): ExitCode {
  const { terminal } = context;
  requireFileProfile(context, "salvage", "Restore PostgreSQL from its back-up instead.");
  const { tables, aside } = salvageJournal(dataFolder(context), systemClock);
  if (terminal.json) terminal.printJson({ tables, aside });
  else
    for (const { name, rows, whole } of tables)
      terminal.print(`${name}: ${rows} rows${whole ? "" : ", not all"}`);
  if (aside !== null) terminal.note(`The damaged journal is kept as ${aside}`);
  return tables.every(({ whole }) => whole) ? exitCodes.ok : exitCodes.failure;
}
