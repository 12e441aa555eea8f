/** Mail as the mailbox keeps it: RFC 822 bytes, and Gmail's views of them. */
import type { Json } from "../domain/json.ts";
import { asObject, asText } from "./bodies.ts";
import type { Effect } from "./stand.ts";

export interface MailRecord {
  id: string;
  threadId: string;
  labelIds: string[];
  /** The whole message, base64url. */
  raw: string;
  /** Milliseconds since the epoch. */
  at: number;
  historyId: number;
}

export interface HistoryRecord {
  id: number;
  kind: "messageAdded" | "labelAdded" | "labelRemoved";
  message: string;
  labelIds: string[];
}

export interface GoogleState {
  account: string;
  nextId: number;
  /** Of the newest change in the mailbox. */
  historyId: number;
  /** Cursors before this one are answered 404. */
  oldestHistoryId: number;
  history: HistoryRecord[];
  messages: MailRecord[];
  /** Most entries of a page, whatever was asked for. */
  pageSize: number;
  labels: { id: string; name: string; type: "system" | "user" }[];
  watch: { topicName: string; expiration: number } | null;
  /** Access token → end of its life, in milliseconds. */
  tokens: { [token: string]: number };
  /** True once the consent was withdrawn: the token endpoint then answers `invalid_grant`. */
  revoked: boolean;
  /** PEM of the key that signs push tokens. */
  privateKey: string;
  effects: Effect[];
}

export interface Mail {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly threadId?: string;
}

/** A mail as a program gives it to a stand-in; null when a part is missing. */
export function mailIn(body: Json): Mail | null {
  const given = asObject(asObject(body)["mail"]);
  const [from, to, subject, text] = ["from", "to", "subject", "text"].map((field) => asText(given[field]));
  return from && to && subject && text ? { from, to, subject, text } : null;
}

export const encodeRaw = (text: string): string => Buffer.from(text, "utf8").toString("base64url");
export const decodeRaw = (raw: string): string => Buffer.from(raw, "base64url").toString("utf8");

const ascii = /^[\x20-\x7e]*$/;
const encodedWord = (text: string) =>
  ascii.test(text) ? text : `=?UTF-8?B?${Buffer.from(text, "utf8").toString("base64")}?=`;

/** RFC 822 text with CRLF lines. Headers given by name replace the ones made here. */
export function composeMail(mail: Mail, messageId: string, at: number): string {
  const boundary = "sandbox-alternative";
  const headers: Record<string, string> = {
    From: mail.from,
    To: mail.to,
    Subject: encodedWord(mail.subject),
    Date: new Date(at).toUTCString().replace("GMT", "+0000"),
    "Message-ID": messageId,
    "MIME-Version": "1.0",
    "Content-Type":
      mail.html === undefined ? "text/plain; charset=utf-8" : `multipart/alternative; boundary="${boundary}"`,
  };
  for (const [name, value] of Object.entries(mail.headers ?? {})) {
    const known = Object.keys(headers).find((one) => one.toLowerCase() === name.toLowerCase());
    headers[known ?? name] = value;
  }
  const part = (type: string, text: string) =>
    `--${boundary}\nContent-Type: ${type}; charset=utf-8\n\n${text}\n`;
  const body =
    mail.html === undefined
      ? mail.text
      : `${part("text/plain", mail.text)}${part("text/html", mail.html)}--${boundary}--\n`;
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${head.join("\n")}\n\n${body}`.replace(/\r?\n/g, "\r\n");
}

export interface MimePart {
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: string;
}

/** Headers with folded lines joined, and the body as it stands. */
export function readMail(text: string): MimePart {
  const end = /\r?\n\r?\n/.exec(text);
  const head = end ? text.slice(0, end.index) : text;
  const headers = head
    .replace(/\r?\n[ \t]+/g, " ")
    .split(/\r?\n/)
    .flatMap((line) => {
      const colon = line.indexOf(":");
      return colon > 0 ? [{ name: line.slice(0, colon), value: line.slice(colon + 1).trim() }] : [];
    });
  return { headers, body: end ? text.slice(end.index + end[0].length) : "" };
}

export const headerOf = (part: MimePart, name: string): string | undefined =>
  part.headers.find((header) => header.name.toLowerCase() === name.toLowerCase())?.value;

/** Gmail's `payload`: the tree of parts, bodies in base64url. */
function payloadOf(part: MimePart, partId = "", withBody = true): object {
  const type = headerOf(part, "content-type") ?? "text/plain";
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  const parts =
    boundary === undefined || !withBody
      ? []
      : part.body
          .split(`--${boundary}`)
          .slice(1, -1)
          .map((text, index) =>
            payloadOf(
              readMail(text.replace(/^\r?\n/, "")),
              [partId, index].filter((id) => id !== "").join("."),
            ),
          );
  const data = boundary === undefined && withBody ? { data: encodeRaw(decodedBody(part)) } : {};
  return {
    partId,
    mimeType: (type.split(";")[0] ?? "text/plain").trim().toLowerCase(),
    filename: "",
    headers: part.headers,
    ...(withBody
      ? { body: { size: boundary === undefined ? Buffer.byteLength(part.body) : 0, ...data } }
      : {}),
    ...(parts.length > 0 ? { parts } : {}),
  };
}

function decodedBody(part: MimePart): string {
  const encoding = headerOf(part, "content-transfer-encoding")?.toLowerCase();
  if (encoding === "base64") return Buffer.from(part.body, "base64").toString("utf8");
  if (encoding !== "quoted-printable") return part.body;
  const bytes = part.body
    .replace(/=\r?\n/g, "")
    .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

export type MailFormat = "minimal" | "full" | "raw" | "metadata";

export function mailView(record: MailRecord, format: MailFormat): object {
  const text = decodeRaw(record.raw);
  const part = readMail(text);
  const view = {
    id: record.id,
    threadId: record.threadId,
    labelIds: record.labelIds,
    snippet: part.body
      .replace(/<[^>]*>|\s+/g, " ")
      .trim()
      .slice(0, 200),
    historyId: String(record.historyId),
    internalDate: String(record.at),
    sizeEstimate: Buffer.byteLength(text),
  };
  if (format === "raw") return { ...view, raw: record.raw };
  if (format === "minimal") return view;
  return { ...view, payload: payloadOf(part, "", format === "full") };
}
