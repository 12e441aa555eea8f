/** GitHub through Octokit, as an App or with a token. */
import type { Octokit } from "@octokit/rest";
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionRef } from "../domain/action.ts";
import type { ActionExecutor, Call, Destination } from "../domain/ports.ts";
import type { ChangedFile, GithubReads, PullRequest, Repository } from "../domain/readers.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Attempt, Deps, Refusal } from "./http.ts";
import { boundFetch, createAttempt, filled, hiddenMarker, retryAfter, trimSlash } from "./http.ts";

export interface GithubOptions {
  readonly baseUrl?: string | undefined;
  /** A personal or installation token; or else the App's id and private key (PEM). */
  readonly token?: string | undefined;
  readonly appId?: string | undefined;
  readonly privateKey?: string | undefined;
}

/** Octokit and the header that authorizes it for one repository. */
interface Access {
  readonly octokit: Octokit;
  readonly headers: { readonly authorization: string };
}
type Enter = (call: Call, repository: Repository) => Promise<Access>;

interface Own {
  readonly attempt: Attempt;
  readonly enter: Enter;
  readonly isOurs: IsOurs;
}

export function github(options: GithubOptions, deps: Deps): Destination {
  const configured = filled(options.token) || filled(options.appId, options.privateKey);
  const secrets = [options.token ?? "", options.privateKey ?? ""];
  const attempt = createAttempt("github", deps, {
    secrets,
    read: (error) => readRefusal(error, deps.clock),
    // What makes content is limited much more tightly than what reads.
    counted: "writes",
  });
  const enter = createEnter(options, attempt);
  const own: Own = { attempt, enter, isOurs: createIsOurs(options, attempt) };
  return {
    name: "github",
    configured,
    actions: { "github.review": review(own), "github.comment": comment(own), "github.labels": labels(own) },
    reads: (call) => (configured ? reads(own, call) : null),
  };
}

// ── Access ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Reads nothing from the environment and prints nothing: deprecations go to nobody. */
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function createEnter(options: GithubOptions, attempt: Attempt): Enter {
  let client: Promise<Octokit> | null = null;
  const octokit = () =>
    (client ??= import("@octokit/rest").then(
      (sdk) =>
        new sdk.Octokit({
          baseUrl: trimSlash(options.baseUrl || "https://api.github.com"),
          userAgent: "signalbox",
          log: silent,
          request: { fetch: boundFetch },
        }),
    ));
  if (filled(options.token)) {
    const headers = { authorization: `token ${options.token ?? ""}` };
    return async () => ({ octokit: await octokit(), headers });
  }
  return appEnter(options, attempt, octokit);
}

function appEnter(options: GithubOptions, attempt: Attempt, octokit: () => Promise<Octokit>): Enter {
  const installations = new Map<string, number>();
  let app: Promise<ReturnType<typeof import("@octokit/auth-app").createAppAuth>> | null = null;
  const auth = () =>
    (app ??= Promise.all([import("@octokit/auth-app"), octokit()]).then(([sdk, client]) =>
      sdk.createAppAuth({
        appId: options.appId ?? "",
        privateKey: options.privateKey ?? "",
        request: client.request,
        log: silent,
      }),
    ));
  const installationOf = async ({ owner, repo, installationId }: Repository): Promise<number> => {
    const known = installationId ?? installations.get(`${owner}/${repo}`);
    if (known !== undefined) return known;
    const [client, authenticate] = await Promise.all([octokit(), auth()]);
    const { token } = await authenticate({ type: "app" });
    const { data } = await client.rest.apps.getRepoInstallation({
      owner,
      repo,
      headers: { authorization: `bearer ${token}` },
    });
    installations.set(`${owner}/${repo}`, data.id);
    return data.id;
  };
  // Getting a token changes nothing, so its failure leaves no doubt about the write that it was meant for.
  return (call, repository) =>
    attempt(call, "read", async () => {
      const installationId = await installationOf(repository);
      const { token } = await (await auth())({ type: "installation", installationId });
      return { octokit: await octokit(), headers: { authorization: `token ${token}` } };
    });
}

/**
 * Whether a text that carries our marker was written by us. The marker can be guessed by whoever knows an agent's
 * name: without this, a stranger's comment could stand in for a review, or be edited in our place.
 */
type IsOurs = (call: Call, access: Access, author: { id: number; type: string } | null) => Promise<boolean>;

