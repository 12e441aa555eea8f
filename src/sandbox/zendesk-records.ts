/** Zendesk's records, how they are shown, its errors, and its search. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asNumber } from "./bodies.ts";
import type { Answer, Call } from "./call.ts";
import { isoTime, textOf } from "./call.ts";
import type { Effect } from "./stand.ts";

export interface UserRecord {
  id: number;
  name: string;
  email: string;
  role: string;
  createdAt: number;
}

export interface TicketRecord {
  id: number;
  subject: string;
  description: string;
  status: string;
  priority: string | null;
  tags: string[];
  externalId: string | null;
  requester: number;
  satisfaction: "unoffered" | "good" | "bad";
  customFields: Json[];
  createdAt: number;
  updatedAt: number;
}

interface CommentRecord {
  id: number;
  audit: number;
  ticket: number;
  author: number;
  body: string;
  isPublic: boolean;
  at: number;
}

interface AuditRecord {
  id: number;
  ticket: number;
  author: number;
  at: number;
  custom: JsonObject;
  comment: number | null;
}

export interface ZendeskState {
  nextId: number;
  users: UserRecord[];
  tickets: TicketRecord[];
  comments: CommentRecord[];
  audits: AuditRecord[];
  idempotent: { [key: string]: { body: string; status: number; json: Json; at: number } };
  effects: Effect[];
}

const errors: Readonly<Record<number, string>> = {
  400: "InvalidEndpoint",
  404: "RecordNotFound",
  409: "UpdateConflict",
  429: "APIRateLimitExceeded",
};

export const failure = (status: number, description: string): Answer => ({
  status,
  json: { error: errors[status] ?? "InternalError", description },
});

export const recordInvalid = (field: string, description: string, error: string): Answer => ({
  status: 422,
  json: {
    error: "RecordInvalid",
    description: "Record validation errors",
    details: { [field]: [{ description, error }] },
  },
});

const via = { channel: "api", source: { from: {}, to: {}, rel: null } };

/** Fields without a value are left out where the vendor's description allows no null. */
export const ticketView = (base: string, one: TicketRecord) => ({
  url: `${base}/api/v2/tickets/${one.id}.json`,
  id: one.id,
  ...(one.externalId === null ? {} : { external_id: one.externalId }),
  via,
  created_at: isoTime(one.createdAt),
  updated_at: isoTime(one.updatedAt),
  type: "question",
  subject: one.subject,
  raw_subject: one.subject,
  description: one.description,
  ...(one.priority === null ? {} : { priority: one.priority }),
  status: one.status,
  requester_id: one.requester,
  submitter_id: one.requester,
  collaborator_ids: [],
  follower_ids: [],
  email_cc_ids: [],
  has_incidents: false,
  is_public: true,
  due_at: null,
  tags: one.tags,
  custom_fields: one.customFields,
  satisfaction_rating: { score: one.satisfaction },
  sharing_agreement_ids: [],
  allow_channelback: false,
  allow_attachments: true,
  from_messaging_channel: false,
});

export const commentView = (one: CommentRecord) => ({
  id: one.id,
  type: "Comment",
  author_id: one.author,
  body: one.body,
  html_body: `<div>${one.body}</div>`,
  plain_body: one.body,
  public: one.isPublic,
  attachments: [],
  audit_id: one.audit,
  via,
  created_at: isoTime(one.at),
  metadata: { system: {}, custom: {} },
});

export function auditView(state: ZendeskState, one: AuditRecord) {
  const comment = state.comments.find((other) => other.id === one.comment);
  return {
    id: one.id,
    ticket_id: one.ticket,
    created_at: isoTime(one.at),
    author_id: one.author,
    metadata: { system: {}, custom: one.custom },
    events: comment
      ? [{ id: comment.id, type: "Comment", body: comment.body, public: comment.isPublic }]
      : [],
    via,
  };
}

export const userView = (base: string, one: UserRecord) => ({
  id: one.id,
  url: `${base}/api/v2/users/${one.id}.json`,
  name: one.name,
  email: one.email,
  role: one.role,
  created_at: isoTime(one.createdAt),
  updated_at: isoTime(one.createdAt),
  active: true,
  verified: true,
  suspended: false,
  time_zone: "UTC",
  locale: "en-US",
});

const statusOrder = ["new", "open", "pending", "hold", "solved", "closed"];

type Test = (ticket: TicketRecord, value: string, operator: string) => boolean;

function ordered(order: number, operator: string): boolean {
  if (operator === "<") return order < 0;
  if (operator === ">") return order > 0;
  if (operator === "<=") return order <= 0;
  return operator === ">=" ? order >= 0 : order === 0;
}

function tests(state: ZendeskState): Readonly<Record<string, Test>> {
  return {
    type: (_, value) => value === "ticket",
    status: (ticket, value, operator) =>
      ordered(statusOrder.indexOf(ticket.status) - statusOrder.indexOf(value), operator),
    tags: (ticket, value) => ticket.tags.includes(value),
    external_id: (ticket, value) => ticket.externalId === value,
    priority: (ticket, value) => ticket.priority === value,
    subject: (ticket, value) => ticket.subject.toLowerCase().includes(value.toLowerCase()),
    requester: (ticket, value) => {
      const user = state.users.find((one) => one.id === ticket.requester);
      return user !== undefined && [user.email.toLowerCase(), String(user.id)].includes(value.toLowerCase());
    },
    created: (ticket, value, operator) => ordered(ticket.createdAt - Date.parse(value), operator),
  };
}

/** `field:value`, `field<value`, quotes around values; a bare word is looked for in subject and description. */
export function search(state: ZendeskState, base: string, call: Call): Answer {
  const query = textOf(call, "query");
  if (query === undefined) return failure(422, "Invalid search: query is missing");
  const known = tests(state);
  const terms = [...query.matchAll(/(?:(\w+)(:|<=|>=|<|>))?("[^"]*"|\S+)/g)];
  const met = state.tickets.filter((ticket) =>
    terms.every(([, field, operator = ":", quoted = ""]) => {
      const value = quoted.replaceAll('"', "");
      const test = field === undefined ? undefined : known[field];
      if (test) return test(ticket, value, operator);
      return (
        field === undefined &&
        `${ticket.subject} ${ticket.description}`.toLowerCase().includes(value.toLowerCase())
      );
    }),
  );
  const sign = textOf(call, "sort_order") === "asc" ? 1 : -1;
  const byTime = met.toSorted((a, b) => sign * (a.createdAt - b.createdAt || a.id - b.id));
  const size = Math.min(100, asNumber(call.query["per_page"]) ?? 100);
  const start = ((asNumber(call.query["page"]) ?? 1) - 1) * size;
  const results = byTime
    .slice(start, start + size)
    .map((ticket) => ({ ...ticketView(base, ticket), result_type: "ticket" }));
  const json = { results, facets: null, next_page: null, previous_page: null, count: met.length };
  return { status: 200, json };
}
