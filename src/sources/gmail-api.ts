/** The calls of the Gmail API that reading a mailbox needs: https://developers.google.com/workspace/gmail/api/reference/rest */
import { ServiceError } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { callGoogle } from "./google-call.ts";
import type { GoogleAnswer } from "./google-call.ts";
import type { AccessTokens } from "./held-token.ts";
import type { FetchedMessage } from "./received-message.ts";

export interface GmailHistoryPage {
  readonly records: readonly { readonly id: string; readonly added: readonly GmailAdded[] }[];
  /** Where the mailbox stands now. */
  readonly historyId: string;
  readonly nextPageToken: string | null;
}
interface GmailAdded {
  readonly id: string;
  readonly labelIds: readonly string[];
}
/** All throw ServiceError. */
export interface GmailApi {
  profile(signal: AbortSignal): Promise<{ emailAddress: string; historyId: string }>;
  /** Asks for (or renews) notifications; gives when they lapse, in milliseconds since the epoch: after seven days. */
  watch(topic: string, signal: AbortSignal): Promise<number>;
  /** Null when `start` is too old for Gmail to know. */
  history(start: string, pageToken: string | null, signal: AbortSignal): Promise<GmailHistoryPage | null>;
  /** Ids of the newest messages that match, newest first, and whether there are more. */
  search(query: string, limit: number, signal: AbortSignal): Promise<{ ids: string[]; more: boolean }>;
  /** Null when it was deleted meanwhile. */
  message(id: string, signal: AbortSignal): Promise<FetchedMessage | null>;
}

export interface GmailApiOptions {
  readonly service: string;
  readonly baseUrl: string;
  readonly tokens: AccessTokens;
  readonly clock: Clock;
}

/** What a mailbox is read for is mail that came in; see `unreadLabels` in gmail-feed.ts. */
const unwatchedLabels = ["DRAFT", "SENT", "SPAM", "TRASH"];

export function gmailApi(options: GmailApiOptions): GmailApi {
  const { service } = options;
  const call = caller(options);

  return {
    async profile(signal) {
      const json = found(service, "the Gmail profile", await call("GET", "profile", {}, signal));
      return { emailAddress: text(json["emailAddress"]), historyId: historyIdOf(service, json) };
    },
    async watch(topic, signal) {
      const body = { topicName: topic, labelIds: unwatchedLabels, labelFilterBehavior: "exclude" };
      const json = found(service, "Gmail's watch", await call("POST", "watch", {}, signal, body));
      const expiresAt = Number(json["expiration"]);
      if (Number.isSafeInteger(expiresAt) && expiresAt > 0) return expiresAt;
      throw new ServiceError(service, "unavailable", "Gmail answered a watch without its `expiration`");
    },
    async history(start, pageToken, signal) {
      const query = {
        startHistoryId: start,
        historyTypes: "messageAdded",
        maxResults: "500",
        ...(pageToken === null ? {} : { pageToken }),
      };
      const answer = await call("GET", "history", query, signal);
      if (answer.status === 404) return null;
      const json = found(service, "Gmail's history", answer);
      return {
        records: list(json["history"]).map((record) => ({
          id: text(record["id"]),
          added: list(record["messagesAdded"]).flatMap(({ message }) =>
            isRecord(message) && text(message["id"]) !== ""
              ? [{ id: text(message["id"]), labelIds: texts(message["labelIds"]) }]
              : [],
          ),
        })),
        historyId: historyIdOf(service, json),
        nextPageToken: text(json["nextPageToken"]) || null,
      };
    },
    async search(query, limit, signal) {
      const parameters = { q: query, maxResults: String(limit) };
      const json = found(service, "Gmail's message list", await call("GET", "messages", parameters, signal));
      const ids = list(json["messages"]).map((message) => text(message["id"]));
      return { ids: ids.filter((id) => id !== ""), more: text(json["nextPageToken"]) !== "" };
    },
    async message(id, signal) {
      const answer = await call("GET", `messages/${encodeURIComponent(id)}`, { format: "raw" }, signal);
      return answer.status === 404 ? null : messageOf(service, id, found(service, "a Gmail message", answer));
    },
  };
}

/**
 * Calls with the held token, and once more with a fresh one when it was refused. The mailbox is `me`, the one that the
 * token belongs to: addresses stay out of URLs.
 */
function caller({ service, baseUrl, tokens, clock }: GmailApiOptions) {
  return async (
    method: "GET" | "POST",
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    body?: Readonly<Record<string, unknown>>,
  ): Promise<GoogleAnswer> => {
    const search = new URLSearchParams(query).toString();
    const url = `${baseUrl}/gmail/v1/users/me/${path}${search === "" ? "" : `?${search}`}`;
    const attempt = (token: string): Promise<GoogleAnswer> =>
      callGoogle({
        service,
        clock,
        signal,
        method,
        url,
        what: "the Gmail API",
        token,
        ...(body ? { body } : {}),
      });
    const token = await tokens.get(signal);
    const answer = await attempt(token);
    if (answer.status !== 401 || !tokens.forget(token)) return answer;
    return attempt(await tokens.get(signal));
  };
}

function found(
  service: string,
  what: string,
  { status, json }: GoogleAnswer,
): Readonly<Record<string, unknown>> {
  if (status >= 200 && status < 300) return json;
  if (status === 401) {
    throw new ServiceError(
      service,
      "unauthorized",
      "the Gmail API refuses the access token (HTTP 401); give `credentials` that may read the mailbox",
      { status },
    );
  }
  throw new ServiceError(service, "invalid", `${what} was answered with HTTP ${status}`, { status });
}

function messageOf(service: string, id: string, json: Readonly<Record<string, unknown>>): FetchedMessage {
  const raw = text(json["raw"]);
  if (raw === "") {
    throw new ServiceError(service, "unavailable", "Gmail answered a message without its `raw` form");
  }
  const internalDate = Number(json["internalDate"]);
  return {
    id: text(json["id"]) || id,
    threadId: text(json["threadId"]),
    labelIds: texts(json["labelIds"]),
    historyId: text(json["historyId"]),
    internalDate: Number.isSafeInteger(internalDate) && internalDate > 0 ? internalDate : null,
    snippet: text(json["snippet"]),
    raw,
  };
}

function historyIdOf(service: string, json: Readonly<Record<string, unknown>>): string {
  const historyId = text(json["historyId"]);
  if (/^\d{1,20}$/.test(historyId)) return historyId;
  throw new ServiceError(service, "unavailable", "Gmail answered without a `historyId`");
}

/** Gmail's ids are strings; a number is taken where it is exact. */
const text = (value: unknown): string =>
  typeof value === "string" ? value : Number.isSafeInteger(value) ? String(value) : "";
const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
const list = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