function createIsOurs(options: GithubOptions, attempt: Attempt): IsOurs {
  let self: number | "bot" | null = filled(options.token) ? null : "bot";
  return async (call, { octokit, headers }, author) => {
    if (author === null) return false;
    self ??= await attempt(call, "read", async () => {
      try {
        return (await octokit.rest.users.getAuthenticated({ headers })).data.id;
      } catch (error) {
        // The token of an installation has no user; only bots write with such tokens.
        if (statusOf(error) === 403 || statusOf(error) === 404) return "bot";
        throw error;
      }
    });
    return self === "bot" ? author.type === "Bot" : author.id === self;
  };
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

const Answered = z.object({
  status: z.number(),
  response: z.object({
    headers: z.record(z.string(), z.union([z.string(), z.number()]).optional()),
    data: z.unknown(),
  }),
});
const ErrorBody = z.object({
  message: z.string(),
  errors: z.array(z.union([z.string(), z.object({ message: z.string() }).partial()])).optional(),
});

const statusOf = (error: unknown): number | null => Answered.safeParse(error).data?.status ?? null;

/** What secondary limits ask for when they give no time. */
const secondaryLimitMs = 60_000;

function readRefusal(error: unknown, clock: Clock): Refusal | null {
  const { data: answered } = Answered.safeParse(error);
  if (!answered) return null;
  const header = (name: string): string | null => answered.response.headers[name]?.toString() ?? null;
  const { data: body } = ErrorBody.safeParse(answered.response.data);
  const more = body?.errors?.map((item) => (typeof item === "string" ? item : item.message)).filter(Boolean);
  const detail = [body?.message ?? "", ...(more ?? [])].join(" ");
  const plain = { status: answered.status, detail, header };
  if (answered.status !== 403 && answered.status !== 429) return plain;
  const spent = header("x-ratelimit-remaining") === "0";
  if (
    answered.status === 403 &&
    !spent &&
    header("retry-after") === null &&
    !/rate limit|abuse/i.test(detail)
  ) {
    return plain;
  }
  const reset = Number(header("x-ratelimit-reset") ?? Number.NaN) * 1_000 - clock.now();
  const wait =
    retryAfter(header("retry-after"), clock) ?? (spent && Number.isFinite(reset) ? reset : secondaryLimitMs);
  return { ...plain, kind: "rate-limited", retryAfterMs: Math.max(0, wait) };
}

// ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Read out of what Octokit returns, because it returns a page of HTML as it is. */
const Written = z.object({
  id: z.number(),
  html_url: z.string(),
  body: z.string().nullish(),
  user: z.object({ id: z.number(), type: z.string() }).nullish(),
});
type Written = z.output<typeof Written>;
const WrittenList = z.array(Written);
const Labels = z.array(z.object({ name: z.string() }));

const refOf = (written: Written): ActionRef => ({
  id: String(written.id),
  url: written.html_url,
});

async function findOurs(
  { isOurs }: Own,
  call: Call,
  access: Access,
  texts: readonly Written[],
  key: string,
): Promise<Written | null> {
  for (const text of texts) {
    if (text.body?.includes(hiddenMarker(key)) && (await isOurs(call, access, text.user ?? null)))
      return text;
  }
  return null;
}

function review(deps: Own): ActionExecutor {
  const { attempt, enter } = deps;
  return {
    repeat: "lookup",
    settleMs: 5_000,
    async lookup(input, key, call) {
      const { number, ...repository } = actionKinds["github.review"].parse(input);
      const access = await enter(call, repository);
      const { octokit, headers } = access;
      const { owner, repo } = repository;
      const page = { owner, repo, pull_number: number, per_page: 100, headers };
      const reviews = await attempt(call, "read", async () =>
        WrittenList.parse(await octokit.paginate(octokit.rest.pulls.listReviews, page)),
      );
      const found = await findOurs(deps, call, access, reviews, key);
      return found && refOf(found);
    },
    async execute(input, key, call) {
      const { owner, repo, number, ...parsed } = actionKinds["github.review"].parse(input);
      const { octokit, headers } = await enter(call, { owner, repo, installationId: parsed.installationId });
      return attempt(call, "write", async () => {
        const { data } = await octokit.rest.pulls.createReview({
          owner,
          repo,
          pull_number: number,
          commit_id: parsed.commitId,
          event: "COMMENT",
          body: marked(parsed.body, key),
          comments: parsed.comments.map(inlineComment),
          headers,
        });
        return refOf(Written.parse(data));
      });
    },
  };
}

const marked = (body: string, key: string): string => `${body}\n\n${hiddenMarker(key)}`;

type InlineComment = z.output<(typeof actionKinds)["github.review"]>["comments"][number];

/** A range of one line is refused as a range. */
const inlineComment = ({ path, side, startLine, line, body }: InlineComment) => ({
  path,
  side,
  line,
  body,
  ...(startLine !== null && startLine < line ? { start_line: startLine, start_side: side } : {}),
});

function comment(deps: Own): ActionExecutor {
  const { attempt, enter } = deps;
  const find = async (
    call: Call,
    access: Access,
    input: z.output<(typeof actionKinds)["github.comment"]>,
    key: string,
  ) => {
    const { octokit, headers } = access;
    const { owner, repo, number } = input;
    const page = { owner, repo, issue_number: number, per_page: 100, headers };
    const comments = await attempt(call, "read", async () =>
      WrittenList.parse(await octokit.paginate(octokit.rest.issues.listComments, page)),
    );
    return findOurs(deps, call, access, comments, key);
  };
  return {
    repeat: "lookup",
    settleMs: 5_000,
    async lookup(input, key, call) {
      const parsed = actionKinds["github.comment"].parse(input);
      const found = await find(call, await enter(call, parsed), parsed, key);
      // With another text it is not what was asked for yet: carrying it out edits it in place.
      return found?.body === marked(parsed.body, key) ? refOf(found) : null;
    },
    async execute(input, key, call) {
      const parsed = actionKinds["github.comment"].parse(input);
      const { owner, repo, number } = parsed;
      const access = await enter(call, parsed);
      const { octokit, headers } = access;
      const body = marked(parsed.body, key);
      const found = await find(call, access, parsed, key);
      if (found?.body === body) return refOf(found);
      return attempt(call, "write", async () => {
        const { issues } = octokit.rest;
        const { data } = found
          ? await issues.updateComment({ owner, repo, comment_id: found.id, body, headers })
          : await issues.createComment({ owner, repo, issue_number: number, body, headers });
        return refOf(Written.parse(data));
      });
    },
  };
}

const labels = ({ attempt, enter }: Own): ActionExecutor => ({
  repeat: "natural",
  settleMs: 1_000,
  async execute(input, _key, call) {
    const { labels: names, number, ...repository } = actionKinds["github.labels"].parse(input);
    const { octokit, headers } = await enter(call, repository);
    const { owner, repo } = repository;
    await attempt(call, "write", async () => {
      const parameters = { owner, repo, issue_number: number, labels: names, headers };
      return Labels.parse((await octokit.rest.issues.addLabels(parameters)).data);
    });
    return { id: `${owner}/${repo}#${number}`, labels: names.join(",") };
  },
});

// ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

const Pull = z.object({
  number: z.number(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.enum(["open", "closed"]),
  draft: z.boolean().nullish(),
  html_url: z.string(),
  // A deleted account leaves none.
  user: z.object({ login: z.string(), type: z.string() }).nullish(),
  head: z.object({ ref: z.string(), sha: z.string() }),
  base: z.object({ ref: z.string(), sha: z.string() }),
});
const File = z.object({
  filename: z.string(),
  previous_filename: z.string().nullish(),
  status: z.string(),
  additions: z.number(),
  deletions: z.number(),
  patch: z.string().nullish(),
});

const reads = ({ attempt, enter }: Own, call: Call): GithubReads => ({
  async pullRequest(repository, number) {
    const { owner, repo } = repository;
    const { octokit, headers } = await enter(call, repository);
    return attempt(call, "read", async () => {
      const { data } = await octokit.rest.pulls.get({ owner, repo, pull_number: number, headers });
      return toPullRequest(Pull.parse(data));
    });
  },
  async changedFiles(repository, number) {
    const { owner, repo } = repository;
    const { octokit, headers } = await enter(call, repository);
    const page = { owner, repo, pull_number: number, per_page: 100, headers };
    return attempt(call, "read", async () => {
      const files = await octokit.paginate(octokit.rest.pulls.listFiles, page);
      return z.array(File).parse(files).map(toChangedFile);
    });
  },
});

const toPullRequest = ({ html_url: url, head, base, user, ...pull }: z.output<typeof Pull>): PullRequest => ({
  number: pull.number,
  title: pull.title,
  body: pull.body ?? "",
  state: pull.state,
  draft: pull.draft ?? false,
  author: user?.login ?? "ghost",
  authorIsBot: user?.type === "Bot" || (user?.login.endsWith("[bot]") ?? false),
  headRef: head.ref,
  headSha: head.sha,
  baseRef: base.ref,
  baseSha: base.sha,
  url,
});

const toChangedFile = (file: z.output<typeof File>): ChangedFile => ({
  path: file.filename,
  previousPath: file.previous_filename ?? null,
  status: file.status,
  additions: file.additions,
  deletions: file.deletions,
  patch: file.patch ?? null,
});
