/** What events were signed with: kept when they are accepted, read again to verify them, never listed. */
import { ContentDamaged } from "../domain/errors.ts";
import type { SignedRequest, StoredEvent } from "../domain/event.ts";
import { sha256 } from "../domain/json.ts";
import type { AcceptRequest, Receipt } from "../domain/ports.ts";
import { bodyFrom, deliveryColumns, deliveryFrom, eventFrom, text, textOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Scope, Sql, Transaction } from "./sql.ts";
import { place } from "./vault.ts";
import type { Vault } from "./vault.ts";

type Evidence = Omit<SignedRequest, "body">;

/** What has no address to keep is the shorter by that: it is written with every event. */
const written = ({ url, headers }: Evidence): string =>
  JSON.stringify(url === null ? { headers } : { url, headers });

function readEvidence(json: string): Evidence {
  const { url = null, headers } = JSON.parse(json) as Partial<Evidence> & Pick<Evidence, "headers">;
  return { url, headers };
}

/** The evidence that goes into an event's own row: null where the request's bytes have to be kept with it. */
export function evidenceInRow({ signed, items }: AcceptRequest): string | null {
  const [item, ...others] = items;
  if (!signed || !item || others.length > 0) return null;
  return sameBytes(signed.body, item.event.body) ? written(signed) : null;
}

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one === other || Buffer.compare(one, other) === 0;

/** Once per request, however many events it brought. */
export function* keepSignedRequest({ vault }: Transaction, id: string, signed: SignedRequest): Sql<void> {
  yield* sql.run(
    "INSERT INTO signed_requests (id, evidence, body_hash, body) VALUES (?, ?, ?, ?)",
    id,
    vault.sealText(written(signed), place.requestEvidence(id)),
    sha256(signed.body),
    vault.sealBytes(signed.body, place.requestBody(id)),
  );
}

/** Throws ContentDamaged. */
export function* receiptOf({ vault }: Scope, id: string): Sql<Receipt | null> {
  const row = yield* sql.get("SELECT * FROM events WHERE id = ?", id);
  if (!row) return null;
  const first = yield* sql.get(
    `SELECT ${deliveryColumns} FROM deliveries WHERE event = ? AND result = 'accepted'`,
    id,
  );
  const delivery = first ? deliveryFrom(first) : null;
  const request = delivery && (yield* sql.get("SELECT * FROM signed_requests WHERE id = ?", delivery.id));
  try {
    const event = { ...eventFrom(row, vault), body: bodyFrom(row, vault) };
    return {
      event,
      delivery,
      erased: row["body"] === null,
      signed: signedFrom(vault, row, event, request),
    };
  } catch (error) {
    throw new ContentDamaged(`what is stored of ${id} can't be opened: it was changed`, { cause: error });
  }
}

function signedFrom(
  vault: Vault,
  row: Row,
  event: StoredEvent,
  request: Row | null | undefined,
): SignedRequest | null {
  if (request) return fromRequest(vault, request);
  const evidence = textOrNull(row, "evidence");
  if (evidence === null) return null;
  return { ...readEvidence(vault.openText(evidence, place.eventEvidence(event.id))), body: event.body };
}

function fromRequest(vault: Vault, row: Row): SignedRequest {
  const id = text(row, "id");
  const sealed = row["body"];
  const body =
    sealed instanceof Uint8Array ? vault.openBytes(sealed, place.requestBody(id)) : new Uint8Array();
  if (sha256(body) !== text(row, "body_hash")) throw new Error("the bytes of its request were changed");
  return { ...readEvidence(vault.openText(text(row, "evidence"), place.requestEvidence(id))), body };
}
