/** Acceptance: what one request brought is stored whole, or not at all. */
import type { Delivery } from "../domain/event.ts";
import { sha256 } from "../domain/json.ts";
import { JournalUnavailable } from "../domain/errors.ts";
import type { AcceptRequest, Acceptance, AcceptedItem } from "../domain/ports.ts";
import { expansionAgent } from "../domain/run.ts";
import { insertRuns, nextGeneration } from "./runs.ts";
import { putState } from "./state.ts";
import { integer, integerOrNull, text } from "./rows.ts";
import { place } from "./vault.ts";
import type { Transaction } from "./writer.ts";

/** Rises to at least 400 days of keys: they are never erased with the content. */
const eventScope = (source: string): string => `event:${source}`;
const keyHash = (key: string): string => sha256(key).slice(0, 40);

export function accept(tx: Transaction, request: AcceptRequest): AcceptedItem[] {
  const { cursor, delivery } = request;
  if (cursor && !putState(tx, "cursor", cursor.key, cursor.value, cursor.expected)) {
    throw new JournalUnavailable(`the cursor of ${cursor.key} was moved by someone else`);
  }
  const announced = new Set<string>();
  return request.items.map((given) => {
    const item = withoutRepeatedReading(given, announced);
    const keys = [...new Set(item.dedupeKeys)].map(keyHash);
    const known = takeKeys(tx, item.event, keys);
    const accepted: AcceptedItem =
      known === null
        ? { event: item.event.id, duplicate: false, runs: store(tx, item) }
        : { event: known, duplicate: true, runs: tryAgain(tx, known, item) };
    if (accepted.runs.length > 0) announced.add(announcementOf(item));
    const isNews = !accepted.duplicate || accepted.runs.length > 0;
    if (delivery && (isNews || request.newsOnly !== true)) {
      insertDelivery(tx, {
        ...delivery,
        event: accepted.event,
        result: accepted.duplicate ? "duplicate" : "accepted",
        reason: null,
      });
    }
    return accepted;
  });
}

const announcementOf = ({ event }: Acceptance): string => `${event.source} ${event.type}`;

/** Several notifications of one kind in a request are read by one run, that of the first of them that is new. */
function withoutRepeatedReading(item: Acceptance, announced: ReadonlySet<string>): Acceptance {
  if (!announced.has(announcementOf(item))) return item;
  return { ...item, runs: item.runs.filter((run) => run.agent !== expansionAgent) };
}

export function keepMalformed(
  tx: Transaction,
  delivery: Omit<Delivery, "event" | "result">,
  body: Uint8Array,
): void {
  insertDelivery(tx, { ...delivery, event: null, result: "malformed" }, body);
}

/** Makes the keys the event's own. When one of them has an event already, none is taken, and that event is returned. */
function takeKeys(tx: Transaction, event: Acceptance["event"], keys: readonly string[]): string | null {
  const scope = eventScope(event.source);
  for (const [index, key] of keys.entries()) {
    const taken = tx.db.run(
      `INSERT INTO keys (scope, key, ref, payload_hash, created_at) VALUES (?, ?, ?, NULL, ?)
       ON CONFLICT DO NOTHING`,
      scope,
      key,
      event.id,
      tx.now,
    );
    if (taken === 1) continue;
    for (const own of keys.slice(0, index))
      tx.db.run("DELETE FROM keys WHERE scope = ? AND key = ?", scope, own);
    const first = tx.db.get("SELECT ref FROM keys WHERE scope = ? AND key = ?", scope, key);
    if (!first) throw new Error(`a dedupe key of ${event.id} is neither free nor taken`);
    return text(first, "ref");
  }
  return null;
}

/** An event that keeps dying is a person's: without a bound a captured request could start it for ever. */
const mostGenerations = 5;

/**
 * A further copy of an event that never completed: the sender (or its record) believes that it was not worked on, and is
 * right. It never completed when the newest run of each of its agents is dead, or when it has no run because a route's
 * expression failed on it. Starts those of the copy's runs that take their place; with the same action keys.
 */
function tryAgain(tx: Transaction, known: string, { event, runs }: Acceptance): string[] {
  const stored = tx.db.get(
    "SELECT received_at, occurred_at, faults FROM events WHERE id = ? AND body IS NOT NULL",
    known,
  );
  if (!stored || runs.length === 0) return [];
  const latest = tx.db.all(
    `SELECT agent, status FROM runs r WHERE event = ? AND generation =
       (SELECT max(generation) FROM runs o WHERE o.event = r.event AND o.agent = r.agent)`,
    known,
  );
  const failedRouting = latest.length === 0 && text(stored, "faults") !== "[]";
  const allDead = latest.length > 0 && latest.every((run) => text(run, "status") === "dead");
  const generation = nextGeneration(tx.db, known);
  if (!(failedRouting || allDead) || generation >= mostGenerations) return [];
  const agents = new Set(latest.map((run) => text(run, "agent")));
  const again = failedRouting ? runs : runs.filter((run) => agents.has(run.agent));
  if (again.length === 0) return [];
  tx.db.run(
    "UPDATE events SET status = ?, faults = ? WHERE id = ?",
    event.status,
    JSON.stringify(event.faults),
    known,
  );
  tx.changed("event", known);
  const orderAt = integerOrNull(stored, "occurred_at") ?? integer(stored, "received_at");
  return insertRuns(tx, known, orderAt, generation, again);
}

function store(tx: Transaction, { event, runs }: Acceptance): string[] {
  tx.db.run(
    `INSERT INTO events (id, source, type, provider_id, received_at, occurred_at, status, body_hash, headers, faults, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    event.id,
    event.source,
    event.type,
    event.providerId,
    event.receivedAt,
    event.occurredAt,
    event.status,
    event.bodyHash ?? sha256(event.body),
    tx.db.vault.sealText(JSON.stringify(event.headers), place.eventHeaders(event.id)),
    JSON.stringify(event.faults),
    tx.db.vault.sealBytes(event.body, place.eventBody(event.id)),
  );
  tx.changed("event", event.id);
  return insertRuns(tx, event.id, event.occurredAt ?? event.receivedAt, 0, runs);
}

function insertDelivery(tx: Transaction, delivery: Delivery, body: Uint8Array | null = null): void {
  tx.db.run(
    `INSERT INTO deliveries (id, source, event, result, received_at, remote_address, secret_index, reason, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    delivery.id,
    delivery.source,
    delivery.event,
    delivery.result,
    delivery.receivedAt,
    delivery.remoteAddress,
    delivery.secretIndex,
    delivery.reason,
    body && tx.db.vault.sealBytes(body, place.deliveryBody(delivery.id)),
  );
}
