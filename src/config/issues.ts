/** Turns what zod found into faults that a person can act on. */
import type { z } from "zod";
import { closest } from "../domain/closest.ts";
import type { Fault } from "./faults.ts";
import { allowedKeys, child, schemaAt } from "./json-schema.ts";
import type { SchemaNode } from "./json-schema.ts";
import { pathKey } from "./variables.ts";
import type { Origin } from "./variables.ts";
import type { Path, YamlFile } from "./yaml.ts";

type Issue = z.core.$ZodIssue;

export interface IssueContext {
  readonly yaml: YamlFile;
  /** With variables resolved. */
  readonly value: unknown;
  readonly origins: ReadonlyMap<string, Origin>;
}

export const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((here, key) => child(here, key), value);

/** `routes[0].mode` → `mode`; `secrets[1]` keeps its list's name. */
function labelOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return "the file";
  return typeof last === "number" ? `${String(path.at(-2) ?? "item")}[${last}]` : String(last);
}

export const quotedList = (words: readonly unknown[]): string => words.map(String).join(", ");

/** A misspelt key explains why the right one is missing: that is not told a second time. */
export function faultsOfIssues(issues: readonly Issue[], context: IssueContext): Fault[] {
  const misspelt = new Set(
    issues.flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) =>
            pathKey([...issue.path, suggestionFor(key, issue.path, context)?.suggestion ?? key]),
          )
        : [],
    ),
  );
  return issues
    .filter((issue) => valueAt(context.value, issue.path) !== undefined || !misspelt.has(pathKey(issue.path)))
    .flatMap((issue) => faultsOfIssue(issue, context));
}

function faultsOfIssue(issue: Issue, context: IssueContext): Fault[] {
  const { yaml } = context;
  const { path } = issue;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey([...path, key], key, context));
    case "invalid_type":
      return [wrongType(issue, context)];
    case "invalid_value":
      return [wrongWord(path, issue.values, context)];
    case "invalid_union":
      return wrongVariant(issue, context);
    case "too_small":
    case "too_big":
      return [outOfBounds(issue, context)];
    case "invalid_key":
      return [
        yaml.fault(path, `the name \`${labelOf(path)}\` ${issue.issues[0]?.message ?? "is not allowed"}`, {
          part: "key",
        }),
      ];
    case "custom":
      return [custom(issue, context)];
    default:
      return [yaml.fault(path, sentence(path, issue.message), variableHint(path, context))];
  }
}

/** What follows a misspelt key may be a secret: no excerpt shows it, whichever fault of its line comes first. */
export function hideUnknownKeys(issues: readonly Issue[], yaml: YamlFile, above: Path = []): void {
  for (const issue of issues) {
    const at = [...above, ...issue.path];
    if (issue.code === "unrecognized_keys") for (const key of issue.keys) yaml.hide([...at, key]);
    if (issue.code === "invalid_union") for (const inside of issue.errors) hideUnknownKeys(inside, yaml, at);
  }
}

/** The types that a section may have which says its `type` at this place. */
const typesAt = (path: Path, value: unknown): unknown[] =>
  (schemaAt(path.slice(0, -1), value)?.oneOf ?? [])
    .map((one) => one.properties?.["type"]?.const)
    .filter((one) => one !== undefined);

interface Misspelt {
  readonly path: Path;
  readonly nearest: string;
}

/**
 * Reads a misspelt `type` of a source as the nearest one, so that all else which is wrong with the source comes at once.
 * `misspelt`: where, for `misspeltType` to tell.
 */
export function withNearestTypes(value: unknown): { readonly value: unknown; readonly misspelt: Misspelt[] } {
  const sources = child(value, "sources");
  if (sources === null || typeof sources !== "object" || Array.isArray(sources))
    return { value, misspelt: [] };
  const misspelt: Misspelt[] = [];
  const read = Object.entries(sources).map(([name, source]: [string, unknown]) => {
    const path = ["sources", name, "type"];
    const type = child(source, "type");
    const types = typesAt(path, value).map(String);
    const nearest = typeof type === "string" && !types.includes(type) ? closest(type, types) : undefined;
    if (nearest === undefined) return [name, source];
    misspelt.push({ path, nearest });
    return [name, { ...(source as object), type: nearest }];
  });
  return { value: { ...(value as object), sources: Object.fromEntries(read) }, misspelt };
}

export const misspeltType = ({ path, nearest }: Misspelt, { yaml, value }: IssueContext): Fault =>
  yaml.fault(path, "`type` is not one of the allowed values", {
    allowed: quotedList(typesAt(path, value)),
    suggestion: nearest,
  });

const sentence = (path: Path, message: string): string =>
  /^(must|needs|can)\b/.test(message) ? `\`${labelOf(path)}\` ${message}` : message;

function unknownKey(path: Path, key: string, context: IssueContext): Fault {
  const hints = suggestionFor(key, path.slice(0, -1), context);
  return context.yaml.fault(path, `unknown key \`${key}\``, { part: "key", ...hints });
}

function suggestionFor(
  key: string,
  parent: Path,
  { value }: IssueContext,
): { allowed: string; suggestion?: string } {
  const keys = allowedKeys(schemaAt(parent, value), valueAt(value, parent)) ?? [];
  const suggestion = closest(key, keys);
  return { allowed: quotedList(keys), ...(suggestion === undefined ? {} : { suggestion }) };
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a section with keys",
  record: "a section with keys",
};

