/** What callers of the admin API may ask, read and judged before anything is looked up. */
import { z } from "zod";
import { actionStatuses } from "../domain/action.ts";
import { deeds } from "../domain/audit.ts";
import type { AuditQuery } from "../domain/audit.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { ListQuery } from "../domain/ports.ts";
import type { ReplayFilter } from "../domain/replay.ts";
import { runStatuses } from "../domain/run.ts";

/** The caller's mistake: `message` names the field and what is allowed. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

const eventStatuses = ["routed", "unrouted", "inactive"] as const;
const statuses = {
  events: eventStatuses,
  runs: runStatuses,
  actions: actionStatuses,
  deadLetters: ["dead"],
} as const;
export type ListName = keyof typeof statuses;
/** What the ids of a list begin with. A cursor is the id of the last row that was shown. */
const idKinds: Readonly<Record<ListName, string>> = {
  events: "evt",
  runs: "run",
  actions: "act",
  deadLetters: "run",
};

const textFilters = ["source", "type", "agent", "run", "event"] as const;
const units: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const isoTime = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** ISO 8601, or a span before now such as `24h`. Milliseconds since the epoch. Throws BadRequest. */
function readTime(field: string, value: string, now: number): number {
  // A `+01:00` that was not encoded arrives as a space.
  const text = value.replace(/ (?=\d{2}:\d{2}$)/, "+");
  const span = /^(\d{1,6})([smhdw])$/.exec(text);
  const unit = units[span?.[2] ?? ""];
  if (span && unit !== undefined) return now - Number(span[1]) * unit;
  const at = isoTime.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new BadRequest(
      `${field}: must be a time with its zone (2026-11-24T08:00:00Z) or a span before now (30m, 24h, 7d)`,
    );
  return at;
}

/** Of one page. */
export const mostRows = 1_000;

function readLimit(value: string | null): number {
  if (value === null) return 50;
  const limit = /^\d{1,4}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > mostRows)
    throw new BadRequest(`limit: must be a whole number from 1 to ${mostRows}`);
  return limit;
}

function readStatus(list: ListName, value: string): string {
  const allowed: readonly string[] = statuses[list];
  if (list === "deadLetters" && value !== "dead")
    throw new BadRequest("status: is always dead here; other runs are at /api/runs");
  if (!allowed.includes(value)) throw new BadRequest(`status: must be one of ${allowed.join(", ")}`);
  return value;
}

/** Throws BadRequest, also for a parameter that does not exist: a misspelt filter must not look like one that matched. */
export function readListQuery(list: ListName, search: URLSearchParams, now: number): ListQuery {
  const fields = [...textFilters, ...(list === "deadLetters" ? (["cause"] as const) : [])];
  readNames(search, ["limit", "cursor", ...fields, "status", "since", "until"]);
  const status = search.get("status");
  return {
    ...readPage(search, now, idKinds[list]),
    ...readTexts(search, fields),
    ...(status === null ? {} : { status: readStatus(list, status) }),
  };
}

const auditFields = ["by", "object"] as const;

/** Throws BadRequest. */
export function readAuditQuery(search: URLSearchParams, now: number): AuditQuery {
  readNames(search, ["limit", "cursor", ...auditFields, "deed", "since", "until"]);
  const asked = search.get("deed");
  const deed = deeds.find((one) => one === asked);
  if (asked !== null && deed === undefined) throw new BadRequest(`deed: must be one of ${deeds.join(", ")}`);
  return {
    ...readPage(search, now, "aud"),
    ...readTexts(search, auditFields),
    ...(deed === undefined ? {} : { deed }),
  };
}

function readNames(search: URLSearchParams, parameters: readonly string[]): void {
  for (const name of search.keys()) {
    if (!parameters.includes(name))
      throw new BadRequest(`${name.slice(0, 40)}: is no parameter here; there are ${parameters.join(", ")}`);
    if (search.getAll(name).length > 1) throw new BadRequest(`${name}: may be given once`);
  }
}

function readPage(
  search: URLSearchParams,
  now: number,
  kind: string,
): { limit: number; cursor?: string; since?: number; until?: number } {
  const page: ReturnType<typeof readPage> = { limit: readLimit(search.get("limit")) };
  const cursor = search.get("cursor");
  if (cursor !== null) {
    if (!new RegExp(`^${kind}_[\\w-]{1,100}$`).test(cursor))
      throw new BadRequest("cursor: must be the `next` of an earlier answer");
    page.cursor = cursor;
  }
  for (const field of ["since", "until"] as const) {
    const value = search.get(field);
    if (value !== null) page[field] = readTime(field, value, now);
  }
  if (page.since !== undefined && page.until !== undefined && page.since >= page.until)
    throw new BadRequest("until: must be later than since");
  return page;
}

function readTexts<F extends string>(
  search: URLSearchParams,
  fields: readonly F[],
): Partial<Record<F, string>> {
  const found: Partial<Record<F, string>> = {};
  for (const field of fields) {
    const value = search.get(field);
    if (value === null) continue;
    if (value.length === 0 || value.length > 200)
      throw new BadRequest(`${field}: must have 1 to 200 characters`);
    found[field] = value;
  }
  return found;
}

