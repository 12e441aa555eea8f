/** Reads the journal's file beside the service that writes it: nothing of it is changed, locked or migrated. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Reads } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { migrations } from "./migrations/index.ts";
import { createReads } from "./reads.ts";
import { integer } from "./rows.ts";
import { Connection } from "./sqlite-driver.ts";
import { orDamaged } from "./sqlite-health.ts";
import type { Vault } from "./vault.ts";

export interface Look {
  readonly reads: Reads;
  close(): Promise<void>;
}

/** Throws when there is no journal in the folder, or when it is of another version than this program. */
export function lookIntoSqlite(folder: string, { vault, clock }: { vault: Vault; clock: Clock }): Look {
  const file = join(folder, "journal.db");
  if (!existsSync(file)) throw new Error(`there is no journal in ${folder}: nothing was stored there yet`);
  return orDamaged(file, () => {
    const db = new Connection(file, vault, true);
    db.exec("PRAGMA busy_timeout = 5000");
    const version = integer(db.get("PRAGMA user_version") ?? {}, "user_version");
    if (version !== migrations.length) {
      db.close();
      throw new Error(
        `the journal in ${folder} is of ${version < migrations.length ? "an earlier" : "a newer"} version: start the service of this version on it first`,
      );
    }
    return {
      reads: createReads({ read: async (query) => db.answer(query({ vault }), clock.now()) }),
      close: async () => db.close(),
    };
  });
}
