/** What the parts of GitHub's stand-in share: its state, its error shapes, its paging. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asNumber } from "./bodies.ts";
import type {
  CheckRunRecord,
  GithubFile,
  IssueCommentRecord,
  PullRecord,
  ReviewCommentRecord,
  ReviewRecord,
} from "./github-shapes.ts";
import type { Answer, Call } from "./call.ts";
import type { Effect } from "./stand.ts";

export interface SeedDelivery {
  readonly guid: string;
  readonly event: string;
  readonly action: string | null;
  readonly statusCode: number;
  /** What was sent; GitHub keeps it with the delivery. Null: it has none on record. */
  readonly payload?: JsonObject | null;
  /** When it was delivered, in milliseconds; now by default. */
  readonly at?: number;
}

export interface Delivery extends Omit<SeedDelivery, "at"> {
  id: number;
  at: number;
}

interface Comparison {
  repo: string;
  base: string;
  head: string;
  mergeBase: string;
  files: GithubFile[];
}

export interface GithubState {
  nextId: number;
  pulls: PullRecord[];
  reviews: ReviewRecord[];
  reviewComments: ReviewCommentRecord[];
  issueComments: IssueCommentRecord[];
  /** Label names by `owner/repo#number`. */
  labels: { [issue: string]: string[] };
  checkRuns: CheckRunRecord[];
  /** Text by `owner/repo/path@ref`; without `@ref` it is there at every commit. */
  contents: { [place: string]: string };
  comparisons: Comparison[];
  deliveries: Delivery[];
  /** Ids of deliveries that GitHub was asked to send again. */
  redelivered: number[];
  /** Installation token → end of its life. */
  tokens: { [token: string]: number };
  effects: Effect[];
}

export interface Context {
  readonly state: GithubState;
  readonly now: () => number;
  base(): string;
}

const documentation = "https://docs.github.com/rest";

export function failure(status: number, message: string, errors?: readonly Json[]): Answer {
  const details = errors ? { errors } : {};
  return { status, json: { message, ...details, documentation_url: documentation, status: String(status) } };
}
export const invalid = (errors: readonly Json[]) => failure(422, "Validation Failed", errors);
export const missingField = (resource: string, field: string) =>
  invalid([{ resource, field, code: "missing_field" }]);

/** One page of a list, with GitHub's `Link` header. */
export function paged(
  context: Context,
  call: Call,
  items: readonly unknown[],
  wrap = (page: readonly unknown[]): unknown => page,
): Answer {
  const size = Math.min(100, Math.max(1, asNumber(call.query["per_page"]) ?? 30));
  const page = Math.max(1, asNumber(call.query["page"]) ?? 1);
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (number: number, rel: string) => {
    const query = new URLSearchParams({ per_page: String(size), page: String(number) });
    return `<${context.base()}${call.path}?${query.toString()}>; rel="${rel}"`;
  };
  const links = [
    ...(page > 1 ? [link(page - 1, "prev"), link(1, "first")] : []),
    ...(page < last ? [link(page + 1, "next"), link(last, "last")] : []),
  ];
  return {
    status: 200,
    json: wrap(items.slice((page - 1) * size, page * size)),
    ...(links.length > 0 ? { headers: { link: links.join(", ") } } : {}),
  };
}

export const repoOf = (call: Call) => `${call.params["owner"] ?? ""}/${call.params["repo"] ?? ""}`;
export const issueOf = (call: Call) => `${repoOf(call)}#${call.params["number"] ?? ""}`;
export const keyOf = (pull: PullRecord) => `${pull.owner}/${pull.repo}#${pull.number}`;
/** Senders hide their key in an HTML comment. */
export const markerOf = (body: string): { key?: string } => {
  const key = /<!--\s*([\s\S]*?)\s*-->/.exec(body)?.[1];
  return key === undefined ? {} : { key };
};
