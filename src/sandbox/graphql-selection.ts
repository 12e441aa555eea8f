/**
 * Just enough GraphQL to serve one endpoint: reads one operation with its arguments, variables, aliases and fragments,
 * and cuts an answer down to exactly the fields that were selected. It knows no schema: a field that the answer lacks
 * is refused, as a schema would refuse it.
 */
import type { Json, JsonObject } from "../domain/json.ts";

export interface Field {
  readonly name: string;
  /** The alias, or the name. */
  readonly key: string;
  readonly args: JsonObject;
  readonly fields: readonly Field[] | null;
}

/** A value that can be selected from; a function is a field that takes arguments, or is worth computing only if asked. */
export type Resolved =
  string | number | boolean | null | readonly Resolved[] | ResolvedObject | ((args: JsonObject) => Resolved);
export type ResolvedObject = { readonly [name: string]: Resolved };

/** The document or the selection is not valid; the message is GraphQL's own wording. */
export class SelectionError extends Error {
  override readonly name = "SelectionError";
}

type Tokens = { readonly list: readonly string[]; at: number };

const tokenPattern =
  /#[^\n]*|[\s,]+|("""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|\.\.\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[{}()[\]:!=$@|&])/y;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const at = tokenPattern.lastIndex;
    const found = tokenPattern.exec(text);
    if (!found) throw new SelectionError(`Syntax Error: Unexpected character: "${text[at] ?? ""}".`);
    if (found[1] !== undefined) tokens.push(found[1]);
  }
  return tokens;
}

const peek = (tokens: Tokens): string | undefined => tokens.list[tokens.at];
function next(tokens: Tokens): string {
  const token = tokens.list[tokens.at++];
  if (token === undefined) throw new SelectionError("Syntax Error: Unexpected <EOF>.");
  return token;
}
function expect(tokens: Tokens, wanted: string): void {
  const token = next(tokens);
  if (token !== wanted) throw new SelectionError(`Syntax Error: Expected "${wanted}", found "${token}".`);
}
function accept(tokens: Tokens, wanted: string): boolean {
  if (peek(tokens) !== wanted) return false;
  tokens.at += 1;
  return true;
}

/** A selection as written: spreads are not yet resolved. */
type Selected =
  | { kind: "field"; key: string; name: string; args: Tokens | null; selected: Selected[] | null }
  | { kind: "spread"; name: string }
  | { kind: "inline"; selected: Selected[] };

interface Operation {
  readonly kind: string;
  readonly name: string | null;
  readonly defaults: JsonObject;
  readonly selected: Selected[];
}

export interface ParsedOperation {
  readonly kind: "query" | "mutation";
  readonly fields: readonly Field[];
}

/** Throws SelectionError. */
export function parseOperation(text: string, variables: JsonObject, name: string | null): ParsedOperation {
  const tokens: Tokens = { list: tokenize(text), at: 0 };
  const operations: Operation[] = [];
  const fragments = new Map<string, Selected[]>();
  while (peek(tokens) !== undefined) {
    if (accept(tokens, "fragment")) {
      const fragment = next(tokens);
      expect(tokens, "on");
      next(tokens);
      fragments.set(fragment, selectionSet(tokens));
    } else operations.push(operation(tokens));
  }
  const chosen = name === null ? operations[0] : operations.find((one) => one.name === name);
  if (!chosen)
    throw new SelectionError(
      name === null ? "Must provide an operation." : `Unknown operation named "${name}".`,
    );
  if (chosen.kind !== "query" && chosen.kind !== "mutation") {
    throw new SelectionError(`Unsupported operation "${chosen.kind}".`);
  }
  const values = { ...chosen.defaults, ...variables };
  return { kind: chosen.kind, fields: resolveFields(chosen.selected, fragments, values) };
}

function operation(tokens: Tokens): Operation {
  if (peek(tokens) === "{")
    return { kind: "query", name: null, defaults: {}, selected: selectionSet(tokens) };
  const kind = next(tokens);
  const name = /^[A-Za-z_]/.test(peek(tokens) ?? "") ? next(tokens) : null;
  const defaults: { [name: string]: Json } = {};
  if (accept(tokens, "(")) {
    while (!accept(tokens, ")")) {
      expect(tokens, "$");
      const variable = next(tokens);
      expect(tokens, ":");
      while (/^(?:[A-Za-z_]\w*|[[\]!])$/.test(peek(tokens) ?? "")) next(tokens);
      if (accept(tokens, "=")) defaults[variable] = literal(tokens, {});
    }
  }
  return { kind, name, defaults, selected: selectionSet(tokens) };
}

