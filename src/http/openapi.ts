/** What the admin API is, for programs: served at /api/openapi.json, and held against real answers by a test. */
import { mostRows } from "./admin-queries.ts";
import { openapiSchemas } from "./openapi-schemas.ts";

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: object) => ({ "application/json": { schema } });
const answers = (description: string, schema: object, faults: readonly number[] = []) => ({
  "200": { description, content: json(schema) },
  ...Object.fromEntries(
    [...new Set([...faults, 401, 421, 429, 500, 503])].map((status) => [
      String(status),
      { description: faultTexts[status] ?? "Fault", content: json(ref("Error")) },
    ]),
  ),
});
const faultTexts: Readonly<Record<number, string>> = {
  400: "A value is wrong; the message names the field and what is allowed",
  401: "No token, or a wrong one",
  403: "A change by cookie that did not come from this service's own page",
  404: "There is none with this id",
  411: "A body in chunks is not read; send its Content-Length",
  413: "The body is too large",
  409: "The hash is stale, or the state does not allow it any more",
  421: "The Host header names a host that is not answered",
  429: "Too many wrong tokens from this address; wait for Retry-After",
  422: "The edit does not fit the kind of action",
  500: "This failed on our side",
  503: "Not now; try again after Retry-After",
};

const parameter = (name: string, description: string, schema: object = { type: "string" }) => ({
  name,
  in: "query",
  description,
  schema,
});
const pageParameters = [
  parameter("limit", "How many rows", { type: "integer", minimum: 1, maximum: mostRows, default: 50 }),
  parameter("cursor", "The `next` of the answer before"),
  parameter("source", "Name of a source"),
  parameter("type", "Type of an event; of an action its kind"),
  parameter("agent", "Name of an agent"),
  parameter("since", "ISO 8601 time, or a span before now: 30m, 24h, 7d; inclusive"),
  parameter("until", "As since; exclusive"),
];
const idParameter = { name: "id", in: "path", required: true, schema: { type: "string" } };

const listOf = (name: string, what: string, statusSchema: string | null) => ({
  get: {
    operationId: `list${what}`,
    summary: `${what}, newest first`,
    parameters: [
      ...pageParameters,
      ...(statusSchema === null ? [] : [parameter("status", "One status", ref(statusSchema))]),
    ],
    responses: answers("One page", pageOf(name), [400]),
  },
});
const pageOf = (name: string) => ({
  type: "object",
  required: ["items", "next"],
  additionalProperties: false,
  properties: { items: { type: "array", items: ref(name) }, next: { type: ["string", "null"] } },
});
const one = (operationId: string, summary: string, schema: string) => ({
  get: { operationId, summary, parameters: [idParameter], responses: answers(summary, ref(schema), [404]) },
});
const deed = (
  operationId: string,
  summary: string,
  request: { schema: object; required: boolean },
  schema: object,
  faults: readonly number[],
  byId = true,
) => ({
  post: {
    operationId,
    summary,
    ...(byId ? { parameters: [idParameter] } : {}),
    requestBody: { required: request.required, content: json(request.schema) },
    responses: answers(summary, schema, [400, 403, 411, 413, ...faults]),
  },
});
const body = (required: readonly string[], properties: object) => ({
  schema: { type: "object", required, additionalProperties: false, properties },
  required: required.length > 0,
});
const text = { type: "string" };
const reason = { ...text, minLength: 1, maxLength: 1_000 };
const withParameter = <P extends { get: { parameters: object[] } }>(path: P, extra: object): P => ({
  ...path,
  get: { ...path.get, parameters: [...path.get.parameters, extra] },
});

const replayPaths = {
  "/api/replays/{id}": one("replayJob", "A paced replay", "ReplayJob"),
  "/api/replays/{id}/cancel": deed(
    "cancelReplay",
    "Start no more of its runs",
    body([], {}),
    ref("ReplayJob"),
    [404, 409],
  ),
  "/api/replays/{id}/resume": deed(
    "resumeReplay",
    "Go on where it was cancelled",
    body([], {}),
    ref("ReplayJob"),
    [404, 409],
  ),
};

const wrongHost = { "421": { description: faultTexts[421], content: json(ref("Error")) } };
const open = (operationId: string, summary: string, responses: object) => ({
  get: { operationId, summary, security: [], responses: { ...responses, ...wrongHost } },
});
const besideTheApi = {
  "/healthz": open("health", "Whether the process answers; needs no token", {
    "200": { description: "It does", content: json(ref("Health")) },
  }),
  "/readyz": open("readiness", "Whether it can do its work, and what keeps it from it; needs no token", {
    "200": { description: "It can", content: json(ref("Readiness")) },
    "503": { description: "It can't", content: json(ref("Readiness")) },
  }),
  "/metrics": {
    get: {
      operationId: "metrics",
      summary: "Metrics in the text format of Prometheus",
      responses: {
        ...answers("All of them", text),
        "200": { description: "All of them", content: { "text/plain": { schema: text } } },
      },
    },
  },
  "/api/openapi.json": {
    get: { operationId: "document", summary: "This document", responses: answers("It", { type: "object" }) },
  },
};

