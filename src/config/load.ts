/** From a file to a configuration, or to every fault in it at once. Reads files; never throws for what they hold. */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { hashJson, isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import { crossChecks } from "./cross-checks.ts";
import type { CheckExpression } from "./cross-checks.ts";
import type { Fault } from "./faults.ts";
import { idleWarnings, leniency } from "./idle.ts";
import type { Idle } from "./idle.ts";
import {
  faultsOfIssues,
  hideUnknownKeys,
  misspeltType,
  quotedList,
  valueAt,
  withNearestTypes,
} from "./issues.ts";
import { visitScalars } from "./json-schema.ts";
import { Config, listening } from "./schema.ts";
import { literalSecrets, secretPaths } from "./secrets.ts";
import { lookUp, pathKey, resolveVariables } from "./variables.ts";
import type { Origin, Variables } from "./variables.ts";
import { parseYaml } from "./yaml.ts";
import type { Path, YamlFile } from "./yaml.ts";

export type { CheckExpression } from "./cross-checks.ts";
export type { Idle } from "./idle.ts";

export interface LoadOptions {
  /** From `--config`; else SIGNALBOX_CONFIG, else `signalbox.yaml` in `cwd`. */
  readonly file?: string | undefined;
  /** Absolute. */
  readonly cwd: string;
  readonly env: Variables;
  /** Names of all agents. */
  readonly agents: readonly string[];
  readonly checkExpression: CheckExpression;
  /** Milliseconds since the epoch: secrets that have expired by then are none. */
  readonly now: number;
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly warnings: readonly Fault[];
      /**
       * Of everything that the file says, without secrets, which can be rotated without becoming another configuration, and
       * without where a process listens.
       */
      readonly hash: string;
      /** Absolute. */
      readonly file: string;
      /** Absolute; may not exist, the package's own prompts are used then. */
      readonly promptsFolder: string;
      readonly idle: Idle;
    }
  | {
      readonly ok: false;
      readonly faults: readonly Fault[];
      readonly file: string;
      /** What could be read all the same, so that the prompts' faults can be told too; null where nothing could. */
      readonly readable: { readonly promptsFolder: string; readonly models: readonly string[] } | null;
    };

export async function loadConfig(options: LoadOptions): Promise<LoadResult> {
  const { cwd, env } = options;
  const asked = options.file ?? (env["SIGNALBOX_CONFIG"] || undefined);
  const file = path.resolve(cwd, asked ?? "signalbox.yaml");
  const shown = shownName(file, cwd);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    return {
      ok: false,
      file,
      readable: null,
      faults: [await unreadableFile(error, file, shown, asked, options.file !== undefined)],
    };
  }
  const promptsFault = async (yaml: YamlFile, folder: string): Promise<Fault | null> =>
    (await isFolder(folder))
      ? null
      : yaml.fault(["prompts"], "there is no such folder", {
          fix: `Create ${shownName(folder, cwd)}, or correct the path.`,
        });
  return readConfig(text, file, shown, options, promptsFault);
}

type PromptsFault = (yaml: YamlFile, folder: string) => Promise<Fault | null>;

async function readConfig(
  text: string,
  file: string,
  shown: string,
  options: LoadOptions,
  promptsFault: PromptsFault,
): Promise<LoadResult> {
  const yaml = parseYaml(text, shown);
  if (yaml.faults.length > 0) return { ok: false, file, faults: yaml.faults, readable: null };
  const empty = emptyFile(yaml, shown);
  if (empty !== null) return { ok: false, file, faults: [empty], readable: null };

  const written = withNearestTypes(yaml.value);
  const resolved = resolveVariables(written.value, options.env);
  const lenient = leniency(resolved.value, resolved.origins);
  const value = withDefaultKeys(withLineEnds(resolved.value), options.env);
  const { parsed, coerced } = parseCoercing(value.value, resolved.origins);
  const context = { yaml, value: coerced, origins: resolved.origins };

  // These come first: from then on their values are hidden from all excerpts.
  if (!parsed.success) hideUnknownKeys(parsed.error.issues, yaml);
  const faults: Fault[] = [
    ...literalSecrets(written.value, resolved.origins, yaml),
    ...written.misspelt.map((one) => misspeltType(one, context)),
    ...resolved.faults.map(({ path: at, message, ...rest }) => yaml.fault(at, message, rest)),
    ...unsetFaults(resolved.origins, lenient.allowsUnset, secretPaths(written.value), yaml),
    ...value.faults.map((message) => ({ file: shown, line: 0, column: 0, message })),
    ...(parsed.success ? [] : faultsOfIssues(parsed.error.issues, context)),
    ...crossChecks({ ...context, agents: options.agents, checkExpression: options.checkExpression }),
  ];
  const prompts = valueAt(coerced, ["prompts"]);
  const promptsFolder = path.resolve(path.dirname(file), typeof prompts === "string" ? prompts : "prompts");
  if (typeof prompts === "string")
    faults.push(...[await promptsFault(yaml, promptsFolder)].filter((one) => one !== null));
  if (!parsed.success || faults.length > 0) {
    const models = valueAt(coerced, ["models"]);
    const readable = { promptsFolder, models: isObject(models as Json) ? Object.keys(models as object) : [] };
    return { ok: false, file, faults: inOrder(faults), readable };
  }

  const config = withAliases(parsed.data);
  const { idle, warnings } = idleWarnings(config, lenient, yaml, options.now);
  const hash = hashJson(withoutPlaces(withoutSecrets(yaml.value, resolved.value)));
  return { ok: true, config, warnings: inOrder(warnings), hash, file, promptsFolder, idle };
}

