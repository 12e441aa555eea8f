/** YAML with places: every value of a file can be pointed at, and nothing that a file holds makes the reader throw. */
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument, stringify, visit } from "yaml";
import type { Alias, Document, Node, Pair, YAMLError } from "yaml";
import type { Fault } from "./faults.ts";
import { createSourceView } from "./source-view.ts";

export interface Position {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

export type Path = readonly PropertyKey[];
type Hints = Pick<Fault, "allowed" | "suggestion" | "fix">;

export interface YamlFile {
  /** The name to show. */
  readonly file: string;
  /** Plain data; null when there are faults. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** Of the value at `path` (or its key); of the nearest parent that exists when there is none. */
  positionOf(path: Path, part?: "key" | "value"): Position;
  /** A fault at `path`, with its source line. `offset` moves the caret into a plain value. */
  fault(path: Path, message: string, hints?: Hints & { part?: "key" | "value"; offset?: number }): Fault;
  /** Never shows the value at `path` in a source line; of a section, all that is in it. */
  hide(path: Path): void;
}

/** How many nodes the aliases of a file may expand to, in `yaml`'s counting. */
const maxAliasCount = 100;

/** Data as a file that people are to read and edit; ends with a newline. */
export const yamlOf = (value: unknown): string =>
  stringify(value, { lineWidth: 110, aliasDuplicateObjects: false });

/** `file` is the name to show. */
export function parseYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const view = createSourceView(text);
  const faultAt = (start: number, end: number, message: string, hints: Hints = {}): Fault => {
    const { line, col } = lines.linePos(start);
    const column = Math.max(1, col);
    return { file, line, column, message, source: view.show(start, end), ...hints };
  };

  let document: Document.Parsed;
  try {
    const unquoted = parseTolerant(text, lines);
    document = unquoted.document;
    const faults = [
      ...unquoted.places.map((place) => flowFault(text, place, faultAt)),
      ...syntaxFaults(document, faultAt, lines),
    ];
    if (document.errors.some(({ message }) => /call stack/i.test(message)))
      throw new RangeError("nested too deeply");
    if (faults.length > 0) return failed(file, faults);
  } catch (error) {
    return failed(file, [
      { file, line: 0, column: 0, message: unreadable(error), fix: "Nest it less deeply." },
    ]);
  }

