/** A fetched message as an event, whichever mailbox it lay in: its headers read, its raw form kept. */
import { sha256 } from "../domain/json.ts";
import type { Identified } from "../domain/source.ts";
import type { Address, Email } from "postal-mime";
import { isId } from "./payload.ts";

/** What a mailbox says of a message, and the message itself. */
export interface FetchedMessage {
  readonly id: string;
  readonly threadId: string;
  /** Gmail's names; other mailboxes give what means the same: INBOX, UNREAD, STARRED. */
  readonly labelIds: readonly string[];
  /** Gmail's history id; empty where a mailbox has none. */
  readonly historyId: string;
  /** When it arrived, in milliseconds since the epoch. */
  readonly internalDate: number | null;
  readonly snippet: string;
  /** The RFC 822 message in base64url. */
  readonly raw: string;
}

interface MailAddress {
  readonly name: string;
  readonly address: string;
}

/** The body of a `message.received` event. Everything but the ids is the sender's word. */
interface ReceivedMessage extends FetchedMessage {
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly subject: string;
  /** The Message-ID with its angle brackets; empty where there is none. */
  readonly messageId: string;
  readonly inReplyTo: string;
  readonly references: readonly string[];
  /** All headers in their order; names in lower case. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/**
 * The Message-ID is a second key: after a re-scan, or when one mail reaches the mailbox on two ways, the mailbox's own
 * id may differ while the mail is the same.
 */
export async function receivedMessage(message: FetchedMessage): Promise<Identified> {
  const { raw, ...ids } = message;
  const mail = await readHeaders(raw);
  const payload: ReceivedMessage = { ...ids, ...headerFields(mail), raw };
  return {
    providerId: message.id,
    type: "message.received",
    occurredAt: message.internalDate,
    dedupeKeys: [
      `id:${message.id}`,
      ...(payload.messageId === "" ? [] : [`rfc822:${storable(payload.messageId)}`]),
    ],
    body: Buffer.from(JSON.stringify(payload), "utf8"),
    payload,
  };
}

const storable = (messageId: string): string => (isId(messageId) ? messageId : `sha256:${sha256(messageId)}`);

/** Parses the header block alone: attachments may be tens of megabytes. Null when even that can't be read. */
async function readHeaders(raw: string): Promise<Email | null> {
  const { default: PostalMime } = await import("postal-mime");
  try {
    return await PostalMime.parse(headerBlock(Buffer.from(raw, "base64url")));
  } catch {
    // Over-long or deeply broken headers. The mail is not lost for it: its raw form is kept for whoever works on it.
    return null;
  }
}

function headerBlock(bytes: Buffer): Buffer {
  const ends = [bytes.indexOf("\r\n\r\n"), bytes.indexOf("\n\n")].filter((at) => at >= 0);
  return ends.length === 0 ? bytes : bytes.subarray(0, Math.min(...ends) + 2);
}

function headerFields(mail: Email | null): Omit<ReceivedMessage, keyof FetchedMessage> {
  const [from] = addresses(mail?.from ? [mail.from] : []);
  return {
    from: from ?? { name: "", address: "" },
    to: addresses(mail?.to),
    cc: addresses(mail?.cc),
    subject: mail?.subject ?? "",
    messageId: mail?.messageId?.trim() ?? "",
    inReplyTo: mail?.inReplyTo?.trim() ?? "",
    references: mail?.references?.match(/<[^<>\s]+>/g) ?? [],
    headers: (mail?.headers ?? []).map(({ key, value }) => ({ name: key, value })),
  };
}

/** Groups are taken apart: who is in them is addressed all the same. */
function addresses(list: readonly Address[] | undefined): MailAddress[] {
  return (list ?? []).flatMap((entry) =>
    entry.group ? addresses(entry.group) : [{ name: entry.name, address: entry.address ?? "" }],
  );
}