// ── Finding the file ─────────────────────────────────────────────────────────────────────────────────────────────

/** Relative to where the user stands, when it is below. */
export function shownName(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative === "" || relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}

async function unreadableFile(
  error: unknown,
  file: string,
  shown: string,
  asked: string | undefined,
  byOption: boolean,
): Promise<Fault> {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  const at = { file: shown, line: 0, column: 0 };
  if (code === "EISDIR")
    return {
      ...at,
      message: "this is a folder; name the file in it",
      fix: `Try --config ${path.join(shown, "signalbox.yaml")}.`,
    };
  if (code !== "ENOENT" && code !== "ENOTDIR")
    return {
      ...at,
      message: `the configuration can't be read (${code})`,
      fix: "Check the file's permissions.",
    };
  if (asked === undefined) {
    const other = path.join(path.dirname(file), "signalbox.yml");
    const ending = await stat(other).then(
      () => true,
      () => false,
    );
    return {
      ...at,
      message: `no configuration: there is no signalbox.yaml in ${path.dirname(file)}`,
      fix: ending
        ? "There is a signalbox.yml: rename it to signalbox.yaml."
        : "Make one with `signalbox init`, name one with --config FILE, or try `signalbox demo`.",
    };
  }
  return {
    ...at,
    message: `there is no such file; looked for ${file}, as ${byOption ? "--config" : "SIGNALBOX_CONFIG"} says`,
    fix: "Correct the path, or make a configuration with `signalbox init`.",
  };
}

const isFolder = (folder: string): Promise<boolean> =>
  stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );

function emptyFile(yaml: YamlFile, file: string): Fault | null {
  if (yaml.value === null || yaml.value === undefined)
    return {
      file,
      line: 0,
      column: 0,
      message: "the file is empty",
      fix: "Fill it with `signalbox init`, or begin with `version: 1`.",
    };
  if (typeof yaml.value === "object" && !Array.isArray(yaml.value)) return null;
  return yaml.fault([], "a configuration is made of sections, such as `version: 1` and `sources:`");
}

// ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Zod says where it wants a number or a truth value; a text that is wholly a variable is then read as one. */
function parseCoercing(value: unknown, origins: ReadonlyMap<string, Origin>) {
  const first = Config.safeParse(value);
  if (first.success) return { parsed: first, coerced: value };
  const coerced: unknown = structuredClone(value);
  for (const issue of first.error.issues) {
    const expected =
      issue.code === "invalid_type"
        ? issue.expected
        : issue.code === "custom"
          ? issue.params?.["expected"]
          : null;
    const raw = origins.get(pathKey(issue.path))?.raw ?? "";
    if (!/^\$\{[^}]*\}$/.test(raw)) continue;
    const text = valueAt(coerced, issue.path);
    const read = typeof text === "string" ? readAs(String(expected), text.trim()) : undefined;
    if (read !== undefined) setAt(coerced, issue.path, read);
  }
  return { parsed: Config.safeParse(coerced), coerced };
}

function readAs(expected: string, text: string): number | boolean | undefined {
  if ((expected === "number" || expected === "int") && /^-?\d{1,15}(\.\d{1,15})?$/.test(text))
    return Number(text);
  if (expected === "boolean" && (text === "true" || text === "false")) return text === "true";
  return undefined;
}

function setAt(value: unknown, at: Path, item: unknown): void {
  const parent = valueAt(value, at.slice(0, -1));
  const key = at.at(-1);
  if (parent !== null && typeof parent === "object" && key !== undefined)
    (parent as Record<PropertyKey, unknown>)[key] = item;
}

