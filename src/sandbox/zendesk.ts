/**
 * Zendesk's Support API. Creating a ticket honours `Idempotency-Key` for two hours; updating one has no key, but its
 * `metadata` is kept with the audit of the update.
 */
import type { Json, JsonObject } from "../domain/json.ts";
import { sha256 } from "../domain/json.ts";
import { asList, asNumber, asObject, asText, asWord } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import { bearer, isoTime, textOf } from "./call.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";
import type { TicketRecord, UserRecord, ZendeskState } from "./zendesk-records.ts";
import type { Context } from "./zendesk-users.ts";
import { addUser, agent, paged, userRoutes } from "./zendesk-users.ts";
import { auditView, commentView, failure, recordInvalid, search, ticketView } from "./zendesk-records.ts";

interface SeedTicket {
  readonly requester: { readonly email: string; readonly name: string };
  readonly subject: string;
  readonly body: string;
  readonly status?: string;
  readonly priority?: string;
  readonly tags?: readonly string[];
  readonly satisfaction?: "good" | "bad";
  /** Milliseconds since the epoch. */
  readonly createdAt?: number;
}

export interface ZendeskSandbox extends Stand {
  readonly state: ZendeskState;
  addUser(user: { email: string; name: string; role?: string }): UserRecord;
  addTicket(ticket: SeedTicket): TicketRecord;
}

const keyLifeMs = 2 * 3_600_000;
const priorities = ["urgent", "high", "normal", "low"];
const statuses = ["new", "open", "pending", "hold", "solved", "closed"];

export async function startZendesk(options: VendorOptions): Promise<ZendeskSandbox> {
  const { now } = options;
  const store = openStore<ZendeskState>(options.file ?? null, {
    nextId: 100,
    users: [{ id: agent, name: "Signalbox", email: "agent@example.com", role: "admin", createdAt: now() }],
    tickets: [],
    comments: [],
    audits: [],
    idempotent: {},
    effects: [],
  });
  const { state } = store;
  let url = "";
  const context: Context = { state, now, base: () => url };
  const stand = await openStand({ now, routes: routesOf(context), authorize, failure, save: store.save });
  url = stand.url;
  const seed = saving(store.save);
  return {
    ...stand,
    state,
    addUser: seed((user) => addUser(state, now(), user)),
    addTicket: seed((ticket) => seedTicket(context, ticket)),
  };
}

/** `user@example.com/token:…` in Basic, or an OAuth token. */
function authorize(call: Call): Answer | null {
  const basic = /^Basic (\S+)$/i.exec(call.headers["authorization"] ?? "")?.[1];
  const known =
    bearer(call) ?? (basic && /^[^:]+\/token:.+$/.test(Buffer.from(basic, "base64").toString("utf8")));
  return known ? null : { status: 401, json: { error: "Couldn't authenticate you" } };
}

function seedTicket(context: Context, seed: SeedTicket): TicketRecord {
  const { state, now } = context;
  const at = seed.createdAt ?? now();
  const requester =
    state.users.find((user) => user.email === seed.requester.email) ?? addUser(state, at, seed.requester);
  const record = addTicket(state, at, requester.id, {
    subject: seed.subject,
    description: seed.body,
    status: seed.status ?? "open",
    priority: seed.priority ?? null,
    tags: [...(seed.tags ?? [])],
    externalId: null,
  });
  record.satisfaction = seed.satisfaction ?? "unoffered";
  addUpdate(state, record, at, { author: requester.id, body: seed.body, isPublic: true, custom: {} });
  return record;
}

type TicketFields = Pick<
  TicketRecord,
  "subject" | "description" | "status" | "priority" | "tags" | "externalId"
>;

function addTicket(state: ZendeskState, at: number, requester: number, fields: TicketFields): TicketRecord {
  const record: TicketRecord = {
    id: state.nextId++,
    ...fields,
    requester,
    satisfaction: "unoffered",
    customFields: [],
    createdAt: at,
    updatedAt: at,
  };
  state.tickets.push(record);
  return record;
}

interface Update {
  readonly author: number;
  /** Null for an update without a comment. */
  readonly body: string | null;
  readonly isPublic: boolean;
  /** The `metadata` that came with the update. */
  readonly custom: JsonObject;
}