  const place = (path: Path, part: "key" | "value"): [number, number] => rangeOf(document, path, part);
  const places: Omit<YamlFile, "value" | "faults"> = {
    file,
    positionOf(path, part = "value") {
      const { line, col } = lines.linePos(place(path, part)[0]);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    },
    fault(path, message, { part = "value", offset = 0, ...hints } = {}) {
      const [start, end] = place(path, part);
      const quoted = /["']/.test(text[start] ?? "") ? 1 : 0;
      const inside = start + quoted + offset;
      const from = offset > 0 && inside < end && !text.slice(start, inside).includes("\n") ? inside : start;
      return faultAt(from, end, message, hints);
    },
    hide(path) {
      const node = document.getIn([...path], true);
      if (isNode(node))
        visit(node, {
          Scalar: (role, { range }) => void (role !== "key" && range && view.hide(range[0], range[1])),
        });
    },
  };

  try {
    const value: unknown = document.toJS({ maxAliasCount });
    const faults = [
      ...document.warnings.map((warning) => faultAt(...warning.pos, tagMessage(warning))),
      ...oddKeys(document, faultAt),
    ];
    const loop = cyclic(value, new Set())
      ? [aliasFault(document, "this alias contains itself", faultAt)]
      : [];
    const all = [...faults, ...loop];
    return all.length > 0 ? { ...places, value: null, faults: all } : { ...places, value, faults: [] };
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    const known = /unresolved alias/i.test(message)
      ? "this alias refers to an anchor (`&name`) that does not come before it"
      : `the aliases of this file expand to more than ${maxAliasCount} copies`;
    return { ...places, value: null, faults: [aliasFault(document, known, faultAt, message)] };
  }
}

type FaultAt = (start: number, end: number, message: string, hints?: Hints) => Fault;

function failed(file: string, faults: readonly Fault[]): YamlFile {
  const first = faults[0];
  const position = { line: Math.max(1, first?.line ?? 1), column: Math.max(1, first?.column ?? 1) };
  return {
    file,
    value: null,
    faults,
    positionOf: () => position,
    fault: (_path, message) => ({ file, ...position, message }),
    hide: () => undefined,
  };
}

const unreadable = (error: unknown): string =>
  error instanceof RangeError ? "nested too deeply to be read" : "could not be read as YAML";

// ── Syntax ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * In `{ token: ${X} }` the brace of the variable opens a map of its own, and everything after it is misread. Each such
 * variable is noted, its braces are replaced by characters of the same length, and the text is parsed again, so that
 * all of them are found and other faults keep their places.
 */
function parseTolerant(
  text: string,
  lines: LineCounter,
): { document: Document.Parsed; places: [number, number][] } {
  const places: [number, number][] = [];
  let current = text;
  for (;;) {
    const document = parseDocument(current, {
      lineCounter: places.length === 0 ? lines : new LineCounter(),
      prettyErrors: false,
      stringKeys: true,
      schema: "core",
      logLevel: "error",
    });
    const found = document.errors.find(({ pos: [at] }) => current[at] === "{" && current[at - 1] === "$");
    if (found === undefined || places.length >= 200) return { document, places };
    const open = found.pos[0];
    const close = /[}\n]/.exec(current.slice(open))?.index ?? -1;
    const end = close >= 0 && current[open + close] === "}" ? open + close : -1;
    places.push([open - 1, end >= 0 ? end + 1 : open + 1]);
    current = `${current.slice(0, open)}_${current.slice(open + 1)}`;
    if (end >= 0) current = `${current.slice(0, end)}_${current.slice(end + 1)}`;
  }
}

const flowFault = (text: string, [start, end]: [number, number], faultAt: FaultAt): Fault =>
  faultAt(start, end, "a variable inside `{ … }` or `[ … ]` must stand in quotes", {
    fix: `Write "${text.slice(start, end)}": without quotes YAML reads its brace as a map.`,
  });

/** One fault per line, and nothing after the first that puts the reader out of step: what follows is its consequence. */
function syntaxFaults(document: Document.Parsed, faultAt: FaultAt, lines: LineCounter): Fault[] {
  const faults: Fault[] = [];
  for (const error of document.errors) {
    const [start, end] = openQuote(document, error) ?? error.pos;
    const { message, ...hints } = explain(error);
    const fault = faultAt(start, Math.max(end, start + 1), message, hints);
    if (faults.every((other) => other.line !== lines.linePos(start).line)) faults.push(fault);
    if (error.code !== "DUPLICATE_KEY" && error.code !== "TAB_AS_INDENT") break;
  }
  return faults;
}

/** Where the text begins whose quote is missing: its end, usually that of the file, tells a person nothing. */
function openQuote(document: Document.Parsed, error: YAMLError): [number, number] | null {
  if (error.code !== "MISSING_CHAR" || !error.message.includes("quote")) return null;
  let found: [number, number] | null = null;
  visit(document, {
    Scalar(_, { range }) {
      if (range && range[0] < error.pos[0] && range[1] >= error.pos[0]) found = [range[0], range[0] + 1];
    },
  });
  return found;
}

