/** Pull requests: reading them, their files and diffs, and reviewing them. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asList, asNumber, asObject, asText } from "./bodies.ts";
import type { Context } from "./github-context.ts";
import { failure, invalid, issueOf, keyOf, markerOf, paged, repoOf } from "./github-context.ts";
import type { PullRecord, ReviewCommentRecord, ReviewRecord } from "./github-shapes.ts";
import * as shape from "./github-shapes.ts";
import { commit, contentFile } from "./github-commits.ts";
import { findAnchor } from "./hunks.ts";
import type { Answer, Call, Route } from "./call.ts";
import { textOf } from "./call.ts";

export function pullRoutes(context: Context): Route[] {
  const { state } = context;
  const found = (handle: (call: Call, pull: PullRecord) => Answer) => (call: Call) => {
    const pull = state.pulls.find((one) => keyOf(one) === issueOf(call));
    return pull ? handle(call, pull) : failure(404, "Not Found");
  };
  const root = "/repos/:owner/:repo";
  const pull = `${root}/pulls/:number`;
  return [
    ["GET", pull, found((call, record) => pullAnswer(context, call, record))],
    [
      "GET",
      `${pull}/files`,
      found((call, { files, headSha }) =>
        paged(
          context,
          call,
          files.map((file) => shape.changedFile(context.base(), repoOf(call), headSha, file)),
        ),
      ),
    ],
    [
      "GET",
      `${pull}/reviews`,
      found((call) =>
        paged(
          context,
          call,
          state.reviews
            .filter((one) => one.pull === issueOf(call))
            .map((one) => shape.review(context.base(), one)),
        ),
      ),
    ],
    ["POST", `${pull}/reviews`, found((call, record) => createReview(context, call, record))],
    [
      "GET",
      `${pull}/comments`,
      found((call) =>
        paged(
          context,
          call,
          state.reviewComments
            .filter((one) => one.pull === issueOf(call))
            .map((one) => shape.reviewComment(context.base(), one)),
        ),
      ),
    ],
    ["GET", `${root}/compare/:basehead`, (call) => compare(context, call)],
    ["GET", `${root}/contents/*`, (call) => contents(context, call)],
  ];
}

const wantsDiff = (call: Call) => /application\/vnd\.github\.(v3\.)?diff/.test(call.headers["accept"] ?? "");

function pullAnswer({ state, base }: Context, call: Call, pull: PullRecord): Answer {
  if (wantsDiff(call)) {
    return pull.files.length > 300
      ? failure(406, "Sorry, the diff exceeded the maximum number of files (300).")
      : { status: 200, text: shape.rawDiff(pull.files) };
  }
  const key = keyOf(pull);
  const counts = {
    issue: state.issueComments.filter((one) => one.issue === key).length,
    review: state.reviewComments.filter((one) => one.pull === key).length,
  };
  return { status: 200, json: shape.pullRequest(base(), pull, counts) };
}

const reviewStates: Readonly<Record<string, string>> = {
  APPROVE: "APPROVED",
  REQUEST_CHANGES: "CHANGES_REQUESTED",
  COMMENT: "COMMENTED",
};

/** All comments or none: one line outside the diff refuses the whole review. */
function createReview({ state, now, base }: Context, call: Call, pull: PullRecord): Answer {
  const body = asObject(call.body);
  const text = asText(body["body"]) ?? "";
  const event = asText(body["event"]);
  const commitId = asText(body["commit_id"]) ?? pull.headSha;
  if (event !== undefined && !(event in reviewStates)) {
    return invalid([`Variable $event of type PullRequestReviewEvent was provided invalid value ${event}`]);
  }
  if (![pull.headSha, ...pull.earlierHeads].includes(commitId)) {
    return invalid(["The given commit_id is not part of the pull request"]);
  }
  const comments = asList(body["comments"]);
  const needsBody = event === "REQUEST_CHANGES" || (event === "COMMENT" && comments.length === 0);
  if (needsBody && text === "") return invalid(["Body can't be blank"]);
  const id = state.nextId++;
  const records = comments.map((comment) => reviewComment(pull, asObject(comment)));
  const errors = records.flatMap((record) => ("fault" in record ? [record.fault] : []));
  if (errors.length > 0) return invalid(errors);
  const pullKey = keyOf(pull);
  const record: ReviewRecord = {
    id,
    pull: pullKey,
    body: text,
    state: reviewStates[event ?? ""] ?? "PENDING",
    commitId,
    at: now(),
  };
  state.reviews.push(record);
  for (const comment of records) {
    if ("fault" in comment) continue;
    state.reviewComments.push({
      id: state.nextId++,
      review: id,
      pull: pullKey,
      commitId,
      at: now(),
      ...comment,
    });
  }
  state.effects.push({ vendor: "github", kind: "review", target: pullKey, at: now(), ...markerOf(text) });
  return { status: 200, json: shape.review(base(), record) };
}

