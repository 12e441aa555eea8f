/** `signalbox schema`: the JSON Schema of signalbox.yaml, for editors. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { configJsonSchema } from "../config/json-schema.ts";
import type { Context } from "./context.ts";

/** Where `# yaml-language-server: $schema=.signalbox/schema.json` in a file of this folder points. */
export const schemaFile = (folder: string): string => join(folder, ".signalbox", "schema.json");

export function writeSchema(folder: string): void {
  const file = schemaFile(folder);
  // As private as the journal, which lives in this folder by default.
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
}

export async function schema(context: Context, options: { write?: boolean }): Promise<void> {
  const { terminal, cwd, configFile, environment } = context;
  if (!options.write) {
    terminal.printJson(configJsonSchema());
    return;
  }
  const folder = dirname(resolve(cwd, configFile ?? environment.configFile ?? "signalbox.yaml"));
  writeSchema(folder);
  terminal.note(`${schemaFile(folder)} is written.`);
}
