import { Rejection } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { sha256 } from "../domain/json.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { gmailApi } from "./gmail-api.ts";
import type { GmailApi } from "./gmail-api.ts";
import { gmailFeed } from "./gmail-feed.ts";
import { accessTokens } from "./google-auth.ts";
import { pushTokenCheck } from "./google-oidc.ts";
import { objectAt, parseObject, requiredId, timeOf } from "./payload.ts";

export interface GmailOptions {
  readonly name: string;
  /** The mailbox's address. Which mailbox is read never comes from a notification: its body is not signed. */
  readonly account: string;
  /** The audience of the push subscription, exactly. */
  readonly audience: string;
  /** The address of the service account that the push subscription authenticates with. */
  readonly pushServiceAccount: string;
  /** JSON of an `authorized_user` or a `service_account` (with domain-wide delegation), or an access token. */
  readonly credentials: string;
  /** Stands in for Google's hosts: API, token endpoint and key set. */
  readonly baseUrl?: string | undefined;
  readonly keySetUrl?: string | undefined;
  /** `projects/<project>/topics/<topic>`: set, Gmail is asked to notify it, daily. */
  readonly topic?: string | undefined;
}

const apiBaseUrl = "https://gmail.googleapis.com";
const keySetUrl = "https://www.googleapis.com/oauth2/v3/certs";
const scope = "https://www.googleapis.com/auth/gmail.readonly";
const maxBodyBytes = 1_000_000;
/** As Google advises; a watch lapses after seven days. */
const renewEveryMs = 86_400_000;

/** A Gmail mailbox, announced by Pub/Sub push: https://developers.google.com/workspace/gmail/api/guides/push */
export function gmail(options: GmailOptions, { clock, log }: { clock: Clock; log: Log }): Source {
  const { name, account, audience, pushServiceAccount, topic } = options;
  const service = `source:${name}`;
  const baseUrl = options.baseUrl?.replace(/\/+$/, "") || undefined;
  const tokens = accessTokens({
    service,
    credentials: options.credentials,
    subject: account,
    scope,
    baseUrl,
    clock,
  });
  const api = gmailApi({ service, baseUrl: baseUrl ?? apiBaseUrl, tokens, clock });
  const feed = gmailFeed({ source: name, account, api, log });
  const checkToken = pushTokenCheck({
    audience,
    email: pushServiceAccount,
    keySetUrl: options.keySetUrl || (baseUrl ? `${baseUrl}/oauth2/v3/certs` : keySetUrl),
  });
  return {
    name,
    type: "gmail",
    active: [account, audience, pushServiceAccount, options.credentials].every(
      (value) => value.trim() !== "",
    ),
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent"],
    evidence: null,
    async verify({ headers, receivedAt }) {
      await checkToken(headers["authorization"], receivedAt);
      return { secretIndex: null };
    },
    identify: (request) => [notification(request, account)],
    expand: (cursor, signal) => feed.read(cursor, signal),
    currentCursor: (signal) => feed.position(signal),
    ...(topic ? { keepAlive: watchKeeper(topic, options, api, clock) } : {}),
  };
}

/** Gmail knows one watch per mailbox: asking again renews it, or changes its topic. */
function watchKeeper(
  topic: string,
  { account, credentials }: GmailOptions,
  api: GmailApi,
  clock: Clock,
): NonNullable<Source["keepAlive"]> {
  return async (_held, signal) => {
    const expiresAt = await api.watch(topic, signal);
    const now = clock.now();
    const renewAt = Math.min(now + renewEveryMs, now + Math.max(0, expiresAt - now) / 2);
    return {
      id: null,
      of: sha256(account, topic, sha256(credentials)),
      expiresAt,
      renewAt: Math.floor(renewAt),
    };
  };
}

function notification({ body }: RawRequest, account: string): Identified {
  const payload = parseObject(body);
  const message = objectAt(payload, "message");
  if (message === null) {
    throw new Rejection(
      400,
      "malformed_event",
      "`message` is missing; send Pub/Sub's push body, unwrapping off",
    );
  }
  const id = requiredId(message["messageId"] ?? message["message_id"], "`message.messageId`");
  return {
    providerId: id,
    type: "notification",
    occurredAt: timeOf(message["publishTime"] ?? message["publish_time"]),
    dedupeKeys: [`id:${id}`, `history:${historyIdIn(message)}`],
    body,
    payload,
    notification: { mailbox: account },
  };
}

/**
 * The `historyId` of the base64 JSON in `message.data`. Google sends a number or a string, of up to 64 bits: a number
 * that JavaScript can't hold exactly is read from its digits.
 */
function historyIdIn(message: JsonObject): string {
  const { data } = message;
  if (typeof data !== "string" || data === "") throw unusableData();
  const bytes = Buffer.from(data, "base64");
  const { historyId } = parseObject(bytes);
  if (typeof historyId === "string" && /^\d{1,20}$/.test(historyId)) return historyId;
  if (typeof historyId !== "number" || historyId <= 0) throw unusableData();
  if (Number.isSafeInteger(historyId)) return String(historyId);
  const written = [...bytes.toString("utf8").matchAll(/"historyId"\s*:\s*(\d{1,20})\s*[,}]/g)];
  const digits = written.length === 1 ? written[0]?.[1] : undefined;
  if (digits === undefined || Number(digits) !== historyId) throw unusableData();
  return digits;
}

const unusableData = (): Rejection =>
  new Rejection(
    400,
    "malformed_event",
    "`message.data` must be base64 of JSON with a `historyId`, as Gmail publishes it",
  );
