/** How the provider of each type of source signs what `send` and `trigger` send. */
import type { SourceConfig } from "../config/schema.ts";
import {
  signCustom,
  signGithub,
  signHubspot,
  signLinear,
  signStripe,
  signZendesk,
} from "../sandbox/senders.ts";
import type { Signed } from "../sandbox/senders.ts";
import { usage } from "./failure.ts";

/** Pushes and notifications are Google's and Microsoft's to make. */
export type SignableSource = Exclude<SourceConfig, { type: "gmail" | "outlook" }>;

export interface Outgoing {
  readonly secret: string;
  readonly body: string;
  /** For the header that names the event; null where the type is in the body. */
  readonly event: string | null;
  /** For the header that has the id; left out, one is made. */
  readonly id: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The source's address as its provider knows it. */
  readonly publicUrl: string;
}

export function sign(source: SignableSource, outgoing: Outgoing): Signed {
  const { secret, body, id, now } = outgoing;
  const event = outgoing.event ?? "";
  const seconds = Math.floor(now / 1_000);
  switch (source.type) {
    case "stripe":
      return signStripe({ secret, payload: body, timestamp: seconds });
    case "github":
      return signGithub({ secret, event, payload: body, ...(id === undefined ? {} : { delivery: id }) });
    case "hubspot":
      return signHubspot({
        secret,
        payload: body,
        timestampMs: now,
        url: source.url ?? outgoing.publicUrl,
      });
    case "zendesk":
      return signZendesk({
        secret,
        payload: body,
        timestamp: new Date(seconds * 1_000).toISOString().replace(".000Z", "Z"),
        ...(id === undefined ? {} : { invocation: id }),
      });
    case "linear":
      return signLinear({
        secret,
        event,
        payload: sentNow(body, now),
        ...(id === undefined ? {} : { delivery: id }),
      });
    case "custom":
      return signCustom({
        secret,
        payload: body,
        timestamp: seconds,
        scheme: source,
        ...(id === undefined ? {} : { id }),
        ...(outgoing.event === null ? {} : { event }),
      });
  }
}

/** Elsewhere the id is in the signed body, if there is one. */
export const hasIdHeader = ({ type }: SignableSource): boolean =>
  ["github", "zendesk", "linear", "custom"].includes(type);

/** What the header with the event's name is to say; null where there is none. Throws a usage Failure. */
export function headerEvent(source: SignableSource, body: string, given: string | undefined): string | null {
  switch (source.type) {
    case "github":
      return given ?? githubEvent(body);
    case "linear":
      return given ?? linearEvent(body);
    case "custom":
      return source.typeHeader === undefined ? null : (given ?? null);
    default:
      return null;
  }
}

/** What sets GitHub's events apart, the more special ones first. */
const marks: readonly (readonly [event: string, keys: readonly string[]])[] = [
  ["pull_request_review_comment", ["pull_request", "comment"]],
  ["pull_request_review", ["pull_request", "review"]],
  ["pull_request", ["pull_request"]],
  ["issue_comment", ["issue", "comment"]],
  ["issues", ["issue"]],
  ["check_run", ["check_run"]],
  ["check_suite", ["check_suite"]],
  ["workflow_run", ["workflow_run"]],
  ["release", ["release"]],
  ["push", ["ref", "commits"]],
  ["ping", ["zen", "hook_id"]],
];

/** The event's name is in a header, not in the body. */
function githubEvent(body: string): string {
  const payload = fieldsOf(body);
  const found = payload && marks.find(([, keys]) => keys.every((key) => Object.hasOwn(payload, key)));
  if (found) return found[0];
  throw usage(
    "the body does not show which GitHub event it is",
    "Say so with --event, such as --event deployment_status.",
  );
}

function linearEvent(body: string): string {
  const type = fieldsOf(body)?.["type"];
  if (typeof type === "string") return type;
  throw usage(
    "the body does not show which Linear event it is",
    "Say so with --event, such as --event Issue.",
  );
}

/** Linear puts the time of each attempt into the body that it signs: a file's own is long past. */
function sentNow(body: string, now: number): string {
  const payload = fieldsOf(body);
  return payload ? JSON.stringify({ ...payload, webhookTimestamp: now }) : body;
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
