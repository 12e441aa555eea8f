/**
 * Variables in plain values: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`. A value comes from NAME, or
 * from the file that NAME_FILE names (Docker secrets); a variable that is empty counts as unset.
 */
import { readFileSync } from "node:fs";
import type { Path } from "./yaml.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/** What a plain value was made of. */
export interface Origin {
  readonly path: Path;
  /** As it stands in the file. */
  readonly raw: string;
  readonly names: readonly string[];
  /** Variables without a value and without a default; they read as empty. */
  readonly unset: readonly string[];
  /** What stands around the variables, and their defaults: what the file itself says. */
  readonly literals: readonly string[];
}

interface VariableFault {
  readonly path: Path;
  readonly offset: number;
  readonly message: string;
  readonly fix: string;
}

export interface Resolved {
  readonly value: unknown;
  /** Every text that uses a variable, by `pathKey`. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly faults: readonly VariableFault[];
}

export const pathKey = (path: Path): string => path.map(String).join("\0");

/** The value of a variable; null when it is unset or empty. Throws an Error that says which file can't be read. */
export function lookUp(name: string, env: Variables): string | null {
  const direct = env[name] ?? "";
  const file = env[`${name}_FILE`] ?? "";
  if (direct !== "" && file !== "")
    throw new Error(`both ${name} and ${name}_FILE are set; keep one of them`);
  if (file === "") return direct === "" ? null : direct;
  try {
    const text = readFileSync(file, "utf8").replace(/\r?\n$/, "");
    return text === "" ? null : text;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw new Error(`the file that ${name}_FILE names can't be read (${code})`, { cause: error });
  }
}

export function resolveVariables(value: unknown, env: Variables): Resolved {
  const origins = new Map<string, Origin>();
  const faults: VariableFault[] = [];
  const walk = (item: unknown, path: Path): unknown => {
    if (typeof item === "string") {
      if (!item.includes("${")) return item;
      const { text, origin } = resolveText(item, path, env, faults);
      origins.set(pathKey(path), origin);
      return text;
    }
    if (Array.isArray(item)) return item.map((one: unknown, index) => walk(one, [...path, index]));
    if (item !== null && typeof item === "object")
      return Object.fromEntries(Object.entries(item).map(([key, one]) => [key, walk(one, [...path, key])]));
    return item;
  };
  return { value: walk(value, []), origins, faults };
}

const reference = /\$\$\{|\$\{([^}]*)(\}?)/g;
const inside = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

function resolveText(
  raw: string,
  path: Path,
  env: Variables,
  faults: VariableFault[],
): { text: string; origin: Origin } {
  const names: string[] = [];
  const unset: string[] = [];
  const literals: string[] = [];
  let text = "";
  let end = 0;
  for (const match of raw.matchAll(reference)) {
    const [whole, content, closed] = match;
    const around = raw.slice(end, match.index);
    literals.push(around);
    text += around;
    end = match.index + whole.length;
    if (content === undefined) {
      literals.push("${");
      text += "${";
      continue;
    }
    const [, name, preset] = (closed === "}" ? inside.exec(content) : null) ?? [];
    if (name === undefined) {
      faults.push({
        path,
        offset: match.index,
        message:
          closed === "}" ? "this is not how a variable is written" : "this variable is not closed by `}`",
        fix: "Write `${NAME}` or `${NAME:-default}`; `$${` stands for a literal `${`.",
      });
      continue;
    }
    names.push(name);
    if (preset !== undefined) literals.push(preset);
    try {
      const found = lookUp(name, env);
      if (found === null && preset === undefined) unset.push(name);
      text += found ?? preset ?? "";
    } catch (error) {
      const message = error instanceof Error ? error.message : "can't be read";
      faults.push({
        path,
        offset: match.index,
        message,
        fix: `Correct ${name}_FILE in the environment, or set ${name}.`,
      });
    }
  }
  literals.push(raw.slice(end));
  return {
    text: text + raw.slice(end),
    origin: { path, raw, names, unset: [...new Set(unset)], literals: literals.filter((one) => one !== "") },
  };
}
