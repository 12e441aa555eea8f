/** The Gmail API: history, messages, threads, labels, watch, send. Numbers of 64 bits are texts, as Google sends them. */
import type { Json } from "../domain/json.ts";
import { asList, asNumber, asObject, asText } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import { textOf } from "./call.ts";
import type { GoogleState, HistoryRecord, MailFormat, MailRecord } from "./gmail-messages.ts";
import { decodeRaw, headerOf, mailView, readMail } from "./gmail-messages.ts";

const reasons: Readonly<Record<number, readonly [reason: string, status: string]>> = {
  400: ["badRequest", "INVALID_ARGUMENT"],
  401: ["authError", "UNAUTHENTICATED"],
  403: ["forbidden", "PERMISSION_DENIED"],
  404: ["notFound", "NOT_FOUND"],
  429: ["rateLimitExceeded", "RESOURCE_EXHAUSTED"],
  503: ["backendError", "UNAVAILABLE"],
};

export function googleFailure(code: number, message: string): Answer {
  const [reason, status] = reasons[code] ?? ["backendError", "INTERNAL"];
  return {
    status: code,
    json: { error: { code, message, errors: [{ message, domain: "global", reason }], status } },
  };
}
const notFound = () => googleFailure(404, "Requested entity was not found.");
const ok = (json: unknown): Answer => ({ status: 200, json });

/** Puts a message into the mailbox, in the thread that it answers. */
export function addMail(
  state: GoogleState,
  mail: { raw: string; labelIds: string[]; at: number; threadId?: string },
): MailRecord {
  const id = (0x18c2f0a1b2c3d000n + BigInt(state.nextId++)).toString(16);
  const historyId = ++state.historyId;
  const threadId = mail.threadId ?? threadOf(state, mail.raw) ?? id;
  const record = { id, threadId, labelIds: mail.labelIds, raw: mail.raw, at: mail.at, historyId };
  state.messages.push(record);
  state.history.push({ id: historyId, kind: "messageAdded", message: id, labelIds: mail.labelIds });
  return record;
}

const messageIdOf = (record: MailRecord) => headerOf(readMail(decodeRaw(record.raw)), "message-id");

function threadOf(state: GoogleState, raw: string): string | undefined {
  const part = readMail(decodeRaw(raw));
  const named = `${headerOf(part, "in-reply-to") ?? ""} ${headerOf(part, "references") ?? ""}`;
  const answered =
    named.trim() === "" ? undefined : state.messages.find((one) => named.includes(messageIdOf(one) ?? "\0"));
  return answered?.threadId;
}

export function gmailRoutes(state: GoogleState, now: () => number): Route[] {
  const root = "/gmail/v1/users/:userId";
  const withMessage = (handle: (call: Call, record: MailRecord) => Answer) => (call: Call) => {
    const record = state.messages.find((one) => one.id === call.params["id"]);
    return record ? handle(call, record) : notFound();
  };
  return [
    ["GET", `${root}/profile`, () => profile(state)],
    ["POST", `${root}/watch`, (call) => watch(state, now(), call)],
    [
      "POST",
      `${root}/stop`,
      () => {
        state.watch = null;
        return { status: 204 };
      },
    ],
    ["GET", `${root}/history`, (call) => history(state, call)],
    ["GET", `${root}/messages`, (call) => listMessages(state, now(), call)],
    ["POST", `${root}/messages/send`, (call) => sendMessage(state, now(), call)],
    ["GET", `${root}/messages/:id`, withMessage((call, record) => ok(mailView(record, formatOf(call))))],
    ["POST", `${root}/messages/:id/modify`, withMessage((call, record) => modify(state, call, record))],
    ["GET", `${root}/threads/:id`, (call) => thread(state, call)],
    ["GET", `${root}/labels`, () => ok({ labels: state.labels.map(labelView) })],
    ["POST", `${root}/labels`, (call) => createLabel(state, call)],
  ];
}

