/** What is wrong in a file, where, and what to do: the text that a person sees in the terminal and on the dashboard. */
import { createColors } from "picocolors";

export interface Fault {
  /** As the user would type it. */
  readonly file: string;
  /** 1-based; 0 when the fault is with the file as a whole. */
  readonly line: number;
  readonly column: number;
  /** One sentence: what is wrong. Holds no secret. */
  readonly message: string;
  /** The line in question with secrets hidden; `column` and `length` are where the caret goes, 0-based. */
  readonly source?: { readonly text: string; readonly column: number; readonly length: number };
  /** What would have been right. */
  readonly allowed?: string;
  /** The nearest right word. */
  readonly suggestion?: string;
  /** What to do. */
  readonly fix?: string;
}

const width = 80;

/** All faults in the order of the file, each with its source line; ends without a newline. At most 80 columns. */
export function renderFaults(faults: readonly Fault[], options: { color?: boolean } = {}): string {
  const colors = createColors(options.color ?? false);
  return faults
    .map((fault) => {
      const place = fault.line > 0 ? `${fault.file}:${fault.line}:${fault.column}` : fault.file;
      const [first = "", ...rest] = wrap(`${place}  ${fault.message}`, "  ");
      const head = first.startsWith(place) ? colors.bold(place) + first.slice(place.length) : first;
      const hints = [
        ...hint("allowed: ", fault.allowed),
        ...hint("did you mean: ", fault.suggestion, colors.green),
        ...hint("", fault.fix),
      ];
      return [head, ...rest, ...excerpt(fault, colors), ...hints].join("\n");
    })
    .join("\n\n");
}

const hint = (label: string, text: string | undefined, paint = (line: string) => line): string[] =>
  text === undefined ? [] : wrap(`    ${label}${text}`, "      ").map(paint);

function excerpt(fault: Fault, colors: ReturnType<typeof createColors>): string[] {
  if (fault.source === undefined) return [];
  const number = String(fault.line);
  const gutter = ` ${number} | `;
  const room = width - gutter.length;
  const { text, column, length } = clip(fault.source, room);
  return [
    text === "" ? colors.dim(gutter.trimEnd()) : colors.dim(gutter) + text,
    colors.dim(`${" ".repeat(gutter.length - 2)}| `) + " ".repeat(column) + colors.red("^".repeat(length)),
  ];
}

/** Keeps the caret in view when the line is longer than `room`. */
function clip(
  source: NonNullable<Fault["source"]>,
  room: number,
): { text: string; column: number; length: number } {
  const text = [...source.text.replace(/\s/g, " ")]
    .map((char) => (char < " " || char === "\x7f" ? "·" : char))
    .join("");
  const column = Math.min(source.column, text.length);
  const start = column > room - 16 ? column - Math.floor(room / 2) : 0;
  const from = Math.max(0, start);
  const shown = text.slice(from, from + room);
  const head = from > 0 ? `…${shown.slice(1)}` : shown;
  const whole = from + room < text.length ? `${head.slice(0, -1)}…` : head;
  const at = column - from;
  return { text: whole.trimEnd(), column: at, length: Math.max(1, Math.min(source.length, room - at)) };
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? "";
  let empty = true;
  for (const word of text.trimStart().split(/(?<! ) (?! )/)) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else {
      line += (empty ? "" : " ") + word;
    }
    empty = false;
  }
  return [...lines, line];
}
