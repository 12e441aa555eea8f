/**
 * Reviews without a model. Pure. Each rule has an id, so that `rules.disabled` can name it:
 * secret, hidden-order, code-execution, html-injection, sql-concatenation, disabled-tls, debug-output, disabled-test, marker,
 * new-dependency, lock-host, removed-check, large, missing-tests.
 */
import type { Decision, Finding } from "./decision.ts";
import { parseHunks } from "./diff.ts";
import type { DiffLine, Hunk } from "./diff.ts";
import type { Facts } from "./context.ts";
import { isLockFile, isProse, isTest, skipReason } from "./files.ts";
import type { FileFacts } from "./files.ts";
import type { Policy } from "./policy.ts";
import { secretMark } from "./secrets.ts";

interface LineRule {
  readonly id: string;
  readonly pattern: RegExp;
  readonly category: Finding["category"];
  readonly severity: Finding["severity"];
  readonly confidence: number;
  readonly title: string;
  readonly body: string;
  /** Only in files of this kind; everywhere when it is left out. */
  readonly where?: (path: string) => boolean;
}

const isCode = (path: string): boolean =>
  !isProse(path) && !/\.(json|ya?ml|toml|lock|html?|css|scss)$/i.test(path);
const isProductCode = (path: string): boolean => isCode(path) && !isTest(path);
const sqlWord = "\\b(?:select\\s.+\\sfrom|insert\\s+into|update\\s.+\\sset|delete\\s+from|where)\\b";