/** A private key often reaches the environment on one line, with `\n` for its line ends. */
function withLineEnds(value: unknown): unknown {
  const at = ["destinations", "github", "privateKey"];
  const key = valueAt(value, at);
  if (typeof key !== "string" || !key.includes("\\n")) return value;
  const copy: unknown = structuredClone(value);
  setAt(copy, at, key.replaceAll("\\r", "").replaceAll("\\n", "\n"));
  return copy;
}

const providerVariables: Readonly<Record<string, { key: string; url: string }>> = {
  anthropic: { key: "ANTHROPIC_API_KEY", url: "ANTHROPIC_BASE_URL" },
  openai: { key: "OPENAI_API_KEY", url: "OPENAI_BASE_URL" },
};

/** Gives models the key and address of their provider's own variables where the file has none. */
function withDefaultKeys(value: unknown, env: Variables): { value: unknown; faults: string[] } {
  const models = valueAt(value, ["models"]);
  if (models === null || typeof models !== "object") return { value, faults: [] };
  const copy: unknown = structuredClone(value);
  const faults = new Set<string>();
  for (const name of Object.keys(models)) {
    const variables = providerVariables[String(valueAt(models, [name, "provider"]))];
    if (variables === undefined) continue;
    for (const [field, variable] of [
      ["apiKey", variables.key],
      ["baseUrl", variables.url],
    ] as const) {
      const own = valueAt(models, [name, field]);
      if (own !== undefined && own !== "") continue;
      try {
        const found = lookUp(variable, env);
        if (found !== null) setAt(copy, ["models", name, field], found);
      } catch (error) {
        faults.add(error instanceof Error ? error.message : `${variable} can't be read`);
      }
    }
  }
  return { value: copy, faults: [...faults] };
}

/** `jwksUrl` is another name for `keySetUrl`; after loading there is only the one. */
function withAliases(config: Config): Config {
  const sources = Object.entries(config.sources).map(([name, source]) => {
    if (source.type !== "gmail") return [name, source] as const;
    const { jwksUrl, ...rest } = source;
    return [name, { ...rest, keySetUrl: source.keySetUrl ?? jwksUrl }] as const;
  });
  return { ...config, sources: Object.fromEntries(sources) };
}

/** The resolved file with each secret as it is written, so that the hash says nothing about secrets. */
function withoutSecrets(raw: unknown, resolved: unknown): Json {
  const copy: unknown = structuredClone(resolved);
  visitScalars(raw, (at, written, node) => {
    if (node?.["x-secret"] === true) setAt(copy, at, written);
  });
  return JSON.parse(JSON.stringify(copy)) as Json;
}

/** Two processes of one installation listen at different addresses, and have one configuration. */
function withoutPlaces(file: Json): Json {
  const server = isObject(file) ? file["server"] : undefined;
  if (!isObject(file) || server === undefined || !isObject(server)) return file;
  const places: readonly string[] = listening;
  const rest = Object.entries(server).filter(([name]) => !places.includes(name));
  return { ...file, server: Object.fromEntries(rest) };
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

function unsetFaults(
  origins: ReadonlyMap<string, Origin>,
  allowsUnset: (path: Path) => boolean,
  secrets: ReadonlySet<string>,
  yaml: YamlFile,
): Fault[] {
  return [...origins.values()].flatMap(({ path: at, raw, unset }) => {
    const [name] = unset;
    if (name === undefined || allowsUnset(at) || secrets.has(pathKey(at))) return [];
    const offset = Math.max(0, raw.indexOf(`\${${name}}`));
    return [
      yaml.fault(
        at,
        `${quotedList(unset)} ${unset.length === 1 ? "is" : "are"} not set and ${unset.length === 1 ? "has" : "have"} no default`,
        {
          offset,
          fix: `Set ${name} in the environment, or write \${${name}:-default}.`,
        },
      ),
    ];
  });
}

/**
 * In the order of the file; of several faults at one place the first found says it best. Keys that are missing are all
 * shown where the section begins, and each is a fault of its own.
 */
function inOrder(faults: readonly Fault[]): Fault[] {
  const seen = new Set<string>();
  return faults
    .filter(({ file, line, column, message }) => {
      const own = line === 0 || /^`\w+` is missing/.test(message) ? message : "";
      const place = `${file}:${line}:${column} ${own}`;
      return !seen.has(place) && Boolean(seen.add(place));
    })
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
}