const formats: readonly string[] = ["minimal", "full", "raw", "metadata"];
const formatOf = (call: Call): MailFormat => {
  const format = textOf(call, "format") ?? "full";
  return formats.includes(format) ? (format as MailFormat) : "full";
};

const labelView = (label: GoogleState["labels"][number]) => ({
  ...label,
  messageListVisibility: "show",
  labelListVisibility: "labelShow",
});

function profile(state: GoogleState): Answer {
  return ok({
    emailAddress: state.account,
    messagesTotal: state.messages.length,
    threadsTotal: new Set(state.messages.map((one) => one.threadId)).size,
    historyId: String(state.historyId),
  });
}

const week = 7 * 86_400_000;

function watch(state: GoogleState, now: number, call: Call): Answer {
  const topicName = asText(asObject(call.body)["topicName"]);
  if (!topicName || !/^projects\/[^/]+\/topics\/[^/]+$/.test(topicName)) {
    return googleFailure(400, "Invalid topicName does not match projects/<project>/topics/*");
  }
  state.watch = { topicName, expiration: now + week };
  return ok({ historyId: String(state.historyId), expiration: String(state.watch.expiration) });
}

/** A page of a list; the token is the place to go on from. */
function pageOf<T>(
  state: GoogleState,
  call: Call,
  items: readonly T[],
): { page: readonly T[]; next: { nextPageToken?: string } } {
  const size = Math.min(state.pageSize, Math.max(1, asNumber(call.query["maxResults"]) ?? 100));
  const start = asNumber(call.query["pageToken"]) ?? 0;
  const end = start + size;
  return { page: items.slice(start, end), next: end < items.length ? { nextPageToken: String(end) } : {} };
}

/** A parameter that may be repeated. */
const many = (value: Json | undefined): string[] =>
  typeof value === "string" ? [value] : asList(value).flatMap((item) => asText(item) ?? []);

function history(state: GoogleState, call: Call): Answer {
  const start = asNumber(call.query["startHistoryId"]);
  if (start === undefined) return googleFailure(400, "Missing required parameter: startHistoryId");
  if (start < state.oldestHistoryId) return notFound();
  const kinds = many(call.query["historyTypes"]);
  const label = textOf(call, "labelId");
  const met = state.history.filter(
    (one) =>
      one.id > start &&
      (kinds.length === 0 || kinds.includes(one.kind)) &&
      (label === undefined || one.labelIds.includes(label)),
  );
  const { page, next } = pageOf(state, call, met);
  const list = page.length > 0 ? { history: page.map((one) => historyView(state, one)) } : {};
  return ok({ ...list, ...next, historyId: String(state.historyId) });
}

function historyView(state: GoogleState, entry: HistoryRecord) {
  const record = state.messages.find((one) => one.id === entry.message);
  const message = { id: entry.message, threadId: record?.threadId ?? entry.message };
  const change = { message: { ...message, labelIds: record?.labelIds ?? entry.labelIds } };
  const detail =
    entry.kind === "messageAdded"
      ? { messagesAdded: [change] }
      : {
          [entry.kind === "labelAdded" ? "labelsAdded" : "labelsRemoved"]: [
            { ...change, labelIds: entry.labelIds },
          ],
        };
  return { id: String(entry.id), messages: [message], ...detail };
}

function listMessages(state: GoogleState, now: number, call: Call): Answer {
  const labels = many(call.query["labelIds"]);
  const query = textOf(call, "q") ?? "";
  const met = state.messages
    .filter((one) => labels.every((label) => one.labelIds.includes(label)) && meetsQuery(one, query, now))
    .toSorted((a, b) => b.at - a.at || b.historyId - a.historyId);
  const { page, next } = pageOf(state, call, met);
  const list = page.length > 0 ? { messages: page.map(({ id, threadId }) => ({ id, threadId })) } : {};
  return ok({ ...list, ...next, resultSizeEstimate: met.length });
}

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  d: 86_400_000,
  m: 30 * 86_400_000,
  y: 365 * 86_400_000,
};

