/** What commands write to: data on stdout, everything that is about the data on stderr. */
import { createInterface } from "node:readline/promises";
import { createColors } from "picocolors";
import type { Environment } from "../config/environment.ts";

export type Colors = ReturnType<typeof createColors>;

export interface TerminalOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** False for `--no-color`. */
  readonly color: boolean;
}

export interface Terminal extends Omit<TerminalOptions, "color"> {
  /** For stdout. */
  readonly paint: Colors;
  /** For stderr. */
  readonly notePaint: Colors;
  /** Columns of stdout; 80 where it is no terminal. */
  readonly width: number;
  /** Whether a person can be asked. */
  readonly interactive: boolean;
  /** Whether a person sees stderr. */
  readonly attended: boolean;
  /** One line or more of data. */
  print(text: string): void;
  /** The one document of `--json`; one line each for those that follow something. */
  printJson(value: unknown, layout?: "document" | "line"): void;
  /** Progress; silent with `--quiet`. */
  note(text: string): void;
  /** What went wrong; never silent. */
  complain(text: string): void;
  /** Asks on stderr. An empty answer, or the end of the input, is no. */
  confirm(question: string): Promise<boolean>;
}

const defaultWidth = 80;
const widest = 120;

export function createTerminal(
  options: TerminalOptions,
  environment: Pick<Environment, "color" | "ci">,
): Terminal {
  const colorful = (stream: NodeJS.WriteStream) =>
    options.color &&
    environment.color !== "never" &&
    // isTTY is undefined on a pipe, and picocolors takes undefined for "decide yourself".
    (environment.color === "always" || (Boolean(stream.isTTY) && !options.json));
  const paint = createColors(colorful(process.stdout));
  const notePaint = createColors(colorful(process.stderr));
  const interactive = process.stdin.isTTY && process.stderr.isTTY && !environment.ci;
  return {
    ...options,
    paint,
    notePaint,
    width: Math.max(40, Math.min(process.stdout.columns || defaultWidth, widest)),
    interactive,
    attended: process.stderr.isTTY,
    print: (text) => void process.stdout.write(`${text}\n`),
    printJson: (value, layout = "document") =>
      void process.stdout.write(`${JSON.stringify(value, null, layout === "line" ? 0 : 2)}\n`),
    note: (text) => void (options.quiet || process.stderr.write(`${text}\n`)),
    complain: (text) => void process.stderr.write(`${text}\n`),
    async confirm(question) {
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      try {
        const answer = await lines.question(`${question} [y/N] `);
        return /^y(es)?$/i.test(answer.trim());
      } finally {
        lines.close();
      }
    },
  };
}

const escapes = /\u001b\[\d+m/g;
const lengthOf = (text: string): number => text.replace(escapes, "").length;

/** Breaks at spaces; words longer than a line stay whole, so that ids and addresses can be copied. */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    const lead = /^ */.exec(paragraph)?.[0] ?? "";
    let line = lead;
    let empty = true;
    for (const word of paragraph.slice(lead.length).split(" ")) {
      if (!empty && lengthOf(line) + 1 + lengthOf(word) > width) {
        lines.push(line.trimEnd());
        line = lead + indent + word;
      } else line += empty ? word : ` ${word}`;
      empty = false;
    }
    lines.push(line);
  }
  return lines.join("\n");
}
