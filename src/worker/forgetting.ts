/** Forgetting a person: all that is stored is looked through, some events at a time, so that others are stored meanwhile. */
import type { Journal } from "../domain/ports.ts";

export interface ForgottenPerson {
  /** Events, and requests that could not be read, whose content went; with `dryRun`, would go. */
  readonly erased: number;
  /** Events that name the address and are still being worked on: their content stays. */
  readonly open: readonly string[];
}

const batch = 50;

export const createForgetting = (journal: Pick<Journal, "forget">) => ({
  async forget(address: string, dryRun: boolean): Promise<ForgottenPerson> {
    const open: string[] = [];
    let erased = 0;
    for (let after: string | null = ""; after !== null;) {
      const next: Awaited<ReturnType<Journal["forget"]>> = await journal.forget(address, {
        after,
        limit: batch,
        dryRun,
      });
      erased += next.erased;
      open.push(...next.open);
      after = next.after;
    }
    return { erased, open };
  },
});
