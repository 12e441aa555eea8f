/** The JSON API under `/api`; whoever gets here has shown that they may. */
import type { Context, Hono } from "hono";
import type { Json, JsonObject } from "../domain/json.ts";
import type { ListQuery, Page, Reads } from "../domain/ports.ts";
import type { Replayed, ReplayFilter, Verification } from "../domain/replay.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AdminEnv } from "./admin-access.ts";
import {
  BadRequest,
  readApproval,
  readCancellation,
  readListQuery,
  readRejection,
  readReplay,
  readSince,
  readVerification,
} from "./admin-queries.ts";
import type { ListName } from "./admin-queries.ts";
import type { LiveFeed } from "./admin-stream.ts";
import {
  actionRow,
  breakerRow,
  eventDetail,
  eventRow,
  overviewView,
  runDetail,
  runRow,
  sourceRow,
  verificationView,
} from "./admin-views.ts";
import type { BreakerRow, SourceRow } from "./admin-views.ts";
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

/** What people may do. All but `replay` and `verify` throw Conflict. `by` is how the person was known: `dashboard` or `api`. */
export interface Control {
  approve(action: string, decision: { hash: string; edited?: JsonObject; by: string }): Promise<void>;
  reject(action: string, decision: { reason: string; by: string }): Promise<void>;
  cancelRun(run: string, reason: string): Promise<void>;
  /** Also throws ServiceError and ServiceClosed. `since` in milliseconds; left out, the source's healed point. */
  heal(source: string, since: number | undefined): Promise<Healed>;
  /** With `dryRun` everything is counted only and `runs` is empty. */
  replay(filter: ReplayFilter, dryRun: boolean): Promise<Replayed>;
  /** Null when there is no such event. */
  verify(event: string): Promise<Verification | null>;
}

export interface ApiParts {
  readonly reads: Reads;
  readonly control: Control;
  readonly breakers: () => Promise<readonly BreakerRow[]>;
  readonly sources: () => Promise<readonly SourceRow[]>;
  readonly feed: LiveFeed;
  readonly clock: Clock;
  readonly version: string;
}

type C = Context<AdminEnv>;

export const errorAnswer = (code: string, message: string) => ({ error: { code, message } });
const missing = (c: C, what: string) =>
  c.json(errorAnswer("not_found", `There is no such ${what}; the lists give the ids.`), 404);

export function addApi(app: Hono<AdminEnv>, parts: ApiParts): void {
  addReading(app, parts);
  addDeeds(app, parts);
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
    const asked = query(c, "runs");
    if (asked.status !== undefined && asked.status !== "dead")
      throw new BadRequest("status: is always dead here; other runs are at /api/runs");
    return answer(c, await reads.runs({ ...asked, status: "dead" }), runRow);
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
  const changedAction = async (c: C, id: string) => {
    const action = await reads.action(id);
    return action ? c.json(actionRow(action)) : missing(c, "action");
  };

  app.post("/api/actions/:id/approve", async (c) => {
    const id = c.req.param("id");
    const { hash, edited } = readApproval(await bodyOf(c));
    await control.approve(id, { hash, by: c.var.by, ...(edited === undefined ? {} : { edited }) });
    return changedAction(c, id);
  });
  app.post("/api/actions/:id/reject", async (c) => {
    const id = c.req.param("id");
    const { reason } = readRejection(await bodyOf(c));
    await control.reject(id, { reason, by: c.var.by });
    return changedAction(c, id);
  });
  app.post("/api/runs/:id/cancel", async (c) => {
    const id = c.req.param("id");
    const { reason } = readCancellation(await bodyOf(c));
    await control.cancelRun(id, reason);
    const found = await reads.run(id);
    return found ? c.json(runRow(found.run)) : missing(c, "run");
  });
  app.post("/api/sources/:name/heal", async (c) => {
    const since = readSince(await bodyOf(c), clock.now());
    const { read, healed, known, restarted, more } = await control.heal(c.req.param("name"), since);
    return c.json({ read, healed, known, restarted, more });
  });
  app.post("/api/events/:id/verify", async (c) => {
    readVerification(await bodyOf(c));
    const id = c.req.param("id");
    const verification = await control.verify(id);
    return verification ? c.json(verificationView(id, verification)) : missing(c, "event");
  });
  app.post("/api/replays", async (c) => {
    const { command, dryRun } = readReplay(await bodyOf(c), clock.now());
    if (command.event !== undefined && !(await reads.event(command.event))) return missing(c, "event");
    if (command.run !== undefined && !(await reads.run(command.run))) return missing(c, "run");
    const { count, events, runs, verified, unverified, refused } = await control.replay(command, dryRun);
    return c.json({ count, events, runs, dryRun, verified, unverified, refused });
  });
}

/** An empty body is an empty object. Throws BadRequest. */
async function bodyOf(c: C): Promise<Json> {
  const text = await c.req.text();
  if (text.trim() === "") return {};
  if (!/^application\/json\b/i.test(c.req.header("Content-Type") ?? ""))
    throw new BadRequest("Content-Type: must be application/json");
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new BadRequest("body: must be JSON");
  }
}