const lineRules: readonly LineRule[] = [
  {
    id: "secret",
    pattern: secretMark,
    category: "security",
    severity: "critical",
    confidence: 0.95,
    title: "A credential is committed",
    body: "This line adds what looks like a live credential. Everyone who can read the repository, and its history, can use it: revoke it, issue a new one, and read it from the environment.",
  },
  {
    id: "hidden-order",
    // Bidirectional overrides and isolates: CVE-2021-42574.
    pattern: /[\u202A-\u202E\u2066-\u2069]/,
    category: "security",
    severity: "high",
    confidence: 0.9,
    title: "Invisible characters change the order in which this line is shown",
    body: "What a person reads here is not what the machine runs: text after these characters is shown elsewhere in the line. Remove them, or write them as escapes.",
    where: isCode,
  },
  {
    id: "code-execution",
    pattern:
      /\beval\s*\(|\bnew Function\s*\(|child_process|\bexec(?:Sync)?\s*\(\s*(?:`[^`]*\$\{|[^)"'`]*\+)|\bos\.system\s*\(|shell\s*[=:]\s*True|pickle\.loads?\s*\(/,
    category: "security",
    severity: "high",
    confidence: 0.7,
    title: "Text may be run as code or as a command",
    body: "What reaches this call is executed. If any part of it can come from outside, it gives away the machine: pass arguments as a list, or parse the input instead.",
    where: isProductCode,
  },
  {
    id: "html-injection",
    pattern:
      /\.(?:inner|outer)HTML\s*\+?=(?!=)|dangerouslySetInnerHTML|document\.write\s*\(|insertAdjacentHTML\s*\(|\bv-html\b|bypassSecurityTrust/,
    category: "security",
    severity: "high",
    confidence: 0.7,
    title: "Markup is inserted unescaped",
    body: "Whatever this value holds becomes part of the page, scripts included. Set text instead, or sanitise the markup first.",
    where: isProductCode,
  },
  {
    id: "sql-concatenation",
    pattern: new RegExp(
      `(?:["'\`].*${sqlWord}.*["'\`]\\s*(?:\\+|%|\\.format)|\`.*${sqlWord}.*\\$\\{|f["'].*${sqlWord}.*\\{)`,
      "i",
    ),
    category: "security",
    severity: "critical",
    confidence: 0.85,
    title: "SQL is built from text",
    body: "A value is put into the statement as text, so that a quote in it changes the statement. Use a parameter of the driver.",
    where: isProductCode,
  },
  {
    id: "disabled-tls",
    pattern:
      /rejectUnauthorized\s*:\s*false|NODE_TLS_REJECT_UNAUTHORIZED|verify\s*=\s*False|InsecureSkipVerify\s*:\s*true/,
    category: "security",
    severity: "high",
    confidence: 0.85,
    title: "Certificate checks are switched off",
    body: "Anyone on the way can read and change this connection. Trust the needed authority instead.",
    where: isProductCode,
  },
  {
    id: "debug-output",
    pattern:
      /^\s*(?:console\.(?:log|debug|dir)\s*\(|debugger\b|print\s*\(\s*["']debug|binding\.pry|var_dump\s*\()/i,
    category: "maintainability",
    severity: "low",
    confidence: 0.7,
    title: "Debugging output is left in",
    body: "This looks like an aid for debugging. Remove it, or use the logger with a level.",
    where: (path) => isProductCode(path) && !/(^|\/)(scripts?|bin|cli|tools?|examples?|bench)\//.test(path),
  },
  {
    id: "disabled-test",
    pattern:
      /\b(?:describe|it|test)\.(?:skip|only)\s*\(|\bx(?:it|describe)\s*\(|@(?:pytest\.mark\.skip|Disabled|Ignore)\b|\bt\.Skip\s*\(/,
    category: "testing",
    severity: "medium",
    confidence: 0.85,
    title: "A test is switched off, or switches off the others",
    body: "Tests that do not run protect nothing. Say why and until when, or fix it here.",
  },
  {
    id: "marker",
    pattern: /(?:\/\/|#|\/\*|--|<!--)\s*(?:TODO|FIXME|XXX|HACK)\b/,
    category: "maintainability",
    severity: "low",
    confidence: 0.5,
    title: "Open work is left behind",
    body: "This adds a note on work still to do. Do it here, or link the issue that will.",
  },
];

const finding = (file: FileFacts, line: DiffLine, rule: Omit<LineRule, "pattern" | "where">): Finding => ({
  body: rule.body,
  path: file.path,
  quote: line.text,
  line: line.new ?? line.old ?? 0,
  side: line.kind === "-" ? "LEFT" : "RIGHT",
  category: rule.category,
  severity: rule.severity,
  confidence: rule.confidence,
  title: rule.title,
  suggestion: null,
});

const allLines = (hunks: readonly Hunk[]): DiffLine[] => hunks.flatMap((hunk) => [...hunk.lines]);

function inLines(file: FileFacts, disabled: readonly string[]): Finding[] {
  const rules = lineRules.filter((rule) => !disabled.includes(rule.id) && (rule.where?.(file.path) ?? true));
  return allLines(parseHunks(file.patch))
    .filter((line) => line.kind === "+")
    .flatMap((line) =>
      rules.filter((rule) => rule.pattern.test(line.text)).map((rule) => finding(file, line, rule)),
    );
}

const check =
  /\b\w*(?:auth|permission|csrf|verif|validat|sanitiz|escap|nonce|signature|authoriz|ratelimit|require_?admin|require_?role|require_?login|is_?admin|has_?role|can_?access)\w*/gi;
const isCheck = /\b(?:if|assert|require|throw|raise|guard|expect)\b|\w\s*\(/;

/** A removed line that checks something, where nothing added in the same hunk checks it again. */
function removedChecks(file: FileFacts): Finding[] {
  if (!isProductCode(file.path) || file.status === "removed") return [];
  const found = parseHunks(file.patch).flatMap((hunk) => {
    const added = hunk.lines
      .filter((line) => line.kind === "+")
      .map((line) => line.text.toLowerCase())
      .join("\n");
    return hunk.lines.filter((line) => {
      if (line.kind !== "-" || !isCheck.test(line.text) || /^\s*(?:import|export|\/\/|\*|#)/.test(line.text))
        return false;
      const words = line.text.match(check) ?? [];
      return words.length > 0 && words.every((word) => !added.includes(word.toLowerCase()));
    });
  });
  return found.slice(0, 3).map((line) =>
    finding(file, line, {
      id: "removed-check",
      category: "security",
      severity: "high",
      confidence: 0.65,
      title: "A check is removed",
      body: "This line checked something, and nothing added here does. Say what checks it now, or keep it.",
    }),
  );
}

const dependency =
  /^\s*"(@?[a-z0-9][\w./@-]*)"\s*:\s*"(?:[~^]|>=?|<|=)?\s*(?:\d|npm:|git|https?:|file:|workspace:)/i;
const requirement = /^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?:==|>=|~=|<|>)/;
const noDependency = new Set(["version", "node", "npm", "pnpm", "yarn"]);

function nameOfDependency(path: string, text: string): string | null {
  const pattern = /(^|\/)package\.json$/.test(path)
    ? dependency
    : /(^|\/)requirements[^/]*\.txt$/.test(path)
      ? requirement
      : null;
  const name = pattern?.exec(text)?.[1] ?? null;
  return name !== null && noDependency.has(name) ? null : name;
}

function newDependencies(file: FileFacts): Finding[] {
  const lines = allLines(parseHunks(file.patch));
  const removed = new Set(
    lines.filter((line) => line.kind === "-").map((line) => nameOfDependency(file.path, line.text)),
  );
  return lines
    .filter((line) => line.kind === "+")
    .filter((line) => {
      const name = nameOfDependency(file.path, line.text);
      return name !== null && !removed.has(name);
    })
    .map((line) =>
      finding(file, line, {
        id: "new-dependency",
        category: "dependencies",
        severity: "medium",
        confidence: 0.7,
        title: "A dependency is added",
        body: "New code of others runs with your rights from now on. Check who maintains it, its licence, and whether it is the package you mean.",
      }),
    );
}

const hostIn = /\bhttps?:\/\/(?:[^\s/@"']*@)?([a-z0-9.-]+)/i;

/** Lock files are not read by the model, but a changed download host is how packages are swapped. */
function lockHosts(file: FileFacts, known: readonly string[]): Finding[] {
  if (!isLockFile(file.path)) return [];
  const lines = allLines(parseHunks(file.patch));
  const before = new Set(
    lines.filter((line) => line.kind !== "+").map((line) => hostIn.exec(line.text)?.[1]),
  );
  const seen = new Set<string>();
  return lines.flatMap((line) => {
    const host =
      line.kind === "+" && /resolved|tarball|url|source/i.test(line.text)
        ? hostIn.exec(line.text)?.[1]
        : undefined;
    if (!host || known.includes(host) || before.has(host) || seen.has(host)) return [];
    seen.add(host);
    return [
      finding(file, line, {
        id: "lock-host",
        category: "dependencies",
        severity: "high",
        confidence: 0.9,
        title: "A package comes from another host",
        body: "The lock file now fetches from a host that it did not use before. Make sure that this is meant.",
      }),
    ];
  });
}

const whole = (
  path: string,
  rest: Pick<Finding, "body" | "category" | "severity" | "confidence" | "title">,
): Finding => ({
  ...rest,
  path,
  quote: "",
  line: 0,
  side: "RIGHT",
  suggestion: null,
});

function aboutTheWhole(facts: Facts, policy: Policy): Finding[] {
  const { rules } = policy;
  const read = facts.files.filter((file) => skipReason(file, policy.ignore) === null);
  const lines = read.reduce((sum, file) => sum + file.additions + file.deletions, 0);
  const code = read.filter((file) => isProductCode(file.path));
  const added = code.reduce((sum, file) => sum + file.additions, 0);
  const found: Finding[] = [];
  if (!rules.disabled.includes("large") && (read.length > rules.largeFiles || lines > rules.largeLines)) {
    found.push(
      whole("", {
        body: `It changes ${lines} lines in ${read.length} files. Faults hide in changes of this size: split it where it can be split.`,
        category: "maintainability",
        severity: "medium",
        confidence: 0.8,
        title: "A very large pull request",
      }),
    );
  }
  const untested = added >= rules.testsExpectedFrom && !facts.files.some((file) => isTest(file.path));
  if (!rules.disabled.includes("missing-tests") && untested) {
    found.push(
      whole(code[0]?.path ?? "", {
        body: `${added} lines of code are added, and no test is changed.`,
        category: "testing",
        severity: "medium",
        confidence: 0.65,
        title: "Code without tests",
      }),
    );
  }
  return found;
}

/** What a model is not shown: the shown text is without credentials and without characters that nobody sees. */
const notShown = new Set(["secret", "hidden-order"]);

/** Reported whatever a model says. */
export const unseenFindings = (facts: Facts, { rules }: Policy): Finding[] =>
  facts.files.flatMap((file) => inLines(file, [...allBut(notShown), ...rules.disabled]));

const allBut = (ids: ReadonlySet<string>): string[] =>
  lineRules.map(({ id }) => id).filter((id) => !ids.has(id));

export function decideByRules(facts: Facts, policy: Policy): Decision {
  const { disabled, registryHosts } = policy.rules;
  const on = (id: string): boolean => !disabled.includes(id);
  const findings = facts.files.flatMap((file) => {
    const read = skipReason(file, policy.ignore) === null;
    return [
      ...(read ? inLines(file, disabled) : inLines(file, [...allBut(new Set(["secret"])), ...disabled])),
      ...(read && on("removed-check") ? removedChecks(file) : []),
      ...(on("new-dependency") ? newDependencies(file) : []),
      ...(on("lock-host") ? lockHosts(file, registryHosts) : []),
    ];
  });
  const all = [...findings, ...aboutTheWhole(facts, policy)];
  const count = all.length === 1 ? "1 finding" : `${all.length} findings`;
  return {
    summary: `Checked by fixed rules, without a model: ${all.length === 0 ? "nothing stood out" : count}. Rules see patterns only, not meaning.`,
    findings: all,
  };
}
