/** The shapes of the admin API's rows, as JSON Schema (2020-12, the dialect of OpenAPI 3.1). */
import { actionStatuses } from "../domain/action.ts";
import { modes, runStatuses, waitKinds } from "../domain/run.ts";
import { attemptEnds } from "../domain/attempt.ts";
import { deeds } from "../domain/audit.ts";
import { replayStatuses } from "../domain/replay.ts";
import { watchStates } from "../domain/source.ts";

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };
const time = { type: "string", format: "date-time" };
const timeOrNull = { type: ["string", "null"], format: "date-time" };
const count = { type: "integer", minimum: 0 };
const anyJson = { description: "Any JSON, redacted" };
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const orNull = (schema: object) => ({ oneOf: [schema, { type: "null" }] });
const list = (items: object) => ({ type: "array", items });

/** Closed, every field required: an answer that leaves one out, or brings one along, is a fault. */
const object = (properties: Readonly<Record<string, object>>) => ({
  type: "object",
  required: Object.keys(properties),
  additionalProperties: false,
  properties,
});
const counts = (names: readonly string[]) =>
  object(Object.fromEntries([...names, "total"].map((name) => [name, count])));

const eventStatuses = ["routed", "unrouted", "inactive"];

const event = {
  id: text,
  source: text,
  type: text,
  providerId: text,
  receivedAt: time,
  occurredAt: timeOrNull,
  status: ref("EventStatus"),
  faults: list(object({ route: text, part: { enum: ["if", "concurrency.key"] }, message: text })),
  runs: list(object({ id: text, agent: text, status: ref("RunStatus") })),
};

const paused = {
  by: { enum: ["refusal", "person"] },
  reason: text,
  since: timeOrNull,
  until: { ...timeOrNull, description: "Null where only a person ends it" },
};

const run = {
  id: text,
  event: text,
  route: textOrNull,
  agent: text,
  about: { ...textOrNull, description: "The run whose held actions it tells of" },
  mode: { enum: modes },
  status: ref("RunStatus"),
  decidedBy: { enum: ["model", "rules", null] },
  decidedWhy: textOrNull,
  attempts: count,
  waitingFor: orNull(
    object({
      kind: { enum: waitKinds },
      reason: text,
      service: textOrNull,
      until: timeOrNull,
    }),
  ),
  parkedSince: timeOrNull,
  reason: textOrNull,
  cleared: orNull({
    ...object({ at: time, by: text, reason: text }),
    description: "How a dead run left the dead letters: discarded, or run again",
  }),
  concurrencyKey: textOrNull,
  generation: count,
  configHash: text,
  promptHash: textOrNull,
  createdAt: time,
  updatedAt: time,
};

const usage = object({
  model: text,
  inputTokens: count,
  outputTokens: count,
  costUsd: { type: ["number", "null"] },
});

const action = {
  id: text,
  run: text,
  agent: text,
  name: text,
  kind: text,
  subject: text,
  key: text,
  status: ref("ActionStatus"),
  hash: text,
  input: { type: "object", description: "Exact while it awaits a review, else redacted" },
  needs: list(text),
  ref: orNull({ type: "object", additionalProperties: text }),
  dryRun: { type: "boolean" },
  reason: textOrNull,
  reviewedBy: { ...textOrNull, description: "Who approved or rejected it, as in the audit" },
  attempts: count,
  createdAt: time,
  updatedAt: time,
};

