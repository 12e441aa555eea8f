/** Acceptance: what one request brought is stored whole, or not at all. */
import type { Delivery } from "../domain/event.ts";
import { sha256 } from "../domain/json.ts";
import { JournalUnavailable } from "../domain/errors.ts";
import type { AcceptRequest, Acceptance, AcceptedItem } from "../domain/ports.ts";
import { expansionAgent } from "../domain/run.ts";
import { insertRuns, nextGeneration } from "./runs.ts";
import { putState } from "./state.ts";
import { integer, integerOrNull, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Sql, Transaction } from "./sql.ts";
import { place } from "./vault.ts";

/** Rises to at least 400 days of keys: they are never erased with the content. */
const eventScope = (source: string): string => `event:${source}`;
const keyHash = (key: string): string => sha256(key).slice(0, 40);

export function* accept(tx: Transaction, request: AcceptRequest): Sql<AcceptedItem[]> {
  const { cursor, delivery } = request;
  if (cursor && !(yield* putState(tx, "cursor", cursor.key, cursor.value, cursor.expected))) {
    throw new JournalUnavailable(`the cursor of ${cursor.key} was moved by someone else`);
  }
  const announced = new Set<string>();
  const answers: AcceptedItem[] = [];
  for (const given of request.items) {
    const item = withoutRepeatedReading(given, announced);
    const keys = [...new Set(item.dedupeKeys)].map(keyHash);
    const known = yield* takeKeys(tx, item.event, keys);
    const accepted: AcceptedItem =
      known === null
        ? { event: item.event.id, duplicate: false, runs: yield* store(tx, item) }
        : { event: known, duplicate: true, runs: yield* tryAgain(tx, known, item) };
    if (accepted.runs.length > 0) announced.add(announcementOf(item));
    const isNews = !accepted.duplicate || accepted.runs.length > 0;
    if (delivery && (isNews || request.newsOnly !== true)) {
      yield* insertDelivery(tx, {
        ...delivery,
        event: accepted.event,
        result: accepted.duplicate ? "duplicate" : "accepted",
        reason: null,
      });
    }
    answers.push(accepted);
  }
  return answers;
}

const announcementOf = ({ event }: Acceptance): string => `${event.source} ${event.type}`;

/** Several notifications of one kind in a request are read by one run, that of the first of them that is new. */
function withoutRepeatedReading(item: Acceptance, announced: ReadonlySet<string>): Acceptance {
  if (!announced.has(announcementOf(item))) return item;
  return { ...item, runs: item.runs.filter((run) => run.agent !== expansionAgent) };
}

export function* keepMalformed(
  tx: Transaction,
  delivery: Omit<Delivery, "event" | "result">,
  body: Uint8Array,
): Sql<void> {
  yield* insertDelivery(tx, { ...delivery, event: null, result: "malformed" }, body);
}

/** Makes the keys the event's own. When one of them has an event already, none is taken, and that event is returned. */
function* takeKeys(tx: Transaction, event: Acceptance["event"], keys: readonly string[]): Sql<string | null> {
  const scope = eventScope(event.source);
  for (const [index, key] of keys.entries()) {
    const taken = yield* sql.run(
      `INSERT INTO keys (scope, key, ref, payload_hash, created_at) VALUES (?, ?, ?, NULL, ?)
       ON CONFLICT DO NOTHING`,
      scope,
      key,
      event.id,
      tx.now,
    );
    if (taken === 1) continue;
    for (const own of keys.slice(0, index))
      yield* sql.run("DELETE FROM keys WHERE scope = ? AND key = ?", scope, own);
    const first = yield* sql.get("SELECT ref FROM keys WHERE scope = ? AND key = ?", scope, key);
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
function* tryAgain(tx: Transaction, known: string, { event, runs }: Acceptance): Sql<string[]> {
  const stored = yield* sql.get(
    "SELECT received_at, occurred_at, faults FROM events WHERE id = ? AND body IS NOT NULL",
    known,
  );
  if (!stored || runs.length === 0) return [];
  const latest = yield* sql.all(
    `SELECT agent, status FROM runs r WHERE event = ? AND generation =
       (SELECT max(generation) FROM runs o WHERE o.event = r.event AND o.agent = r.agent)`,
    known,
  );
  const failedRouting = latest.length === 0 && text(stored, "faults") !== "[]";
  const allDead = latest.length > 0 && latest.every((run) => text(run, "status") === "dead");
  const generation = yield* nextGeneration(known);
  if (!(failedRouting || allDead) || generation >= mostGenerations) return [];
  const agents = new Set(latest.map((run) => text(run, "agent")));
  const again = failedRouting ? runs : runs.filter((run) => agents.has(run.agent));
  if (again.length === 0) return [];
  yield* sql.run(
    "UPDATE events SET status = ?, faults = ? WHERE id = ?",
    event.status,
    JSON.stringify(event.faults),
    known,
  );
  tx.changed("event", known);
  const orderAt = integerOrNull(stored, "occurred_at") ?? integer(stored, "received_at");
  return yield* insertRuns(tx, known, orderAt, generation, again);
}

function* store(tx: Transaction, { event, runs }: Acceptance): Sql<string[]> {
  yield* sql.run(
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
    tx.vault.sealText(JSON.stringify(event.headers), place.eventHeaders(event.id)),
    JSON.stringify(event.faults),
    tx.vault.sealBytes(event.body, place.eventBody(event.id)),
  );
  tx.changed("event", event.id);
  return yield* insertRuns(tx, event.id, event.occurredAt ?? event.receivedAt, 0, runs);
}

function* insertDelivery(tx: Transaction, delivery: Delivery, body: Uint8Array | null = null): Sql<void> {
  yield* sql.run(
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
    body && tx.vault.sealBytes(body, place.deliveryBody(delivery.id)),
  );
}
