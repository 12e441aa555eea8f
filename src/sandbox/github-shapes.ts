/** GitHub's answers, built from what the stand-in keeps. Links are made on each answer: the port changes at a restart. */
import type { Json } from "../domain/json.ts";
import { isoTime } from "./call.ts";

export interface GithubFile {
  readonly filename: string;
  readonly status: "added" | "removed" | "modified" | "renamed";
  readonly additions: number;
  readonly deletions: number;
  /** Absent for binary, huge and merely renamed files, as at GitHub. */
  readonly patch?: string;
  readonly previous_filename?: string;
}

export interface PullRecord {
  owner: string;
  repo: string;
  number: number;
  title: string;
  body: string | null;
  state: "open" | "closed";
  draft: boolean;
  branch: string;
  baseBranch: string;
  baseSha: string;
  headSha: string;
  author: string;
  authorType: "User" | "Bot";
  files: GithubFile[];
  createdAt: number;
  /** Head commits that a push replaced; comments may still name them. */
  earlierHeads: string[];
}

export interface ReviewRecord {
  id: number;
  pull: string;
  body: string;
  state: string;
  commitId: string;
  at: number;
}

export interface ReviewCommentRecord {
  id: number;
  review: number;
  pull: string;
  path: string;
  body: string;
  side: "LEFT" | "RIGHT";
  line: number;
  startSide: "LEFT" | "RIGHT" | null;
  startLine: number | null;
  hunk: string;
  commitId: string;
  at: number;
}

export interface IssueCommentRecord {
  id: number;
  issue: string;
  body: string;
  createdAt: number;
  updatedAt: number;
}

export interface CheckRunRecord {
  id: number;
  repo: string;
  fields: { [name: string]: Json };
  at: number;
}

const botLogin = "signalbox[bot]";

const nodeId = (kind: string, id: number | string) => Buffer.from(`${kind}:${id}`).toString("base64");
const idOf = (text: string) =>
  [...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1_000_000_007, 7);

export function user(base: string, login: string, type: "User" | "Bot" = "User") {
  const url = `${base}/users/${encodeURIComponent(login)}`;
  const list = (name: string, rest = "") => [`${name}_url`, `${url}/${name}${rest}`];
  return {
    login,
    id: idOf(login),
    node_id: nodeId("User", login),
    avatar_url: `${url}/avatar`,
    gravatar_id: "",
    url,
    html_url: `${base}/${encodeURIComponent(login)}`,
    ...Object.fromEntries([
      list("followers"),
      list("following", "{/other_user}"),
      list("gists", "{/gist_id}"),
      list("starred", "{/owner}{/repo}"),
      list("subscriptions"),
      ["organizations_url", `${url}/orgs`],
      list("repos"),
      list("events", "{/privacy}"),
      list("received_events"),
    ]),
    type,
    site_admin: false,
  };
}

const repositoryLinks =
  "archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees";

export function repository(base: string, owner: string, repo: string, at: number) {
  const url = `${base}/repos/${owner}/${repo}`;
  const html = `${base}/${owner}/${repo}`;
  const counts =
    "forks forks_count stargazers_count watchers watchers_count size open_issues open_issues_count network_count subscribers_count";
  const yes = "has_issues has_projects has_downloads";
  const no = "private fork has_wiki has_pages has_discussions archived disabled";
  return {
    id: idOf(`${owner}/${repo}`),
    node_id: nodeId("Repository", `${owner}/${repo}`),
    name: repo,
    full_name: `${owner}/${repo}`,
    owner: user(base, owner),
    html_url: html,
    description: null,
    url,
    ...Object.fromEntries(repositoryLinks.split(" ").map((name) => [`${name}_url`, `${url}/${name}`])),
    git_url: `${html}.git`,
    ssh_url: `git@127.0.0.1:${owner}/${repo}.git`,
    clone_url: `${html}.git`,
    svn_url: html,
    mirror_url: null,
    homepage: null,
    language: null,
    license: null,
    ...Object.fromEntries(counts.split(" ").map((name) => [name, 0])),
    ...Object.fromEntries(yes.split(" ").map((name) => [name, true])),
    ...Object.fromEntries(no.split(" ").map((name) => [name, false])),
    default_branch: "main",
    visibility: "public",
    pushed_at: isoTime(at),
    created_at: isoTime(at),
    updated_at: isoTime(at),
  };
}

