/**
 * Forgetting a person: the content of every event that names an address goes as if it had become old, whether the address
 * stands in its own bytes or in what was gathered, decided and planned from it. What happened when stays, and the keys by
 * which it happens only once.
 */
import type { Forgotten } from "../domain/ports.ts";
import { eraseContentOf, eventsWithOpenRuns } from "./retention.ts";
import { marks, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql, Transaction } from "./sql.ts";
import { place } from "./vault.ts";
import type { Vault } from "./vault.ts";

/** Instead of the address, in the few texts that stay. */
const instead = "[forgotten]";

/** Looks at the next `limit` events after one, and at bytes that could not be read once there are no more events. */
export function* forgetNext(
  tx: Transaction,
  address: string,
  { after, limit, dryRun }: { readonly after: string; readonly limit: number; readonly dryRun: boolean },
): Sql<Forgotten> {
  const names = naming(address);
  const events = yield* sql.all(
    "SELECT id, body, headers FROM events WHERE id > ? ORDER BY id LIMIT ? FOR UPDATE",
    after,
    limit,
  );
  const ids = events.map((row) => text(row, "id"));
  const [last] = ids.slice(-1);
  if (last === undefined) return { erased: yield* forgetUnread(tx, names, dryRun), open: [], after: null };
  const named = new Set([
    ...events.filter((row) => eventNames(row, tx.vault, names)).map((row) => text(row, "id")),
    ...(yield* namedByWork(tx.vault, ids, names)),
  ]);
  const open = new Set(yield* eventsWithOpenRuns([...named]));
  const erased = [...named].filter((id) => !open.has(id));
  if (!dryRun && erased.length > 0) {
    yield* eraseContentOf(erased);
    yield* eraseWords(erased, address);
  }
  return { erased: erased.length, open: [...open], after: last };
}

type Names = (content: string) => boolean;

/** The address as a whole: `ann@x.example` is not named by `joann@x.example`. */
function naming(address: string): Names {
  const whole = new RegExp(
    `(?<![\\w.+%-])${address.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w-]|\\.\\w)`,
    "iu",
  );
  // A mail is kept as its provider gives it, in base64.
  const encoded = /[A-Za-z0-9+/_-]{60,}={0,2}/g;
  return (content) =>
    whole.test(content) ||
    [...content.matchAll(encoded)].some(([part]) => whole.test(Buffer.from(part, "base64").toString()));
}

/** What can't be opened was changed, and names nobody any more. */
function opened(open: () => string | Uint8Array): string {
  try {
    return Buffer.from(open()).toString();
  } catch {
    return "";
  }
}

function eventNames(row: Row, vault: Vault, names: Names): boolean {
  const id = text(row, "id");
  const { body } = row;
  return (
    names(opened(() => vault.openText(text(row, "headers"), place.eventHeaders(id)))) ||
    (body instanceof Uint8Array && names(opened(() => vault.openBytes(body, place.eventBody(id)))))
  );
}

/** Of these events, those of which a step or an action names the address. */
function* namedByWork(vault: Vault, ids: readonly string[], names: Names): Sql<string[]> {
  const steps = yield* sql.all(
    `SELECT r.event, s.run, s.name, s.output FROM steps s JOIN runs r ON r.id = s.run WHERE r.event IN (${marks(ids)})`,
    ...ids,
  );
  const actions = yield* sql.all(
    `SELECT r.event, a.id, a.input FROM actions a JOIN runs r ON r.id = a.run WHERE r.event IN (${marks(ids)})`,
    ...ids,
  );
  return [
    ...steps.filter((row) => {
      const at = place.stepOutput(text(row, "run"), text(row, "name"));
      return names(opened(() => vault.openText(text(row, "output"), at)));
    }),
    ...actions.filter((row) =>
      names(opened(() => vault.openText(text(row, "input"), place.actionInput(text(row, "id"))))),
    ),
  ].map((row) => text(row, "event"));
}

/** A vendor's answer may repeat the address: "550 no such user". */
function* eraseWords(events: readonly string[], address: string): Sql<void> {
  const runs = `SELECT id FROM runs WHERE event IN (${marks(events)})`;
  const columns = [
    ["attempts", "error", `run IN (${runs})`],
    ["actions", "reason", `run IN (${runs})`],
    ["runs", "reason", `event IN (${marks(events)})`],
    ["runs", "decided_why", `event IN (${marks(events)})`],
  ] as const;
  for (const [table, column, where] of columns)
    yield* sql.run(
      `UPDATE ${table} SET ${column} = replace(${column}, ?, ?) WHERE ${where}`,
      address,
      instead,
      ...events,
    );
}

/** Signed bytes that are no event: there are few, and they are looked at in one go. */
function* forgetUnread(tx: Transaction, names: Names, dryRun: boolean): Sql<number> {
  const rows = yield* sql.all("SELECT received_at, id, body FROM deliveries WHERE body IS NOT NULL");
  const ids = rows.flatMap((row) => {
    const { body } = row;
    const id = text(row, "id");
    const isNamed =
      body instanceof Uint8Array && names(opened(() => tx.vault.openBytes(body, place.deliveryBody(id))));
    return isNamed ? [id] : [];
  });
  if (!dryRun && ids.length > 0)
    yield* sql.run(
      `UPDATE deliveries SET body = NULL WHERE body IS NOT NULL AND id IN (${marks(ids)})`,
      ...ids,
    );
  return ids.length;
}
