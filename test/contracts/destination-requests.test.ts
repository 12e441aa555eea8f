/**
 * What our destinations send, held against the vendors' own contracts. The answers are canned, and just enough for the
 * destination to go on: what is tested here is the requests.
 */
import addFormats from "ajv-formats";
import { buildSchema, parse as parseGraphql, validate as validateGraphql } from "graphql";
import { OpenAPIBackend } from "openapi-backend";
import qs from "qs";
import { describe, expect, it } from "vitest";
import type { ActionKind, DestinationName } from "../../src/domain/action-kinds.ts";
import { actionKinds } from "../../src/domain/action-kinds.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import type { Destination } from "../../src/domain/ports.ts";
import { createDestinations } from "../../src/destinations/index.ts";
import { documents } from "../../src/destinations/linear.ts";
import { inputs } from "../destinations/inputs.ts";
import type { ScriptServer, SeenRequest } from "../support/http-script.ts";
import { json, startScript } from "../support/http-script.ts";
import { sharedFile, sharedNote, sharedPresent } from "../support/shared.ts";
import { anyCall, contractClock, executorOf } from "./destination.ts";
import { freeTurns } from "../support/turns.ts";

const spec = (file: string) => JSON.parse(sharedFile(`specs/${file}`)) as Definition;

interface Definition {
  readonly paths: Record<string, Record<string, { operationId?: string; requestBody?: RequestBody }>>;
}
interface RequestBody {
  readonly content: Record<string, unknown>;
}
/** Paging at Zendesk, and Slack's metadata: documented, but not in the saved contracts. */
const newerParameters = new Set(["page", "per_page", "include_all_metadata"]);

type Fault = string;
type Validator = (request: SeenRequest) => Fault[];

/** The validator judges JSON bodies only, so a form's schema is filed under JSON and its text is parsed before. */
async function validatorOf(file: string, prefix = ""): Promise<Validator> {
  const definition = spec(file);
  for (const operation of Object.values(definition.paths).flatMap((path) => Object.values(path))) {
    const content = operation?.requestBody?.content;
    const form = content?.["application/x-www-form-urlencoded"];
    if (content && form) content["application/json"] ??= form;
  }
  const backend = new OpenAPIBackend({
    definition: definition as never,
    quick: true,
    ajvOpts: { coerceTypes: true, strict: false },
    customizeAjv: (ajv) => {
      addFormats.default(ajv as never);
      return ajv;
    },
  });
  await backend.init();
  return (request) => {
    const [path = "", query = ""] = request.url.split("?");
    const isForm = request.headers["content-type"]?.includes("form-urlencoded") === true;
    const body: unknown = isForm
      ? qs.parse(request.body)
      : request.body === ""
        ? undefined
        : JSON.parse(request.body);
    const judged = {
      method: request.method,
      path: prefix + path,
      // Slack's contract wants the token as a parameter; it is sent as the Authorization header instead.
      headers: { ...request.headers, token: "in the header", "content-type": "application/json" } as never,
      query: Object.fromEntries(
        Object.entries(qs.parse(query)).filter(([name]) => !newerParameters.has(name)),
      ) as Record<string, string>,
      body,
    };
    const operation = backend.router.matchOperation(judged) as { operationId?: string } | undefined;
    if (!operation?.operationId) return [`${request.method} ${path}: no such operation`];
    const { errors } = backend.validator.validateRequest(judged, operation.operationId);
    return (errors ?? []).map((error) => `${request.method} ${path}: ${error.instancePath} ${error.message}`);
  };
}

const bot = { id: 1, type: "User" };
const written = { id: 5, html_url: "https://github.com/acme/web/pull/7#5", body: "", user: bot };
const time = "2026-11-24T12:00:00Z";
const ticket = { id: 12, subject: "", description: "", status: "open", created_at: time, updated_at: time };

