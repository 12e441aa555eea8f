/** From a decision to actions as data. Pure: whatever was decided, the limits and the targets are those of this file. */
import { action, sha256, visible } from "../../src/agent-kit.ts";
import type { PlannedAction, PolicyCheck } from "../../src/agent-kit.ts";
import type { Facts } from "./context.ts";
import { severities } from "./decision.ts";
import type { Decision, Finding } from "./decision.ts";
import { parseHunks, resolveAnchor } from "./diff.ts";
import type { Anchor } from "./diff.ts";
import { coverageLine } from "./files.ts";
import type { Coverage } from "./files.ts";
import { reviewState } from "./issue.ts";
import type { Policy } from "./policy.ts";
import { cut, fence, safeLine, safeMarkdown } from "./safe-text.ts";
import { redactSecrets } from "./secrets.ts";

export interface Context {
  readonly facts: Facts;
  readonly coverage: Coverage;
  readonly policy: Policy;
  readonly decidedBy: "model" | "rules";
  readonly why: string;
  /** A push without findings to a pull request that was reviewed already is not worth a comment. */
  readonly quietWhenClean: boolean;
}

interface Placed {
  readonly finding: Finding;
  /** Null: not in the diff, so it goes to the summary. */
  readonly anchor: Anchor | null;
  readonly fingerprint: string;
}

const weight = (finding: Finding): number =>
  (severities.length - severities.indexOf(finding.severity)) * 10 + clamp(finding.confidence);
const clamp = (confidence: number): number => Math.min(1, Math.max(0, confidence));

/** Of path, category and quoted code: the same finding has the same mark, wherever its line moves. */
const fingerprintOf = (finding: Finding): string =>
  sha256(finding.path, finding.category, finding.quote.replace(/\s+/g, " ").trim()).slice(0, 16);

/** Findings with their places, the weightiest first, each once. */
function place(decision: Decision, facts: Facts): Placed[] {
  const hunks = new Map(facts.files.map((file) => [file.path, parseHunks(file.patch)]));
  const seen = new Set<string>();
  return [...decision.findings]
    .sort((a, b) => weight(b) - weight(a))
    .flatMap((finding) => {
      const anchor = resolveAnchor(hunks.get(finding.path) ?? [], finding);
      const fingerprint = fingerprintOf(finding);
      const spot = anchor
        ? `${finding.path}:${anchor.side}:${anchor.line}:${finding.category}`
        : fingerprint + finding.title;
      if (seen.has(spot)) return [];
      seen.add(spot);
      return [{ finding, anchor, fingerprint }];
    });
}

const heading = ({ severity, category, title }: Finding): string =>
  `**${safeLine(title, 120) || "Finding"}** (${severity}, ${category})`;

