import { generateKeyPairSync } from "node:crypto";
import { createAppAuth } from "@octokit/auth-app";
import { Octokit } from "@octokit/rest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GithubSandbox } from "../../src/sandbox/github.ts";
import { startGithub } from "../../src/sandbox/github.ts";
import { findAnchor } from "../../src/sandbox/hunks.ts";

const pull = { owner: "acme", repo: "web", pull_number: 7 };
const issue = { owner: "acme", repo: "web", issue_number: 7 };
const patch = "@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n@@ -10,2 +10,3 @@\n ten\n+ten and a half\n eleven";
const files = [{ filename: "a.ts", status: "modified" as const, additions: 2, deletions: 1, patch }];

let github: GithubSandbox;
let octokit: Octokit;
beforeEach(async () => {
  github = await startGithub({ now: () => 1_800_000_000_000 });
  github.addPullRequest({
    owner: "acme",
    repo: "web",
    number: 7,
    title: "Count in German",
    body: "It counts.",
    branch: "german",
    baseSha: "base",
    headSha: "head",
    author: "ada",
    files,
  });
  octokit = new Octokit({ auth: "secret", baseUrl: github.url, log: silent });
});
afterEach(() => github.close());
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const review = (comments: { path: string; line: number; side: "LEFT" | "RIGHT"; start_line?: number }[]) =>
  octokit.rest.pulls.createReview({
    ...pull,
    event: "COMMENT",
    commit_id: "head",
    body: "Read. <!-- signalbox:k1 -->",
    comments: comments.map((comment) => ({ ...comment, body: "Why?" })),
  });

