/**
 * Saves what can be read of a damaged journal into a new one. Each table is read from its first row on until a page can't
 * be read, then from its last row back: what is lost is what stands between. The damaged file is kept.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import type { Clock } from "../resilience/clock.ts";
import { moveAside } from "./backup.ts";
import { text } from "./rows.ts";
import { Connection, isBroken } from "./sqlite-driver.ts";
import { holdFolder, openFile } from "./sqlite-file.ts";
import type { Row } from "./sql.ts";

export interface Salvaged {
  readonly tables: readonly {
    readonly name: string;
    readonly rows: number;
    /** Every row could be read. */
    readonly whole: boolean;
  }[];
  /** Where the damaged file is now. */
  readonly aside: string | null;
}

/** Throws when a service holds the folder, when there is no file, and when not even its list of tables can be read. */
export function salvage(folder: string, clock: Clock): Salvaged {
  const held = holdFolder(folder);
  try {
    if (!existsSync(held.file)) throw new Error(`there is no journal in ${folder}`);
    const fresh = `${held.file}.salvaged`;
    rmSync(fresh, { force: true });
    const tables = readable(held.file, fresh);
    const aside = moveAside(held.file, clock);
    renameSync(fresh, held.file);
    held.begun();
    return { tables, aside };
  } finally {
    held.release();
  }
}

function readable(file: string, fresh: string): Salvaged["tables"] {
  try {
    return copyReadable(file, fresh);
  } catch (error) {
    rmSync(fresh, { force: true });
    if (!isBroken(error)) throw error;
    const found = error instanceof Error ? error.message : String(error);
    throw new Error(
      `nothing can be read of ${file} (${found}), and nothing was changed. Put a back-up in its place with \`signalbox restore FILE\``,
      { cause: error },
    );
  }
}

function copyReadable(file: string, fresh: string): Salvaged["tables"] {
  const from = new Connection(file);
  const to = openFile(fresh, { vault: undefined, thorough: false, used: false });
  try {
    // A run may be saved whose event is not.
    to.exec("PRAGMA foreign_keys = OFF");
    const known = to.all("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    // Read at once: the schema of what is damaged may be gone too.
    from.all("SELECT name FROM sqlite_schema");
    const tables = known.map((table) => {
      const name = text(table, "name");
      const rowid = !/WITHOUT ROWID/i.test(text(table, "sql"));
      to.exec("BEGIN");
      const saved = copyTable(from, to, name, rowid);
      to.exec("COMMIT");
      return { name, ...saved };
    });
    to.exec("PRAGMA journal_mode = DELETE");
    return tables;
  } finally {
    from.close();
    to.close();
  }
}

function copyTable(
  from: Connection,
  to: Connection,
  table: string,
  rowid: boolean,
): { rows: number; whole: boolean } {
  const known = to.all(`PRAGMA table_info(${table})`);
  const own = known.map((column) => text(column, "name"));
  const key = known.filter((column) => Number(column["pk"]) > 0).map((column) => text(column, "name"));
  const order = rowid ? ["rowid"] : key;
  const insert = (row: Row): number => {
    const there = own.filter((name) => row[name] !== undefined);
    return to.run(
      `INSERT OR IGNORE INTO ${table} (${there.join(", ")}) VALUES (${there.map(() => "?").join(", ")})`,
      ...there.map((name) => row[name] ?? null),
    );
  };
  let rows = 0;
  const read = (way: "ASC" | "DESC"): boolean => {
    const sorted = order.map((column) => `${column} ${way}`).join(", ");
    try {
      // One at a time: the rows before a page that can't be read are in hand when it comes.
      for (const row of from.each(`SELECT * FROM ${table} ORDER BY ${sorted}`)) rows += insert(row);
      return true;
    } catch (error) {
      if (!isBroken(error)) throw error;
      return false;
    }
  };
  const whole = read("ASC");
  if (!whole) read("DESC");
  return { rows, whole };
}