const reason = z.string().trim().min(1).max(1_000);
const approval = z.strictObject({
  hash: z.string().min(1).max(200),
  edited: z
    .custom<JsonObject>((value) => value !== null && typeof value === "object" && !Array.isArray(value), {
      message: "must be an object: the action's whole input",
    })
    .optional(),
});
const rejection = z.strictObject({
  reason: reason.default("rejected by a person"),
  hash: z.string().min(1).max(200).optional(),
});
const discard = z.strictObject({ reason });
const cancellation = z.strictObject({ reason: reason.default("cancelled by a person") });
const name = z.string().min(1).max(200);
const healing = z.strictObject({ since: z.string().optional() });
const pause = z.strictObject({ name, reason: reason.optional() });
const forget = z.strictObject({ email: z.email().max(320), dryRun: z.boolean().default(false) });
const filter = z.strictObject({
  source: name.optional(),
  type: name.optional(),
  agent: name.optional(),
  status: z.enum(runStatuses).optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  deadLetters: z.boolean().optional(),
  cause: name.optional(),
});
const rate = z
  .string()
  .regex(/^[1-9]\d{0,3}\/[smh]$/, "must be a number of runs per second, minute or hour: 5/s, 100/m, 500/h");
const replay = z.strictObject({
  event: name.optional(),
  run: name.optional(),
  filter: filter.optional(),
  dryRun: z.boolean().default(false),
  rate: rate.optional(),
});
const discards = z.strictObject({
  filter: filter.omit({ status: true, deadLetters: true }),
  reason,
  dryRun: z.boolean().default(false),
});

export const readApproval = (body: Json) => parse(approval, body);
export const readRejection = (body: Json) => parse(rejection, body);
export const readCancellation = (body: Json) => parse(cancellation, body);
export const readPause = (body: Json) => parse(pause, body);
/** Throws BadRequest. */
export const readForget = (body: Json) => parse(forget, body);
/** There is nothing to say. Throws BadRequest. */
export const readNothing = (body: Json) => parse(z.strictObject({}), body);
/** Milliseconds since the epoch; undefined when left open. Throws BadRequest. */
export function readSince(body: Json, now: number): number | undefined {
  const { since } = parse(healing, body);
  return since === undefined ? undefined : readTime("since", since, now);
}

export const readDiscard = (body: Json) => parse(discard, body);

/** Throws BadRequest, also for an empty filter. */
export function readDiscards(body: Json, now: number) {
  const { filter: asked, ...rest } = parse(discards, body);
  return { filter: readFilter(asked, now), ...rest };
}

const perMinuteOf = { s: 60, m: 1, h: 1 / 60 } as const;

/** One event, one run, or a filter that is not empty: replaying everything has to be asked for by a time. Throws BadRequest. */
export function readReplay(
  body: Json,
  now: number,
): { command: ReplayFilter; dryRun: boolean; perMinute?: number } {
  const read = parse(replay, body);
  const ways = [read.event, read.run, read.filter].filter((way) => way !== undefined);
  if (ways.length !== 1)
    throw new BadRequest("event, run, filter: exactly one of them says what is replayed");
  const [count = "", unit = "m"] = read.rate?.split("/") ?? [];
  const how = {
    dryRun: read.dryRun,
    ...(read.rate === undefined ? {} : { perMinute: Number(count) * perMinuteOf[unit as "s" | "m" | "h"] }),
  };
  if (read.event !== undefined) return { command: { event: read.event }, ...how };
  if (read.run !== undefined) return { command: { run: read.run }, ...how };
  return { command: readFilter(read.filter ?? {}, now), ...how };
}

function readFilter(asked: z.infer<typeof filter>, now: number): ReplayFilter {
  const { deadLetters, since, until, ...rest } = asked;
  if (deadLetters === true && rest.status !== undefined && rest.status !== "dead")
    throw new BadRequest("filter.status: must be dead, or left out, with deadLetters");
  const command: ReplayFilter = {
    ...(rest.source === undefined ? {} : { source: rest.source }),
    ...(rest.type === undefined ? {} : { type: rest.type }),
    ...(rest.agent === undefined ? {} : { agent: rest.agent }),
    ...(rest.cause === undefined ? {} : { cause: rest.cause }),
    ...(deadLetters === true ? { deadLetters } : rest.status === undefined ? {} : { status: rest.status }),
    ...(since === undefined ? {} : { since: readTime("filter.since", since, now) }),
    ...(until === undefined ? {} : { until: readTime("filter.until", until, now) }),
  };
  if (Object.keys(command).length === 0)
    throw new BadRequest(
      "filter: must name at least one of source, type, agent, status, cause, since, until, deadLetters",
    );
  return command;
}

function parse<T>(schema: z.ZodType<T>, body: Json): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issues = result.error.issues.map(
    (issue) => `${issue.path.join(".") || "body"}: ${inWords(issue, body)}`,
  );
  throw new BadRequest(issues.join("; "));
}

function inWords(issue: z.core.$ZodIssue, body: Json): string {
  if (issue.code === "unrecognized_keys") return `has no field ${issue.keys.join(", ").slice(0, 200)}`;
  if (issue.code !== "invalid_type") return issue.message;
  const given = issue.path.reduce<unknown>(
    (here, key) =>
      here !== null && typeof here === "object" ? (here as Record<PropertyKey, unknown>)[key] : undefined,
    body,
  );
  return given === undefined ? "is missing" : `must be of type ${issue.expected}`;
}
