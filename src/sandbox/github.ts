/** GitHub's REST API as far as reviews, comments, labels and check runs need it. Apps and plain tokens are accepted. */
import type { Context, GithubState, SeedDelivery } from "./github-context.ts";
import { failure } from "./github-context.ts";
import { deliveryRoutes } from "./github-deliveries.ts";
import { checkRoutes, conversationRoutes } from "./github-issues.ts";
import { pullRoutes } from "./github-pulls.ts";
import type { GithubFile, PullRecord } from "./github-shapes.ts";
import { installation } from "./github-shapes.ts";
import type { Answer, Call, Route } from "./call.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { bearer, isoTime } from "./call.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";

export interface SeedPullRequest {
  readonly owner: string;
  readonly repo: string;
  readonly number: number;
  readonly title: string;
  readonly body: string | null;
  readonly branch: string;
  readonly baseSha: string;
  readonly headSha: string;
  readonly author: string;
  readonly authorType?: "User" | "Bot";
  readonly draft?: boolean;
  readonly state?: "open" | "closed";
  readonly baseBranch?: string;
  readonly files: readonly GithubFile[];
}

export interface GithubSandbox extends Stand {
  readonly state: GithubState;
  addPullRequest(pull: SeedPullRequest): void;
  /** A push, an edit, a close: what is named changes. A new `headSha` keeps the old one as a known commit. */
  changePullRequest(
    pull: { owner: string; repo: string; number: number },
    changes: Partial<Omit<SeedPullRequest, "owner" | "repo" | "number">>,
  ): void;
  addContents(file: { owner: string; repo: string; path: string; content: string; ref?: string }): void;
  addComparison(comparison: {
    owner: string;
    repo: string;
    base: string;
    head: string;
    mergeBase: string;
    files: readonly GithubFile[];
  }): void;
  /** A delivery of the App's webhook and of any hook by number; the id it gets. */
  addDelivery(delivery: SeedDelivery): number;
}

const fresh = (): GithubState => ({
  nextId: 1_000,
  pulls: [],
  reviews: [],
  reviewComments: [],
  issueComments: [],
  labels: {},
  checkRuns: [],
  contents: {},
  comparisons: [],
  deliveries: [],
  redelivered: [],
  tokens: {},
  effects: [],
});

export async function startGithub(options: VendorOptions): Promise<GithubSandbox> {
  const { now } = options;
  const store = openStore(options.file ?? null, fresh());
  const { state } = store;
  let url = "";
  const context: Context = { state, now, base: () => url };
  const stand = await openStand({
    now,
    routes: [
      ...appRoutes(context),
      ...deliveryRoutes(context),
      ...pullRoutes(context),
      ...conversationRoutes(context),
      ...checkRoutes(context),
    ],
    authorize: (call) => authorize(context, call),
    failure,
    save: store.save,
  });
  url = stand.url;
  const seed = saving(store.save);
  return {
    ...stand,
    state,
    addPullRequest: seed((pull) => void state.pulls.push(newPull(pull, now()))),
    changePullRequest: seed((pull, changes) => changePull(context, pull, changes)),
    addContents: seed(({ owner, repo, path, content, ref }) => {
      state.contents[`${owner}/${repo}/${path}${ref ? `@${ref}` : ""}`] = content;
    }),
    addComparison: seed(({ owner, repo, files, ...rest }) => {
      state.comparisons.push({ repo: `${owner}/${repo}`, files: [...files], ...rest });
    }),
    addDelivery: seed((delivery) => {
      const id = state.nextId++;
      state.deliveries.unshift({ id, at: now(), ...delivery });
      return id;
    }),
  };
}

function newPull(seed: SeedPullRequest, at: number): PullRecord {
  return {
    state: "open",
    draft: false,
    baseBranch: "main",
    authorType: "User",
    ...seed,
    files: [...seed.files],
    createdAt: at,
    earlierHeads: [],
  };
}

function changePull(
  { state }: Context,
  which: { owner: string; repo: string; number: number },
  changes: Partial<Omit<SeedPullRequest, "owner" | "repo" | "number">>,
): void {
  const pull = state.pulls.find(
    (one) => one.owner === which.owner && one.repo === which.repo && one.number === which.number,
  );
  if (!pull) throw new Error(`The sandbox has no pull request ${which.owner}/${which.repo}#${which.number}.`);
  if (changes.headSha !== undefined && changes.headSha !== pull.headSha) pull.earlierHeads.push(pull.headSha);
  Object.assign(pull, changes);
}

function authorize({ state, now }: Context, call: Call): Answer | null {
  if (call.path === "/meta") return null;
  const token = /^(?:bearer|token) (\S+)$/i.exec(call.headers["authorization"] ?? "")?.[1];
  if (token === undefined) return failure(401, "Requires authentication");
  const forApps = call.path.startsWith("/app/") || call.path.endsWith("/installation");
  if (forApps) {
    return (bearer(call) ?? "").split(".").length === 3
      ? null
      : failure(401, "A JSON web token could not be decoded");
  }
  const expired = token.startsWith("ghs_") && (state.tokens[token] ?? 0) <= now();
  return expired ? failure(401, "Bad credentials") : null;
}

function appRoutes(context: Context): Route[] {
  const { state, now } = context;
  return [
    [
      "GET",
      "/meta",
      () => ({ status: 200, json: { verifiable_password_authentication: false, hooks: ["127.0.0.0/8"] } }),
    ],
    [
      "GET",
      "/repos/:owner/:repo/installation",
      (call) => ({
        status: 200,
        json: installation(context.base(), 1, call.params["owner"] ?? "", now()),
      }),
    ],
    [
      "POST",
      "/app/installations/:id/access_tokens",
      () => {
        const token = `ghs_sandbox${state.nextId++}`;
        const end = now() + 3_600_000;
        state.tokens[token] = end;
        return { status: 201, json: { token, expires_at: isoTime(end) } };
      },
    ],
  ];
}
