/** A mail as the source hands it over, read into what triage needs. Every field may be missing. */
import EmailReplyParser from "email-reply-parser";
import PostalMime from "postal-mime";
import type { Email } from "postal-mime";
import { EventFault, sha256, visible, z } from "../../src/agent-kit.ts";
import type { Header } from "./headers.ts";
import { htmlToText } from "./html.ts";
import { redactPersonal } from "./redaction.ts";

const Mailbox = z.object({ name: z.string().default(""), address: z.string().default("") });
const list = <T extends z.ZodType>(item: T) => z.array(item).nullish().catch(null);

const Payload = z.object({
  id: z.string().nullish(),
  threadId: z.string().nullish(),
  labelIds: list(z.string()),
  internalDate: z.coerce.number().nullish().catch(null),
  snippet: z.string().nullish(),
  from: Mailbox.nullish().catch(null),
  to: list(Mailbox),
  subject: z.string().nullish(),
  messageId: z.string().nullish(),
  inReplyTo: z.string().nullish(),
  references: list(z.string()),
  headers: list(z.object({ name: z.string(), value: z.string() })),
  raw: z.string().nullish(),
});

/** Redacted; the text is what its writer added, without quote and signature. */
export type Message = {
  /** Of the Message-ID: the same mail has the same id however often it is fetched. */
  readonly key: string;
  /** Of the first mail of the thread. */
  readonly threadKey: string;
  readonly from: { readonly name: string; readonly address: string };
  /** Whom it is addressed to; absent in what was gathered by earlier versions. */
  readonly to?: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly labels: readonly string[];
  readonly attachments: readonly { readonly name: string; readonly type: string; readonly bytes: number }[];
};

export interface Parsed {
  readonly message: Message;
  readonly headers: readonly Header[];
}

const maxText = 20_000;

/** What the writer added: no quoted mail below it, no signature. The whole text when nothing would be left. */
export function newText(text: string): string {
  const visible = new EmailReplyParser().read(text).getVisibleText().trim();
  return visible === "" ? text.trim() : visible;
}

/** One address in angle brackets or none; anything else that a header may hold is not an id. */
const idIn = (value: string | null | undefined): string | null =>
  /<([^<>\s]+)>/.exec(value ?? "")?.[1] ?? (value?.trim() || null);

async function parseRaw(raw: string): Promise<Email | null> {
  const bytes = Buffer.from(raw, "base64url");
  if (bytes.length === 0) return null;
  try {
    return await PostalMime.parse(bytes, { rfc822Attachments: true, maxNestingDepth: 30 });
  } catch {
    // A mail that cannot be parsed is still a mail: what the source read of it is used.
    return null;
  }
}

function bodyOf(email: Email | null, snippet: string): string {
  const plain = email?.text?.trim();
  if (plain) return plain;
  const html = email?.html;
  return html ? htmlToText(html).trim() : snippet;
}

const sizeOf = (content: ArrayBuffer | Uint8Array | string): number =>
  typeof content === "string" ? content.length : content.byteLength;

const attachmentsOf = (email: Email | null): Message["attachments"] =>
  (email?.attachments ?? []).slice(0, 20).map((attachment) => ({
    name: visible(attachment.filename ?? "unnamed").slice(0, 120),
    type: attachment.mimeType.slice(0, 80),
    bytes: sizeOf(attachment.content),
  }));

const addressees = (list: readonly { readonly address?: string | undefined }[]): string[] =>
  list.flatMap(({ address }) => (address ? [address.trim().toLowerCase()] : [])).slice(0, 20);

/** Throws EventFault for what is no mail at all. */
export async function parseMessage(payload: unknown): Promise<Parsed> {
  const parsed = Payload.safeParse(payload);
  if (!parsed.success) throw new EventFault("not a message: expected an object with from, subject and raw");
  const input = parsed.data;
  const email = input.raw ? await parseRaw(input.raw) : null;
  const headers: Header[] = email
    ? email.headers.map(({ key, value }) => ({ name: key, value }))
    : (input.headers ?? []);
  // Only ever the From header: Reply-To and the text are the sender's to choose, and would let a mail name anyone.
  const from = input.from?.address
    ? input.from
    : { name: email?.from?.name ?? "", address: email?.from?.address ?? "" };
  const messageId =
    idIn(input.messageId) ?? idIn(email?.messageId) ?? input.id ?? sha256(input.raw ?? input.snippet ?? "");
  const references = input.references ?? (email?.references ?? "").split(/\s+/).filter((part) => part !== "");
  const root = idIn(references[0]) ?? idIn(input.inReplyTo) ?? idIn(email?.inReplyTo) ?? messageId;
  return {
    headers,
    message: {
      key: sha256(messageId).slice(0, 24),
      threadKey: sha256(root).slice(0, 24),
      from: {
        name: visible(from.name).trim().slice(0, 200),
        address: from.address.trim().toLowerCase(),
      },
      to: addressees(input.to ?? email?.to ?? []),
      subject: redactPersonal(
        visible(input.subject ?? email?.subject ?? "")
          .replace(/\s+/g, " ")
          .trim(),
      ).slice(0, 300),
      text: redactPersonal(newText(visible(bodyOf(email, input.snippet ?? "")))).slice(0, maxText),
      labels: input.labelIds ?? [],
      attachments: attachmentsOf(email),
    },
  };
}
