/**
 * Reads what came into a mailbox since a cursor (a Gmail history id).
 *
 *   no cursor ──▶ re-scan of one day              (the mailbox was just connected)
 *   cursor ──▶ history after it ──▶ cursor moves to the last record read, or to where the mailbox stands
 *        └── expired (404) ──▶ re-scan of seven days, as long as Pub/Sub itself would have kept a notification
 *
 * A re-scan notes where the mailbox stands *before* it lists: what arrives meanwhile is read again, never missed. It
 * takes the newest messages up to a bound; what is known already is a duplicate by its keys. The cursor never goes back.
 */
import type { Expansion, Identified } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { GmailApi, GmailHistoryPage } from "./gmail-api.ts";
import { receivedMessage } from "./received-message.ts";

export interface GmailFeedOptions {
  readonly source: string;
  /** The configured mailbox. */
  readonly account: string;
  readonly api: GmailApi;
  readonly log: Log;
}

/**
 * Not mail that came in: drafts, our own mail, what a person threw away. Spam stays out too: Gmail has judged it, and
 * handing it on would pay a model to read it and let it ask agents for an answer.
 */
const unreadLabels = ["DRAFT", "SENT", "SPAM", "TRASH"];
/** What one expansion holds in memory and stores in one transaction. */
const maxMessages = 200;
const maxBytes = 32_000_000;
const maxRescanned = 500;
const maxRescannedBytes = 128_000_000;
const fetchedAtOnce = 8;

export interface GmailFeed {
  read(cursor: string | null, signal: AbortSignal): Promise<Expansion>;
  /** Where the mailbox stands; also where a wrong mailbox would be noticed. */
  position(signal: AbortSignal): Promise<string>;
}

export function gmailFeed({ source, account, api, log }: GmailFeedOptions): GmailFeed {
  async function position(signal: AbortSignal): Promise<string> {
    const { emailAddress, historyId } = await api.profile(signal);
    if (emailAddress.toLowerCase() !== account.toLowerCase()) {
      log.warn({ source }, "gmail: the credentials belong to another mailbox than `account` names");
    }
    return historyId;
  }

  async function rescan(cursor: string | null, window: string, signal: AbortSignal): Promise<Expansion> {
    const noted = await position(signal);
    const { ids, more } = await api.search(`newer_than:${window}`, maxRescanned, signal);
    const read = reader(api);
    let taken = 0;
    while (taken < ids.length && read.bytes() < maxRescannedBytes) {
      await read.messages(ids.slice(taken, taken + fetchedAtOnce), signal);
      taken += fetchedAtOnce;
    }
    const bounded = more || taken < ids.length;
    log[bounded ? "warn" : "info"](
      { source, window, messages: read.items.length, bounded },
      "gmail: re-scanned",
    );
    const items = read.items.toReversed();
    return { items, cursor: cursor === null ? noted : later(cursor, noted), rescanned: true };
  }

  return {
    position,
    async read(cursor, signal) {
      if (cursor === null) return rescan(null, "1d", signal);
      if (!isHistoryId(cursor)) return rescan(null, "7d", signal);
      return (await readHistory(api, cursor, signal)) ?? rescan(cursor, "7d", signal);
    },
  };
}

/** Null when the cursor has expired. */
async function readHistory(api: GmailApi, cursor: string, signal: AbortSignal): Promise<Expansion | null> {
  const read = reader(api);
  let reached = cursor;
  let pageToken: string | null = null;
  for (;;) {
    const page: GmailHistoryPage | null = await api.history(cursor, pageToken, signal);
    if (page === null) return null;
    for (let at = 0; at < page.records.length; at += fetchedAtOnce) {
      const records = page.records.slice(at, at + fetchedAtOnce);
      const added = records.flatMap((record) => record.added);
      const wanted = added.filter(({ labelIds }) => !labelIds.some((label) => unreadLabels.includes(label)));
      await read.messages(
        wanted.map(({ id }) => id),
        signal,
      );
      for (const record of records) reached = later(reached, record.id);
      const isLast = page.nextPageToken === null && at + fetchedAtOnce >= page.records.length;
      if (!isLast && (read.items.length >= maxMessages || read.bytes() >= maxBytes)) {
        return { items: read.items, cursor: reached, rescanned: false, more: true };
      }
    }
    if (page.nextPageToken === null) {
      return { items: read.items, cursor: later(reached, page.historyId), rescanned: false };
    }
    pageToken = page.nextPageToken;
  }
}

/** Fetches messages once each, in the order asked for; leaves out what is gone or is no mail that came in. */
function reader(api: GmailApi) {
  const items: Identified[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  return {
    items,
    bytes: () => bytes,
    async messages(ids: readonly string[], signal: AbortSignal): Promise<void> {
      const fresh = [...new Set(ids)].filter((id) => !seen.has(id));
      for (let at = 0; at < fresh.length; at += fetchedAtOnce) {
        const batch = fresh.slice(at, at + fetchedAtOnce);
        for (const message of await Promise.all(batch.map((id) => api.message(id, signal)))) {
          if (message === null || message.labelIds.some((label) => unreadLabels.includes(label))) continue;
          const item = await receivedMessage(message);
          items.push(item);
          bytes += item.body.length;
        }
      }
      for (const id of fresh) seen.add(id);
    },
  };
}

const isHistoryId = (text: string): boolean => /^\d{1,20}$/.test(text);

/** History ids are 64-bit: beyond what a number holds exactly. */
const later = (a: string, b: string): string => (isHistoryId(b) && BigInt(b) > BigInt(a) ? b : a);
