/** The Outlook mailbox behind the Graph stand-in: messages in the order they came, and delta queries over them. */
import type { Json } from "../domain/json.ts";
import { asText } from "./bodies.ts";
import type { Answer, Call } from "./call.ts";
import { isoTime } from "./call.ts";
import { headerOf, readMail } from "./gmail-messages.ts";
import type { Effect } from "./stand.ts";

export interface GraphMessage {
  id: string;
  conversationId: string;
  changeKey: string;
  /** The whole RFC 822 message. */
  mime: string;
  /** Milliseconds since the epoch. */
  at: number;
}

export interface GraphSubscription {
  id: string;
  resource: string;
  changeType: string;
  notificationUrl: string;
  lifecycleNotificationUrl: string | null;
  clientState: string | null;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

export interface GraphState {
  account: string;
  nextId: number;
  messages: GraphMessage[];
  subscriptions: GraphSubscription[];
  /** Access token → end of its life, in milliseconds. */
  tokens: { [token: string]: number };
  /** True once the app was taken its right: no token can be had. */
  revoked: boolean;
  /** Links of an earlier generation are unknown: 410. */
  generation: number;
  /** Most messages of a page, whatever was asked for. */
  pageSize: number;
  effects: Effect[];
}

export function graphFailure(
  status: number,
  message: string,
  code = codes[status] ?? "generalException",
): Answer {
  const innerError = { date: "2026-01-01T00:00:00", "request-id": nowhere, "client-request-id": nowhere };
  return { status, json: { error: { code, message, innerError } } };
}
const nowhere = "00000000-0000-0000-0000-000000000000";
const codes: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "InvalidAuthenticationToken",
  403: "ErrorAccessDenied",
  404: "ErrorItemNotFound",
  410: "syncStateNotFound",
  429: "TooManyRequests",
  503: "serviceNotAvailable",
};

/** Where a link stands: after so many messages, of those that came at `since` or later. */
interface Place {
  readonly generation: number;
  readonly after: number;
  readonly since: number;
}
const written = ({ generation, after, since }: Place): string => `${generation}-${after}-${since}`;
function placeIn(token: string): Place | null {
  const [, generation, after, since] = /^(\d+)-(\d+)-(\d+)$/.exec(token) ?? [];
  if (generation === undefined) return null;
  return { generation: Number(generation), after: Number(after), since: Number(since) };
}

/** How many messages lie before the place that a delta link stands for; null when it is none of ours. */
export function positionOf(link: string): number | null {
  const { searchParams } = new URL(link);
  const token = searchParams.get("$deltatoken") ?? searchParams.get("$skiptoken");
  return token === null ? null : (placeIn(token)?.after ?? null);
}

export function delta(state: GraphState, call: Call): Answer {
  const place = asked(state, call);
  if (place === null) return graphFailure(400, "Badly formed token.");
  if (place.generation !== state.generation) {
    return graphFailure(410, "The sync state generation is not found; continue with a full resync.");
  }
  const preferred = /odata\.maxpagesize=(\d+)/.exec(call.headers["prefer"] ?? "")?.[1];
  const size = Math.min(state.pageSize, Number(preferred ?? 10));
  const end = Math.min(state.messages.length, place.after + size);
  const page = state.messages.slice(place.after, end).filter((message) => message.at >= place.since);
  const next = { ...place, after: end };
  const here = `http://${call.headers["host"] ?? ""}${call.path}`;
  const link =
    end < state.messages.length
      ? { "@odata.nextLink": `${here}?$skiptoken=${written(next)}` }
      : { "@odata.deltaLink": `${here}?$deltatoken=${written(next)}` };
  return {
    status: 200,
    json: {
      "@odata.context": `${here.slice(0, here.indexOf("/v1.0") + 5)}/$metadata#Collection(message)`,
      value: page.map(messageView),
      ...link,
    },
  };
}

/** The place that a link names, or where a feed of all mail since a time begins. */
function asked(state: GraphState, { query }: Call): Place | null {
  const token = asText(query["$deltatoken"]) ?? asText(query["$skiptoken"]);
  if (token !== undefined) return placeIn(token);
  const filter = asText(query["$filter"]);
  if (filter === undefined) return { generation: state.generation, after: 0, since: 0 };
  const since = Date.parse(/^receivedDateTime (?:ge|gt) (\S+)$/.exec(filter)?.[1] ?? "");
  return Number.isNaN(since) ? null : { generation: state.generation, after: 0, since };
}

function messageView({ id, conversationId, changeKey, mime, at }: GraphMessage): { [field: string]: Json } {
  const part = readMail(mime);
  return {
    "@odata.type": "#microsoft.graph.message",
    "@odata.etag": etagOf(changeKey),
    id,
    conversationId,
    receivedDateTime: isoTime(at),
    bodyPreview: part.body.trim().slice(0, 255),
    subject: headerOf(part, "subject") ?? "",
    isRead: false,
    isDraft: false,
  };
}
export const etagOf = (changeKey: string): string => `W/"${changeKey}"`;

export function messageMime(state: GraphState, call: Call): Answer {
  const message = state.messages.find((one) => one.id === call.params["id"]);
  return message
    ? { status: 200, text: message.mime }
    : graphFailure(404, "The specified object was not found in the store.");
}

/** Puts a message into the inbox, in the conversation that it answers. */
export function addMessage(state: GraphState, mime: string, at: number): GraphMessage {
  const part = readMail(mime);
  const named = `${headerOf(part, "in-reply-to") ?? ""} ${headerOf(part, "references") ?? ""}`;
  const answered = state.messages.find(({ mime: other }) => {
    const messageId = headerOf(readMail(other), "message-id");
    return messageId !== undefined && named.includes(messageId);
  });
  const number = state.nextId++;
  const id = `AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A${number.toString(16).padStart(12, "0")}AAA=`;
  const message = {
    id,
    conversationId: answered?.conversationId ?? `AAQkA${number.toString(16).padStart(12, "0")}=`,
    changeKey: `CQAAABYAAAB${number.toString(16).padStart(12, "0")}`,
    mime,
    at,
  };
  state.messages.push(message);
  return message;
}
