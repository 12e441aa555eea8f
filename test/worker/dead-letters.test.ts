import { describe, expect, it } from "vitest";
import { Conflict } from "../../src/domain/errors.ts";
import type { ListQuery } from "../../src/domain/ports.ts";
import { createDeadLetters } from "../../src/worker/dead-letters.ts";
import { sampleRun } from "../support/admin.ts";

function open(ids: string[], taken: string[] = []) {
  const asked: ListQuery[] = [];
  const discarded: string[] = [];
  const letters = createDeadLetters(
    {
      discard: async (run, reason, by) => {
        if (taken.includes(run)) throw new Conflict("wrong_state", "it was run again");
        discarded.push(`${run} ${reason} ${by}`);
      },
    },
    {
      runs: async (query) => {
        asked.push(query);
        const from = query.cursor === undefined ? 0 : ids.indexOf(query.cursor) + 1;
        const items = ids.slice(from, from + 2).map((id) => sampleRun(id, "evt_1", 0, { status: "dead" }));
        return { items, next: from + 2 < ids.length ? (items.at(-1)?.id ?? null) : null };
      },
    },
  );
  return { letters, asked, discarded };
}

describe("discarding dead letters", () => {
  it("takes all that a filter names, page by page", async () => {
    const { letters, asked, discarded } = open(["run_5", "run_4", "run_3", "run_2", "run_1"]);
    expect(await letters.discardAll({ agent: "pr-review", cause: "503" }, "spam", "cli", false)).toBe(5);
    expect(discarded).toHaveLength(5);
    expect(asked[0]).toMatchObject({ deadLetters: true, agent: "pr-review", cause: "503" });
    expect(asked).toHaveLength(3);
  });

  it("counts only, when it is asked to", async () => {
    const { letters, discarded } = open(["run_3", "run_2", "run_1"]);
    expect(await letters.discardAll({ agent: "pr-review" }, "spam", "cli", true)).toBe(3);
    expect(discarded).toEqual([]);
  });

  it("counts what it discarded, not what someone else took meanwhile", async () => {
    const { letters } = open(["run_3", "run_2", "run_1"], ["run_2"]);
    expect(await letters.discardAll({ agent: "pr-review" }, "spam", "cli", false)).toBe(2);
  });
});
