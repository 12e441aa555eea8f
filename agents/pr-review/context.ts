/** Gathers what a review stands on. Judges nothing. */
import type { AgentKit, LinearIssue, Plain, PullRequest, Repository } from "../../src/agent-kit.ts";
import type { FileFacts } from "./files.ts";
import { findIssue } from "./issue.ts";
import type { State } from "./issue.ts";
import type { Policy } from "./policy.ts";
import { redactSecrets } from "./secrets.ts";

/** Everything is free of credentials: they are replaced by `[secret:kind]`. */
export type Facts = {
  readonly repository: Plain<Repository>;
  readonly pull: Plain<PullRequest>;
  readonly files: readonly FileFacts[];
  readonly issue: Plain<LinearIssue> | null;
  /** The workflow states of the issue's team; empty without an issue. */
  readonly states: readonly State[];
};

/** Null without GitHub credentials. Throws ServiceError. */
export async function gather(
  kit: AgentKit<Policy>,
  repository: Repository,
  number: number,
): Promise<Facts | null> {
  const { github, linear } = kit.read;
  if (!github) return null;
  const pull = await github.pullRequest(repository, number);
  const files = await github.changedFiles(repository, number);
  const issue = linear ? await findIssue(linear, pull, kit.policy.teams) : null;
  const states = linear && issue ? await linear.states(issue.teamId) : [];
  return {
    repository: { owner: repository.owner, repo: repository.repo, installationId: repository.installationId },
    pull: { ...pull, title: redactSecrets(pull.title), body: redactSecrets(pull.body) },
    files: files.map((file) => ({ ...file, patch: file.patch === null ? null : redactSecrets(file.patch) })),
    issue: issue ? { ...issue, state: { ...issue.state } } : null,
    states: states.map((state) => ({ ...state })),
  };
}
