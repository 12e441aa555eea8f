/** Prompts as files: one YAML per agent with its models, texts, examples, rules and policy; all faults at once. */
import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { AgentDefinition } from "../domain/agent.ts";
import { hashJson } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { ModelRequest, OnModelUnavailable } from "../domain/ports.ts";
import { cutToTokens, fairCut, tokensOf } from "../domain/untrusted-text.ts";
import { pricesFile } from "./prices.ts";
import { faultsOfIssues, faultsOfTemplate, insteadOf } from "./prompt-faults.ts";
import type { ParseYaml, PromptFault, PromptYaml } from "./prompt-faults.ts";
import { RuleList, compileRules } from "./prompt-rules.ts";
import type { CompileCondition, PromptRule } from "./prompt-rules.ts";
import { compile } from "./template.ts";
import type { Template } from "./template.ts";

export type { PromptFault } from "./prompt-faults.ts";

export interface RenderedPrompt {
  readonly system: string;
  /** The examples as turns, then the event. */
  readonly messages: ModelRequest["messages"];
}

export interface Prompt {
  readonly agent: string;
  readonly version: number;
  readonly description: string | null;
  /** Names under `models:` in the configuration, in the order in which they are asked. */
  readonly models: readonly string[];
  /** The name of the model that is asked alone once most of a cap is spent; null where it is the cheapest of `models`. */
  readonly cheaper: string | null;
  readonly maxOutputTokens: number;
  readonly onModelUnavailable: OnModelUnavailable;
  /** What decides without a model, before the agent's own rules. */
  readonly rules: readonly PromptRule[];
  /** Parsed by the agent's policy schema. */
  readonly policy: unknown;
  /** SHA-256 of the content: comments and layout do not count. */
  readonly hash: string;
  readonly file: string;
  /**
   * Throws when a variable that the texts use is missing, or a limit of the template engine is passed. What does not fit
   * into `maxInputTokens` is cut from the longest values.
   */
  render(variables: JsonObject): RenderedPrompt;
}

export interface LoadPromptsOptions {
  /** In order of precedence, per file name: the folder beside the configuration, then the package's. */
  readonly folders: readonly string[];
  readonly agents: readonly AgentDefinition[];
  /** The names under `models:`; with none, prompts may name any, and the rules decide. */
  readonly models: readonly string[];
  readonly parseYaml: ParseYaml;
  readonly compileCondition: CompileCondition;
}

const record = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => value ?? {});

const units = { s: 1_000, m: 60_000, h: 3_600_000 } as const;
const longestWaitMs = 12 * units.h;

const whenUnavailable = z.string().transform((text, context): OnModelUnavailable => {
  if (text === "rules" || text === "rules-then-redecide") return { kind: text };
  const wait = /^wait\((\d{1,6})([smh])\)$/.exec(text.replace(/\s/g, ""));
  const ms = wait ? Number(wait[1]) * units[wait[2] as keyof typeof units] : 0;
  if (ms > 0 && ms <= longestWaitMs) return { kind: "wait", ms };
  context.addIssue({
    code: "custom",
    message: "must be rules, wait(15m) with at most 12h, or rules-then-redecide",
  });
  return z.NEVER;
});

const PromptFile = z.strictObject({
  agent: z.string().min(1),
  version: z.int().min(1),
  description: z.string().optional(),
  models: z.array(z.string().min(1)).min(1).max(5),
  cheaper: z.string().min(1).nullish(),
  onModelUnavailable: whenUnavailable.prefault("rules"),
  maxInputTokens: z.int().min(500).max(900_000).default(100_000),
  maxOutputTokens: z.int().min(64).max(64_000).default(4_096),
  system: z.string().min(1),
  template: z.string().min(1),
  examples: z
    .array(z.strictObject({ variables: z.record(z.string(), z.unknown()), output: z.unknown() }))
    .nullish()
    .transform((value) => value ?? []),
  rules: RuleList,
  policy: record,
});
type PromptFile = z.output<typeof PromptFile>;

/**
 * Reads every `*.yaml` of the folders; a folder that does not exist is skipped. A file with faults gives no prompt,
 * and its namesake in a later folder is not taken instead: that would hide the fault.
 */
export async function loadPrompts(
  options: LoadPromptsOptions,
): Promise<{ prompts: Map<string, Prompt>; faults: PromptFault[] }> {
  const prompts = new Map<string, Prompt>();
  const faults: PromptFault[] = [];
  for (const { file, ours } of await findFiles(options.folders)) {
    const text = await readFile(file, "utf8");
    const yaml = options.parseYaml(text, file);
    const read = yaml.faults.length > 0 ? failed(yaml.faults) : readPrompt(yaml, file, text, options, ours);
    faults.push(...read.faults);
    if (read.prompt === null) continue;
    const other = prompts.get(read.prompt.agent);
    if (other === undefined) prompts.set(read.prompt.agent, read.prompt);
    else
      faults.push(
        yaml.fault(["agent"], `${read.prompt.agent} has a prompt already, in ${other.file}`, {
          fix: "Keep one of the two files.",
        }),
      );
  }
  return { prompts, faults };
}

