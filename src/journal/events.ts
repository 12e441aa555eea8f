/** Acceptance: what one request brought is stored whole, or not at all. */
import type { Delivery } from "../domain/event.ts";
import { sha256 } from "../domain/json.ts";
import { JournalUnavailable } from "../domain/errors.ts";
import type { AcceptRequest, Acceptance, AcceptedItem, ReplayRequest } from "../domain/ports.ts";
import { expansionAgent } from "../domain/run.ts";
import { nextGeneration } from "./generations.ts";
import { insertRuns } from "./runs.ts";
import { putState } from "./state.ts";
import { evidenceInRow, keepSignedRequest } from "./receipts.ts";
import { integer, integerOrNull, text } from "./rows.ts";
import { sql, together } from "./sql.ts";
import type { Row, Rows, Sql, Transaction } from "./sql.ts";
import { place } from "./vault.ts";

/** Rises to at least 400 days of keys: they are never erased with the content. */
const eventScope = (source: string): string => `event:${source}`;
const keyHash = (key: string): string => sha256(key).slice(0, 40);

const keyRows = {
  table: "keys",
  columns: ["scope", "key", "ref", "payload_hash", "created_at"],
  unlessThere: ["scope", "key"],
} as const satisfies Rows;
const eventRows = {
  table: "events",
  columns: [
    "id",
    "source",
    "type",
    "provider_id",
    "received_at",
    "occurred_at",
    "status",
    "body_hash",
    "headers",
    "faults",
    "body",
    "evidence",
  ],
  unlessThere: null,
} as const satisfies Rows;
const deliveryRows = {
  table: "deliveries",
  columns: [
    "id",
    "source",
    "event",
    "result",
    "received_at",
    "remote_address",
    "secret_index",
    "reason",
    "body",
  ],
  unlessThere: null,
} as const satisfies Rows;

export function* accept(tx: Transaction, request: AcceptRequest): Sql<AcceptedItem[]> {
  const { cursor, delivery, signed } = request;
  if (cursor && !(yield* putState(tx, "cursor", cursor.key, cursor.value, cursor.expected))) {
    throw new JournalUnavailable(`the cursor of ${cursor.key} was moved by someone else`);
  }
  const evidence = evidenceInRow(request);
  const answers = yield* acceptItems(tx, request, evidence);
  const isNew = answers.some((item) => !item.duplicate);
  if (delivery && signed && evidence === null && isNew) yield* keepSignedRequest(tx, delivery.id, signed);
  return answers;
}

function* acceptItems(tx: Transaction, request: AcceptRequest, evidence: string | null): Sql<AcceptedItem[]> {
  const { items } = request;
  if (items.length > 1 && areApart(items)) {
    return yield* together(items.map((item) => acceptItem(tx, request, item, evidence)));
  }
  const announced = new Set<string>();
  const answers: AcceptedItem[] = [];
  for (const item of items) {
    const accepted = yield* acceptItem(tx, request, withoutRepeatedReading(item, announced), evidence);
    if (accepted.runs.length > 0) announced.add(announcementOf(item));
    answers.push(accepted);
  }
  return answers;
}

/** What a request may share with no other that is accepted together with it; null when it goes alone. */
export const exclusiveKeys = ({ cursor, items }: AcceptRequest): readonly string[] | null =>
  cursor ? null : items.flatMap(keysOf);

const keysOf = ({ event, dedupeKeys, runs }: Acceptance): string[] => [
  ...dedupeKeys.map((key) => `event ${event.source} ${key}`),
  ...runs.flatMap(({ agent, concurrency }) => (concurrency ? [`run ${agent} ${concurrency.key}`] : [])),
];

/** Nothing of one of them depends on what becomes of another. */
function areApart(items: readonly Acceptance[]): boolean {
  const keys = items.flatMap((item) => [...new Set(keysOf(item))]);
  const areRead = items.some(({ runs }) => runs.some((run) => run.agent === expansionAgent));
  return !areRead && new Set(keys).size === keys.length;
}