/** What is answered, by the beginning of `METHOD path`; the first that fits. */
const canned: readonly (readonly [string, unknown])[] = [
  ["GET /repos/acme/web/issues/7/comments", []],
  ["GET /repos/acme/web/pulls/7/reviews", []],
  ["GET /repos/acme/web/pulls/7/files", []],
  ["GET /repos/acme/web/pulls/7", pullRequest()],
  ["POST /repos/acme/web/issues/7/labels", [{ name: "needs-tests" }]],
  ["POST /repos/", written],
  ["POST /crm/v3/objects/contacts/batch/upsert", { results: [{ id: "101" }] }],
  ["GET /crm/v4/objects/contacts/101/associations", { results: [{ toObjectId: 7, associationTypes: [] }] }],
  ["POST /crm/v3/objects/", { id: "7", properties: {}, results: [], total: 0 }],
  ["GET /crm/v3/objects/contacts/", { id: "101", properties: { email: "ada@example.com" } }],
  ["GET /api/v2/tickets/12/audits", { audits: [] }],
  ["GET /api/v2/search", { results: [ticket] }],
  ["GET /api/v2/tickets", { tickets: [] }],
  ["POST /api/v2/tickets", { ticket }],
  ["PUT /api/v2/tickets/12", { ticket }],
  ["GET /v1/promotion_codes", { object: "list", data: [], has_more: false, url: "/v1/promotion_codes" }],
  ["POST /v1/promotion_codes", { id: "promo_1", code: "STAY-1", livemode: false }],
  ["GET /v1/coupons/", { id: "sb_1", livemode: false }],
  ["POST /v1/coupons", { id: "sb_1", livemode: false }],
  [
    "GET /v1/customers/",
    { id: "cus_1", email: null, name: null, created: 1, discount: null, delinquent: false },
  ],
  ["GET /v1/subscriptions/", subscription()],
  ["GET /v1/", { object: "list", data: [], has_more: false, url: "/v1/" }],
  ["POST /chat.postMessage", { ok: true, ts: "1.2", channel: "C0123456" }],
  ["GET /conversations.list", { ok: true, channels: [{ id: "C0123456", name: "signalbox" }] }],
  ["GET /conversations.history", { ok: true, messages: [] }],
];

function pullRequest() {
  const side = { ref: "main", sha: "1111111" };
  return {
    number: 7,
    title: "",
    body: "",
    state: "open",
    html_url: "https://x.example",
    user: null,
    head: side,
    base: side,
  };
}

function subscription() {
  const dates = { cancel_at: null, canceled_at: null, start_date: 1 };
  return { id: "sub_1", customer: "cus_1", items: { data: [] }, discounts: [], schedule: null, ...dates };
}

const credentials = {
  hubspot: { token: "a-token" },
  zendesk: { email: "agent@acme.example", token: "a-token" },
  linear: { apiKey: "a-key" },
  github: { token: "a-token" },
  stripe: { apiKey: "a-key" },
  slack: { token: "a-token", channel: "#signalbox" },
};
type HttpDestination = keyof typeof credentials;

async function sent(name: HttpDestination, use: (destination: Destination) => Promise<unknown>) {
  const server: ScriptServer = await startScript((request, response) => {
    const line = `${request.method} ${request.url}`;
    const found = canned.find(([start]) => line.startsWith(start));
    const created = /^POST \/crm\/v3\/objects\/(notes|tasks)$/.test(line) ? 201 : 200;
    json(found ? created : 404, found?.[1] ?? { message: "not canned" })(request, response);
  });
  try {
    const options = { [name]: { ...credentials[name], baseUrl: server.url } };
    await use(createDestinations(options, { clock: contractClock, turns: freeTurns })[name]);
    return server.seen;
  } finally {
    await server.close();
  }
}

const validators: Readonly<Partial<Record<DestinationName, () => Promise<Validator>>>> = {
  github: () => validatorOf("github/openapi.trimmed.json"),
  hubspot: () => validatorOf("hubspot/openapi.json"),
  zendesk: () => validatorOf("zendesk/openapi.trimmed.json"),
  stripe: () => validatorOf("stripe/openapi.json"),
  slack: () => validatorOf("slack/openapi.trimmed.json"),
};