/** One file, wherever it is and whatever its name. Rejects when it can't be read. */
export async function loadPromptFile(
  file: string,
  options: Omit<LoadPromptsOptions, "folders">,
): Promise<{ prompt: Prompt | null; faults: readonly PromptFault[] }> {
  const text = await readFile(file, "utf8");
  const yaml = options.parseYaml(text, file);
  return yaml.faults.length > 0
    ? failed(yaml.faults)
    : readPrompt(yaml, file, text, { ...options, folders: [] }, false);
}

/** `ours` marks a file of the last folder, when there are several: the package's, which the user can't correct. */
async function findFiles(folders: readonly string[]): Promise<{ file: string; ours: boolean }[]> {
  const distinct = folders.filter(
    (folder, index) => folders.findIndex((other) => resolve(other) === resolve(folder)) === index,
  );
  const found = new Map<string, { file: string; ours: boolean }>();
  for (const [index, folder] of distinct.entries()) {
    const ours = distinct.length > 1 && index === distinct.length - 1;
    for (const name of await yamlFilesIn(folder))
      if (!found.has(name)) found.set(name, { file: join(folder, name), ours });
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
}

async function yamlFilesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name) && name !== pricesFile);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

interface ReadPrompt {
  readonly faults: readonly PromptFault[];
  readonly prompt: Prompt | null;
}
/** In the order of the file. */
const failed = (faults: readonly PromptFault[]): ReadPrompt => ({
  faults: faults.toSorted((a, b) => a.line - b.line || a.column - b.column),
  prompt: null,
});

function readPrompt(
  yaml: PromptYaml,
  file: string,
  text: string,
  options: LoadPromptsOptions,
  ours: boolean,
): ReadPrompt {
  const parsed = PromptFile.safeParse(withModels(yaml.value));
  const shape = parsed.success ? [] : shapeFaults(yaml, parsed.error.issues);
  // A key too many hides nothing else.
  const known = parsed.success ? parsed : PromptFile.strip().safeParse(withModels(yaml.value));
  if (!known.success) return failed(shape);
  const content = known.data;
  const agent = options.agents.find(({ name }) => name === content.agent);
  if (agent === undefined) {
    const names = options.agents.map(({ name }) => name);
    return failed([
      ...shape,
      yaml.fault(["agent"], `there is no agent "${content.agent}"`, insteadOf(content.agent, names)),
    ]);
  }
  const policy = agent.policy.safeParse(content.policy);
  const compiled = compileTexts(yaml, file, text, content, agent);
  const rules = compileRules(yaml, content.rules, agent, options.compileCondition);
  const faults = [
    ...shape,
    ...(ours ? [] : unknownModels(yaml, content, options.models)),
    ...compiled.faults,
    ...(policy.success
      ? []
      : faultsOfIssues(yaml, policy.error.issues, (path) => ["policy", ...path], keysOf(agent.policy))),
    ...rules.faults,
    ...exampleFaults(yaml, content, agent, compiled.texts),
  ];
  if (faults.length > 0 || compiled.texts === null || !policy.success) return failed(faults);
  const built = createPrompt(content, { policy: policy.data, rules: rules.rules }, file, compiled.texts);
  if (built.spare > 0) return { faults, prompt: built.prompt };
  return failed([
    yaml.fault(
      ["maxInputTokens"],
      `the texts and examples alone take about ${content.maxInputTokens - built.spare} tokens: nothing of an event would fit`,
    ),
  ]);
}

const keysOf = (schema: z.ZodType): string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

function shapeFaults(yaml: PromptYaml, issues: readonly z.core.$ZodIssue[]): PromptFault[] {
  const former = formerKeys(yaml);
  const told = new Set(former.map(({ line }) => line));
  const faults = faultsOfIssues(yaml, issues, (path) => path, Object.keys(PromptFile.shape));
  const hasModel = former.some(({ fix }) => fix?.includes("models:"));
  return [
    ...former,
    ...faults.filter(
      ({ line, message }) => !told.has(line) && !(hasModel && message === '"models" is missing'),
    ),
  ];
}

/** `model: main` is short for a list of one. */
function withModels(file: unknown): unknown {
  if (typeof file !== "object" || file === null || !("model" in file) || "models" in file) return file;
  const { model, ...rest } = file;
  return typeof model === "string" ? { ...rest, models: [model] } : file;
}

/** How it was written in an earlier version of the format. */
function formerKeys(yaml: PromptYaml): PromptFault[] {
  const file = yaml.value;
  if (typeof file !== "object" || file === null) return [];
  const moved = "rules" in file && typeof file.rules === "object" && file.rules !== null;
  return [
    ...("model" in file && "fallback" in file
      ? [
          yaml.fault(["model"], "the models are a list", {
            part: "key",
            fix: "Write models: [main, fallback], in the order in which they are asked.",
          }),
        ]
      : []),
    ...(moved && !Array.isArray(file.rules)
      ? [
          yaml.fault(["rules"], "rules are a list of conditions, each with its output", {
            part: "key",
            fix: "Settings of the agent's own rules belong below policy:, under rules:.",
          }),
        ]
      : []),
  ];
}

