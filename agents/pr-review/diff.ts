/** Hunks of a unified diff, and the one way a finding gets a line: by its quoted text, within one hunk. */

import { visible } from "../../src/agent-kit.ts";

export interface DiffLine {
  readonly kind: "+" | "-" | " ";
  /** Its number in the old file; null for an added line. */
  readonly old: number | null;
  /** Its number in the new file; null for a removed line. */
  readonly new: number | null;
  readonly text: string;
}
export interface Hunk {
  readonly lines: readonly DiffLine[];
}
export type Side = "LEFT" | "RIGHT";

/** A place that GitHub accepts a comment on: all its lines are in one hunk, on one side. */
export interface Anchor {
  readonly side: Side;
  /** Null for a single line: GitHub refuses a start line that equals the line. */
  readonly startLine: number | null;
  readonly line: number;
  /** True when every line was added, so that a suggestion can replace them. */
  readonly replaceable: boolean;
}

const header = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** Parses the `patch` field of a changed file; null and unreadable patches have no hunks. */
export function parseHunks(patch: string | null): Hunk[] {
  const hunks: { lines: DiffLine[] }[] = [];
  let oldLine = 0;
  let newLine = 0;
  for (const raw of (patch ?? "").split("\n")) {
    const start = header.exec(raw);
    if (start) {
      oldLine = Number(start[1]);
      newLine = Number(start[2]);
      hunks.push({ lines: [] });
      continue;
    }
    const lines = hunks.at(-1)?.lines;
    if (!lines) continue;
    const text = raw.slice(1).replace(/\r$/, "");
    if (raw.startsWith("+")) lines.push({ kind: "+", old: null, new: newLine++, text });
    else if (raw.startsWith("-")) lines.push({ kind: "-", old: oldLine++, new: null, text });
    else if (raw.startsWith(" ")) lines.push({ kind: " ", old: oldLine++, new: newLine++, text });
  }
  return hunks;
}

/** The hunks as the model sees them: each line with its absolute number, removed lines with their old one. */
export const annotate = (hunks: readonly Hunk[]): string =>
  hunks
    .map((hunk) =>
      hunk.lines.map((line) => `${line.new ?? line.old ?? 0} ${line.kind}${line.text}`).join("\n"),
    )
    .join("\n…\n");

const onSide = (hunk: Hunk, side: Side): DiffLine[] =>
  hunk.lines.filter((line) => (side === "RIGHT" ? line.new !== null : line.old !== null));
const numberOn = (line: DiffLine, side: Side): number => (side === "RIGHT" ? line.new : line.old) ?? 0;

/**
 * What decides whether two lines are the same. Not spaces: models re-indent what they quote. Not `<` and invisible
 * characters: a prompt takes them out where they could end its delimiter or hide something.
 */
const bare = (text: string): string => visible(text).replace(/</g, "").replace(/\s+/g, " ").trim();
const quotedLines = (quote: string): string[] =>
  quote
    .split("\n")
    .map((line) => bare(line.replace(/^\s*\d+ [+\- ]/, "")))
    .filter((line) => line !== "");

/** The shortest part of a line that counts as quoting it. */
const minPart = 12;

function matchesAt(lines: readonly DiffLine[], from: number, quote: readonly string[]): boolean {
  return quote.every((wanted, offset) => {
    const text = bare(lines[from + offset]?.text ?? "");
    return text === wanted || (quote.length === 1 && wanted.length >= minPart && text.includes(wanted));
  });
}

/**
 * Where the quoted lines stand in the diff: the match nearest to `line`, on `side` if there is one there, else on the
 * other. Null when they are not in the diff: a number alone is never believed, since models get it wrong.
 */
export function resolveAnchor(
  hunks: readonly Hunk[],
  finding: { readonly quote: string; readonly line: number; readonly side: Side },
): Anchor | null {
  const quote = quotedLines(finding.quote);
  if (quote.length === 0 || quote.length > 40) return null;
  for (const side of [finding.side, finding.side === "RIGHT" ? "LEFT" : "RIGHT"] as const) {
    const found = hunks.flatMap((hunk) => {
      const lines = onSide(hunk, side);
      return lines.flatMap((_, from) => {
        if (!matchesAt(lines, from, quote)) return [];
        const matched = lines.slice(from, from + quote.length);
        return [{ matched, distance: Math.abs(numberOn(matched[0] ?? zero, side) - finding.line) }];
      });
    });
    found.sort((a, b) => a.distance - b.distance);
    const matched = found[0]?.matched;
    const last = matched?.at(-1);
    if (!matched || !last) continue;
    const start = numberOn(matched[0] ?? zero, side);
    const line = numberOn(last, side);
    return {
      side,
      startLine: start < line ? start : null,
      line,
      replaceable: side === "RIGHT" && matched.every((entry) => entry.kind === "+"),
    };
  }
  return null;
}
const zero: DiffLine = { kind: " ", old: 0, new: 0, text: "" };
