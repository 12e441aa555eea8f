/** `signalbox init`: a configuration to begin with. Files that exist are kept, unless `--force`. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { pricesFile } from "../llm/prices.ts";
import { packagePrompts, packageRoot } from "../package.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { writeSchema } from "./schema.ts";

const steps = `
Next:
  1. signalbox demo     watch it work against stand-ins: no account, no key
  2. signalbox start    run it here; what has no credentials yet only records
  3. set a secret, such as GITHUB_WEBHOOK_SECRET, start again, and send it a
     first event:       signalbox trigger github.pull_request.opened

signalbox check says what is still missing; signalbox doctor looks around.`;

export function init(context: Context, options: { force?: boolean }): void {
  const { terminal, cwd, configFile } = context;
  const config = resolve(cwd, configFile ?? "signalbox.yaml");
  const folder = dirname(config);
  const files = [
    { from: join(packageRoot, "signalbox.yaml"), to: config },
    ...readdirSync(packagePrompts)
      // List prices are to come with each version; one's own file adds to them.
      .filter((name) => name.endsWith(".yaml") && name !== pricesFile)
      .map((name) => ({ from: join(packagePrompts, name), to: join(folder, "prompts", name) })),
  ];
  const written: string[] = [];
  const kept: string[] = [];
  try {
    for (const { from, to } of files) {
      const keep = existsSync(to) && !options.force;
      (keep ? kept : written).push(relative(cwd, to) || to);
      if (keep) continue;
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(from, to);
    }
    writeSchema(folder);
    keepOutOfGit(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new Failure(`the files could not be written to ${folder} (${code})`, {
      hint: "Choose a folder that you may write to.",
      cause: error,
    });
  }
  if (terminal.json) {
    terminal.printJson({ written, kept });
    return;
  }
  for (const file of written) terminal.print(`${terminal.paint.green("wrote")}  ${file}`);
  for (const file of kept) terminal.print(`${terminal.paint.dim("kept")}   ${file}`);
  if (kept.length > 0) terminal.note("\nWhat exists is kept; --force replaces it.");
  terminal.note(steps);
}

/** The data folder holds the journal and the admin token. */
function keepOutOfGit(folder: string): void {
  const file = join(folder, ".signalbox", ".gitignore");
  if (!existsSync(file)) writeFileSync(file, "*\n");
}