function unknownModels(yaml: PromptYaml, content: PromptFile, models: readonly string[]): PromptFault[] {
  if (models.length === 0) return [];
  const named = [
    ...content.models.map((name, index) => ({ name, at: ["models", index] })),
    ...(content.cheaper == null ? [] : [{ name: content.cheaper, at: ["cheaper"] }]),
  ];
  return named
    .filter(({ name }) => !models.includes(name))
    .map(({ name, at }) =>
      yaml.fault(at, `there is no model "${name}" in the configuration`, insteadOf(name, models)),
    );
}

interface Texts {
  readonly system: Template;
  readonly template: Template;
  /** The tags of both: a value may close none of them. */
  readonly tags: readonly string[];
}

function compileTexts(
  yaml: PromptYaml,
  file: string,
  text: string,
  content: PromptFile,
  agent: AgentDefinition,
): { texts: Texts | null; faults: PromptFault[] } {
  const system = compile(content.system, agent.variables);
  const template = compile(content.template, agent.variables);
  const faults = [
    ...faultsOfTemplate(yaml, file, text, "system", content.system, system.faults, agent.variables),
    ...faultsOfTemplate(yaml, file, text, "template", content.template, template.faults, agent.variables),
  ];
  if (system.template === null || template.template === null) return { texts: null, faults };
  const tags = [...new Set([...system.template.tags, ...template.template.tags])];
  return { texts: { system: system.template, template: template.template, tags }, faults };
}

/** An example must be what a model would get and what it may answer: a wrong one teaches wrong answers. */
function exampleFaults(
  yaml: PromptYaml,
  content: PromptFile,
  agent: AgentDefinition,
  texts: Texts | null,
): PromptFault[] {
  return content.examples.flatMap(({ variables, output }, index) => {
    const at = ["examples", index] as const;
    const unknown = Object.keys(variables).filter((name) => !agent.variables.includes(name));
    const faults = unknown.map((name) =>
      yaml.fault([...at, "variables", name], `this agent has no variable "${name}"`, {
        part: "key",
        ...insteadOf(name, agent.variables),
      }),
    );
    const missing = (texts?.template.uses ?? []).filter((name) => !Object.hasOwn(variables, name));
    if (missing.length > 0)
      faults.push(
        yaml.fault(
          [...at, "variables"],
          `the template can't be filled with this example: it gives no ${missing.join(", no ")}`,
        ),
      );
    else {
      try {
        texts?.template.render(variables as JsonObject, texts.tags);
      } catch (error) {
        const cause =
          error instanceof Error ? error.message.replace(/, line:\d+(?:, col:\d+)?$/, "") : "unknown cause";
        faults.push(
          yaml.fault([...at, "variables"], `the template can't be filled with this example: ${cause}`),
        );
      }
    }
    const decision = agent.decision.safeParse(output);
    if (!decision.success)
      faults.push(...faultsOfIssues(yaml, decision.error.issues, (path) => [...at, "output", ...path]));
    return faults;
  });
}

/** `spare`: the tokens that are left for what an event brings. */
function createPrompt(
  content: PromptFile,
  { policy, rules }: Pick<Prompt, "policy" | "rules">,
  file: string,
  texts: Texts,
): { prompt: Prompt; spare: number } {
  const examples = content.examples.flatMap(({ variables, output }) => [
    { role: "user", text: texts.template.render(variables as JsonObject, texts.tags) } as const,
    { role: "assistant", text: JSON.stringify(output) } as const,
  ]);
  const fixed = [content.system, content.template, ...examples.map(({ text }) => text)];
  const spare = content.maxInputTokens - fixed.reduce((sum, text) => sum + tokensOf(text), 0);
  const prompt: Prompt = {
    agent: content.agent,
    version: content.version,
    description: content.description ?? null,
    models: [...new Set(content.models)],
    cheaper: content.cheaper ?? null,
    onModelUnavailable: content.onModelUnavailable,
    maxOutputTokens: content.maxOutputTokens,
    rules,
    policy,
    hash: hashJson(content as Json),
    file,
    render(variables) {
      const fitting = fitted(variables, spare);
      return {
        system: texts.system.render(fitting, texts.tags),
        messages: [...examples, { role: "user", text: texts.template.render(fitting, texts.tags) }],
      };
    },
  };
  return { prompt, spare };
}

function fitted(variables: JsonObject, tokens: number): JsonObject {
  const texts = Object.entries(variables).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const most = fairCut(
    texts.map(([, text]) => tokensOf(text)),
    tokens,
  );
  return {
    ...variables,
    ...Object.fromEntries(texts.map(([name, text]) => [name, cutToTokens(text, most)])),
  };
}
