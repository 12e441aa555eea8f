/** Which lines of a unified diff can carry a comment: GitHub takes lines inside hunks only, context included. */

export interface Hunk {
  /** With its `@@` header. */
  readonly text: string;
  /** Line numbers of the old and of the new file that this hunk shows. */
  readonly left: ReadonlySet<number>;
  readonly right: ReadonlySet<number>;
}

function parseHunks(patch: string): Hunk[] {
  const hunks: { lines: string[]; left: Set<number>; right: Set<number> }[] = [];
  let oldLine = 0;
  let newLine = 0;
  for (const line of patch.split("\n")) {
    const header = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (header) {
      oldLine = Number(header[1]);
      newLine = Number(header[2]);
      hunks.push({ lines: [line], left: new Set(), right: new Set() });
      continue;
    }
    const hunk = hunks.at(-1);
    if (!hunk) continue;
    hunk.lines.push(line);
    const sign = line[0];
    if (sign === "-" || sign === " ") hunk.left.add(oldLine++);
    if (sign === "+" || sign === " ") hunk.right.add(newLine++);
  }
  return hunks.map(({ lines, left, right }) => ({ text: lines.join("\n"), left, right }));
}

export interface Anchor {
  readonly line: number;
  readonly side: "LEFT" | "RIGHT";
  readonly startLine: number | null;
  readonly startSide: "LEFT" | "RIGHT";
}

/** The hunk that holds the whole anchor, or GitHub's words for why none does. */
export function findAnchor(patch: string | null, anchor: Anchor): { hunk: Hunk } | { fault: string } {
  const thread = "Pull request review thread";
  const shows = (hunk: Hunk, side: "LEFT" | "RIGHT", line: number) =>
    (side === "LEFT" ? hunk.left : hunk.right).has(line);
  const hunk = parseHunks(patch ?? "").find((one) => shows(one, anchor.side, anchor.line));
  if (!hunk) return { fault: `${thread} line must be part of the diff` };
  if (anchor.startLine === null) return { hunk };
  if (anchor.startSide === anchor.side && anchor.startLine >= anchor.line) {
    return { fault: `${thread} start line must precede the end line` };
  }
  return shows(hunk, anchor.startSide, anchor.startLine)
    ? { hunk }
    : { fault: `${thread} start line must be part of the same hunk as the line` };
}