function addUpdate(state: ZendeskState, ticket: TicketRecord, at: number, update: Update) {
  const audit = {
    id: state.nextId++,
    ticket: ticket.id,
    author: update.author,
    at,
    custom: update.custom,
    comment: null as number | null,
  };
  if (update.body !== null) {
    const id = state.nextId++;
    const { author, body, isPublic } = update;
    state.comments.push({ id, audit: audit.id, ticket: ticket.id, author, body, isPublic, at });
    audit.comment = id;
  }
  state.audits.push(audit);
  return audit;
}

function routesOf(context: Context): Route[] {
  const { state, base } = context;
  const ticket = "/api/v2/tickets/:id";
  const found = (handle: (call: Call, record: TicketRecord) => Answer) => (call: Call) => {
    // Old clients add `.json`; both forms are served.
    const id = (call.params["id"] ?? "").replace(/\.json$/, "");
    const record = state.tickets.find((one) => String(one.id) === id);
    return record ? handle(call, record) : failure(404, "Not found");
  };
  return [
    ["POST", "/api/v2/tickets", (call) => createOnce(context, call)],
    ["GET", "/api/v2/tickets", (call) => listTickets(context, call)],
    ["GET", ticket, found((_, record) => ({ status: 200, json: { ticket: ticketView(base(), record) } }))],
    ["PUT", ticket, found((call, record) => updateTicket(context, call, record))],
    [
      "GET",
      `${ticket}/comments`,
      found((call, record) =>
        paged(call, "comments", state.comments.filter((one) => one.ticket === record.id).map(commentView)),
      ),
    ],
    [
      "GET",
      `${ticket}/audits`,
      found((call, record) =>
        paged(
          call,
          "audits",
          state.audits.filter((one) => one.ticket === record.id).map((one) => auditView(state, one)),
        ),
      ),
    ],
    ["PUT", `${ticket}/tags`, found((call, record) => addTags(context, call, record))],
    ["GET", "/api/v2/search", (call) => search(state, base(), call)],
    ...userRoutes(context),
  ];
}

/** The same key within two hours gives the first answer again; with another body it is refused. */
function createOnce(context: Context, call: Call): Answer {
  const { state, now } = context;
  const key = call.headers["idempotency-key"];
  if (key === undefined) return createTicket(context, call);
  const body = sha256(call.raw);
  const first = state.idempotent[key];
  if (first && first.at > now() - keyLifeMs) {
    return first.body === body
      ? { status: first.status, json: first.json, headers: { "x-idempotency-lookup": "hit" } }
      : {
          status: 400,
          json: {
            error: "IdempotentRequestError",
            description: "Idempotency key was already used with different request parameters",
          },
        };
  }
  const answer = createTicket(context, call);
  if (answer.status < 300) {
    state.idempotent[key] = {
      body,
      status: answer.status,
      json: JSON.parse(JSON.stringify(answer.json)) as Json,
      at: now(),
    };
  }
  return { ...answer, headers: { "x-idempotency-lookup": "miss" } };
}

const textsOf = (value: Json | undefined): string[] => asList(value).flatMap((item) => asText(item) ?? []);

/** What Zendesk would not store; null when all is well. */
function fieldFault(ticket: JsonObject): Answer | null {
  const bad = (name: string, allowed: readonly string[]) => {
    const value = ticket[name];
    return value != null && !allowed.includes(asWord(value));
  };
  if (bad("priority", priorities))
    return recordInvalid(
      "priority",
      `Priority: ${asWord(ticket["priority"])} is not recognized`,
      "InvalidValue",
    );
  if (bad("status", statuses))
    return recordInvalid("status", `Status: ${asWord(ticket["status"])} is not recognized`, "InvalidValue");
  return null;
}