describe("GitHub's stand-in", () => {
  it("gives a pull request, its files and its raw diff to Octokit", async () => {
    const { data } = await octokit.rest.pulls.get(pull);
    expect(data).toMatchObject({ number: 7, title: "Count in German", head: { sha: "head", ref: "german" } });
    const listed = await octokit.rest.pulls.listFiles(pull);
    expect(listed.data.map((file) => file.filename)).toEqual(["a.ts"]);
    const diff = await octokit.rest.pulls.get({ ...pull, mediaType: { format: "diff" } });
    // Octokit types the answer as the JSON one, whatever was asked for.
    expect(diff.data as unknown as string).toContain(
      "diff --git a/a.ts b/a.ts\n--- a/a.ts\n+++ b/a.ts\n@@ -1,3",
    );
  });

  it("pages lists with a Link header that Octokit follows", async () => {
    const many = Array.from({ length: 5 }, (_, index) => ({
      ...(files[0] ?? never()),
      filename: `f${index}.ts`,
    }));
    github.changePullRequest({ owner: "acme", repo: "web", number: 7 }, { files: many });
    const all = await octokit.paginate(octokit.rest.pulls.listFiles, { ...pull, per_page: 2 });
    expect(all.map((file) => file.filename)).toEqual(["f0.ts", "f1.ts", "f2.ts", "f3.ts", "f4.ts"]);
    expect(github.requests.filter((request) => request.path.endsWith("/files"))).toHaveLength(3);
  });

  it("keeps a review whose comments are on lines of the diff, and counts it as one effect", async () => {
    await review([
      { path: "a.ts", line: 2, side: "LEFT" },
      { path: "a.ts", line: 12, side: "RIGHT", start_line: 10 },
    ]);
    const { data } = await octokit.rest.pulls.listReviewComments(pull);
    expect(data.map(({ line, side }) => [line, side])).toEqual([
      [2, "LEFT"],
      [12, "RIGHT"],
    ]);
    expect(github.state.effects).toMatchObject([
      { kind: "review", target: "acme/web#7", key: "signalbox:k1" },
    ]);
  });

  it("refuses the whole review for one line outside the diff", async () => {
    const refused = review([
      { path: "a.ts", line: 2, side: "RIGHT" },
      { path: "a.ts", line: 5, side: "RIGHT" },
    ]);
    await expect(refused).rejects.toMatchObject({
      status: 422,
      response: {
        data: { message: "Validation Failed", errors: [expect.stringContaining("part of the diff")] },
      },
    });
    expect([github.state.reviews, github.state.reviewComments, github.state.effects]).toEqual([[], [], []]);
  });

  it.each([
    ["across hunks", { line: 11, startLine: 2 }, "same hunk"],
    ["backwards", { line: 2, startLine: 3 }, "precede"],
    ["on a line of its own", { line: 2, startLine: 2 }, "precede"],
  ])("takes no range %s", (_, range, words) => {
    const anchor = findAnchor(patch, { side: "RIGHT", startSide: "RIGHT", ...range });
    expect(anchor).toEqual({ fault: expect.stringContaining(words) as string });
  });

  it("edits a comment in place, and adds a label once", async () => {
    const { data } = await octokit.rest.issues.createComment({ ...issue, body: "First" });
    await octokit.rest.issues.updateComment({
      owner: "acme",
      repo: "web",
      comment_id: data.id,
      body: "Second",
    });
    const listed = await octokit.rest.issues.listComments(issue);
    expect(listed.data.map((comment) => comment.body)).toEqual(["Second"]);
    await octokit.rest.issues.addLabels({ ...issue, labels: ["risk"] });
    await octokit.rest.issues.addLabels({ ...issue, labels: ["risk"] });
    expect(github.state.effects.map(({ kind }) => kind)).toEqual(["comment", "label"]);
  });

  it("wants a conclusion of a completed check run", async () => {
    const run = { owner: "acme", repo: "web", name: "signalbox", head_sha: "head" };
    await expect(octokit.rest.checks.create({ ...run, status: "completed" })).rejects.toMatchObject({
      status: 422,
    });
    const { data } = await octokit.rest.checks.create({ ...run, external_id: "k1" });
    await octokit.rest.checks.update({
      owner: "acme",
      repo: "web",
      check_run_id: data.id,
      conclusion: "neutral",
    });
    const listed = await octokit.rest.checks.listForRef({ owner: "acme", repo: "web", ref: "head" });
    expect(listed.data.check_runs).toMatchObject([
      { status: "completed", conclusion: "neutral", external_id: "k1" },
    ]);
  });

  it("gives an App a token for its installation, and refuses it when its hour is over", async () => {
    const { privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const auth = { appId: 1, privateKey, installationId: 1 };
    const app = new Octokit({ authStrategy: createAppAuth, auth, baseUrl: github.url, log: silent });
    expect((await app.rest.pulls.get(pull)).data.number).toBe(7);
    const [token = ""] = Object.keys(github.state.tokens);
    github.state.tokens[token] = 1_799_999_999_999;
    const late = new Octokit({ auth: token, baseUrl: github.url, log: silent });
    await expect(late.rest.pulls.get(pull)).rejects.toMatchObject({ status: 401 });
  });

  it("answers nobody without a token, and keeps no token in its record", async () => {
    const anonymous = await fetch(`${github.url}/repos/acme/web/pulls/7`);
    expect([anonymous.status, await anonymous.json()]).toMatchObject([
      401,
      { message: "Requires authentication" },
    ]);
    await octokit.rest.pulls.get(pull);
    expect(github.requests.at(-1)?.headers["authorization"]).toBe("token");
    expect(JSON.stringify(github.requests)).not.toContain("secret");
  });

  it("knows the head that a push replaced, and lists deliveries to send again", async () => {
    github.changePullRequest({ owner: "acme", repo: "web", number: 7 }, { headSha: "newer" });
    expect((await review([])).data.commit_id).toBe("head");
    const id = github.addDelivery({ guid: "g1", event: "pull_request", action: "opened", statusCode: 503 });
    const asApp = { authorization: "Bearer a.b.c" };
    const listed = await fetch(`${github.url}/app/hook/deliveries`, { headers: asApp });
    expect(await listed.json()).toMatchObject([{ id, guid: "g1", status_code: 503 }]);
    await fetch(`${github.url}/app/hook/deliveries/${id}/attempts`, { method: "POST", headers: asApp });
    expect(github.state.redelivered).toEqual([id]);
  });
});

function never(): never {
  throw new Error("there is a file to copy");
}
