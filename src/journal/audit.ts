/** The audit: rows are added, and never changed. */
import type { AuditEntry, AuditQuery, AuditRecord, Deed } from "../domain/audit.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Page } from "../domain/ports.ts";
import { integer, text, textOrNull } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql, SqlValue, Transaction } from "./sql.ts";

export function* recordDeed(tx: Pick<Transaction, "now">, id: string, entry: AuditEntry): Sql<void> {
  yield* sql.run(
    "INSERT INTO audit (id, at, known_as, address, deed, object, reason, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    id,
    tx.now,
    entry.by,
    entry.address,
    entry.deed,
    entry.object,
    entry.reason,
    entry.details === null ? null : JSON.stringify(entry.details),
  );
}

function recordFrom(row: Row): AuditRecord {
  const details = textOrNull(row, "details");
  return {
    id: text(row, "id"),
    at: integer(row, "at"),
    by: text(row, "known_as"),
    address: textOrNull(row, "address"),
    deed: text(row, "deed") as Deed,
    object: textOrNull(row, "object"),
    reason: textOrNull(row, "reason"),
    details: details === null ? null : (JSON.parse(details) as JsonObject),
  };
}

export function* auditPage(query: AuditQuery): Sql<Page<AuditRecord>> {
  const asked: [string, SqlValue | undefined][] = [
    ["id < ?", query.cursor],
    ["at >= ?", query.since],
    ["at < ?", query.until],
    ["known_as = ?", query.by],
    ["deed = ?", query.deed],
    ["object = ?", query.object],
  ];
  const given = asked.filter((one): one is [string, SqlValue] => one[1] !== undefined);
  const where = given.length === 0 ? "" : `WHERE ${given.map(([condition]) => condition).join(" AND ")}`;
  const rows = yield* sql.all(
    `SELECT * FROM audit ${where} ORDER BY id DESC LIMIT ?`,
    ...given.map(([, value]) => value),
    query.limit + 1,
  );
  const items = rows.slice(0, query.limit).map(recordFrom);
  return { items, next: rows.length > query.limit ? (items.at(-1)?.id ?? null) : null };
}
