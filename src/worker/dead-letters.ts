/** Dead letters that nobody will run again: taken out of the queue by a person, one or all that a filter names. */
import { Conflict } from "../domain/errors.ts";
import type { Journal, ListQuery, Reads } from "../domain/ports.ts";

/** Which dead letters; at least one field is given. Times in milliseconds since the epoch. */
export type DeadLetterFilter = Pick<ListQuery, "source" | "type" | "agent" | "cause" | "since" | "until">;

export interface DeadLetters {
  /** Throws Conflict: not_found, wrong_state. */
  discard(run: string, reason: string, by: string): Promise<void>;
  /** How many there were; with `dryRun` they are only counted. */
  discardAll(filter: DeadLetterFilter, reason: string, by: string, dryRun: boolean): Promise<number>;
}

const pageSize = 200;

export function createDeadLetters(
  journal: Pick<Journal, "discard">,
  reads: Pick<Reads, "runs">,
): DeadLetters {
  /** False when someone else was faster. */
  async function discarding(run: string, reason: string, by: string): Promise<boolean> {
    try {
      await journal.discard(run, reason, by);
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }
  return {
    discard: (run, reason, by) => journal.discard(run, reason, by),
    async discardAll(filter, reason, by, dryRun) {
      let count = 0;
      let cursor: string | undefined;
      do {
        const asked = { ...filter, deadLetters: true, limit: pageSize };
        const page = await reads.runs(cursor === undefined ? asked : { ...asked, cursor });
        if (dryRun) count += page.items.length;
        else {
          // Together, so that they share a flush.
          const discarded = await Promise.all(page.items.map((run) => discarding(run.id, reason, by)));
          count += discarded.filter(Boolean).length;
        }
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      return count;
    },
  };
}
