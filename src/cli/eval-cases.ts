/**
 * Reads the cases of an agent: `defaults.yaml` says what all of them have in common, every other file of the folder holds
 * some. All faults at once, with file and line.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import type { Fault } from "../config/faults.ts";
import { parseYaml } from "../config/yaml.ts";
import type { YamlFile } from "../config/yaml.ts";
import type { AgentDefinition } from "../domain/agent.ts";
import { isObject } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { Case, CaseSet } from "../eval/case.ts";
import { faultsOfIssues, insteadOf } from "../llm/prompt-faults.ts";
import { decisionNode, expectationFaults, kindFaults } from "./eval-expectations.ts";
import type { DecisionNode } from "./eval-expectations.ts";

const share = z.number().min(0).max(1);
const anything = z.custom<Json>((value) => value !== undefined, "is missing");
const fields = z.record(z.string(), anything);
const reads = z.partialRecord(
  z.enum(["github", "linear", "hubspot", "zendesk", "stripe"]),
  fields.nullable(),
);
const words = z.array(z.string().min(1)).default([]);

const DefaultsFile = z.strictObject({
  agent: z.string().min(1),
  label: z.string().min(1),
  thresholds: z
    .strictObject({ rules: share.nullable().default(null), model: share.nullable().default(null) })
    .prefault({}),
  now: z.iso.datetime(),
  type: z.string().min(1),
  payload: anything.default({}),
  facts: fields.nullable().default(null),
  reads: reads.default({}),
});
type Defaults = z.infer<typeof DefaultsFile>;

const CaseEntry = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,79}$/, "takes small letters, digits and hyphens, up to 80"),
  /** For people: what makes it hard, or why this is right. */
  why: z.string().optional(),
  tags: words,
  now: z.iso.datetime().optional(),
  type: z.string().optional(),
  payload: anything.optional(),
  facts: fields.optional(),
  reads: reads.optional(),
  expect: z.record(z.string(), z.unknown()).default({}),
  does: words,
  doesNot: words,
  held: z.boolean().nullable().default(null),
  says: words,
  saysNot: words,
});
type CaseEntry = z.infer<typeof CaseEntry>;

/** Each case is read by itself: a fault in one hides none in another. */
const CasesFile = z.strictObject({ tags: words, cases: z.array(z.unknown()).min(1) });

export type CasesRead =
  { readonly ok: true; readonly set: CaseSet } | { readonly ok: false; readonly faults: readonly Fault[] };

const isYaml = (name: string): boolean => /\.ya?ml$/.test(name);
const defaultsName = "defaults.yaml";

/** Null where the folder has no cases of this agent. `folder` holds its files; names are shown relative to `cwd`. */
export function readCases(folder: string, agent: AgentDefinition, cwd: string): CasesRead | null {
  if (!existsSync(folder)) return null;
  const names = readdirSync(folder).filter(isYaml).sort();
  if (names.length === 0) return null;
  const shown = (name: string) => {
    const path = relative(cwd, join(folder, name));
    return path.startsWith("..") ? join(folder, name) : path;
  };
  const open = (name: string) => parseYaml(readFileSync(join(folder, name), "utf8"), shown(name));
  if (!names.includes(defaultsName)) {
    const message = "it says what the cases of this folder have in common, and is missing";
    return { ok: false, faults: [{ file: shown(defaultsName), line: 0, column: 0, message }] };
  }
  const root = decisionNode(agent);
  const defaults = readDefaults(open(defaultsName), agent, root);
  if (!defaults.ok) return defaults;
  const faults: Fault[] = [];
  const cases: Case[] = [];
  for (const name of names.filter((each) => each !== defaultsName)) {
    const read = readFile(open(name), defaults.value, agent, root);
    faults.push(...read.faults);
    for (const { found, fault } of read.cases) {
      const first = cases.find(({ id }) => id === found.id);
      if (first === undefined) cases.push(found);
      else faults.push(fault(`the id "${found.id}" is taken by ${first.file}:${first.line}`));
    }
  }
  if (faults.length > 0) return { ok: false, faults };
  const { label, thresholds } = defaults.value;
  return { ok: true, set: { agent: agent.name, label, thresholds, cases } };
}

function readDefaults(
  yaml: YamlFile,
  agent: AgentDefinition,
  root: DecisionNode,
): { ok: true; value: Defaults } | { ok: false; faults: readonly Fault[] } {
  if (yaml.faults.length > 0) return { ok: false, faults: yaml.faults };
  const parsed = DefaultsFile.safeParse(yaml.value);
  if (!parsed.success) {
    const keys = Object.keys(DefaultsFile.shape);
    return { ok: false, faults: faultsOfIssues(yaml, parsed.error.issues, (path) => path, keys) };
  }
  const faults: Fault[] = [];
  if (parsed.data.agent !== agent.name)
    faults.push(
      yaml.fault(["agent"], `this folder is for ${agent.name}`, { fix: `Write agent: ${agent.name}` }),
    );
  const [field = "", inner] = parsed.data.label.split(".");
  const node = root.properties?.[field];
  const known = inner === undefined ? root.properties : node?.items?.properties;
  if (known?.[inner ?? field] === undefined)
    faults.push(
      yaml.fault(
        ["label"],
        "it names no field of the decision",
        insteadOf(field, Object.keys(root.properties ?? {})),
      ),
    );
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: parsed.data };
}

interface FileRead {
  readonly faults: readonly Fault[];
  readonly cases: readonly { readonly found: Case; readonly fault: (message: string) => Fault }[];
}