type CommentFields = Omit<ReviewCommentRecord, "id" | "review" | "pull" | "commitId" | "at">;

function reviewComment(pull: PullRecord, comment: JsonObject): CommentFields | { fault: string } {
  const fault = (text: string) => ({ fault: text });
  const path = asText(comment["path"]);
  const body = asText(comment["body"]);
  const line = asNumber(comment["line"]);
  if (!path || !body) return fault("Pull request review comment path and body are needed");
  const file = pull.files.find((one) => one.filename === path);
  if (!file) return fault("Pull request review thread path is invalid");
  if (line === undefined) return fault("Pull request review thread line can't be blank");
  const sideOf = (value: Json | undefined, other: "LEFT" | "RIGHT") =>
    value === "LEFT" || value === "RIGHT" ? value : other;
  const side = sideOf(comment["side"], "RIGHT");
  const startLine = asNumber(comment["start_line"]) ?? null;
  const startSide = sideOf(comment["start_side"], side);
  const anchor = findAnchor(file.patch ?? null, { line, side, startLine, startSide });
  if ("fault" in anchor) return anchor;
  return {
    path,
    body,
    side,
    line,
    startLine,
    startSide: startLine === null ? null : startSide,
    hunk: anchor.hunk.text,
  };
}

function compare({ state, base }: Context, call: Call): Answer {
  const [from = "", to = ""] = (call.params["basehead"] ?? "").split("...");
  const repo = repoOf(call);
  const known = state.comparisons.find((one) => one.repo === repo && one.base === from && one.head === to);
  const pull = state.pulls.find(
    (one) =>
      `${one.owner}/${one.repo}` === repo &&
      [one.baseSha, one.baseBranch].includes(from) &&
      [one.headSha, one.branch].includes(to),
  );
  const files = known?.files ?? pull?.files;
  if (!files) return failure(404, "Not Found");
  if (wantsDiff(call)) return { status: 200, text: shape.rawDiff(files) };
  const url = `${base()}/repos/${repo}/compare/${call.params["basehead"] ?? ""}`;
  const at = (sha: string) => commit(base(), repo, sha);
  return {
    status: 200,
    json: {
      url,
      html_url: url,
      permalink_url: url,
      diff_url: `${url}.diff`,
      patch_url: `${url}.patch`,
      base_commit: at(pull?.baseSha ?? from),
      merge_base_commit: at(known?.mergeBase ?? pull?.baseSha ?? from),
      status: "ahead",
      ahead_by: 1,
      behind_by: 0,
      total_commits: 1,
      commits: [at(pull?.headSha ?? to)],
      files: files.map((file) => shape.changedFile(base(), repo, to, file)),
    },
  };
}

function contents({ state, base }: Context, call: Call): Answer {
  const path = call.params["rest"] ?? "";
  const place = `${repoOf(call)}/${path}`;
  const ref = textOf(call, "ref");
  const content =
    (ref === undefined ? undefined : state.contents[`${place}@${ref}`]) ?? state.contents[place];
  if (content === undefined) return failure(404, "Not Found");
  if (/application\/vnd\.github\.(v3\.)?raw/.test(call.headers["accept"] ?? ""))
    return { status: 200, text: content };
  return { status: 200, json: contentFile(base(), repoOf(call), path, content) };
}
