/** Runs of the system: reads what a notification announced, and stores it together with the moved cursor. */
import { EventFault } from "../domain/errors.ts";
import type { Claim, Inbox, ServiceGuard, State, Verdict } from "../domain/ports.ts";
import type { Source } from "../domain/source.ts";
import { deadline } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";

/** A re-scan may read hundreds of messages. */
const expansionMs = 300_000;

export interface ExpansionParts {
  readonly sources: () => ReadonlyMap<string, Source>;
  readonly inbox: Pick<Inbox, "acceptExpansion">;
  readonly state: State;
  readonly guard: ServiceGuard;
  readonly clock: Clock;
}

export async function expand(parts: ExpansionParts, claim: Claim, signal: AbortSignal): Promise<Verdict> {
  const name = claim.event.source;
  const limit = deadline(parts.clock, expansionMs, signal);
  const total = { read: 0, fresh: 0, rescanned: false };
  try {
    while (await readPart(parts, name, limit.signal, total));
  } finally {
    limit.done();
  }
  const scanned = total.rescanned
    ? "; the cursor was missing or had expired, so a window was read again"
    : "";
  return { kind: "done", summary: `${total.fresh} of ${total.read} announced messages were new${scanned}` };
}

/** Reads from the stored cursor, and stores the items and the moved cursor together. True when there is more. */
async function readPart(
  { sources, state, guard, inbox }: ExpansionParts,
  name: string,
  signal: AbortSignal,
  total: { read: number; fresh: number; rescanned: boolean },
): Promise<boolean> {
  const source = sources().get(name);
  const cursor = await state.get("cursor", name);
  const from = typeof cursor?.value === "string" ? cursor.value : null;
  const part = await guard.call(`source:${name}`, async () => source?.expand?.(from, signal));
  if (!part) throw new EventFault(`source ${name} is not configured any more, or has no change feed`);
  const accepted = await inbox.acceptExpansion(name, part.items, {
    value: part.cursor,
    expected: cursor?.version ?? 0,
  });
  total.read += accepted.length;
  total.fresh += accepted.filter((item) => !item.duplicate).length;
  total.rescanned ||= part.rescanned;
  return part.more === true;
}