function readFile(yaml: YamlFile, defaults: Defaults, agent: AgentDefinition, root: DecisionNode): FileRead {
  if (yaml.faults.length > 0) return { faults: yaml.faults, cases: [] };
  const parsed = CasesFile.safeParse(yaml.value);
  if (!parsed.success) {
    const keys = Object.keys(CasesFile.shape);
    return { faults: faultsOfIssues(yaml, parsed.error.issues, (path) => path, keys), cases: [] };
  }
  const { tags, cases } = parsed.data;
  const read = cases.map((raw, index) => readCase(yaml, raw, index, { defaults, agent, root }));
  return {
    faults: read.flatMap(({ faults }) => faults),
    cases: read.flatMap(({ entry }, index) =>
      entry === null
        ? []
        : {
            found: caseOf(entry, { yaml, defaults, agent: agent.name, tags, index }),
            fault: (message: string) => yaml.fault(["cases", index, "id"], message),
          },
    ),
  };
}

function readCase(
  yaml: YamlFile,
  raw: unknown,
  index: number,
  { defaults, agent, root }: { defaults: Defaults; agent: AgentDefinition; root: DecisionNode },
): { entry: CaseEntry | null; faults: Fault[] } {
  const at = ["cases", index] as const;
  const parsed = CaseEntry.safeParse(raw);
  if (!parsed.success) {
    const expected = typeof raw === "object" && raw !== null && "expect" in raw ? raw.expect : undefined;
    const faults = parsed.error.issues.flatMap((issue) =>
      issue.code === "unrecognized_keys" && issue.path.length === 0
        ? issue.keys.map((key) =>
            yaml.fault([...at, key], `unknown key "${key}"`, {
              part: "key",
              ...insteadOf(key, Object.keys(CaseEntry.shape)),
            }),
          )
        : faultsOfIssues(yaml, [issue], (path) => [...at, ...path]),
    );
    return {
      entry: null,
      faults: [...faults, ...expectationFaults(yaml, root, expected, [...at, "expect"])],
    };
  }
  const entry = parsed.data;
  return {
    entry,
    faults: [
      ...expectationFaults(yaml, root, entry.expect, [...at, "expect"]),
      ...kindFaults(yaml, agent, entry.does, [...at, "does"]),
      ...kindFaults(yaml, agent, entry.doesNot, [...at, "doesNot"]),
      ...unknownFacts(yaml, defaults.facts, entry.facts, [...at, "facts"]),
      ...(expectsNothing(entry)
        ? [yaml.fault(at, `"${entry.id}" expects nothing: any answer would do`)]
        : []),
    ],
  };
}

const expectsNothing = ({ expect, does, doesNot, held, says, saysNot }: CaseEntry): boolean =>
  held === null &&
  Object.keys(expect).length + does.length + doesNot.length + says.length + saysNot.length === 0;

function caseOf(
  entry: CaseEntry,
  {
    yaml,
    defaults,
    agent,
    tags,
    index,
  }: { yaml: YamlFile; defaults: Defaults; agent: string; tags: readonly string[]; index: number },
): Case {
  return {
    agent,
    id: entry.id,
    file: yaml.file,
    line: yaml.positionOf(["cases", index]).line,
    tags: [...new Set([...tags, ...entry.tags])],
    now: Date.parse(entry.now ?? defaults.now),
    type: entry.type ?? defaults.type,
    payload: over(defaults.payload, entry.payload),
    facts: over(defaults.facts, entry.facts) as JsonObject | null,
    reads: Object.fromEntries(
      Object.entries(
        over(defaults.reads as JsonObject, entry.reads as JsonObject | undefined) as JsonObject,
      ).filter((pair): pair is [string, JsonObject] => pair[1] !== null),
    ) as Case["reads"],
    expect: entry.expect as Case["expect"],
    does: entry.does,
    doesNot: entry.doesNot,
    held: entry.held,
    says: entry.says,
    saysNot: entry.saysNot,
  };
}

/** `own` over `base`: objects field by field; a list with one object is what each object of the other list is put over. */
function over(base: Json, own: Json | undefined): Json {
  if (own === undefined) return base;
  if (Array.isArray(own)) {
    const [template, more] = Array.isArray(base) ? (base as readonly Json[]) : [];
    if (template === undefined || more !== undefined || !isObject(template)) return own;
    return (own as readonly Json[]).map((item) => over(template, item));
  }
  if (base === null || !isObject(base) || !isObject(own)) return own;
  const merged = Object.entries(own).map(([key, value]) => [key, over(base[key] ?? null, value)] as const);
  return { ...base, ...Object.fromEntries(merged) };
}

/** A fact that the defaults do not have is misspelt: no rule and no prompt would ever see it. */
function unknownFacts(yaml: YamlFile, base: Json, own: Json | undefined, path: (string | number)[]): Fault[] {
  if (own === undefined || own === null || base === null) return [];
  if (Array.isArray(own)) {
    const [template] = Array.isArray(base) ? (base as readonly Json[]) : [];
    if (template === undefined) return [];
    return (own as readonly Json[]).flatMap((item, index) =>
      unknownFacts(yaml, template, item, [...path, index]),
    );
  }
  if (!isObject(own) || !isObject(base)) return [];
  const known = Object.keys(base);
  return Object.entries(own).flatMap(([key, value]) =>
    known.includes(key)
      ? unknownFacts(yaml, base[key] ?? null, value, [...path, key])
      : [
          yaml.fault([...path, key], `there is no fact "${key}" here`, {
            part: "key",
            ...insteadOf(key, known),
          }),
        ],
  );
}