const linksIn = (code: string): string[] =>
  visible(code).match(/(?:\b[a-z][a-z0-9+.-]*:\/\/|\/\/(?=[\w-]+\.\w)|\bwww\.)[^\s"'`<>()]+/gi) ?? [];

/** Null where it would bring an address into the code that the replaced lines do not hold: one click would commit it. */
function suggestionOf({ suggestion, quote }: Finding): string | null {
  if (suggestion === null || linksIn(suggestion).some((link) => !quote.includes(link))) return null;
  return redactSecrets(cut(suggestion, 4_000));
}

function commentBody({ finding, anchor, fingerprint }: Placed): string {
  const suggestion = suggestionOf(finding);
  return [
    heading(finding),
    safeMarkdown(finding.body, 3_000),
    ...(suggestion !== null && suggestion.trim() !== ""
      ? [fence(anchor?.replaceable ? "suggestion" : "", suggestion)]
      : []),
    `<!-- signalbox-finding: ${fingerprint} -->`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** Findings that have no line, under their file where it is one of the changed files. */
function sections(placed: readonly Placed[], facts: Facts): string[] {
  const known = new Set(facts.files.map((file) => file.path));
  const names = [
    ...new Set(placed.map(({ finding }) => (known.has(finding.path) ? finding.path : ""))),
  ].sort();
  return names.map((name) => {
    const own = placed.filter(({ finding }) => (known.has(finding.path) ? finding.path : "") === name);
    const items = own.map(({ finding }) => `- ${heading(finding)}: ${safeLine(finding.body, 400)}`);
    return [name === "" ? "#### The pull request as a whole" : `#### ${safePath(name)}`, ...items].join("\n");
  });
}

/** A path comes from the pull request's author and may hold anything but NUL. */
const safePath = (path: string): string => `\`${safeLine(path.replace(/`/g, "'"), 200)}\``;

function folded(title: string, lines: readonly string[]): string {
  return `<details><summary>${title}</summary>\n\n${lines.join("\n")}\n\n</details>`;
}

const maxListed = 20;

function summaryBody(decision: Decision, context: Context, groups: Groups): string {
  const { coverage, facts } = context;
  const unsure = groups.unsure
    .slice(0, maxListed)
    .map(({ finding }) => `- ${heading(finding)} ${safePath(finding.path)}`);
  const left = coverage.skipped.slice(0, maxListed).map(({ path, why }) => `- ${safePath(path)}: ${why}`);
  return cut(
    [
      safeMarkdown(decision.summary, 2_000) || "No summary was given.",
      groups.inline.length + groups.listed.length === 0 ? "Nothing found that needs a change." : "",
      ...sections(groups.listed.slice(0, maxListed), facts),
      unsure.length > 0 ? folded(`${groups.unsure.length} less certain`, unsure) : "",
      left.length > 0 ? folded(`${coverage.skipped.length} not covered`, left) : "",
      `Covered: ${coverageLine(coverage)} at ${facts.pull.headSha.slice(0, 7)}. Decided by ${context.decidedBy}: ${safeLine(context.why, 300)}`,
    ]
      .filter((part) => part !== "")
      .join("\n\n"),
    50_000,
  );
}

interface Groups {
  readonly inline: readonly (Placed & { readonly anchor: Anchor })[];
  readonly listed: readonly Placed[];
  readonly unsure: readonly Placed[];
}

/** What a model claims of the diff has to be quoted from it; what rules remark on may be about the whole. */
const isCited = ({ anchor }: Placed, decidedBy: Context["decidedBy"]): boolean =>
  decidedBy === "rules" || anchor !== null;
const isSure = ({ finding }: Placed, { minConfidence }: Policy): boolean =>
  clamp(finding.confidence) >= minConfidence;

/** Inline where there is a line and room, else in the summary; uncertain and uncited ones are folded away. */
function group(placed: readonly Placed[], policy: Policy, decidedBy: Context["decidedBy"]): Groups {
  const sure = placed.filter((item) => isSure(item, policy) && isCited(item, decidedBy));
  const anchored = sure.filter((item): item is Placed & { anchor: Anchor } => item.anchor !== null);
  const inline = anchored.slice(0, policy.maxInline);
  return {
    inline,
    listed: sure.filter((item) => !inline.some((chosen) => chosen === item)),
    unsure: placed.filter((item) => !sure.includes(item)),
  };
}

/** What a decision is held against before anything is planned from it. */
export function checksOf(
  decision: Decision,
  { facts, policy, decidedBy }: Pick<Context, "facts" | "policy" | "decidedBy">,
): PolicyCheck[] {
  const placed = place(decision, facts);
  const unsure = placed.filter((item) => !isSure(item, policy)).length;
  const uncited = placed.filter((item) => !isCited(item, decidedBy)).length;
  const effect = policy.onViolation === "review" ? ("held" as const) : ("clamped" as const);
  const check = (name: string, failed: number, what: string): PolicyCheck => ({
    name,
    passed: failed === 0,
    detail: failed === 0 ? `all ${what}` : `${failed} of ${placed.length} do not: folded away`,
    ...(failed === 0 ? {} : { effect }),
  });
  return [
    check("confidence", unsure, `findings reach ${policy.minConfidence}`),
    check("evidence", uncited, "findings quote the diff"),
  ];
}

export const countOf = (count: number): string => (count === 1 ? "1 finding" : `${count} findings`);

export function plan(decision: Decision, context: Context): { actions: PlannedAction[]; findings: number } {
  const { facts, policy } = context;
  const { repository, pull } = facts;
  const subject = `${repository.owner}/${repository.repo}#${pull.number}`;
  const groups = group(place(decision, facts), policy, context.decidedBy);
  const findings = groups.inline.length + groups.listed.length;
  const worthSaying = findings > 0 || (policy.commentWhenClean && !context.quietWhenClean);
  const review = action("github.review", {
    name: "review",
    subject: `${subject}@${pull.headSha}`,
    input: {
      owner: repository.owner,
      repo: repository.repo,
      installationId: repository.installationId,
      number: pull.number,
      commitId: pull.headSha,
      body: summaryBody(decision, context, groups),
      comments: groups.inline.map((item) => ({
        path: item.finding.path,
        side: item.anchor.side,
        startLine: item.anchor.startLine,
        line: item.anchor.line,
        body: commentBody(item),
      })),
    },
  });
  return {
    actions: [...(worthSaying ? [review] : []), ...issueActions(context, subject, findings, worthSaying)],
    findings,
  };
}

/** Links the issue, tells it the result once per pull request, and moves it forward where the policy says so. */
function issueActions(
  context: Context,
  subject: string,
  findings: number,
  reviewed: boolean,
): PlannedAction[] {
  const { facts, policy } = context;
  const { issue, pull, repository } = facts;
  if (!issue) return [];
  const name = `${repository.owner}/${repository.repo}#${pull.number}`;
  const target = policy.moveIssue ? reviewState(issue.state, facts.states) : null;
  return [
    action("linear.attachment", {
      name: "link",
      subject,
      input: { issueId: issue.id, url: pull.url, title: safeLine(pull.title, 200) || name, subtitle: name },
    }),
    ...(reviewed
      ? [
          action("linear.comment", {
            name: "result",
            subject,
            needs: ["review"],
            input: {
              issueId: issue.id,
              body: `Pull request ${name} was reviewed at ${pull.headSha.slice(0, 7)}: ${countOf(findings)}, ${coverageLine(context.coverage)} covered (decided by ${context.decidedBy}).`,
            },
          }),
        ]
      : []),
    ...(target
      ? [action("linear.state", { name: "move", subject, input: { issueId: issue.id, stateId: target.id } })]
      : []),
  ];
}
