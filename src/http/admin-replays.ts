/** What is run again, and what is given up for good: replays with their jobs, and dead letters that are discarded. */
import type { Hono } from "hono";
import type { JsonObject } from "../domain/json.ts";
import type { ListQuery, Reads } from "../domain/ports.ts";
import type { Audit } from "../domain/audit.ts";
import type { Replayed, ReplayFilter, ReplayJob } from "../domain/replay.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AdminEnv } from "./admin-access.ts";
import { recorder } from "./admin-audit.ts";
import { bodyOf, missing } from "./admin-body.ts";
import { readDiscard, readDiscards, readNothing, readReplay } from "./admin-queries.ts";
import { replayRow, runRow } from "./admin-views.ts";

type DeadLetterFilter = Pick<ListQuery, "source" | "type" | "agent" | "cause" | "since" | "until">;

/** All but `replay` and `replays` throw Conflict. `by` is how the person was known, as in the audit. */
export interface ReplayControl {
  /** With `dryRun` everything is counted only and `runs` is empty. */
  replay(
    filter: ReplayFilter,
    options: { readonly dryRun: boolean; readonly by: string; readonly perMinute?: number },
  ): Promise<Replayed>;
  /** Newest first. */
  replays(): Promise<readonly ReplayJob[]>;
  cancelReplay(id: string): Promise<ReplayJob>;
  resumeReplay(id: string): Promise<ReplayJob>;
  discard(run: string, reason: string, by: string): Promise<void>;
  /** How many dead letters were, or with `dryRun` would be, discarded. */
  discardAll(filter: DeadLetterFilter, reason: string, by: string, dryRun: boolean): Promise<number>;
}

interface ReplayParts {
  readonly reads: Reads;
  readonly audit: Audit;
  readonly control: ReplayControl;
  readonly clock: Clock;
}

export function addReplays(app: Hono<AdminEnv>, { reads, control, clock, audit }: ReplayParts): void {
  const record = recorder(audit);

  app.post("/api/replays", async (c) => {
    const { command, dryRun, perMinute } = readReplay(await bodyOf(c), clock.now());
    if (command.event !== undefined && !(await reads.event(command.event))) return missing(c, "event");
    if (command.run !== undefined && !(await reads.run(command.run))) return missing(c, "run");
    const options = { dryRun, by: c.var.by, ...(perMinute === undefined ? {} : { perMinute }) };
    const { replay, cost, ...replayed } = await control.replay(command, options);
    if (!dryRun && replayed.count > 0)
      await record(c, "replay.start", replay?.id ?? command.event ?? command.run ?? null, {
        details: { filter: plain(command), events: replayed.events, runs: replayed.count },
      });
    return c.json({
      count: replayed.count,
      events: replayed.events,
      runs: replayed.runs,
      dryRun,
      cost,
      verified: replayed.verified,
      unverified: replayed.unverified,
      refused: replayed.refused,
      replay: replay && replayRow(replay),
    });
  });
  app.get("/api/replays", async (c) =>
    c.json({ items: (await control.replays()).map(replayRow), next: null }),
  );
  app.get("/api/replays/:id", async (c) => {
    const found = (await control.replays()).find(({ id }) => id === c.req.param("id"));
    return found ? c.json(replayRow(found)) : missing(c, "replay");
  });
  for (const deed of ["cancel", "resume"] as const) {
    app.post(`/api/replays/:id/${deed}`, async (c) => {
      readNothing(await bodyOf(c));
      const id = c.req.param("id");
      const job = await (deed === "cancel" ? control.cancelReplay(id) : control.resumeReplay(id));
      await record(c, `replay.${deed}`, id);
      return c.json(replayRow(job));
    });
  }

  app.post("/api/dead-letters/:id/discard", async (c) => {
    const id = c.req.param("id");
    const { reason } = readDiscard(await bodyOf(c));
    await control.discard(id, reason, c.var.by);
    await record(c, "dead-letter.discard", id, { reason });
    const found = await reads.run(id);
    return found ? c.json(runRow(found.run)) : missing(c, "run");
  });
  app.post("/api/dead-letters/discard", async (c) => {
    const { filter, reason, dryRun } = readDiscards(await bodyOf(c), clock.now());
    const count = await control.discardAll(filter, reason, c.var.by, dryRun);
    if (!dryRun && count > 0)
      await record(c, "dead-letter.discard", null, { reason, details: { filter: plain(filter), count } });
    return c.json({ count, dryRun });
  });
}

const plain = (filter: ReplayFilter): JsonObject => ({ ...filter });
