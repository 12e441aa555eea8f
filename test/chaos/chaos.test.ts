/**
 * The short run of `npm run chaos`: the real program is killed at fail points and at random moments while providers send
 * and vendors fail, and afterwards what was promised, what is stored and what was done have to agree.
 */
import { describe, expect, it } from "vitest";
import { chaos } from "./harness/chaos.ts";
import { reportOf } from "./harness/report.ts";
import { shortRun } from "./harness/sizes.ts";
import { temporaryFolder } from "../support/program.ts";

const seed = "every-change";

describe("kill -9 at every moment", () => {
  it("loses nothing that was acknowledged, does nothing twice, and comes by every fail point", async () => {
    const { folder, remove } = temporaryFolder();
    const report = await chaos({ ...shortRun, seed, folder, say: () => {} });
    const { lines, ok } = reportOf(report, { profile: "embedded", seed, seconds: 0 });
    expect(ok, lines.join("\n")).toBe(true);
    expect(report.lives.kills + report.lives.drains).toBeGreaterThanOrEqual(shortRun.kills);
    expect(report.lives.killedAt.size).toBeGreaterThanOrEqual(8);
    remove();
  }, 600_000);
});