export function installation(base: string, id: number, owner: string, at: number) {
  return {
    id,
    account: user(base, owner),
    repository_selection: "all",
    access_tokens_url: `${base}/app/installations/${id}/access_tokens`,
    repositories_url: `${base}/installation/repositories`,
    html_url: `${base}/settings/installations/${id}`,
    app_id: 1,
    app_slug: "signalbox",
    target_id: idOf(owner),
    target_type: "Organization",
    permissions: { pull_requests: "write", checks: "write", metadata: "read" },
    events: ["pull_request"],
    created_at: isoTime(at),
    updated_at: isoTime(at),
    single_file_name: null,
    suspended_by: null,
    suspended_at: null,
  };
}

const href = (url: string) => ({ href: url });

function pullLinks(base: string, pull: PullRecord) {
  const repo = `${base}/repos/${pull.owner}/${pull.repo}`;
  const url = `${repo}/pulls/${pull.number}`;
  const issue = `${repo}/issues/${pull.number}`;
  return {
    self: href(url),
    html: href(`${base}/${pull.owner}/${pull.repo}/pull/${pull.number}`),
    issue: href(issue),
    comments: href(`${issue}/comments`),
    review_comments: href(`${url}/comments`),
    review_comment: href(`${repo}/pulls/comments{/number}`),
    commits: href(`${url}/commits`),
    statuses: href(`${repo}/statuses/${pull.headSha}`),
  };
}

export function pullRequest(base: string, pull: PullRecord, comments: { issue: number; review: number }) {
  const links = pullLinks(base, pull);
  const url = links.self.href;
  const id = idOf(url.slice(base.length));
  const side = (ref: string, sha: string) => ({
    label: `${pull.owner}:${ref}`,
    ref,
    sha,
    user: user(base, pull.owner),
    repo: repository(base, pull.owner, pull.repo, pull.createdAt),
  });
  return {
    url,
    id,
    node_id: nodeId("PullRequest", id),
    html_url: links.html.href,
    diff_url: `${links.html.href}.diff`,
    patch_url: `${links.html.href}.patch`,
    issue_url: links.issue.href,
    commits_url: links.commits.href,
    review_comments_url: links.review_comments.href,
    review_comment_url: links.review_comment.href,
    comments_url: links.comments.href,
    statuses_url: links.statuses.href,
    number: pull.number,
    state: pull.state,
    locked: false,
    title: pull.title,
    user: user(base, pull.author, pull.authorType),
    body: pull.body,
    labels: [],
    milestone: null,
    created_at: isoTime(pull.createdAt),
    updated_at: isoTime(pull.createdAt),
    closed_at: pull.state === "closed" ? isoTime(pull.createdAt) : null,
    merged_at: null,
    merge_commit_sha: null,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    head: side(pull.branch, pull.headSha),
    base: side(pull.baseBranch, pull.baseSha),
    _links: links,
    author_association: "CONTRIBUTOR",
    auto_merge: null,
    draft: pull.draft,
    merged: false,
    mergeable: true,
    rebaseable: true,
    mergeable_state: "clean",
    merged_by: null,
    comments: comments.issue,
    review_comments: comments.review,
    maintainer_can_modify: false,
    commits: 1,
    additions: pull.files.reduce((sum, file) => sum + file.additions, 0),
    deletions: pull.files.reduce((sum, file) => sum + file.deletions, 0),
    changed_files: pull.files.length,
  };
}

export function changedFile(base: string, repo: string, sha: string, file: GithubFile) {
  const path = file.filename.split("/").map(encodeURIComponent).join("/");
  return {
    sha: Buffer.from(`${file.filename}@${sha}`).toString("hex").padEnd(40, "0").slice(0, 40),
    ...file,
    changes: file.additions + file.deletions,
    blob_url: `${base}/${repo}/blob/${sha}/${path}`,
    raw_url: `${base}/${repo}/raw/${sha}/${path}`,
    contents_url: `${base}/repos/${repo}/contents/${path}?ref=${sha}`,
  };
}

