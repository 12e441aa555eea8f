/** The JSON API under `/api`; whoever gets here has shown that they may. */
import type { Context, Hono } from "hono";
import type { Audit } from "../domain/audit.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ListQuery, Page, Reads } from "../domain/ports.ts";
import type { Verification } from "../domain/replay.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AdminEnv } from "./admin-access.ts";
import { addAudit, recorder } from "./admin-audit.ts";
import { bodyOf, errorAnswer, missing } from "./admin-body.ts";
import {
  readApproval,
  readCancellation,
  readListQuery,
  readNothing,
  readRejection,
  readSince,
} from "./admin-queries.ts";
import type { ListName } from "./admin-queries.ts";
import { addForget } from "./admin-forget.ts";
import type { ForgetControl } from "./admin-forget.ts";
import { addPauses } from "./admin-pauses.ts";
import type { PauseControl } from "./admin-pauses.ts";
import { addReplays } from "./admin-replays.ts";
import type { ReplayControl } from "./admin-replays.ts";
import type { LiveFeed } from "./admin-stream.ts";
import {
  actionRow,
  breakerRow,
  eventDetail,
  eventRow,
  overviewView,
  processRow,
  runDetail,
  runRow,
  sourceRow,
  verificationView,
} from "./admin-views.ts";
import type { BreakerRow, ProcessRow, SourceRow } from "./admin-views.ts";
import { openapi } from "./openapi.ts";

/** Counts of events; `restarted` of runs. `more`: the record holds more, and the next round goes on. */
interface Healed {
  readonly read: number;
  /** That were not known. */
  readonly healed: number;
  readonly known: number;
  readonly restarted: number;
  readonly more: boolean;
}

/**
 * What people may do. All but `replay`, `replays`, `pauses` and `verify` throw Conflict. `by` is how the person was known, as in the
 * audit.
 */
export interface Control extends ReplayControl, PauseControl, ForgetControl {
  approve(action: string, decision: { hash: string; edited?: JsonObject; by: string }): Promise<void>;
  /** `hash`: of the payload that was seen, where it is said. */
  reject(action: string, decision: { hash?: string; reason: string; by: string }): Promise<void>;
  cancelRun(run: string, reason: string): Promise<void>;
  /** Also throws ServiceError and ServiceClosed. `since` in milliseconds; left out, the source's healed point. */
  heal(source: string, since: number | undefined): Promise<Healed>;
  /** Null when there is no such event. */
  verify(event: string): Promise<Verification | null>;
}

export interface ApiParts {
  readonly reads: Reads;
  readonly audit: Audit;
  readonly control: Control;
  readonly breakers: () => Promise<readonly BreakerRow[]>;
  readonly sources: () => Promise<readonly SourceRow[]>;
  readonly processes: () => Promise<readonly ProcessRow[]>;
  readonly feed: LiveFeed;
  readonly clock: Clock;
  readonly version: string;
}

type C = Context<AdminEnv>;

export function addApi(app: Hono<AdminEnv>, parts: ApiParts): void {
  addReading(app, parts);
  addDeeds(app, parts);
  addReplays(app, parts);
  addPauses(app, parts);
  addForget(app, parts);
  addAudit(app, parts);
}

