/**
 * Liquid templates for prompts: no files, no clock-dependent caches, limits on size, time and memory, and every value
 * that is inserted is treated as hostile.
 *
 * Untrusted text stands between tags of the template (`<diff>…</diff>`). So that a value can't end its own block, the
 * places where values were inserted are marked while the template is filled, and in the finished text each tag of the
 * template that touches a marked place loses its `<`. That also covers a tag put together from two values, or from a
 * value and the template's own text, and leaves all else of the value as it was: a diff stays quotable.
 */
import { Liquid, LiquidError, analyzeSync } from "liquidjs";
import type { Template as LiquidTemplate } from "liquidjs";
import type { JsonObject } from "../domain/json.ts";
import { visible } from "../domain/untrusted-text.ts";

/** 1-based, within the template's text. */
export interface TemplateFault {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The variable that is not among the agent's. */
  readonly unknown?: string;
}

export interface Template {
  /** The names of the tags that it delimits text with, lower case. */
  readonly tags: readonly string[];
  /** The variables that it uses. */
  readonly uses: readonly string[];
  /** Throws when a variable that is used has no value, or a limit is passed. `tags` are neutralised in the values. */
  render(variables: JsonObject, tags: readonly string[]): string;
}

const begin = "\uFDD0";
const end = "\uFDD1";

function marked(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value as string | number | boolean);
  return begin + visible(text) + end;
}

const engine = createEngine();

function createEngine(): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    lenientIf: true,
    ownPropertyOnly: true,
    templates: {},
    parseLimit: 200_000,
    renderLimit: 5_000,
    memoryLimit: 50_000_000,
    outputEscape: marked,
  });
  // These read other files; there are none.
  for (const tag of ["include", "render", "layout", "block"]) delete liquid.tags[tag];
  // It would insert a value unmarked.
  delete liquid.filters["raw"];
  return liquid;
}

/** Parses a template that may use `allowed` variables; every fault that can be found without filling it. */
export function compile(
  text: string,
  allowed: readonly string[],
): { template: Template; faults: TemplateFault[] } | { template: null; faults: TemplateFault[] } {
  let parsed: LiquidTemplate[];
  try {
    parsed = engine.parse(text);
  } catch (error) {
    return { template: null, faults: [parseFault(error)] };
  }
  const faults: TemplateFault[] = [];
  const { globals } = analyzeSync(parsed, { partials: false });
  for (const [name, uses] of Object.entries(globals)) {
    if (allowed.includes(name)) continue;
    for (const { location } of uses)
      faults.push({
        line: location.row,
        column: location.col,
        message: `the variable "${name}" is not given to this agent's prompt`,
        unknown: name,
      });
  }
  if (faults.length > 0) return { template: null, faults };
  const tags = [
    ...new Set([...text.matchAll(/<\/?([a-z][\w-]*)/gi)].map((match) => (match[1] ?? "").toLowerCase())),
  ];
  return {
    template: {
      tags,
      uses: Object.keys(globals),
      render: (variables, names) => neutralised(String(engine.renderSync(parsed, { ...variables })), names),
    },
    faults,
  };
}

function parseFault(error: unknown): TemplateFault {
  if (!LiquidError.is(error)) throw error;
  const [line, column] = error.token.getPosition();
  return {
    line: line ?? 1,
    column: column ?? 1,
    message: error.message.replace(/, line:\d+(?:, col:\d+)?$/, ""),
  };
}

/** Takes the marks out, and the `<` of each tag with one of `names` that a value has a part in. */
function neutralised(text: string, names: readonly string[]): string {
  let plain = "";
  const inserted: { from: number; to: number }[] = [];
  let from = 0;
  for (const part of text.split(/([\uFDD0\uFDD1])/)) {
    if (part === begin) from = plain.length;
    else if (part === end && plain.length > from) inserted.push({ from, to: plain.length });
    else if (part !== end) plain += part;
  }
  if (names.length === 0) return plain;
  // At most eight spaces: a bound on backtracking, and no reader takes more for a tag.
  const tag = new RegExp(`<[\\s/]{0,8}(?:${names.join("|")})(?![\\w-])`, "gi");
  let next = 0;
  return plain.replace(tag, (match, at: number) => {
    while (next < inserted.length && (inserted[next]?.to ?? 0) <= at) next += 1;
    const value = inserted[next];
    return value !== undefined && value.from < at + match.length ? `&lt;${match.slice(1)}` : match;
  });
}