/** Real operations that the saved contracts, being trimmed, do not hold; and Slack's is of a form, where lists are texts. */
const beyondTheTrim = [
  /^POST \/crm\/v3\/objects\/(notes|tasks)\/batch\/read: no such operation$/,
  /^POST \/chat\.postMessage: \/requestBody\/blocks must be string$/,
];

describe.skipIf(!sharedPresent)(`requests fit the vendors' contracts${sharedNote}`, () => {
  const check = async (name: HttpDestination, use: (destination: Destination) => Promise<unknown>) => {
    const validator = await validators[name]?.();
    const requests = await sent(name, use);
    const faults = requests.flatMap((request) => validator?.(request) ?? ["no contract"]);
    expect(requests.length).toBeGreaterThan(0);
    expect(faults.filter((fault) => !beyondTheTrim.some((known) => known.test(fault)))).toEqual([]);
  };
  const overRest = Object.entries(inputs).filter(([kind]) => !kind.startsWith("linear.")) as [
    ActionKind,
    JsonObject,
  ][];

  it.each(overRest)("of %s", async (kind, raw) => {
    const name = kind.split(".")[0] as HttpDestination;
    const input = actionKinds[kind].parse(raw) as JsonObject;
    await check(name, async (destination) => {
      const executor = executorOf(destination, kind);
      await executor.lookup?.(input, "0123456789abcdef", anyCall());
      await executor.execute(input, "0123456789abcdef", anyCall());
    });
  });

  it("of a review with a range of lines", async () => {
    const comment = { path: "a.ts", side: "RIGHT", startLine: 2, line: 4, body: "Both." };
    const input = actionKinds["github.review"].parse({ ...inputs["github.review"], comments: [comment] });
    await check("github", (destination) =>
      executorOf(destination, "github.review").execute(input as JsonObject, "0123456789abcdef", anyCall()),
    );
  });

  it("of a task that belongs to no contact", async () => {
    const input = { ...inputs["hubspot.task"], contactId: null };
    await check("hubspot", async (destination) => {
      const executor = executorOf(destination, "hubspot.task");
      await executor.lookup?.(input, "0123456789abcdef", anyCall());
      await executor.execute(input, "0123456789abcdef", anyCall());
    });
  });

  it("of the readers", async () => {
    const call = anyCall();
    const repository = { owner: "acme", repo: "web", installationId: null };
    await check("github", async (destination) => {
      const reads = destination.reads?.(call);
      if (!reads || !("pullRequest" in reads)) throw new Error("no readers");
      await reads.pullRequest(repository, 7);
      await reads.changedFiles(repository, 7);
    });
    await check("hubspot", async (destination) => {
      const reads = destination.reads?.(call);
      if (!reads || !("contactByEmail" in reads)) throw new Error("no readers");
      await reads.contactByEmail("ada@example.com");
    });
    await check("zendesk", async (destination) => {
      const reads = destination.reads?.(call);
      if (!reads || !("ticketsOf" in reads)) throw new Error("no readers");
      await reads.ticketsOf("ada@example.com");
      await reads.openTicketByTag("thread-1");
    });
    await check("stripe", async (destination) => {
      const reads = destination.reads?.(call);
      if (!reads || !("history" in reads)) throw new Error("no readers");
      await reads.subscription("sub_1");
      await reads.history("cus_1");
    });
  });

  it.each(Object.entries(documents))("of Linear's document %s", (_name, document) => {
    const file = document.includes("issueVcsBranchSearch") ? "schema.graphql" : "schema.trimmed.graphql";
    const schema = buildSchema(sharedFile(`specs/linear/${file}`), {
      assumeValid: true,
    });
    expect(validateGraphql(schema, parseGraphql(document)).map((error) => error.message)).toEqual([]);
  });
});
