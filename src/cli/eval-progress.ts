/** How far an evaluation is: a bar for whoever watches, and a file from which a broken-off one goes on. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hashJson } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { Case } from "../eval/case.ts";
import type { Answered } from "../eval/evaluate.ts";
import type { Context } from "./context.ts";
import { dataFolder } from "./service.ts";

export interface Kept {
  get(key: string): Answered | undefined;
  add(key: string, answer: Answered): void;
  /** How many answers an earlier evaluation left. */
  readonly found: number;
}

/** Of all that an answer depends on. */
export function answerKey(
  which: Case,
  on: { readonly prompt: string | null; readonly models: readonly string[]; readonly label: string },
): string {
  // Not where it stands in which file.
  const content = { ...which, file: null, line: null };
  return hashJson(JSON.parse(JSON.stringify({ content, on })) as Json);
}

/** Without `resume`, what was kept of an earlier evaluation is forgotten. */
export function openKept(context: Context, resume: boolean): Kept {
  const file = join(dataFolder(context), "eval", "progress.ndjson");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const known = resume ? readKept(file) : new Map<string, Answered>();
  if (!resume) writeFileSync(file, "", { mode: 0o600 });
  return {
    found: known.size,
    get: (key) => known.get(key),
    add: (key, answer) => appendFileSync(file, `${JSON.stringify({ key, answer })}\n`, { mode: 0o600 }),
  };
}

/** The last line may have been cut off. */
function readKept(file: string): Map<string, Answered> {
  const known = new Map<string, Answered>();
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return known;
  }
  for (const line of text.split("\n")) {
    try {
      const { key, answer } = JSON.parse(line) as { key: string; answer: Answered };
      known.set(key, answer);
    } catch {
      continue;
    }
  }
  return known;
}

export interface Progress {
  step(what: string): void;
  end(): void;
}

/** Draws on stderr where a person sees it, and nothing elsewhere: a log of bars helps nobody. */
export function createProgress(
  { terminal, environment }: Pick<Context, "terminal" | "environment">,
  total: number,
): Progress {
  const drawn = terminal.attended && !terminal.quiet && !environment.ci;
  const write = (text: string) => void (drawn && process.stderr.write(text));
  let done = 0;
  return {
    step(what) {
      done += 1;
      const filled = Math.round((24 * done) / Math.max(1, total));
      const bar = `${"█".repeat(filled)}${"░".repeat(24 - filled)}`;
      write(`\r\u001b[K${bar} ${done} of ${total}  ${what}`.slice(0, terminal.width + 4));
    },
    end: () => write("\r\u001b[K"),
  };
}