export const openapiSchemas = {
  Error: object({ error: object({ code: text, message: text }) }),
  Health: object({ status: { const: "ok" } }),
  Readiness: object({
    ok: { type: "boolean" },
    checks: {
      type: "object",
      additionalProperties: {
        type: "object",
        required: ["ok"],
        additionalProperties: false,
        properties: { ok: { type: "boolean" }, detail: text },
      },
    },
  }),
  EventStatus: { enum: eventStatuses },
  RunStatus: { enum: runStatuses },
  ActionStatus: { enum: actionStatuses },
  Event: object(event),
  EventDetail: object({
    ...event,
    headers: { type: "object", additionalProperties: text },
    bodyBytes: count,
    bodyHash: text,
    payload: anyJson,
    text: { ...textOrNull, description: "The body where it is no JSON, shortened" },
    deliveries: list(
      object({
        id: text,
        result: { enum: ["accepted", "duplicate", "malformed"] },
        receivedAt: time,
        remoteAddress: text,
        secretIndex: { type: ["integer", "null"] },
        reason: textOrNull,
      }),
    ),
    runs: list(ref("Run")),
  }),
  Run: object(run),
  RunDetail: object({
    ...run,
    decision: anyJson,
    checks: {
      ...list(
        object({
          name: text,
          passed: { type: "boolean" },
          detail: text,
          effect: { enum: ["clamped", "held", null] },
        }),
      ),
      description: "What the decision was held against; of one that failed, what came of it",
    },
    steps: list(
      object({
        name: text,
        schemaVersion: count,
        startedAt: time,
        endedAt: time,
        durationMs: count,
        usage: orNull(usage),
        output: anyJson,
      }),
    ),
    actions: list(ref("Action")),
    history: { ...list(ref("Attempt")), description: "The attempts that did not end well" },
  }),
  Attempt: object({
    number: { ...count, description: "Of the first of the attempts in a row that ended like this" },
    times: count,
    startedAt: time,
    endedAt: time,
    end: { enum: attemptEnds },
    at: { ...textOrNull, description: "The step or the action it was at" },
    service: textOrNull,
    error: text,
    counted: { type: "boolean" },
  }),
  Action: object(action),
  Breaker: object({
    service: text,
    state: { enum: ["closed", "half-open", "open"] },
    failures: count,
    openUntil: timeOrNull,
    reason: textOrNull,
    paused: orNull(object(paused)),
  }),
  Pause: object({ name: { ...text, description: "An agent, a destination, or `all`" }, ...paused }),
  Resumed: object({ name: text, runs: { ...count, description: "That waited for it, and go on now" } }),
  Forgotten: object({
    dryRun: { type: "boolean" },
    erased: { ...count, description: "Events, and requests that could not be read" },
    open: { type: "array", items: text, description: "Events that are still being worked on" },
  }),
  Process: object({
    id: text,
    role: { enum: ["all", "ingest", "worker"] },
    host: text,
    pid: count,
    version: text,
    config: { ...text, description: "A short hash of its configuration and prompts" },
    configSince: time,
    startedAt: time,
    seenAt: time,
    leading: { type: "boolean", description: "Whether it does what is done once in the fleet" },
    trouble: { ...textOrNull, description: "What is wrong with it" },
  }),
  Source: object({
    name: text,
    type: text,
    active: { type: "boolean" },
    inactiveReason: { enum: ["unset", "expired", null] },
    lastEventAt: timeOrNull,
    events: count,
    lastSecret: orNull(object({ index: count, at: time })),
    unreadable: orNull(object({ count, lastAt: time, reason: textOrNull })),
    healedUntil: timeOrNull,
    unhealed: textOrNull,
    watch: orNull(
      object({
        id: textOrNull,
        state: { enum: [...watchStates] },
        expiresAt: timeOrNull,
        lastRenewedAt: timeOrNull,
        error: textOrNull,
      }),
    ),
  }),
  Overview: object({
    version: text,
    now: time,
    events: counts(eventStatuses),
    runs: counts(runStatuses),
    actions: counts(actionStatuses),
    decided: object({
      model: count,
      rules: count,
      total: count,
      modelShare: { type: ["number", "null"], minimum: 0, maximum: 1 },
    }),
    deadLetters: count,
    reviewsPending: count,
    oldestDueAt: timeOrNull,
  }),
  ReplayRequest: {
    type: "object",
    description: "Exactly one of event, run and filter; a filter names at least one field",
    additionalProperties: false,
    properties: {
      event: text,
      run: { ...text, description: "Its event again, for its agent alone" },
      filter: {
        type: "object",
        additionalProperties: false,
        minProperties: 1,
        properties: {
          source: text,
          type: text,
          agent: text,
          status: ref("RunStatus"),
          since: text,
          until: text,
          deadLetters: { type: "boolean" },
          cause: { ...text, description: "Runs whose reason has this text in it" },
        },
      },
      dryRun: { type: "boolean", default: false },
      rate: {
        ...text,
        pattern: "^[1-9]\\d{0,3}/[smh]$",
        description:
          "Start them at this pace, by a job; without it up to 200 runs are started at once, more at 5/s",
      },
    },
  },
  Healed: object({ read: count, healed: count, known: count, restarted: count, more: { type: "boolean" } }),
  Replay: object({
    count,
    events: count,
    runs: list(text),
    dryRun: { type: "boolean" },
    cost: object({
      usd: {
        type: ["number", "null"],
        description: "By what earlier runs of these events cost; null when none says",
      },
      actions: { type: "object", additionalProperties: count },
    }),
    verified: { ...count, description: "Events whose signature was found right again" },
    unverified: list(object({ reason: text, events: count })),
    refused: list(object({ event: text, reason: text })),
    replay: orNull({
      ...ref("ReplayJob"),
      description: "The job that starts them, where they were not started at once",
    }),
  }),
  ReplayJob: object({
    id: text,
    filter: { type: "object" },
    status: { enum: replayStatuses },
    perMinute: { type: "number" },
    expected: object({ events: count, runs: count }),
    events: { ...count, description: "Dealt with so far" },
    runs: { ...count, description: "Started so far" },
    refused: count,
    by: text,
    createdAt: time,
    updatedAt: time,
  }),
  Discarded: object({ count, dryRun: { type: "boolean" } }),
  AuditRecord: object({
    id: text,
    at: time,
    by: { ...text, description: "api, cli, dashboard, shell, file, or slack:USER" },
    address: textOrNull,
    deed: ref("Deed"),
    object: textOrNull,
    reason: textOrNull,
    details: { type: ["object", "null"] },
  }),
  Deed: { enum: deeds },
  Verification: object({
    event: text,
    result: {
      enum: ["verified", "failed", "impossible"],
      description:
        "failed: the stored bytes are not those that were received. impossible: there is nothing, or no secret any more, to check them with",
    },
    secretIndex: { type: ["integer", "null"], description: "Which secret of today fits, 0 = first" },
    reason: { type: ["string", "null"] },
  }),
};
