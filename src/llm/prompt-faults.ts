/** What is wrong in a prompt file, where, and what to do. */
import { closest } from "../domain/closest.ts";
import type { z } from "zod";
import type { TemplateFault } from "./template.ts";

/** The shape that src/config prints, so that the faults of prompts and of the configuration look the same. */
export interface PromptFault {
  readonly file: string;
  /** 1-based; 0 when the fault is with the file as a whole. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The line in question; `column` and `length` are where the caret goes, 0-based. */
  readonly source?: { readonly text: string; readonly column: number; readonly length: number };
  readonly allowed?: string;
  readonly suggestion?: string;
  readonly fix?: string;
}

type Path = readonly PropertyKey[];
type Hints = Pick<PromptFault, "allowed" | "suggestion" | "fix">;

/** What a YAML reader tells of a file; src/config owns the reader, and app.ts brings it. */
export interface PromptYaml {
  /** Plain data; meaningless when there are faults. */
  readonly value: unknown;
  readonly faults: readonly PromptFault[];
  /** Of the value at `path` (or its key); of the nearest parent that exists when there is none. 1-based. */
  positionOf(path: Path, part?: "key" | "value"): { readonly line: number; readonly column: number };
  fault(path: Path, message: string, hints?: Hints & { part?: "key" | "value" }): PromptFault;
}
export type ParseYaml = (text: string, file: string) => PromptYaml;

/** `allowed` and `suggestion` for a word that is none of `candidates`. */
export function insteadOf(word: string, candidates: readonly string[]): Hints {
  const suggestion = closest(word, candidates);
  return { allowed: candidates.join(", ") || "nothing", ...(suggestion === undefined ? {} : { suggestion }) };
}

/** One fault for each issue; `at` is where the parsed value stands in the file. */
export function faultsOfIssues(
  yaml: PromptYaml,
  issues: readonly z.core.$ZodIssue[],
  at: (path: Path) => Path,
  keys: readonly string[] = [],
): PromptFault[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) =>
        yaml.fault([...at(issue.path), key], `unknown key "${key}"`, {
          part: "key",
          ...(issue.path.length === 0 && keys.length > 0 ? insteadOf(key, keys) : { fix: "Remove it." }),
        }),
      );
    const path = at(issue.path);
    if (path.length === 0)
      return [yaml.fault(path, "the file must hold keys and values", { allowed: keys.join(", ") })];
    const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
    const name = path.map(String).join(".");
    return [yaml.fault(path, missing ? `"${name}" is missing` : `"${name}": ${issue.message}`)];
  });
}

/** The places of faults within the text at `key`, as places in the file. */
export function faultsOfTemplate(
  yaml: PromptYaml,
  file: string,
  fileText: string,
  key: string,
  text: string,
  faults: readonly TemplateFault[],
  variables: readonly string[],
): PromptFault[] {
  const fileLines = fileText.split(/\r?\n/);
  const start = yaml.positionOf([key], "value").line;
  // The text of a block scalar (`key: |`) begins on the line after its header.
  const offset = /[|>][-+0-9]*\s*(?:#.*)?$/.test(fileLines[start - 1] ?? "") ? 0 : -1;
  return faults.map((fault) => {
    const hints = fault.unknown === undefined ? {} : insteadOf(fault.unknown, variables);
    const line = start + fault.line + offset;
    const fileLine = fileLines[line - 1] ?? "";
    const templateLine = (text.split("\n")[fault.line - 1] ?? "").trimEnd();
    const indent = templateLine === "" ? -1 : fileLine.indexOf(templateLine);
    // A folded or quoted text has other lines than the file: the fault is then told at the text's beginning.
    if (indent < 0) return yaml.fault([key], `${key}, line ${fault.line}: ${fault.message}`, hints);
    const column = indent + fault.column;
    const source = { text: fileLine, column: column - 1, length: caretLength(fileLine, column - 1) };
    return { file, line, column, message: fault.message, source, ...hints };
  });
}

const caretLength = (line: string, from: number): number =>
  Math.max(1, /^(?:\{\{.*?\}\}|\{%.*?%\}|[\w.]+)/.exec(line.slice(from))?.[0].length ?? 1);