function addReading(app: Hono<AdminEnv>, parts: ApiParts): void {
  const { reads, clock, feed } = parts;
  const query = (c: C, list: ListName): ListQuery =>
    readListQuery(list, new URL(c.req.url).searchParams, clock.now());
  const answer = <T>(c: C, page: Page<T>, row: (item: T) => object) =>
    c.json({ items: page.items.map(row), next: page.next });

  app.get("/api/openapi.json", (c) => c.json(openapi(parts.version)));
  app.get("/api/overview", async (c) =>
    c.json(overviewView(await reads.overview(), parts.version, clock.now())),
  );
  app.get("/api/events", async (c) => answer(c, await reads.events(query(c, "events")), eventRow));
  app.get("/api/events/:id", async (c) => {
    const event = await reads.event(c.req.param("id"));
    return event ? c.json(eventDetail(event)) : missing(c, "event");
  });
  app.get("/api/runs", async (c) => answer(c, await reads.runs(query(c, "runs")), runRow));
  app.get("/api/runs/:id", async (c) => {
    const run = await reads.run(c.req.param("id"));
    return run ? c.json(runDetail(run)) : missing(c, "run");
  });
  app.get("/api/dead-letters", async (c) => {
    const { status: _dead, ...asked } = query(c, "deadLetters");
    return answer(c, await reads.runs({ ...asked, deadLetters: true }), runRow);
  });
  app.get("/api/actions", async (c) => answer(c, await reads.actions(query(c, "actions")), actionRow));
  app.get("/api/actions/:id", async (c) => {
    const action = await reads.action(c.req.param("id"));
    return action ? c.json(actionRow(action)) : missing(c, "action");
  });
  app.get("/api/breakers", async (c) =>
    c.json({ items: (await parts.breakers()).map(breakerRow), next: null }),
  );
  app.get("/api/sources", async (c) => c.json({ items: (await parts.sources()).map(sourceRow), next: null }));
  app.get("/api/processes", async (c) =>
    c.json({ items: (await parts.processes()).map(processRow), next: null }),
  );
  app.get("/api/stream", (c) => {
    const stream = feed.open(() => c.env.outgoing.destroy());
    if (!stream) {
      c.header("Retry-After", "10");
      return c.json(errorAnswer("too_many_streams", "Too many live feeds are open; close one."), 503);
    }
    return c.body(stream, 200, {
      "Content-Type": "text/event-stream",
      // Its end frees the connection at once, so that closing the port does not wait for an idle one.
      Connection: "close",
      // A reverse proxy would otherwise hold rows back until its buffer is full.
      "X-Accel-Buffering": "no",
    });
  });
}

function addDeeds(app: Hono<AdminEnv>, parts: ApiParts): void {
  const { reads, control, clock } = parts;
  const record = recorder(parts.audit);
  const changedAction = async (c: C, id: string) => {
    const action = await reads.action(id);
    return action ? c.json(actionRow(action)) : missing(c, "action");
  };

  app.post("/api/actions/:id/approve", async (c) => {
    const id = c.req.param("id");
    const { hash, edited } = readApproval(await bodyOf(c));
    await control.approve(id, { hash, by: c.var.by, ...(edited === undefined ? {} : { edited }) });
    await record(c, "action.approve", id, { details: { hash, edited: edited !== undefined } });
    return changedAction(c, id);
  });
  app.post("/api/actions/:id/reject", async (c) => {
    const id = c.req.param("id");
    const { reason, hash } = readRejection(await bodyOf(c));
    await control.reject(id, { reason, by: c.var.by, ...(hash === undefined ? {} : { hash }) });
    await record(c, "action.reject", id, { reason });
    return changedAction(c, id);
  });
  app.post("/api/runs/:id/cancel", async (c) => {
    const id = c.req.param("id");
    const { reason } = readCancellation(await bodyOf(c));
    await control.cancelRun(id, reason);
    await record(c, "run.cancel", id, { reason });
    const found = await reads.run(id);
    return found ? c.json(runRow(found.run)) : missing(c, "run");
  });
  app.post("/api/sources/:name/heal", async (c) => {
    const name = c.req.param("name");
    const since = readSince(await bodyOf(c), clock.now());
    const { read, healed, known, restarted, more } = await control.heal(name, since);
    await record(c, "source.heal", name, { details: { since: since ?? null, healed, restarted } });
    return c.json({ read, healed, known, restarted, more });
  });
  app.post("/api/events/:id/verify", async (c) => {
    readNothing(await bodyOf(c));
    const id = c.req.param("id");
    const verification = await control.verify(id);
    return verification ? c.json(verificationView(id, verification)) : missing(c, "event");
  });
}
