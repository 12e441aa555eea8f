/** Acceptance: what one request brought is stored whole, or not at all. */
import type { Delivery } from "../domain/event.ts";
import { sha256 } from "../domain/json.ts";
import { JournalUnavailable } from "../domain/errors.ts";
import type { AcceptRequest, Acceptance, AcceptedItem } from "../domain/ports.ts";
import { insertRuns } from "./runs.ts";
import { putState } from "./state.ts";
import { text } from "./rows.ts";
import type { Transaction } from "./writer.ts";

/** Rises to at least 400 days of keys: they are never erased with the content. */
const eventScope = (source: string): string => `event:${source}`;
const keyHash = (key: string): string => sha256(key).slice(0, 40);

export function accept(tx: Transaction, request: AcceptRequest): AcceptedItem[] {
  const { cursor, delivery } = request;
  if (cursor && !putState(tx, "cursor", cursor.key, cursor.value, cursor.expected)) {
    throw new JournalUnavailable(`the cursor of ${cursor.key} was moved by someone else`);
  }
  return request.items.map((item) => {
    const keys = [...new Set(item.dedupeKeys)].map(keyHash);
    const known = takeKeys(tx, item.event, keys);
    const accepted: AcceptedItem =
      known === null
        ? { event: item.event.id, duplicate: false, runs: store(tx, item) }
        : { event: known, duplicate: true, runs: [] };
    if (delivery) {
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
    JSON.stringify(event.headers),
    JSON.stringify(event.faults),
    event.body,
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
    body,
  );
}