/** `newer_than:2d`, `after:<epoch seconds>`, `rfc822msgid:…`, `in:`, `from:`; any other word is looked for in the text. */
function meetsQuery(record: MailRecord, query: string, now: number): boolean {
  const text = decodeRaw(record.raw);
  const part = readMail(text);
  return query
    .split(/\s+/)
    .filter((term) => term !== "")
    .every((term) => {
      const [, operator = "", value = term] = /^(\w+):(.*)$/.exec(term) ?? [];
      const bare = (id: string) => id.replace(/^<|>$/g, "");
      if (operator === "newer_than") {
        const [, count = "0", unit = "d"] = /^(\d+)([hdmy])$/.exec(value) ?? [];
        return record.at >= now - Number(count) * (unitMs[unit] ?? 0);
      }
      if (operator === "after") return record.at >= Number(value) * 1_000;
      if (operator === "rfc822msgid") return bare(messageIdOf(record) ?? "") === bare(value);
      if (operator === "in") return value === "anywhere" || record.labelIds.includes(value.toUpperCase());
      if (operator === "from")
        return (headerOf(part, "from") ?? "").toLowerCase().includes(value.toLowerCase());
      return text.toLowerCase().includes(term.toLowerCase());
    });
}

function sendMessage(state: GoogleState, now: number, call: Call): Answer {
  const body = asObject(call.body);
  const raw = asText(body["raw"]);
  if (!raw) {
    return googleFailure(
      400,
      "'raw' RFC822 payload message string or uploading message via /upload/* URL required",
    );
  }
  const part = readMail(decodeRaw(raw));
  const to = headerOf(part, "to");
  if (!to) return googleFailure(400, "Recipient address required");
  const threadId = asText(body["threadId"]);
  const record = addMail(state, {
    raw,
    labelIds: ["SENT"],
    at: now,
    ...(threadId === undefined ? {} : { threadId }),
  });
  const key = headerOf(part, "message-id");
  state.effects.push({
    vendor: "google",
    kind: "mail",
    target: to,
    at: now,
    ...(key === undefined ? {} : { key }),
  });
  return ok({ id: record.id, threadId: record.threadId, labelIds: record.labelIds });
}

function modify(state: GoogleState, call: Call, record: MailRecord): Answer {
  const body = asObject(call.body);
  const add = many(body["addLabelIds"]).filter((label) => !record.labelIds.includes(label));
  const remove = many(body["removeLabelIds"]).filter((label) => record.labelIds.includes(label));
  const unknown = add.find((label) => !state.labels.some((one) => one.id === label));
  if (unknown !== undefined) return googleFailure(400, `Invalid label: ${unknown}`);
  record.labelIds = [...record.labelIds.filter((label) => !remove.includes(label)), ...add];
  for (const [kind, labelIds] of [["labelAdded", add] as const, ["labelRemoved", remove] as const]) {
    if (labelIds.length === 0) continue;
    record.historyId = ++state.historyId;
    state.history.push({ id: state.historyId, kind, message: record.id, labelIds });
  }
  return ok({ id: record.id, threadId: record.threadId, labelIds: record.labelIds });
}

function thread(state: GoogleState, call: Call): Answer {
  const messages = state.messages.filter((one) => one.threadId === call.params["id"]);
  if (messages.length === 0) return notFound();
  return ok({
    id: call.params["id"],
    historyId: String(Math.max(...messages.map((one) => one.historyId))),
    messages: messages.map((one) => mailView(one, formatOf(call))),
  });
}

function createLabel(state: GoogleState, call: Call): Answer {
  const name = asText(asObject(call.body)["name"]);
  if (!name) return googleFailure(400, "Invalid label name");
  if (state.labels.some((one) => one.name === name))
    return googleFailure(409, "Label name exists or conflicts");
  const label = { id: `Label_${state.nextId++}`, name, type: "user" as const };
  state.labels.push(label);
  return ok(labelView(label));
}