/** The text of `git diff`, as the `diff` media type gives it. */
export function rawDiff(files: readonly GithubFile[]): string {
  return files
    .map((file) => {
      const old = file.previous_filename ?? file.filename;
      const renamed = file.previous_filename ? [`rename from ${old}`, `rename to ${file.filename}`] : [];
      const body = file.patch
        ? [
            `--- ${file.status === "added" ? "/dev/null" : `a/${old}`}`,
            `+++ ${file.status === "removed" ? "/dev/null" : `b/${file.filename}`}`,
            file.patch,
          ]
        : [];
      return [`diff --git a/${old} b/${file.filename}`, ...renamed, ...body].join("\n");
    })
    .join("\n")
    .concat("\n");
}

/** `acme/web#7` → the API's and the page's address of the pull request. */
function addresses(base: string, pull: string) {
  const [repo = "", number = ""] = pull.split("#");
  return {
    api: `${base}/repos/${repo}/pulls/${number}`,
    issue: `${base}/repos/${repo}/issues/${number}`,
    html: `${base}/${repo}/pull/${number}`,
    repo,
  };
}

export function review(base: string, record: ReviewRecord) {
  const at = addresses(base, record.pull);
  const html = `${at.html}#pullrequestreview-${record.id}`;
  return {
    id: record.id,
    node_id: nodeId("PullRequestReview", record.id),
    user: user(base, botLogin, "Bot"),
    body: record.body,
    state: record.state,
    html_url: html,
    pull_request_url: at.api,
    author_association: "NONE",
    _links: { html: href(html), pull_request: href(at.api) },
    submitted_at: isoTime(record.at),
    commit_id: record.commitId,
  };
}

export function reviewComment(base: string, record: ReviewCommentRecord) {
  const at = addresses(base, record.pull);
  const url = `${base}/repos/${at.repo}/pulls/comments/${record.id}`;
  const html = `${at.html}#discussion_r${record.id}`;
  return {
    url,
    pull_request_review_id: record.review,
    id: record.id,
    node_id: nodeId("PullRequestReviewComment", record.id),
    diff_hunk: record.hunk,
    path: record.path,
    commit_id: record.commitId,
    original_commit_id: record.commitId,
    user: user(base, botLogin, "Bot"),
    body: record.body,
    created_at: isoTime(record.at),
    updated_at: isoTime(record.at),
    html_url: html,
    pull_request_url: at.api,
    author_association: "NONE",
    _links: { self: href(url), html: href(html), pull_request: href(at.api) },
    line: record.line,
    original_line: record.line,
    side: record.side,
    start_line: record.startLine,
    original_start_line: record.startLine,
    start_side: record.startSide,
    subject_type: "line",
  };
}

export function issueComment(base: string, record: IssueCommentRecord) {
  const at = addresses(base, record.issue);
  return {
    id: record.id,
    node_id: nodeId("IssueComment", record.id),
    url: `${base}/repos/${at.repo}/issues/comments/${record.id}`,
    html_url: `${at.html}#issuecomment-${record.id}`,
    issue_url: at.issue,
    user: user(base, botLogin, "Bot"),
    body: record.body,
    author_association: "NONE",
    created_at: isoTime(record.createdAt),
    updated_at: isoTime(record.updatedAt),
  };
}

export function checkRun(base: string, record: CheckRunRecord) {
  const url = `${base}/repos/${record.repo}/check-runs/${record.id}`;
  const { output, ...fields } = record.fields;
  const text = (name: string): Json => {
    const value = output !== null && typeof output === "object" && name in output ? output : {};
    return (value as { [key: string]: Json })[name] ?? null;
  };
  return {
    external_id: null,
    status: "queued",
    conclusion: null,
    started_at: isoTime(record.at),
    completed_at: null,
    details_url: null,
    ...fields,
    id: record.id,
    node_id: nodeId("CheckRun", record.id),
    url,
    html_url: `${base}/${record.repo}/runs/${record.id}`,
    output: {
      title: text("title"),
      summary: text("summary"),
      text: text("text"),
      annotations_count: 0,
      annotations_url: `${url}/annotations`,
    },
    check_suite: { id: 1 },
    app: null,
    pull_requests: [],
  };
}
