/** Small values with a version, changed by compare-and-set only. */
import type { Json } from "../domain/json.ts";
import type { StateScope } from "../domain/ports.ts";
import { integer, text } from "./rows.ts";
import { sql } from "./sql.ts";
import type { Row, Sql, Transaction } from "./sql.ts";

const valueFrom = (row: Row) => ({
  value: JSON.parse(text(row, "value")) as Json,
  version: integer(row, "version"),
});

export function* getState(scope: StateScope, key: string): Sql<{ value: Json; version: number } | null> {
  const row = yield* sql.get("SELECT value, version FROM state WHERE scope = ? AND key = ?", scope, key);
  return row ? valueFrom(row) : null;
}

export function* listState(scope: StateScope): Sql<{ key: string; value: Json; version: number }[]> {
  const rows = yield* sql.all("SELECT key, value, version FROM state WHERE scope = ? ORDER BY key", scope);
  return rows.map((row) => ({ key: text(row, "key"), ...valueFrom(row) }));
}

export function* putState(
  tx: Transaction,
  scope: StateScope,
  key: string,
  value: Json,
  expected: number,
): Sql<boolean> {
  const json = JSON.stringify(value);
  const written =
    expected === 0
      ? yield* sql.run(
          `INSERT INTO state (scope, key, value, version, updated_at) VALUES (?, ?, ?, 1, ?)
           ON CONFLICT DO NOTHING`,
          scope,
          key,
          json,
          tx.now,
        )
      : yield* sql.run(
          `UPDATE state SET value = ?, version = version + 1, updated_at = ?
           WHERE scope = ? AND key = ? AND version = ?`,
          json,
          tx.now,
          scope,
          key,
          expected,
        );
  if (written === 1 && (scope === "breaker" || scope === "pause")) tx.changed("breaker", key);
  return written === 1;
}
