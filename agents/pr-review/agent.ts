/** Reviews a pull request: one COMMENT review with a few inline remarks, and the Linear issue kept in step. */
import { defineAgent, EventFault, withoutHiddenMarkup, z } from "../../src/agent-kit.ts";
import type { AgentKit, Outcome } from "../../src/agent-kit.ts";
import { gather } from "./context.ts";
import type { Facts } from "./context.ts";
import { Decision } from "./decision.ts";
import { cover, coverageLine } from "./files.ts";
import { checksOf, countOf, plan } from "./plan.ts";
import { Policy } from "./policy.ts";
import { decideByRules, unseenFindings } from "./rules.ts";
import { cut } from "./safe-text.ts";

/** Only what is used: GitHub's own samples do not fit GitHub's own schema. */
const Payload = z.object({
  action: z.string(),
  pull_request: z.object({
    number: z.number().int().positive(),
    state: z.string().default("open"),
    draft: z.boolean().nullish(),
    user: z.object({ login: z.string(), type: z.string().nullish() }).nullish(),
  }),
  repository: z.object({
    name: z.string().min(1),
    owner: z.object({ login: z.string().min(1) }),
    private: z.boolean().nullish(),
  }),
  installation: z.object({ id: z.number().int() }).nullish(),
});
type Payload = z.infer<typeof Payload>;

const reviewed = ["opened", "synchronize", "ready_for_review", "reopened"];

function parse(payload: unknown): Payload {
  const parsed = Payload.safeParse(payload);
  if (parsed.success) return parsed.data;
  const fields = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".") || "the body"))];
  throw new EventFault(`not a pull request event: ${fields.join(", ")} missing or of the wrong type`);
}

const nothing = (summary: string): Outcome => ({ actions: [], summary });

/** Why the event itself says that there is nothing to review. */
function notForUs(payload: Payload, policy: Policy): string | null {
  const pull = payload.pull_request;
  if (!reviewed.includes(payload.action)) return `nothing to review when a pull request is ${payload.action}`;
  if (pull.state !== "open") return "the pull request is closed";
  if (pull.draft === true && !policy.reviewDrafts) return "drafts are not reviewed";
  // The author, not the sender: a bot that pushes to a person's branch must not switch its review off.
  const bot = pull.user?.type === "Bot" || (pull.user?.login ?? "").endsWith("[bot]");
  return bot && !policy.reviewBots ? "pull requests of bots are not reviewed" : null;
}

function changedMeanwhile(facts: Facts, policy: Policy): string | null {
  const { pull } = facts;
  if (pull.state !== "open") return "the pull request was closed meanwhile";
  if (pull.draft && !policy.reviewDrafts) return "the pull request is a draft now";
  return pull.authorIsBot && !policy.reviewBots ? "pull requests of bots are not reviewed" : null;
}

const gathered = (kit: AgentKit<Policy>, payload: Payload): Promise<Facts | null> =>
  kit.step("gather", 1, () =>
    gather(
      kit,
      {
        owner: payload.repository.owner.login,
        repo: payload.repository.name,
        installationId: payload.installation?.id ?? null,
      },
      payload.pull_request.number,
    ),
  );

/**
 * A review of a public repository is public, and what a model was shown it may be made to say: of an issue then only its
 * key, which the pull request has anyway.
 */
function issueShown({ issue }: Facts, isPrivate: boolean): string {
  if (!issue) return "none";
  return isPrivate ? `${issue.identifier}: ${cut(issue.title, 300)}` : issue.identifier;
}

async function flow(kit: AgentKit<Policy>): Promise<Outcome> {
  const payload = parse(kit.event.payload);
  const unwanted = notForUs(payload, kit.policy);
  if (unwanted) return nothing(`Not reviewed: ${unwanted}.`);
  const facts = await gathered(kit, payload);
  if (!facts) return nothing("Not reviewed: GitHub has no credentials, so the diff cannot be read.");
  const stale = changedMeanwhile(facts, kit.policy);
  if (stale) return nothing(`Not reviewed: ${stale}.`);

  const coverage = cover(facts.files, kit.policy.ignore, kit.policy.maxDiffChars);
  const decided = await kit.decide({
    schemaVersion: 1,
    schema: Decision,
    variables: {
      repository: `${facts.repository.owner}/${facts.repository.repo}`,
      title: cut(facts.pull.title, 300),
      description: cut(withoutHiddenMarkup(facts.pull.body.slice(0, 70_000)), 4_000),
      issue: issueShown(facts, payload.repository.private === true),
      coverage: coverageLine(coverage),
      diff: coverage.diff,
    },
    facts,
    rules: () => decideByRules(facts, kit.policy),
    guard: (decision, decidedBy) => checksOf(decision, { facts, policy: kit.policy, decidedBy }),
    ...(coverage.covered.length === 0 ? { rulesOnly: "no changed file needs reading" } : {}),
  });
  const unseen = decided.decidedBy === "model" ? unseenFindings(facts, kit.policy) : [];
  const decision = { ...decided.decision, findings: [...unseen, ...decided.decision.findings] };
  const { actions, findings } = plan(decision, {
    facts,
    coverage,
    policy: kit.policy,
    decidedBy: decided.decidedBy,
    why: decided.why,
    quietWhenClean: payload.action === "synchronize",
  });
  const said = actions.some((planned) => planned.kind === "github.review") ? "" : ", nothing worth a comment";
  return {
    actions,
    summary: `${countOf(findings)} in ${coverageLine(coverage)}, decided by ${decided.decidedBy}${said}.`,
  };
}

/** The review stands on one commit: after a push, or once closed, it would point at lines that are gone. */
async function stillApplies(kit: AgentKit<Policy>): Promise<string | null> {
  const payload = parse(kit.event.payload);
  const facts = await gathered(kit, payload);
  if (!facts || !kit.read.github) return null;
  const now = await kit.read.github.pullRequest(facts.repository, facts.pull.number);
  if (now.state !== "open") return "the pull request was closed";
  return now.headSha === facts.pull.headSha
    ? null
    : `the branch moved on from ${facts.pull.headSha.slice(0, 7)} to ${now.headSha.slice(0, 7)}`;
}

export const prReview = defineAgent<Policy>({
  name: "pr-review",
  accepts: ["pull_request.*"],
  policy: Policy,
  decision: Decision,
  variables: ["repository", "title", "description", "issue", "coverage", "diff"],
  allows: ["github.review", "linear.attachment", "linear.comment", "linear.state"],
  flow,
  stillApplies,
});
