/**
 * Stripe's record of events, kept for 30 days: https://docs.stripe.com/api/events/list
 *
 * It lists newest first and can't be turned round, but it can be asked for a time range. So that the healed point only
 * ever passes what is stored, the time since then is cut into windows that fit on one page, older ones first:
 *
 *   window ──fits on a page──▶ given, oldest first ──▶ the next one begins where it ended, twice as long
 *      └── has more ──▶ half as long, asked again; of one second (it can't be cut further) ──▶ all its pages
 */
import { ServiceError } from "../domain/errors.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import type { Healed, HealRequest, Identified } from "../domain/source.ts";
import type { Clock } from "../resilience/clock.ts";
import { readRecord } from "./provider-record.ts";

export interface StripeHealing {
  /** A key that may read events; unset: healing is off. */
  readonly apiKey: string;
  readonly baseUrl?: string | undefined;
}

interface Parts {
  readonly source: string;
  readonly healing: StripeHealing;
  readonly clock: Clock;
  /** The event as a request with this body would give it; nothing when it can't be read. */
  identify(body: Buffer): Identified[];
}

const pageSize = 100;
const secondMs = 1_000;
/** Stripe takes this many exact types; with more of them, or with globs, everything is listed and narrowed here. */
const mostTypes = 20;

export function stripeEvents(parts: Parts): (request: HealRequest) => AsyncIterable<Healed> {
  return (request) => windows(parts, request);
}

async function* windows(parts: Parts, request: HealRequest): AsyncGenerator<Healed> {
  const end = Math.floor(parts.clock.now() / secondMs) + 1;
  if (request.types.length === 0) {
    yield { items: [], until: end * secondMs };
    return;
  }
  let from = Math.floor(request.since / secondMs);
  let length = end - from;
  while (from < end) {
    const to = Math.min(from + Math.max(1, length), end);
    const first = await page(parts, request, { from, to, after: null });
    if (first.more && to - from > 1) {
      length = Math.ceil((to - from) / 2);
      continue;
    }
    const events = first.more ? await allPages(parts, request, { from, to }, first) : first.events;
    yield {
      items: events
        .filter(({ type }) => request.wants(type))
        .toReversed()
        .flatMap((event) => parts.identify(Buffer.from(JSON.stringify(event))))
        .map((item) => ({ item, headers: {} })),
      until: to * secondMs,
    };
    from = to;
    length *= 2;
  }
}

type RecordedEvent = JsonObject & { readonly id: string; readonly type: string };

interface Page {
  /** Newest first. */
  readonly events: readonly RecordedEvent[];
  readonly more: boolean;
}

/** A second that holds more than a page. */
async function allPages(
  parts: Parts,
  request: HealRequest,
  window: { from: number; to: number },
  first: Page,
): Promise<RecordedEvent[]> {
  const events = [...first.events];
  let more: boolean = first.more;
  while (more) {
    const next = await page(parts, request, { ...window, after: events.at(-1)?.id ?? null });
    if (next.events.length === 0) break;
    events.push(...next.events);
    more = next.more;
  }
  return events;
}

async function page(
  { source, healing, clock }: Parts,
  { types, signal }: HealRequest,
  { from, to, after }: { from: number; to: number; after: string | null },
): Promise<Page> {
  const query = new URLSearchParams({
    limit: String(pageSize),
    "created[gte]": String(from),
    "created[lt]": String(to),
  });
  if (after !== null) query.set("starting_after", after);
  const exact = types.length > 0 && types.length <= mostTypes && !types.some((type) => type.includes("*"));
  if (exact) types.forEach((type, index) => query.set(`types[${index}]`, type));
  const service = `source:${source}`;
  const { json } = await readRecord({
    service,
    clock,
    signal,
    method: "GET",
    url: `${(healing.baseUrl || "https://api.stripe.com").replace(/\/+$/, "")}/v1/events?${query.toString()}`,
    what: "Stripe's list of events",
    token: healing.apiKey,
  });
  const { data, has_more: more } = json as { data?: unknown; has_more?: unknown };
  if (!Array.isArray(data) || !(data as Json[]).every(isEvent))
    throw new ServiceError(service, "unavailable", "Stripe's list of events holds something else");
  return { events: data as RecordedEvent[], more: more === true };
}

const isEvent = (value: Json): value is RecordedEvent =>
  isObject(value) && typeof value["id"] === "string" && typeof value["type"] === "string";