function createTicket({ state, now, base }: Context, call: Call): Answer {
  const ticket = asObject(asObject(call.body)["ticket"]);
  const comment = asObject(ticket["comment"]);
  const body = asText(comment["body"]) ?? asText(comment["html_body"]) ?? asText(ticket["description"]);
  if (!body) return recordInvalid("base", "Description: cannot be blank", "BlankValue");
  const fault = fieldFault(ticket);
  if (fault) return fault;
  const at = now();
  const who = asObject(ticket["requester"]);
  const email = asText(who["email"])?.toLowerCase();
  const known = state.users.find(
    (user) => user.email === email || user.id === asNumber(ticket["requester_id"]),
  );
  if (!known && email !== undefined && !asText(who["name"])) {
    return recordInvalid(
      "requester",
      "Requester Name: is too short (minimum one character)",
      "ValueTooShort",
    );
  }
  const requester =
    known ??
    (email === undefined ? undefined : addUser(state, at, { email, name: asText(who["name"]) ?? email }));
  const record = addTicket(state, at, requester?.id ?? agent, {
    subject: asText(ticket["subject"]) ?? body.slice(0, 80),
    description: body,
    status: asText(ticket["status"]) ?? "new",
    priority: asText(ticket["priority"]) ?? null,
    tags: textsOf(ticket["tags"]),
    externalId: asText(ticket["external_id"]) ?? null,
  });
  record.customFields = [...asList(ticket["custom_fields"])];
  const custom = asObject(ticket["metadata"]);
  const isPublic = comment["public"] !== false;
  const audit = addUpdate(state, record, at, { author: requester?.id ?? agent, body, isPublic, custom });
  const key = record.externalId;
  const target = requester?.email ?? String(record.id);
  state.effects.push({ vendor: "zendesk", kind: "ticket", target, at, ...(key === null ? {} : { key }) });
  return {
    status: 201,
    json: { ticket: ticketView(base(), record), audit: auditView(state, audit) },
    headers: { location: `${base()}/api/v2/tickets/${record.id}.json` },
  };
}

function updateTicket({ state, now, base }: Context, call: Call, record: TicketRecord): Answer {
  const ticket = asObject(asObject(call.body)["ticket"]);
  const stamp = asText(ticket["updated_stamp"]);
  if (
    ticket["safe_update"] === true &&
    (stamp === undefined || Date.parse(stamp) < Math.floor(record.updatedAt / 1_000) * 1_000)
  ) {
    return {
      status: 409,
      json: {
        error: "UpdateConflict",
        description:
          "Safe Update prevented the update due to outdated ticket data. Please fetch the latest ticket data and try again.",
      },
    };
  }
  if (record.status === "closed")
    return recordInvalid("status", "Status: closed prevents ticket update", "InvalidValue");
  const fault = fieldFault(ticket);
  if (fault) return fault;
  record.status = asText(ticket["status"]) ?? record.status;
  record.priority = asText(ticket["priority"]) ?? record.priority;
  record.subject = asText(ticket["subject"]) ?? record.subject;
  record.externalId = asText(ticket["external_id"]) ?? record.externalId;
  // As at Zendesk, tags in an update replace those that were there.
  if (ticket["tags"] !== undefined) record.tags = textsOf(ticket["tags"]);
  record.updatedAt = now();
  const comment = asObject(ticket["comment"]);
  const body = asText(comment["body"]) ?? asText(comment["html_body"]) ?? null;
  const custom = asObject(ticket["metadata"]);
  const audit = addUpdate(state, record, now(), {
    author: agent,
    body,
    isPublic: comment["public"] !== false,
    custom,
  });
  if (body !== null) {
    const key = asText(custom["agent_key"]);
    state.effects.push({
      vendor: "zendesk",
      kind: "comment",
      target: String(record.id),
      at: now(),
      ...(key === undefined ? {} : { key }),
    });
  }
  return { status: 200, json: { ticket: ticketView(base(), record), audit: auditView(state, audit) } };
}

function listTickets({ state, base }: Context, call: Call): Answer {
  const wanted = textOf(call, "external_id");
  const tickets = state.tickets.filter((one) => wanted === undefined || one.externalId === wanted);
  return paged(
    call,
    "tickets",
    tickets.map((one) => ticketView(base(), one)),
  );
}

function addTags({ now }: Context, call: Call, record: TicketRecord): Answer {
  const body = asObject(call.body);
  const stamp = asText(body["updated_stamp"]);
  if (body["safe_update"] !== undefined && stamp !== undefined && stamp !== isoTime(record.updatedAt)) {
    return failure(409, "Safe Update prevented the update");
  }
  record.tags = [...new Set([...record.tags, ...textsOf(body["tags"])])];
  record.updatedAt = now();
  return { status: 200, json: { tags: record.tags } };
}
