/** Zendesk over plain fetch: `node-zendesk` resolves a 429 as a success. */
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionRef } from "../domain/action.ts";
import type { ActionExecutor, Call, Destination } from "../domain/ports.ts";
import type { ZendeskReads, ZendeskTicket } from "../domain/readers.ts";
import type { Deps, JsonRequest } from "./http.ts";
import { createAttempt, filled, readUnexpected, requestJson, trimSlash } from "./http.ts";

export interface ZendeskOptions {
  /** `acme` of `acme.zendesk.com`; not needed where a base URL is given. */
  readonly subdomain?: string | undefined;
  readonly email?: string | undefined;
  /** An API token of that agent. */
  readonly token?: string | undefined;
  readonly baseUrl?: string | undefined;
}

const Id = z.union([z.number(), z.string()]).transform(String);
const Ticket = z.object({
  id: Id,
  subject: z.string().nullish(),
  description: z.string().nullish(),
  status: z.string(),
  priority: z.string().nullish(),
  satisfaction_rating: z.object({ score: z.string().nullish() }).nullish(),
  created_at: z.string(),
  updated_at: z.string(),
});
const TicketAnswer = z.object({ ticket: z.object({ id: Id }) });
const UpdateAnswer = z.object({ ticket: z.object({ id: Id }), audit: z.object({ id: Id }).optional() });
const TicketList = z.object({ tickets: z.array(z.object({ id: Id })) });
const SearchAnswer = z.object({ results: z.array(Ticket) });
const Audits = z.object({
  audits: z.array(
    z.object({
      id: Id,
      metadata: z
        .object({ custom: z.object({ agent_key: z.unknown() }).partial().nullish() })
        .partial()
        .nullish(),
    }),
  ),
  meta: z.object({ has_more: z.boolean(), after_cursor: z.string().nullish() }).optional(),
});
const ErrorBody = z.object({
  error: z.union([z.string(), z.object({ title: z.string(), message: z.string().optional() })]).optional(),
  description: z.string().optional(),
});

type Send = <T>(call: Call, path: string, shape: z.ZodType<T>, request?: Partial<JsonRequest>) => Promise<T>;

export function zendesk(options: ZendeskOptions, deps: Deps): Destination {
  const configured = filled(options.email, options.token) && filled(options.baseUrl || options.subdomain);
  const base = trimSlash(options.baseUrl || `https://${options.subdomain ?? ""}.zendesk.com`);
  const send = createSend(options, base, deps);
  return {
    name: "zendesk",
    configured,
    actions: { "zendesk.ticket": ticket(send, base), "zendesk.comment": comment(send, base) },
    reads: (call) => (configured ? reads(send, call) : null),
  };
}

function createSend(options: ZendeskOptions, base: string, deps: Deps): Send {
  const credentials = Buffer.from(`${options.email ?? ""}/token:${options.token ?? ""}`).toString("base64");
  const attempt = createAttempt("zendesk", deps, {
    secrets: [options.token ?? "", credentials],
    read: readUnexpected((body) => {
      const { data } = ErrorBody.safeParse(body);
      const title = typeof data?.error === "object" ? data.error.title : data?.error;
      return [title, data?.description].filter((part) => part !== undefined).join(": ");
    }),
    counted: "all",
  });
  return (call, path, shape, request = {}) =>
    attempt(call, request.method === undefined ? "read" : "write", async () => {
      const headers = { authorization: `Basic ${credentials}`, ...request.headers };
      return shape.parse(await requestJson(base + path, { method: "GET", ...request, headers }));
    });
}

const ticketRef = (base: string, id: string): ActionRef => ({ id, url: `${base}/agent/tickets/${id}` });

/**
 * The vendor keeps an Idempotency-Key for two hours only, so the key is the ticket's external_id as well: the list by
 * external_id reads the store, not the search index.
 */
function ticket(send: Send, base: string): ActionExecutor {
  return {
    repeat: "lookup",
    settleMs: 5_000,
    async lookup(_input, key, call) {
      const path = `/api/v2/tickets?external_id=${encodeURIComponent(key)}`;
      const { tickets } = await send(call, path, TicketList);
      return tickets[0] ? ticketRef(base, tickets[0].id) : null;
    },
    async execute(input, key, call) {
      const { requester, subject, body, priority, tags } = actionKinds["zendesk.ticket"].parse(input);
      const answer = await send(call, "/api/v2/tickets", TicketAnswer, {
        method: "POST",
        headers: { "idempotency-key": key },
        body: {
          ticket: {
            // A new requester without a name is refused.
            requester: { email: requester.email, name: requester.name.trim() || requester.email },
            subject,
            // A public one is mailed to the requester, with all that a model was made to write.
            comment: { body, public: false },
            priority,
            tags,
            external_id: key,
          },
        },
      });
      return ticketRef(base, answer.ticket.id);
    },
  };
}

/** An update takes no key; `metadata` is kept with the update's audit, where it is found again. */
function comment(send: Send, base: string): ActionExecutor {
  return {
    repeat: "lookup",
    settleMs: 5_000,
    async lookup(input, key, call) {
      const { ticketId } = actionKinds["zendesk.comment"].parse(input);
      const path = `/api/v2/tickets/${encodeURIComponent(ticketId)}/audits?page[size]=100`;
      let cursor: string | null = "";
      while (cursor !== null) {
        const after: string = cursor === "" ? "" : `&page[after]=${encodeURIComponent(cursor)}`;
        const page: z.output<typeof Audits> = await send(call, path + after, Audits);
        const found = page.audits.find((audit) => audit.metadata?.custom?.agent_key === key);
        if (found) return { ...ticketRef(base, ticketId), id: found.id, ticket: ticketId };
        cursor = page.meta?.has_more === true ? (page.meta.after_cursor ?? null) : null;
      }
      return null;
    },
    async execute(input, key, call) {
      const { ticketId, body, public: isPublic } = actionKinds["zendesk.comment"].parse(input);
      const answer = await send(call, `/api/v2/tickets/${encodeURIComponent(ticketId)}`, UpdateAnswer, {
        method: "PUT",
        body: { ticket: { comment: { body, public: isPublic }, metadata: { agent_key: key } } },
      });
      return { ...ticketRef(base, ticketId), id: answer.audit?.id ?? ticketId, ticket: ticketId };
    },
  };
}

function reads(send: Send, call: Call): ZendeskReads {
  const search = async (query: string) => {
    const parameters = new URLSearchParams({ query, sort_by: "created_at", sort_order: "desc" });
    parameters.set("per_page", "50");
    const { results } = await send(call, `/api/v2/search?${parameters.toString()}`, SearchAnswer);
    return results.map(toTicket);
  };
  return {
    ticketsOf: async (email) => (await search(`type:ticket requester:${term(email)}`)).slice(0, 50),
    openTicketByTag: async (tag) => (await search(`type:ticket status<solved tags:${term(tag)}`))[0] ?? null,
  };
}

/** One search term: quotes and blanks in it would let a sender's address write search operators. */
const term = (text: string): string => text.replace(/["\s]/g, "");

const toTicket = (found: z.output<typeof Ticket>): ZendeskTicket => ({
  id: found.id,
  subject: found.subject ?? "",
  description: found.description ?? "",
  status: found.status,
  priority: found.priority ?? null,
  satisfaction: found.satisfaction_rating?.score ?? null,
  createdAt: Date.parse(found.created_at),
  updatedAt: Date.parse(found.updated_at),
});
