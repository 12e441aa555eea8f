/** Runs of the system: reads what a notification announced, and stores it together with the moved cursor. */
import { EventFault, JournalUnavailable } from "../domain/errors.ts";
import type { AcceptedItem, Claim, Inbox, ServiceGuard, State, Verdict } from "../domain/ports.ts";
import type { Source } from "../domain/source.ts";
import { deadline } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";

/** A re-scan may read hundreds of messages. */
const expansionMs = 300_000;

export interface ExpansionParts {
  readonly sources: () => ReadonlyMap<string, Source>;
  readonly inbox: Pick<Inbox, "acceptExpansion">;
  readonly state: State;
  readonly guard: ServiceGuard;
  readonly clock: Clock;
}
export interface ExpansionRunParts extends ExpansionParts {
  /** Renews what makes a source notify us. Throws as reading does. */
  readonly renewWatch: (source: string, signal: AbortSignal) => Promise<void>;
}

export async function expand(parts: ExpansionRunParts, claim: Claim, signal: AbortSignal): Promise<Verdict> {
  const name = claim.event.source;
  const notice = parts.sources().get(name)?.notices?.[claim.event.type];
  if (notice === "renew") await parts.renewWatch(name, signal);
  const total = await readFeed(parts, name, signal, notice === "rescan");
  const scanned = total.rescanned
    ? "; the cursor was missing or had expired, so a window was read again"
    : "";
  return { kind: "done", summary: `${total.fresh} of ${total.read} announced messages were new${scanned}` };
}

/**
 * All that the feed of a source holds behind the stored cursor; `fresh` is what was not known yet. `again`: a bounded
 * window is read once more after that, for what the feed may have passed over.
 */
export async function readFeed(
  parts: ExpansionParts,
  name: string,
  signal: AbortSignal,
  again = false,
): Promise<{ read: number; fresh: number; rescanned: boolean }> {
  const limit = deadline(parts.clock, expansionMs, signal);
  const total = { read: 0, fresh: 0, rescanned: false };
  try {
    const read = (afresh: boolean) => readPart(parts, name, limit.signal, total, afresh);
    while ((await read(false)) !== "end");
    let part: Part = again ? "raced" : "end";
    while (part === "raced") part = await read(true);
    while (part !== "end") part = await read(false);
    return total;
  } finally {
    limit.done();
  }
}

/** end: nothing behind it. more: there is. raced: someone else stored the same part first, so nothing was stored. */
type Part = "end" | "more" | "raced";

/** Reads from the stored cursor, and stores the items and the moved cursor together. */
async function readPart(
  { sources, state, guard, inbox }: ExpansionParts,
  name: string,
  signal: AbortSignal,
  total: { read: number; fresh: number; rescanned: boolean },
  again: boolean,
): Promise<Part> {
  const source = sources().get(name);
  const cursor = await state.get("cursor", name);
  const from = typeof cursor?.value === "string" ? cursor.value : null;
  failPoint("expansion.begin");
  const part = await guard.call(`source:${name}`, async () => source?.expand?.(from, signal, again), signal);
  if (!part) throw new EventFault(`source ${name} is not configured any more, or has no change feed`);
  const expected = cursor?.version ?? 0;
  failPoint("expansion.read");
  let accepted: AcceptedItem[];
  try {
    accepted = await inbox.acceptExpansion(name, part.items, { value: part.cursor, expected });
  } catch (error) {
    const moved = ((await state.get("cursor", name))?.version ?? 0) !== expected;
    if (!(error instanceof JournalUnavailable) || !moved) throw error;
    return "raced";
  }
  failPoint("expansion.stored");
  total.read += accepted.length;
  total.fresh += accepted.filter((item) => !item.duplicate).length;
  total.rescanned ||= part.rescanned;
  return part.more === true ? "more" : "end";
}