const paths = {
  ...besideTheApi,
  "/api/overview": {
    get: {
      operationId: "overview",
      summary: "Counters",
      responses: answers("Counters of everything stored", ref("Overview")),
    },
  },
  "/api/events": listOf("Event", "Events", "EventStatus"),
  "/api/events/{id}": one("event", "One event with its deliveries and runs", "EventDetail"),
  "/api/events/{id}/verify": deed(
    "verify",
    "Check the stored bytes of an event against the hash taken at receipt, and its signature under today's secrets",
    body([], {}),
    ref("Verification"),
    [404],
  ),
  "/api/runs": listOf("Run", "Runs", "RunStatus"),
  "/api/runs/{id}": one("run", "One run with its steps, decision and actions", "RunDetail"),
  "/api/dead-letters": withParameter(
    listOf("Run", "DeadLetters", null),
    parameter("cause", "Text within the reason"),
  ),
  "/api/dead-letters/{id}/discard": deed(
    "discard",
    "Take a dead run out of the dead letters: nobody will run it again. It stays dead",
    body(["reason"], { reason }),
    ref("Run"),
    [404, 409],
  ),
  "/api/dead-letters/discard": deed(
    "discardAll",
    "Discard all dead letters of a filter; with dryRun only count",
    body(["filter", "reason"], {
      filter: {
        type: "object",
        additionalProperties: false,
        minProperties: 1,
        properties: { source: text, type: text, agent: text, cause: text, since: text, until: text },
      },
      reason,
      dryRun: { type: "boolean", default: false },
    }),
    ref("Discarded"),
    [],
    false,
  ),
  "/api/actions": listOf("Action", "Actions", "ActionStatus"),
  "/api/actions/{id}": one("action", "One action", "Action"),
  "/api/breakers": {
    get: {
      operationId: "breakers",
      summary: "One breaker per service",
      responses: answers("All breakers", pageOf("Breaker")),
    },
  },
  "/api/pauses": {
    get: {
      operationId: "pauses",
      summary: "What is paused, by hand or because it does not take our credentials",
      responses: answers("All pauses", pageOf("Pause")),
    },
    post: deed(
      "pause",
      "Bring an agent, a destination or `all` to a halt; receiving goes on, and what has to wait does not age",
      body(["name"], { name: text, reason: text }),
      ref("Pause"),
      [404, 409],
    ).post,
  },
  "/api/pauses/{name}": {
    delete: {
      ...deed(
        "resume",
        "Let it go on: what waited is due at once, one after another",
        body([], {}),
        ref("Resumed"),
        [404, 409],
      ).post,
      parameters: [{ ...idParameter, name: "name" }],
    },
  },
  "/api/forget": deed(
    "forget",
    "Erase the content of all that names a person's address; what is still being worked on is kept, and named",
    body(["email"], { email: text, dryRun: { type: "boolean", default: false } }),
    ref("Forgotten"),
    [],
  ),
  "/api/processes": {
    get: {
      operationId: "processes",
      summary: "The processes of the fleet, as each last told of itself",
      responses: answers("All processes", pageOf("Process")),
    },
  },
  "/api/sources": {
    get: {
      operationId: "sources",
      summary: "Configured sources and their activity",
      responses: answers("All sources", pageOf("Source")),
    },
  },
  "/api/sources/{name}/heal": {
    post: {
      ...deed(
        "heal",
        "Fetch now what the provider could not deliver: from its healed point on, or from `since`",
        body([], { since: { ...text, description: "As in lists" } }),
        ref("Healed"),
        [404, 409, 503],
      ).post,
      parameters: [{ ...idParameter, name: "name" }],
    },
  },
  "/api/stream": {
    get: {
      operationId: "stream",
      summary: "Server-sent events `event`, `run`, `action`, `breaker`, each with its row as in the lists",
      responses: {
        "200": { description: "The live feed", content: { "text/event-stream": { schema: text } } },
        "503": { description: "Too many feeds are open", content: json(ref("Error")) },
      },
    },
  },
  "/api/actions/{id}/approve": deed(
    "approve",
    "Approve exactly the payload of this hash, or an edit of it",
    body(["hash"], { hash: text, edited: { type: "object", description: "The action's whole new input" } }),
    ref("Action"),
    [404, 409, 422],
  ),
  "/api/actions/{id}/reject": deed(
    "reject",
    "Reject a held action; what builds on it is skipped. With a hash: only the payload that has it",
    body([], { reason, hash: text }),
    ref("Action"),
    [404, 409],
  ),
  "/api/runs/{id}/cancel": deed(
    "cancel",
    "Cancel a run that is queued, waits, or awaits a review",
    body([], { reason }),
    ref("Run"),
    [404, 409],
  ),
  "/api/replays": {
    get: {
      operationId: "replays",
      summary: "Paced replays, newest first",
      responses: answers("All of them", pageOf("ReplayJob")),
    },
    ...deed(
      "replay",
      "Run stored events again under today's configuration; with dryRun only count",
      {
        required: true,
        schema: ref("ReplayRequest"),
      },
      ref("Replay"),
      [404],
      false,
    ),
  },
  ...replayPaths,
  "/api/audit": {
    get: {
      operationId: "audit",
      summary: "Who did what, newest first",
      parameters: [
        ...pageParameters.filter(({ name }) => ["limit", "cursor", "since", "until"].includes(name)),
        parameter("by", "How the person was known: api, cli, dashboard …"),
        parameter("deed", "What was done", ref("Deed")),
        parameter("object", "What it was done to"),
      ],
      responses: answers("One page", pageOf("AuditRecord"), [400]),
    },
  },
};

/** An OpenAPI 3.1 document. */
export const openapi = (version: string) => ({
  openapi: "3.1.0",
  info: { title: "Signalbox admin API", version },
  security: [{ bearer: [] }, { session: [] }],
  paths,
  components: {
    securitySchemes: {
      bearer: { type: "http", scheme: "bearer" },
      session: { type: "apiKey", in: "cookie", name: "signalbox_session" },
    },
    schemas: openapiSchemas,
  },
});
