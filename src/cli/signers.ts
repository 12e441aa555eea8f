/** How the provider of each type of source signs what `send` and `trigger` send. */
import type { SourceConfig } from "../config/schema.ts";
import {
  signCustom,
  signGithub,
  signHubspot,
  signLinear,
  signShopify,
  signSlack,
  signStandardWebhooks,
  signStripe,
  signZendesk,
} from "../sandbox/senders.ts";
import type { Signed } from "../sandbox/senders.ts";
import { usage } from "./failure.ts";

/** Pushes and notifications of mailboxes are in mailbox.ts. */
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
    case "shopify":
      return signShopify({
        secret,
        topic: event,
        payload: body,
        triggeredAt: new Date(now).toISOString(),
        ...(id === undefined ? {} : { webhookId: id }),
      });
    case "slack":
      return signSlack({ secret, timestamp: seconds, ...slackBody(body) });
    case "standard-webhooks":
      return signStandardWebhooks({
        secret,
        payload: body,
        timestamp: seconds,
        ...(id === undefined ? {} : { id }),
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
  ["github", "zendesk", "linear", "shopify", "standard-webhooks", "custom"].includes(type);

/** What the header with the event's name is to say; null where there is none. Throws a usage Failure. */
export function headerEvent(source: SignableSource, body: string, given: string | undefined): string | null {
  switch (source.type) {
    case "github":
      return given ?? githubEvent(body);
    case "linear":
      return given ?? linearEvent(body);
    case "shopify":
      if (given !== undefined) return given;
      throw usage(
        "Shopify names the topic in a header",
        "Say it with --event, such as --event orders/create.",
      );
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

const interactions =
  /^(block_actions|block_suggestion|view_submission|view_closed|shortcut|message_action|interactive_message|dialog_submission)$/;

/** Slack sends events as JSON; clicks and slash commands as forms. What is no JSON is taken to be a form already. */
function slackBody(body: string): { payload: unknown; form?: "interaction" | "command" } {
  const payload = fieldsOf(body);
  if (!payload) return { payload: body, form: "command" };
  const { type } = payload;
  if (typeof type === "string" && interactions.test(type)) return { payload: body, form: "interaction" };
  return type === undefined && payload["command"] !== undefined
    ? { payload, form: "command" }
    : { payload: body };
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
