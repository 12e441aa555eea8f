/**
 * An Outlook mailbox, announced by Microsoft Graph: https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 * Graph signs nothing. What proves that an item is for us is the secret that our subscription was made with (`clientState`)
 * and the subscription's id; neither covers the rest of it, so an item only wakes the reading of our own mailbox.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Rejection } from "../domain/errors.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject, sha256 } from "../domain/json.ts";
import type { HandshakeAnswer, Identified, RawRequest, Source, Verified, Watch } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { graphApi } from "./graph-api.ts";
import { graphTokens } from "./graph-auth.ts";
import { setSecrets, unexpired } from "./hmac.ts";
import type { SecretEntry } from "./hmac.ts";
import { outlookFeed } from "./outlook-feed.ts";
import { outlookWatch } from "./outlook-watch.ts";
import { isId, isLine, parseObject } from "./payload.ts";

export interface OutlookOptions {
  readonly name: string;
  /** The mailbox's address. Which mailbox is read never comes from a notification. */
  readonly account: string;
  /** `clientState` of subscriptions: new ones are made with the first, all are accepted. */
  readonly secrets: readonly SecretEntry[];
  /** JSON with `tenant`, `client_id`, `client_secret`. */
  readonly credentials: string;
  /** Stands in for Graph, its version included: https://graph.microsoft.com/v1.0 */
  readonly baseUrl?: string | undefined;
  /** Stands in for Microsoft's token endpoint. */
  readonly tokenUrl?: string | undefined;
  /** `server.publicUrl`: where this server is reached from outside, without a slash at the end. */
  readonly publicUrl: string;
}

export interface OutlookDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The watch that is held for a source: its subscription is the only one that is listened to. */
  readonly watchOf?: (source: string) => Promise<Watch | null>;
}

const defaultBaseUrl = "https://graph.microsoft.com/v1.0";
const maxBodyBytes = 1_000_000;
const maxTokenLength = 2_000;
const minuteMs = 60_000;

export function outlook(options: OutlookOptions, { clock, log, watchOf }: OutlookDeps): Source {
  const { name, account, credentials, publicUrl } = options;
  const service = `source:${name}`;
  const secrets = setSecrets(options.secrets).map(({ value, ...rest }) => ({
    ...rest,
    digest: digestOf(value),
  }));
  const tokens = graphTokens({ service, credentials, tokenUrl: options.tokenUrl || undefined, clock });
  const baseUrl = (options.baseUrl || defaultBaseUrl).replace(/\/+$/, "");
  const api = graphApi({ service, baseUrl, account, tokens, clock });
  const feed = outlookFeed({ source: name, api, clock, log });
  const keepAlive = outlookWatch({
    source: name,
    api,
    notificationUrl: publicUrl === "" ? "" : `${publicUrl}/webhooks/${name}`,
    clientState: () => unexpired(setSecrets(options.secrets), clock.now())[0]?.value ?? null,
    clock,
    log,
  });
  /** Null while we know of none: then the secret alone decides. */
  let subscription: string | null = null;

  /** The place of the secret that an item carries; null for an item that is not for us. */
  function secretOf(item: Json, at: number): number | null {
    if (!isObject(item) || typeof item["clientState"] !== "string") return null;
    if (subscription !== null && item["subscriptionId"] !== subscription) return null;
    const presented = digestOf(item["clientState"]);
    // Every secret is compared, so that the time taken does not tell which one was close.
    const matching = unexpired(secrets, at).filter(({ digest }) => timingSafeEqual(digest, presented));
    return matching[0]?.index ?? null;
  }

  return {
    name,
    type: "outlook",
    active: account.trim() !== "" && credentials.trim() !== "" && secrets.length > 0,
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent"],
    evidence: null,
    handshake: validation,
    async verify({ body, receivedAt }): Promise<Verified> {
      const items = itemsIn(body);
      subscription = (await watchOf?.(name))?.id ?? null;
      const indexes = items.map((item) => secretOf(item, receivedAt));
      const own = indexes.filter((index) => index !== null);
      if (own[0] === undefined) throw stranger(items);
      const foreign = items.length - own.length;
      if (foreign > 0)
        log.warn({ source: name, foreign }, "outlook: items of other subscriptions were passed over");
      return { secretIndex: own[0], foreign };
    },
    identify(request) {
      const { value } = parseObject(request.body);
      const own = Array.isArray(value)
        ? (value as Json[]).filter((item) => secretOf(item, request.receivedAt) !== null)
        : [];
      if (own.length === 0) {
        throw new Rejection(
          400,
          "malformed_event",
          "`value` must list notifications of this source's subscription",
        );
      }
      return own.filter(isObject).map((item) => notification(item, request, account));
    },
    acknowledgement: () => ({ status: 202, empty: false }),
    expand: (cursor, signal, again = false) => feed.read(cursor, signal, again),
    currentCursor: () => Promise.resolve(feed.position()),
    notices: { missed: "rescan", subscriptionRemoved: "renew", reauthorizationRequired: "renew" },
    keepAlive,
  };
}

/** Digests are of one length, whatever was sent. */
const digestOf = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();

/** Graph asks for its token back, decoded and as plain text, before it makes or changes a subscription. */
function validation({ query }: RawRequest): HandshakeAnswer | null {
  const tokens = query.getAll("validationToken");
  if (tokens.length === 0) return null;
  const [token] = tokens;
  // Plain text that no browser guesses to be more (nosniff), without line breaks, and no longer than Graph's own.
  // eslint-disable-next-line no-control-regex
  if (tokens.length > 1 || !token || token.length > maxTokenLength || /[\u0000-\u001f\u007f]/.test(token)) {
    throw new Rejection(
      400,
      "malformed_handshake",
      `\`validationToken\` must be given once, with 1 to ${maxTokenLength} characters and no control characters`,
    );
  }
  return { status: 200, contentType: "text/plain; charset=utf-8", body: token };
}

/** Nothing can be said of a body that can't be read but that it holds no secret of ours. */
function itemsIn(body: Buffer): readonly Json[] {
  try {
    const { value } = parseObject(body);
    return Array.isArray(value) ? (value as Json[]) : [];
  } catch (error) {
    if (error instanceof Rejection) return [];
    throw error;
  }
}

function stranger(items: readonly Json[]): Rejection {
  return items.some((item) => isObject(item) && typeof item["clientState"] === "string")
    ? new Rejection(
        401,
        "client_state_mismatch",
        "no item has a `clientState` of this source's secrets and the id of its subscription",
      )
    : new Rejection(401, "client_state_missing", "no item of `value` has a `clientState`");
}

/** The secret is not kept: an item without it tells what it told. */
function notification(received: JsonObject, { receivedAt }: RawRequest, account: string): Identified {
  const item = Object.fromEntries(Object.entries(received).filter(([field]) => field !== "clientState"));
  const data = isObject(item["resourceData"] ?? null) ? (item["resourceData"] as JsonObject) : {};
  const notice = item["lifecycleEvent"];
  const type = [notice, item["changeType"]].find(isLine) ?? "notification";
  // A notice of the same words may come again a day later and mean it: only copies within a minute are one.
  const once = isLine(notice) ? Math.floor(receivedAt / minuteMs) : (data["@odata.etag"] ?? null);
  const key = sha256(JSON.stringify([item["subscriptionId"], item["resource"], type, once]));
  const id = [item["id"], data["id"]].find(isId) ?? key;
  return {
    providerId: id,
    type,
    occurredAt: null,
    dedupeKeys: [`change:${key}`],
    body: Buffer.from(JSON.stringify(item), "utf8"),
    payload: item,
    notification: { mailbox: account },
  };
}
