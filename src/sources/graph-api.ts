/** The calls of Microsoft Graph that reading a mailbox needs: https://learn.microsoft.com/graph/api/overview */
import { ServiceError } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AccessTokens } from "./held-token.ts";
import { answeredBadly, callService, objectIn } from "./service-call.ts";
import type { ServiceAnswer, ServiceCall } from "./service-call.ts";

export interface DeltaMessage {
  readonly id: string;
  readonly conversationId: string;
  /** Milliseconds since the epoch, or null. */
  readonly receivedAt: number | null;
  readonly bodyPreview: string;
  readonly isRead: boolean;
  readonly isDraft: boolean;
  readonly isRemoved: boolean;
}
/** One page of what came in; `next` while there are more, `delta` on the last one: where to read on later. */
interface DeltaPage {
  readonly messages: readonly DeltaMessage[];
  readonly next: string | null;
  readonly delta: string | null;
}

export interface Subscription {
  readonly id: string;
  readonly resource: string;
  readonly notificationUrl: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

interface NewSubscription {
  readonly notificationUrl: string;
  readonly clientState: string;
  readonly expiresAt: number;
}

/** All throw ServiceError. */
export interface GraphApi {
  /** Where the feed of all mail since `since` (milliseconds since the epoch) begins. Makes no request. */
  feedSince(since: number): string;
  /** A link that Graph gave, or `feedSince`, and that may be followed. */
  isOwnLink(link: string): boolean;
  /** Null when Graph no longer knows the place that the link stands for. */
  delta(link: string, signal: AbortSignal): Promise<DeltaPage | null>;
  /** The whole RFC 822 message; null when it was deleted meanwhile. */
  message(id: string, signal: AbortSignal): Promise<Buffer | null>;
  /** What a subscription to the mailbox's new mail names as its resource. */
  readonly resource: string;
  subscribe(wanted: NewSubscription, signal: AbortSignal): Promise<Subscription>;
  /** Null when the subscription is gone. */
  extend(id: string, expiresAt: number, signal: AbortSignal): Promise<Subscription | null>;
  subscriptions(signal: AbortSignal): Promise<Subscription[]>;
  unsubscribe(id: string, signal: AbortSignal): Promise<void>;
}

export interface GraphApiOptions {
  readonly service: string;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly account: string;
  readonly tokens: AccessTokens;
  readonly clock: Clock;
}

/** Immutable ids stay the same when a person moves the mail; a page is held in memory with its messages. */
const preferences = { prefer: 'IdType="ImmutableId", odata.maxpagesize=10' };
const fields = "id,conversationId,receivedDateTime,bodyPreview,isRead,isDraft";
const lostPlace = /^(syncState(NotFound|Invalid)|resyncRequired)$/i;

export function graphApi(options: GraphApiOptions): GraphApi {
  const { service, baseUrl, account, clock } = options;
  const ask = caller(options);
  const mailbox = `${baseUrl}/users/${encodeURIComponent(account)}`;
  const resource = `users/${account}/mailFolders('inbox')/messages`;

  /** Every refusal that is the same for all calls. */
  function found(answer: ServiceAnswer, detail = ""): Readonly<Record<string, unknown>> {
    const json = objectIn(answer);
    const { status } = answer;
    if (status >= 200 && status < 300) {
      if (json) return json;
      throw answeredBadly(
        { service, clock, what: "Microsoft Graph" },
        "unavailable",
        answer,
        " without a JSON object",
      );
    }
    throw refusal(options, answer, detail);
  }

  return {
    resource,
    feedSince(since) {
      const from = new Date(since).toISOString().replace(/\.\d{3}Z$/, "Z");
      const query = new URLSearchParams({
        changeType: "created",
        $select: fields,
        $filter: `receivedDateTime ge ${from}`,
      });
      return `${mailbox}/mailFolders/inbox/messages/delta?${query.toString()}`;
    },
    isOwnLink: (link) => isBelow(baseUrl, link),
    async delta(link, signal) {
      const answer = await ask("GET", link, signal, { headers: preferences });
      if (answer.status === 410 || (answer.status >= 400 && lostPlace.test(codeOf(answer)))) return null;
      const json = found(answer, answer.status === 404 ? "; check the source's `account`" : "");
      return {
        messages: list(json["value"]).map(deltaMessage),
        next: linkIn(options, json["@odata.nextLink"]),
        delta: linkIn(options, json["@odata.deltaLink"]),
      };
    },
    async message(id, signal) {
      const url = `${mailbox}/messages/${encodeURIComponent(id)}/$value`;
      const answer = await ask("GET", url, signal, { headers: { ...preferences, accept: "*/*" } });
      if (answer.status === 404) return null;
      if (answer.status !== 200) throw refusal(options, answer);
      return answer.bytes;
    },
    async subscribe({ notificationUrl, clientState, expiresAt }, signal) {
      const body = {
        changeType: "created",
        resource,
        notificationUrl,
        lifecycleNotificationUrl: notificationUrl,
        clientState,
        expirationDateTime: new Date(expiresAt).toISOString(),
        latestSupportedTlsVersion: "v1_2",
      };
      const answer = await ask("POST", `${baseUrl}/subscriptions`, signal, { body, headers: preferences });
      const advice = "; it has to reach this source under `server.publicUrl` while it asks";
      return subscriptionIn(options, found(answer, answer.status === 400 ? advice : ""));
    },
    async extend(id, expiresAt, signal) {
      const body = { expirationDateTime: new Date(expiresAt).toISOString() };
      const answer = await ask("PATCH", `${baseUrl}/subscriptions/${encodeURIComponent(id)}`, signal, {
        body,
      });
      return answer.status === 404 ? null : subscriptionIn(options, found(answer));
    },
    async subscriptions(signal) {
      const json = found(await ask("GET", `${baseUrl}/subscriptions`, signal));
      return list(json["value"]).map((one) => subscriptionIn(options, one));
    },
    async unsubscribe(id, signal) {
      const url = `${baseUrl}/subscriptions/${encodeURIComponent(id)}`;
      const answer = await ask("DELETE", url, signal);
      if (answer.status !== 204 && answer.status !== 404) throw refusal(options, answer);
    },
  };
}

/** Calls with the held token, and once more with a fresh one when it was refused. */
function caller({ service, tokens, clock }: GraphApiOptions) {
  return async (
    method: ServiceCall["method"],
    url: string,
    signal: AbortSignal,
    more: Pick<ServiceCall, "body" | "headers"> = {},
  ): Promise<ServiceAnswer> => {
    const attempt = (token: string): Promise<ServiceAnswer> =>
      callService({ service, clock, signal, method, url, what: "Microsoft Graph", token, ...more });
    const token = await tokens.get(signal);
    const answer = await attempt(token);
    if (answer.status !== 401 || !tokens.forget(token)) return answer;
    return attempt(await tokens.get(signal));
  };
}

/** The code is Graph's own word; its message may hold addresses and stays out. */
function refusal({ service, clock }: GraphApiOptions, answer: ServiceAnswer, detail = ""): ServiceError {
  const { status } = answer;
  const code = codeOf(answer);
  const kind =
    status === 429
      ? "rate-limited"
      : status >= 500
        ? "unavailable"
        : // A mailbox that is not there is a matter of configuration, as a missing right is: it waits for a person.
          status === 401 || status === 403 || status === 404
          ? "unauthorized"
          : "invalid";
  return answeredBadly(
    { service, what: "Microsoft Graph", clock },
    kind,
    answer,
    (code === "" ? "" : ` (${code})`) + detail,
  );
}

function codeOf(answer: ServiceAnswer): string {
  const error = objectIn(answer)?.["error"];
  const code = isRecord(error) ? error["code"] : undefined;
  return typeof code === "string" && /^[\w.]{1,60}$/.test(code) ? code : "";
}

/** A link is followed with our token: one that leads elsewhere is refused, whoever wrote it. */
function isBelow(baseUrl: string, link: string): boolean {
  if (!URL.canParse(link)) return false;
  const [url, base] = [new URL(link), new URL(baseUrl)];
  const path = `${base.pathname.replace(/\/+$/, "")}/`;
  return (
    url.origin === base.origin && url.username === "" && url.password === "" && url.pathname.startsWith(path)
  );
}

function linkIn({ service, baseUrl }: GraphApiOptions, value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && isBelow(baseUrl, value)) return value;
  throw new ServiceError(
    service,
    "invalid",
    "Microsoft Graph gave a link that leads out of `baseUrl`; it was not followed",
  );
}

const deltaMessage = (json: Readonly<Record<string, unknown>>): DeltaMessage => ({
  id: text(json["id"]),
  conversationId: text(json["conversationId"]),
  receivedAt: timeIn(json["receivedDateTime"]),
  bodyPreview: text(json["bodyPreview"]),
  isRead: json["isRead"] === true,
  isDraft: json["isDraft"] === true,
  isRemoved: json["@removed"] !== undefined,
});

function subscriptionIn({ service }: GraphApiOptions, json: Readonly<Record<string, unknown>>): Subscription {
  const id = text(json["id"]);
  const expiresAt = timeIn(json["expirationDateTime"]);
  if (id === "" || expiresAt === null) {
    throw new ServiceError(service, "unavailable", "Microsoft Graph answered an unreadable subscription");
  }
  return {
    id,
    resource: text(json["resource"]),
    notificationUrl: text(json["notificationUrl"]),
    expiresAt,
  };
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
const list = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];

function timeIn(value: unknown): number | null {
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}
