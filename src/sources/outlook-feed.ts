/**
 * Reads what came into an Outlook inbox since a cursor: a link of Graph's delta query, opaque but for where it leads.
 *
 *   no cursor ──▶ re-scan of one day              (the mailbox was just connected)
 *   cursor ──▶ pages after it ──▶ cursor moves with each part that is stored, to the delta link at the end
 *        └── unknown to Graph (410), or no link of this mailbox's ──▶ re-scan of seven days
 *
 * A re-scan is a delta query of its own, begun at a time: it ends where the mailbox then stands, so nothing that arrives
 * meanwhile is missed. Graph ends it after 5,000 messages; what is known already is a duplicate by its keys.
 */
import { ServiceError } from "../domain/errors.ts";
import type { Expansion, Identified } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import type { DeltaMessage, GraphApi } from "./graph-api.ts";
import { receivedMessage } from "./received-message.ts";

export interface OutlookFeedOptions {
  readonly source: string;
  readonly api: GraphApi;
  readonly clock: Clock;
  readonly log: Log;
}

const dayMs = 86_400_000;
/** Before "now", so that a clock that is fast misses nothing. */
const overlapMs = 300_000;
/** What one expansion holds in memory and stores in one transaction. */
const maxMessages = 200;
const maxBytes = 32_000_000;
/** Graph may give many empty pages on the way to a change. */
const maxPages = 100;
const fetchedAtOnce = 5;

export interface OutlookFeed {
  read(cursor: string | null, signal: AbortSignal, again: boolean): Promise<Expansion>;
  /** Where the mailbox stands. Makes no request: the feed's beginning is a cursor too. */
  position(): string;
}

export function outlookFeed({ source, api, clock, log }: OutlookFeedOptions): OutlookFeed {
  async function rescan(days: number, signal: AbortSignal): Promise<Expansion> {
    const part = await readFrom(api, api.feedSince(clock.now() - days * dayMs), signal);
    if (part === null) {
      throw new ServiceError(`source:${source}`, "unavailable", "Microsoft Graph does not begin a new feed");
    }
    log.info({ source, days, messages: part.items.length, more: part.more }, "outlook: re-scanning");
    return { ...part, rescanned: true };
  }

  return {
    position: () => api.feedSince(clock.now() - overlapMs),
    async read(cursor, signal, again) {
      if (cursor === null) return rescan(1, signal);
      if (again || !api.isOwnLink(cursor)) return rescan(7, signal);
      return (await readFrom(api, cursor, signal)) ?? rescan(7, signal);
    },
  };
}

/** Null when Graph does not know the link any more. */
async function readFrom(api: GraphApi, from: string, signal: AbortSignal): Promise<Expansion | null> {
  const items: Identified[] = [];
  let bytes = 0;
  let link = from;
  for (let pages = 0; pages < maxPages && items.length < maxMessages && bytes < maxBytes; pages += 1) {
    const page = await api.delta(link, signal);
    // What was read so far is stored before the lost place is found again.
    if (page === null) return pages === 0 ? null : { items, cursor: link, rescanned: false, more: true };
    for (const item of await fetched(api, page.messages, signal)) {
      items.push(item);
      bytes += item.body.length;
    }
    if (page.next === null) return { items, cursor: page.delta ?? link, rescanned: false };
    link = page.next;
  }
  return { items, cursor: link, rescanned: false, more: true };
}

/** The messages of a page as events, in its order; leaves out what is gone or is no mail that came in. */
async function fetched(
  api: GraphApi,
  messages: readonly DeltaMessage[],
  signal: AbortSignal,
): Promise<Identified[]> {
  const wanted = messages.filter(({ id, isDraft, isRemoved }) => id !== "" && !isDraft && !isRemoved);
  const items: Identified[] = [];
  for (let at = 0; at < wanted.length; at += fetchedAtOnce) {
    const batch = wanted.slice(at, at + fetchedAtOnce);
    const found = await Promise.all(
      batch.map(async (message) => {
        const mime = await api.message(message.id, signal);
        return mime === null ? [] : [await eventOf(message, mime)];
      }),
    );
    items.push(...found.flat());
  }
  return items;
}

const eventOf = (message: DeltaMessage, mime: Buffer): Promise<Identified> =>
  receivedMessage({
    id: message.id,
    threadId: message.conversationId,
    labelIds: message.isRead ? ["INBOX"] : ["INBOX", "UNREAD"],
    historyId: "",
    internalDate: message.receivedAt,
    snippet: message.bodyPreview,
    raw: mime.toString("base64url"),
  });