function selectionSet(tokens: Tokens): Selected[] {
  expect(tokens, "{");
  const selected: Selected[] = [];
  while (!accept(tokens, "}")) selected.push(selection(tokens));
  return selected;
}

function selection(tokens: Tokens): Selected {
  if (accept(tokens, "...")) {
    if (accept(tokens, "on")) next(tokens);
    else if (peek(tokens) !== "{") return { kind: "spread", name: next(tokens) };
    return { kind: "inline", selected: selectionSet(tokens) };
  }
  const first = next(tokens);
  const name = accept(tokens, ":") ? next(tokens) : first;
  let args: Tokens | null = null;
  if (accept(tokens, "(")) {
    args = { list: tokens.list, at: tokens.at };
    for (let depth = 1; depth > 0;) {
      const token = next(tokens);
      if (token === "(") depth += 1;
      if (token === ")") depth -= 1;
    }
  }
  return {
    kind: "field",
    key: first,
    name,
    args,
    selected: peek(tokens) === "{" ? selectionSet(tokens) : null,
  };
}

function resolveFields(
  selected: readonly Selected[],
  fragments: ReadonlyMap<string, Selected[]>,
  variables: JsonObject,
): Field[] {
  return selected.flatMap((one): Field[] => {
    if (one.kind === "inline") return resolveFields(one.selected, fragments, variables);
    if (one.kind === "spread") {
      const fragment = fragments.get(one.name);
      if (!fragment) throw new SelectionError(`Unknown fragment "${one.name}".`);
      return resolveFields(fragment, fragments, variables);
    }
    const args: { [name: string]: Json } = {};
    if (one.args) {
      const tokens = { ...one.args };
      while (!accept(tokens, ")")) {
        const name = next(tokens);
        expect(tokens, ":");
        args[name] = literal(tokens, variables);
      }
    }
    const fields = one.selected ? resolveFields(one.selected, fragments, variables) : null;
    return [{ name: one.name, key: one.key, args, fields }];
  });
}

function literal(tokens: Tokens, variables: JsonObject): Json {
  const token = next(tokens);
  if (token === "$") return variables[next(tokens)] ?? null;
  if (token === "[") {
    const items: Json[] = [];
    while (!accept(tokens, "]")) items.push(literal(tokens, variables));
    return items;
  }
  if (token === "{") {
    const object: { [name: string]: Json } = {};
    while (!accept(tokens, "}")) {
      const name = next(tokens);
      expect(tokens, ":");
      object[name] = literal(tokens, variables);
    }
    return object;
  }
  if (token.startsWith('"""')) return token.slice(3, -3).trim();
  if (token.startsWith('"')) return JSON.parse(token) as string;
  if (/^-?\d/.test(token)) return Number(token);
  if (token === "true" || token === "false") return token === "true";
  return token === "null" ? null : token;
}

/** Cuts `value` down to the selection. Throws SelectionError for a field that it lacks. */
export function project(value: Resolved, fields: readonly Field[] | null, args: JsonObject = {}): Json {
  if (typeof value === "function") return project(value(args), fields);
  if (value === null || typeof value !== "object") return value;
  if (isList(value)) return value.map((item) => project(item, fields));
  // A scalar that is an object (JSONObject) has no selection, and is given whole.
  if (fields === null) return JSON.parse(JSON.stringify(value)) as Json;
  const picked: { [name: string]: Json } = {};
  for (const field of fields) {
    const part = value[field.name];
    if (part === undefined) {
      const type = value["__typename"];
      const owner = typeof type === "string" ? type : "Unknown";
      throw new SelectionError(`Cannot query field "${field.name}" on type "${owner}".`);
    }
    picked[field.key] = project(part, field.fields, field.args);
  }
  return picked;
}

const isList = (value: readonly Resolved[] | ResolvedObject): value is readonly Resolved[] =>
  Array.isArray(value);
