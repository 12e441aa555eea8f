/** Reviews a diff as a model would: it reads the numbered lines of the prompt and quotes what it objects to. */
import type { Brain } from "../brains.ts";
import { block } from "./blocks.ts";

interface ReadLine {
  readonly path: string;
  readonly number: number;
  readonly sign: string;
  readonly text: string;
}

interface Objection {
  readonly pattern: RegExp;
  readonly sign: "+" | "-";
  readonly title: string;
  readonly body: string;
  readonly category: string;
  readonly severity: string;
  readonly confidence: number;
  readonly fix?: (line: string) => string | null;
}

/** `…where name like '%${name}%'` as a statement with a parameter, where the line allows it. */
function parameterised(line: string): string | null {
  const call = /^(\s*.*\bquery\()`([^`]*?)'?(%?)\$\{(\w+)\}(%?)'?([^`]*)`(\);?)\s*$/.exec(line);
  if (!call) return null;
  const [, before = "", start = "", left = "", name = "", right = "", end = "", close = ""] = call;
  const value = left + right === "" ? name : `\`${left}\${${name}}${right}\``;
  return `${before}"${start}$1${end}", [${value}]${close}`;
}

const objections: readonly Objection[] = [
  {
    pattern: /`[^`]*\b(?:select|insert|update|delete)\b[^`]*\$\{/i,
    sign: "+",
    title: "SQL injection through an interpolated value",
    body: "The value is put into the statement as text. A quote in it ends the literal, and the rest runs as SQL. Pass it as a parameter.",
    category: "security",
    severity: "critical",
    confidence: 0.97,
    fix: parameterised,
  },
  {
    pattern: /\.forEach\(\s*async\b/,
    sign: "+",
    title: "Nobody waits for these promises",
    body: "`forEach` ignores what an async callback returns: the function goes on before the work is done, and a rejection is unhandled, which ends the process. Await `Promise.all` over `map`, or use a loop.",
    category: "bug",
    severity: "high",
    confidence: 0.94,
    fix: (line) =>
      /^\s*[\w.]+\.forEach\(async/.test(line)
        ? line.replace(/^(\s*)([\w.]+)\.forEach\(async/, "$1await Promise.all($2.map(async")
        : null,
  },
  {
    pattern: /for\s*\(\s*let (\w+) = 0;\s*\1\s*<=\s*[\w.]+\.length/,
    sign: "+",
    title: "The loop runs one past the end",
    body: "With `<=` the last round reads an element that does not exist, so that it works on `undefined`.",
    category: "bug",
    severity: "high",
    confidence: 0.95,
    fix: (line) => line.replace("<=", "<"),
  },
  {
    pattern: /catch\s*(?:\(\w+\))?\s*\{\s*\}/,
    sign: "+",
    title: "A failure is swallowed",
    body: "Whatever goes wrong here leaves no trace, and the caller takes it for success. Handle it, or let it through.",
    category: "reliability",
    severity: "medium",
    confidence: 0.8,
  },
  {
    pattern: /Math\.random\(\).*(?:token|secret|code|id)|(?:token|secret|code)\b.*Math\.random\(\)/i,
    sign: "+",
    title: "A guessable token",
    body: "`Math.random` can be predicted from a few values. Use `crypto.randomUUID()` or `crypto.randomBytes`.",
    category: "security",
    severity: "high",
    confidence: 0.92,
  },
  {
    pattern: /\b(?:requireAdmin|isAuthorized|checkPermission|verifySignature|assertOwner)\s*\(/,
    sign: "-",
    title: "An access check is removed",
    body: "The line decided who may do this, and nothing in the change takes its place.",
    category: "security",
    severity: "critical",
    confidence: 0.88,
  },
];

function readDiff(diff: string): ReadLine[] {
  let path = "";
  return diff.split("\n").flatMap((line) => {
    const file = /^### (.+?) \[\w+\]/.exec(line);
    if (file) {
      path = file[1] ?? "";
      return [];
    }
    const numbered = /^(\d+) ([+\- ])(.*)$/.exec(line);
    if (!numbered) return [];
    return [{ path, number: Number(numbered[1]), sign: numbered[2] ?? " ", text: numbered[3] ?? "" }];
  });
}

function review(lines: readonly ReadLine[]) {
  return lines.flatMap((line) =>
    objections
      .filter(({ sign, pattern }) => line.sign === sign && pattern.test(line.text))
      .map((objection) => ({
        body: objection.body,
        path: line.path,
        quote: line.text,
        line: line.number,
        side: line.sign === "-" ? "LEFT" : "RIGHT",
        category: objection.category,
        severity: objection.severity,
        confidence: objection.confidence,
        title: objection.title,
        suggestion: objection.fix?.(line.text) ?? null,
      })),
  );
}

export const prReviewBrain: Brain = {
  matches: ({ user }) => user.includes("<diff>") && user.includes("<title>"),
  answer({ user }) {
    const lines = readDiff(block(user, "diff"));
    const findings = review(lines);
    const files = new Set(lines.map(({ path }) => path));
    const added = lines.filter(({ sign }) => sign === "+").length;
    const title = block(user, "title").replace(/[.\s]+$/, "");
    const risk =
      findings.length === 0
        ? "Nothing in it looks risky."
        : `Its main risk: ${(findings[0]?.title ?? "").toLowerCase()}.`;
    return {
      summary: `"${title}" adds ${added} lines in ${files.size} ${files.size === 1 ? "file" : "files"}. ${risk}`,
      findings,
    };
  },
};