function* acceptItem(
  tx: Transaction,
  { delivery, newsOnly }: AcceptRequest,
  item: Acceptance,
  evidence: string | null,
): Sql<AcceptedItem> {
  const known = yield* takeKeys(tx, item);
  const accepted: AcceptedItem =
    known === null
      ? { event: item.event.id, duplicate: false, runs: yield* store(tx, item, evidence) }
      : { event: known, duplicate: true, runs: yield* tryAgain(tx, known, item) };
  const isNews = !accepted.duplicate || accepted.runs.length > 0;
  if (delivery && (isNews || newsOnly !== true)) {
    yield* insertDelivery(tx, {
      ...delivery,
      event: accepted.event,
      result: accepted.duplicate ? "duplicate" : "accepted",
      reason: null,
    });
  }
  return accepted;
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
function* takeKeys(tx: Transaction, { event, dedupeKeys }: Acceptance): Sql<string | null> {
  const scope = eventScope(event.source);
  const keys = [...new Set(dedupeKeys)].map(keyHash);
  const taken = yield* sql.insert(
    keyRows,
    ...keys.map((key) => ({ scope, key, ref: event.id, payload_hash: null, created_at: tx.now })),
  );
  const known = keys.find((_, index) => taken[index] !== true);
  if (known === undefined) return null;
  for (const own of keys.filter((_, index) => taken[index] === true))
    yield* sql.run("DELETE FROM keys WHERE scope = ? AND key = ?", scope, own);
  const first = yield* sql.get("SELECT ref FROM keys WHERE scope = ? AND key = ?", scope, known);
  if (!first) throw new Error(`a dedupe key of ${event.id} is neither free nor taken`);
  return text(first, "ref");
}

/** An event that keeps dying is a person's: without a bound a captured request could start it for ever. */
const mostGenerations = 5;

/**
 * A further copy of an event that never completed: the sender (or its record) believes that it was not worked on, and is
 * right. It never completed when the newest run of each of its agents is dead, or when it has no run because a route's
 * expression failed on it. Starts those of the copy's runs that take their place; with the same action keys.
 */
function* tryAgain(tx: Transaction, known: string, { event, runs }: Acceptance): Sql<string[]> {
  if (runs.length === 0 || !(yield* neverCompleted(known))) return [];
  // Of copies that come at the same moment one starts it. The others wait here, and then see that it is started.
  const stored = yield* sql.get("SELECT received_at, occurred_at FROM events WHERE id = ? FOR UPDATE", known);
  const ended = yield* neverCompleted(known);
  if (!stored || !ended) return [];
  const { agents } = ended;
  const again = agents === null ? runs : runs.filter((run) => agents.has(run.agent));
  if (again.length === 0) return [];
  yield* sql.run(
    "UPDATE events SET status = ?, faults = ? WHERE id = ?",
    event.status,
    JSON.stringify(event.faults),
    known,
  );
  tx.changed("event", known);
  return yield* insertRuns(tx, known, orderOf(stored), ended.generation, again);
}

export function* replay(tx: Transaction, { event, runs }: ReplayRequest): Sql<string[]> {
  const stored = yield* sql.get("SELECT received_at, occurred_at FROM events WHERE id = ? FOR UPDATE", event);
  if (!stored) throw new Error(`event ${event} is not there`);
  return yield* insertRuns(tx, event, orderOf(stored), yield* nextGeneration(event), runs);
}

/** By which a run replaces older ones of its key: the provider's time, and ours where it gives none. */
const orderOf = (stored: Row): number =>
  integerOrNull(stored, "occurred_at") ?? integer(stored, "received_at");

/** Null when it completed, may still do so, or is not to be tried again; `agents` is null when its routing failed. */
function* neverCompleted(
  event: string,
): Sql<{ agents: ReadonlySet<string> | null; generation: number } | null> {
  const stored = yield* sql.get("SELECT faults FROM events WHERE id = ? AND body IS NOT NULL", event);
  if (!stored) return null;
  const latest = yield* sql.all(
    `SELECT agent, status FROM runs r WHERE event = ? AND about IS NULL AND generation =
       (SELECT max(generation) FROM runs o WHERE o.event = r.event AND o.agent = r.agent)`,
    event,
  );
  const isOver =
    latest.length === 0
      ? text(stored, "faults") !== "[]"
      : latest.every((run) => text(run, "status") === "dead");
  if (!isOver) return null;
  const generation = yield* nextGeneration(event);
  if (generation >= mostGenerations) return null;
  return {
    agents: latest.length === 0 ? null : new Set(latest.map((run) => text(run, "agent"))),
    generation,
  };
}

function* store(tx: Transaction, { event, runs }: Acceptance, evidence: string | null): Sql<string[]> {
  yield* sql.insert(eventRows, {
    id: event.id,
    source: event.source,
    type: event.type,
    provider_id: event.providerId,
    received_at: event.receivedAt,
    occurred_at: event.occurredAt,
    status: event.status,
    body_hash: event.bodyHash ?? sha256(event.body),
    headers: tx.vault.sealText(JSON.stringify(event.headers), place.eventHeaders(event.id)),
    faults: JSON.stringify(event.faults),
    body: tx.vault.sealBytes(event.body, place.eventBody(event.id)),
    evidence: evidence === null ? null : tx.vault.sealText(evidence, place.eventEvidence(event.id)),
  });
  tx.changed("event", event.id);
  return yield* insertRuns(tx, event.id, event.occurredAt ?? event.receivedAt, 0, runs);
}

function* insertDelivery(tx: Transaction, delivery: Delivery, body: Uint8Array | null = null): Sql<void> {
  yield* sql.insert(deliveryRows, {
    id: delivery.id,
    source: delivery.source,
    event: delivery.event,
    result: delivery.result,
    received_at: delivery.receivedAt,
    remote_address: delivery.remoteAddress,
    secret_index: delivery.secretIndex,
    reason: delivery.reason,
    body: body && tx.vault.sealBytes(body, place.deliveryBody(delivery.id)),
  });
}