function explain(error: YAMLError): { message: string } & Hints {
  if (error.code === "MISSING_CHAR" && error.message.includes("quote"))
    return { message: "this quote is never closed", fix: "Close it at the end of the text." };
  switch (error.code) {
    case "DUPLICATE_KEY":
      return { message: "this key stands here twice", fix: "Keep one of the two." };
    case "TAB_AS_INDENT":
      return { message: "a tab can't indent", fix: "Use spaces." };
    case "BAD_INDENT":
      return { message: "the indentation fits no block above", fix: "Align it with its neighbours." };
    case "MULTIPLE_DOCS":
      return { message: "a second document (`---`) begins here", fix: "Keep one document in the file." };
    case "NON_STRING_KEY":
      return { message: "a key must be a plain word" };
    case "BLOCK_AS_IMPLICIT_KEY":
      return { message: "two `key: value` on one line", fix: "Put the text in quotes, or start a new line." };
    default: {
      const first = error.message.split("\n")[0] ?? "";
      return {
        message: `not valid YAML: ${first.charAt(0).toLowerCase()}${first
          .slice(1)
          .replace(/"?\s*$/, "")
          .slice(0, 90)}`,
        fix: "Check the quotes, colons and brackets here; texts with special characters belong in quotes.",
      };
    }
  }
}

const tagMessage = (warning: YAMLError): string =>
  warning.code === "TAG_RESOLVE_FAILED"
    ? "tags (`!name`) are not used here"
    : "YAML does not allow this here";

/** `__proto__` as a key could reach into every object of a program; merge keys are not YAML 1.2. */
function oddKeys(document: Document.Parsed, faultAt: FaultAt): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Pair(_, pair) {
      const key = isScalar(pair.key) ? pair.key : null;
      if (key?.range === undefined || key?.range === null) return;
      if (key.value === "__proto__")
        faults.push(faultAt(key.range[0], key.range[1], "`__proto__` can't be a key"));
      if (key.value === "<<")
        faults.push(
          faultAt(key.range[0], key.range[1], "merge keys (`<<`) are not used here", {
            fix: "Write the keys out.",
          }),
        );
    },
  });
  return faults;
}

function aliasFault(document: Document.Parsed, message: string, faultAt: FaultAt, name = ""): Fault {
  const aliases: Alias[] = [];
  visit(document, { Alias: (_, alias) => void aliases.push(alias) });
  const named = aliases.find((alias) => name.endsWith(`: ${alias.source}`)) ?? aliases.at(-1);
  const [start, end] = named?.range ?? [0, 1];
  return faultAt(start, end, message, { fix: "Write the values out instead of using aliases." });
}

function cyclic(value: unknown, above: Set<object>): boolean {
  if (value === null || typeof value !== "object") return false;
  if (above.has(value)) return true;
  above.add(value);
  const found = Object.values(value).some((item) => cyclic(item, above));
  above.delete(value);
  return found;
}

// ── Places ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Start and end of a scalar; of a map or list, its key (or its first character, in a list). */
function rangeOf(document: Document.Parsed, path: Path, part: "key" | "value"): [number, number] {
  let node: unknown = document.contents;
  let best: [number, number] = [0, 1];
  for (const [depth, key] of path.entries()) {
    const here = isAlias(node) ? node.resolve(document) : node;
    const last = depth === path.length - 1;
    if (isMap(here)) {
      const pair: Pair | undefined = here.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(key),
      );
      if (pair === undefined) return best;
      const keyRange = span(pair.key) ?? best;
      node = pair.value;
      best = last && part === "value" && isScalar(node) ? (filled(node) ?? keyRange) : keyRange;
    } else if (isSeq(here) && typeof key === "number") {
      node = here.items[key];
      const range = span(node);
      if (range === null) return best;
      best = isScalar(node) ? range : [range[0], range[0] + 1];
    } else {
      return best;
    }
  }
  return best;
}

const span = (node: unknown): [number, number] | null => {
  const range = (node as Node | null | undefined)?.range;
  return range ? [range[0], Math.max(range[1], range[0] + 1)] : null;
};

/** An empty value (`token:`) has a place but no text: its key is what a person can see. */
const filled = (node: Node): [number, number] | null =>
  node.range && node.range[1] > node.range[0] ? span(node) : null;
