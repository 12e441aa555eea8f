/** Slack over plain fetch. HTTP 200 with `ok: false` is how it refuses. */
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionRef } from "../domain/action.ts";
import type { FaultKind } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ActionExecutor, Call, Destination, LookUp } from "../domain/ports.ts";
import type { Attempt, Deps, Intent, ReadRefusal } from "./http.ts";
import { createAttempt, filled, readUnexpected, requestJson, trimSlash } from "./http.ts";
import { answer, reviewMessage } from "./slack-review.ts";

export interface SlackOptions {
  /** A bot token with chat:write, and channels:history and channels:read to find a message again. */
  readonly token?: string | undefined;
  /** `#name` or a channel's id. */
  readonly channel?: string | undefined;
  readonly baseUrl?: string | undefined;
}

const Answer = z.object({ ok: z.boolean(), error: z.string().optional(), needed: z.string().optional() });
const Posted = z.object({ ts: z.string(), channel: z.string() });
const Paging = z.object({ next_cursor: z.string() }).partial().nullish();
const Channels = z.object({
  channels: z.array(z.object({ id: z.string(), name: z.string().optional() })),
  response_metadata: Paging,
});
const History = z.object({
  messages: z.array(
    z.object({
      ts: z.string(),
      metadata: z
        .object({ event_payload: z.object({ key: z.unknown() }).partial() })
        .partial()
        .nullish(),
    }),
  ),
  response_metadata: Paging,
});

/** How far Slack's clock may be behind ours: a message of ours is looked for from that long before its request left. */
const clocksApartMs = 3_600_000;

class Refused extends Error {
  readonly answer: z.output<typeof Answer>;
  constructor(answer: z.output<typeof Answer>) {
    super(answer.error ?? "no reason given");
    this.answer = answer;
  }
}

type Send = <T>(
  call: Call,
  intent: Intent,
  method: string,
  shape: z.ZodType<T>,
  fields: Record<string, unknown>,
) => Promise<T>;

export function slack(options: SlackOptions, deps: Deps): Destination {
  const attempt = createWire(options, deps);
  const send = createSend(options, attempt);
  const channel = options.channel ?? "";
  const channelId = createChannelId(send, channel);
  const posting = (
    messageOf: (input: JsonObject) => { text: string; blocks?: object[] },
  ): ActionExecutor => ({
    // The history is a read of the channel itself, not of the search index.
    repeat: "lookup",
    settleMs: 5_000,
    async lookup(_input, key, call) {
      return findMessage(send, await channelId(call), key, call);
    },
    async execute(input, key, call) {
      const posted = await send(call, "write", "chat.postMessage", Posted, {
        channel,
        ...messageOf(input),
        unfurl_links: false,
        metadata: { event_type: "signalbox_action", event_payload: { key } },
      });
      return refOf(posted.channel, posted.ts);
    },
  });
  return {
    name: "slack",
    configured: filled(options.token, options.channel),
    actions: {
      "slack.message": posting((input) => ({
        text: withoutMentions(actionKinds["slack.message"].parse(input).text),
      })),
      "slack.review": posting((input) => reviewMessage(actionKinds["slack.review"].parse(input))),
      "slack.answer": answer(attempt, options.baseUrl),
    },
  };
}

function createWire(options: SlackOptions, deps: Deps): Attempt {
  const unexpected = readUnexpected((body) => Answer.safeParse(body).data?.error ?? "");
  const read: ReadRefusal = (error) =>
    error instanceof Refused
      ? {
          status: 200,
          kind: kindOf(error.answer.error ?? ""),
          detail: [error.message, error.answer.needed && `needs ${error.answer.needed}`]
            .filter(Boolean)
            .join(", "),
          header: () => null,
        }
      : unexpected(error);
  // One message a second and channel; all of ours go to one channel. The history has a limit of its own.
  return createAttempt("slack", deps, { secrets: [options.token ?? ""], read, counted: "writes" });
}

function createSend(options: SlackOptions, attempt: Attempt): Send {
  const base = trimSlash(options.baseUrl || "https://slack.com/api");
  const token = options.token ?? "";
  return (call, intent, method, shape, fields) =>
    attempt(call, intent, async () => {
      const headers = { authorization: `Bearer ${token}` };
      const query = new URLSearchParams(
        Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]),
      );
      const body =
        intent === "write"
          ? await requestJson(`${base}/${method}`, { method: "POST", headers, body: fields })
          : await requestJson(`${base}/${method}?${query.toString()}`, { method: "GET", headers });
      const answer = Answer.safeParse(body);
      if (answer.success && !answer.data.ok) throw new Refused(answer.data);
      return shape.parse(body);
    });
}

/** A channel that is not there is the operator's to mend, like a token: it must not fill the dead letters. */
const operators = new Set([
  "invalid_auth",
  "not_authed",
  "account_inactive",
  "token_revoked",
  "token_expired",
  "missing_scope",
  "no_permission",
  "access_denied",
  "org_login_required",
  "ekm_access_denied",
  "not_allowed_token_type",
  "channel_not_found",
  "not_in_channel",
  "is_archived",
]);
const outages = new Set(["internal_error", "fatal_error", "service_unavailable", "request_timeout"]);

function kindOf(error: string): FaultKind {
  if (error === "ratelimited" || error === "rate_limited" || error === "message_limit_exceeded")
    return "rate-limited";
  if (operators.has(error)) return "unauthorized";
  return outages.has(error) ? "unavailable" : "invalid";
}

const refOf = (channel: string, ts: string): ActionRef => ({ id: ts, channel });

/** `<!channel>` and `<@U…>` in a text that a stranger had a hand in would ring a whole company's phones. */
const withoutMentions = (text: string): string => text.replace(/<(?=[!@])/g, "&lt;");

/** Only the history needs an id; posting takes the name. The id is remembered once it is found. */
function createChannelId(send: Send, channel: string): (call: Call) => Promise<string> {
  let known = /^[CGD][A-Z0-9]{6,}$/.test(channel) ? channel : null;
  return async (call) => {
    if (known !== null) return known;
    const name = channel.replace(/^#/, "");
    let cursor = "";
    do {
      const page = await send(call, "read", "conversations.list", Channels, {
        types: "public_channel,private_channel",
        exclude_archived: true,
        limit: 1_000,
        ...(cursor === "" ? {} : { cursor }),
      });
      const found = page.channels.find((item) => item.name === name || item.id === channel);
      if (found) return (known = found.id);
      cursor = page.response_metadata?.next_cursor ?? "";
    } while (cursor !== "");
    return channel;
  };
}

async function findMessage(
  send: Send,
  channel: string,
  key: string,
  call: LookUp,
): Promise<ActionRef | null> {
  const oldest = (Math.max(0, call.since - clocksApartMs) / 1_000).toFixed(6);
  let cursor = "";
  do {
    const page = await send(call, "read", "conversations.history", History, {
      channel,
      oldest,
      limit: 200,
      include_all_metadata: true,
      ...(cursor === "" ? {} : { cursor }),
    });
    const found = page.messages.find((message) => message.metadata?.event_payload?.key === key);
    if (found) return refOf(channel, found.ts);
    cursor = page.response_metadata?.next_cursor ?? "";
  } while (cursor !== "");
  return null;
}
