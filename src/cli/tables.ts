/** Tables without lines that fit the terminal: the first column holds ids, which are never cut. */
import Table from "cli-table3";
import type { Terminal } from "./terminal.ts";

const bare = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

export interface Column {
  readonly title: string;
  /** Columns of text; one column without takes what is left. */
  readonly width?: number;
}

export function table(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const gaps = 2 * (columns.length - 1);
  const fixed = columns.reduce((sum, { width = 0 }) => sum + width, 0);
  const rest = Math.max(12, terminal.width - fixed - gaps);
  const made = new Table({
    chars: bare,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
    head: columns.map(({ title }) => terminal.paint.dim(title)),
    colWidths: columns.map(({ width }) => width ?? rest),
    wordWrap: true,
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const ageUnits = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** `12m`: at most four characters. */
export function age(iso: string, now: number): string {
  const passed = Math.max(0, now - Date.parse(iso));
  for (const [unit, ms] of ageUnits) if (passed >= ms) return `${Math.floor(passed / ms)}${unit}`;
  return "now";
}

/** `2026-11-24 11:03:04Z`. */
export const moment = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`;

/** Colours say what to do: red is lost work, yellow waits for someone, green is done. */
export function painted({ paint }: Pick<Terminal, "paint">, status: string): string {
  switch (status) {
    case "dead":
    case "failed":
    case "lost":
    case "uncertain":
    case "open":
      return paint.red(status);
    case "awaiting_review":
    case "waiting":
    case "parked":
    case "inactive":
      return paint.yellow(status);
    case "succeeded":
    case "done":
    case "routed":
      return paint.green(status);
    default:
      return status;
  }
}

/** `1 event`, `2 events`. */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