function wrongType(issue: Issue & { code: "invalid_type" }, context: IssueContext): Fault {
  const { yaml, value } = context;
  const { path, expected, message } = issue;
  const actual = valueAt(value, path);
  const wanted = typeNames[schemaAt(path, value)?.type === "integer" ? "int" : expected] ?? expected;
  if (actual === undefined) {
    const about = schemaAt(path, value)?.description;
    return yaml.fault(path, `\`${labelOf(path)}\` is missing`, about === undefined ? {} : { fix: about });
  }
  const own = message.startsWith("must be ") ? message : null;
  if (actual === null)
    return yaml.fault(path, `\`${labelOf(path)}\` has no value; it ${own ?? `must be ${wanted}`}`);
  if (own !== null) return yaml.fault(path, sentence(path, own), variableHint(path, context));
  const what = Array.isArray(actual) ? "a list" : (typeNames[typeof actual] ?? typeof actual);
  const quote = wanted === "a text" && typeof actual === "number" ? { fix: "Put it in quotes." } : {};
  const how = what === wanted || (expected === "int" && what === "a number") ? "" : `, not ${what}`;
  const hint = variableHint(path, context);
  // No value of a variable is a list: here the file is what has to be corrected.
  if (wanted === "a list" && hint.fix !== undefined)
    hint.fix = "A variable holds one text: put it in brackets, as a list of one.";
  return yaml.fault(path, `\`${labelOf(path)}\` must be ${wanted}${how}`, { ...quote, ...hint });
}

function wrongWord(path: Path, allowed: readonly unknown[], context: IssueContext): Fault {
  const { yaml, value } = context;
  if (valueAt(value, path) === undefined)
    return yaml.fault(path, `\`${labelOf(path)}\` is missing`, { allowed: quotedList(allowed) });
  const word = spoken(path, context);
  const suggestion = word === null ? undefined : closest(word, allowed.map(String));
  return yaml.fault(path, `\`${labelOf(path)}\` is not one of the allowed values`, {
    allowed: quotedList(allowed),
    ...(suggestion === undefined ? {} : { suggestion }),
    ...variableHint(path, context),
  });
}

function wrongVariant(issue: Issue & { code: "invalid_union" }, context: IssueContext): Fault[] {
  const { yaml, value } = context;
  const { path } = issue;
  // Of a text or a section: what is wrong inside the one that was written.
  const inside = issue.errors.filter(
    (of) => !of.some((one) => one.path.length === 0 && one.code === "invalid_type"),
  );
  if (issue.errors.length > 1 && inside.length === 1)
    return faultsOfIssues(
      inside.flat().map((one) => ({ ...one, path: [...path, ...one.path] })),
      context,
    );
  const types = path.at(-1) === "type" ? typesAt(path, value) : [];
  if (types.length > 0) return [wrongWord(path, types, context)];
  const other = schemaAt(path, value)?.["x-secret"] ? "a section with `value`" : "a whole number";
  return [yaml.fault(path, `\`${labelOf(path)}\` must be a text or ${other}`, variableHint(path, context))];
}

function outOfBounds(issue: Issue & { code: "too_small" | "too_big" }, context: IssueContext): Fault {
  const { yaml, value } = context;
  const { path } = issue;
  const node = schemaAt(path, value);
  if (issue.origin === "number" || issue.origin === "int")
    return yaml.fault(path, `\`${labelOf(path)}\` must be ${bounds(node)}`, variableHint(path, context));
  const message =
    issue.code === "too_big"
      ? `must have at most ${String(issue.maximum)} characters`
      : issue.message.startsWith("Too")
        ? "must not be empty"
        : issue.message;
  return yaml.fault(path, sentence(path, message), variableHint(path, context));
}

const bounds = (node: SchemaNode | null): string =>
  node?.minimum === undefined || node.maximum === undefined
    ? "a smaller number"
    : `between ${node.minimum} and ${node.maximum}`;

function custom(issue: Issue & { code: "custom" }, context: IssueContext): Fault {
  const { part, candidates, word } = issue.params ?? {};
  const names = Array.isArray(candidates) ? candidates.map(String) : null;
  const suggestion = names === null ? undefined : closest(String(word), names);
  return context.yaml.fault(issue.path, sentence(issue.path, issue.message), {
    ...(part === "key" ? { part } : {}),
    ...(names === null ? {} : { allowed: quotedList(names) }),
    ...(suggestion === undefined ? {} : { suggestion }),
    ...variableHint(issue.path, context),
  });
}

/** A value out of the environment is never repeated: it may be a secret that went into the wrong variable. */
function variableHint(path: Path, { origins }: IssueContext): { fix?: string } {
  const names = origins.get(pathKey(path))?.names ?? [];
  return names.length === 0
    ? {}
    : { fix: `The value comes from ${quotedList(names)}; correct it in the environment.` };
}

/** What the file itself says at this place; null when it comes out of a variable or is no text. */
export function spoken(
  path: Path,
  { value, origins }: Pick<IssueContext, "value" | "origins">,
): string | null {
  const here = valueAt(value, path);
  return typeof here === "string" && !origins.has(pathKey(path)) ? here : null;
}
