/**
 * HubSpot through its SDK, which has neither a deadline nor a signal: each call gets a connection agent of its own,
 * destroyed when the call ends or is given up.
 */
import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import type { Client } from "@hubspot/api-client";
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionRef } from "../domain/action.ts";
import { ServiceError } from "../domain/errors.ts";
import type { ActionExecutor, Call, Destination } from "../domain/ports.ts";
import type { HubspotReads } from "../domain/readers.ts";
import { redactText } from "../observability/redact.ts";
import type { Deps, Intent, Refusal } from "./http.ts";
import { attemptSignal, createAttempt, filled, trimSlash } from "./http.ts";

export interface HubspotOptions {
  /** A private app's token. */
  readonly token?: string | undefined;
  readonly baseUrl?: string | undefined;
}

/** What the SDK's request objects need to be given; each of its modules has a class of its own for them. */
interface RequestContext {
  setAgent(agent: Agent): void;
}
interface CallOptions {
  readonly middleware: {
    pre<C extends RequestContext>(context: C): Promise<C>;
    post<C>(context: C): Promise<C>;
  }[];
}

type Request = <T>(
  call: Call,
  intent: Intent,
  fn: (crm: Client["crm"], options: CallOptions) => Promise<T>,
) => Promise<T>;

export function hubspot(options: HubspotOptions, deps: Deps): Destination {
  const configured = filled(options.token);
  const request = createRequest(options, deps);
  return {
    name: "hubspot",
    configured,
    actions: {
      "hubspot.contact": contact(request),
      "hubspot.note": note(request),
      "hubspot.task": task(request),
    },
    reads: (call) => (configured ? reads(request, call) : null),
  };
}

function createRequest(options: HubspotOptions, deps: Deps): Request {
  const basePath = trimSlash(options.baseUrl || "https://api.hubapi.com");
  const attempt = createAttempt("hubspot", deps, {
    secrets: [options.token ?? ""],
    read: readRefusal,
    counted: "all",
  });
  let client: Promise<Client> | null = null;
  // Retries are a setting of the whole process in this SDK, so none are ever asked for.
  const sdk = () =>
    (client ??= import("@hubspot/api-client").then(
      ({ Client: Sdk }) => new Sdk({ accessToken: options.token ?? "", basePath }),
    ));
  return (call, intent, fn) =>
    attempt(call, intent, async () => {
      const agent = basePath.startsWith("http:") ? new Agent() : new SecureAgent();
      const destroy = () => agent.destroy();
      attemptSignal()?.addEventListener("abort", destroy, { once: true });
      try {
        return await fn((await sdk()).crm, { middleware: [throughAgent(agent)] });
      } finally {
        attemptSignal()?.removeEventListener("abort", destroy);
        destroy();
      }
    });
}

/** The SDK's client-wide agent and middleware never reach its typed calls; those given with a call do. */
const throughAgent = (agent: Agent): CallOptions["middleware"][number] => ({
  pre: async (context) => {
    context.setAgent(agent);
    return context;
  },
  post: async (context) => context,
});

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

const ApiException = z.object({
  code: z.number(),
  body: z.unknown(),
  headers: z.record(z.string(), z.string()).nullish(),
});
const ErrorBody = z.object({ message: z.string(), category: z.string(), policyName: z.string() }).partial();

/** How long each limit takes to pass. The daily one ends at midnight of an account's time zone: look in hourly. */
const policies: readonly (readonly [RegExp, number])[] = [
  [/TEN_SECONDLY/, 10_000],
  [/SECONDLY/, 1_000],
  [/MINUTE/, 60_000],
  [/DAILY/, 3_600_000],
];

function readRefusal(error: unknown): Refusal | null {
  const { data: exception } = ApiException.safeParse(error);
  if (!exception) return null;
  const body = ErrorBody.safeParse(parsed(exception.body)).data;
  const policy = policies.find(([pattern]) => pattern.test(body?.policyName ?? ""));
  const header = (name: string): string | null => exception.headers?.[name] ?? null;
  const wait = header("retry-after") === null ? policy?.[1] : undefined;
  return {
    status: exception.code,
    detail: [body?.category, body?.message].filter(Boolean).join(": "),
    header,
    ...(exception.code !== 429 || wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

function parsed(body: unknown): unknown {
  if (typeof body !== "string") return body;
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

// ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Read out of what the SDK returns, because it returns undefined for a page of HTML. */
const Made = z.object({ id: z.string() });
const Upserted = z.object({
  results: z.array(Made),
  errors: z.array(z.object({ message: z.string() })).nullish(),
});

/** Only the properties that the action names are sent: nothing else about a known contact is touched. */
const contact = (request: Request): ActionExecutor => ({
  repeat: "natural",
  settleMs: 2_000,
  async execute(input, _key, call) {
    const { email, properties } = actionKinds["hubspot.contact"].parse(input);
    const id = email.toLowerCase();
    const batch = { inputs: [{ id, idProperty: "email", properties: { ...properties, email: id } }] };
    const { results, errors } = await request(call, "write", async (crm, options) =>
      Upserted.parse(await crm.contacts.batchApi.upsert(batch, options)),
    );
    const [first] = results;
    if (first) return { id: first.id };
    const reason = redactText(errors?.[0]?.message ?? "no reason given").slice(0, 200);
    throw new ServiceError("hubspot", "invalid", `did not take the contact: ${reason}`);
  },
});

/** Visible, because HubSpot strips comments from what it shows as HTML. */
const marker = (key: string): string => `[signalbox:${key}]`;

/** Notes and tasks are shown as HTML: text from outside must not become markup. */
const asHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replace(/\r?\n/g, "<br>");

const withMarker = (text: string, key: string): string =>
  `${text === "" ? "" : `${asHtml(text)}<br><br>`}${marker(key)}`;

/** HubSpot's own association types, from the SDK's list. */
const associationTypes = { note: 202, task: 204 } as const;

/** Spelled as a string: the SDK declares an enum per module for the same word, and exports none of them on top. */
function toContact<C extends string>(type: keyof typeof associationTypes, contactId: string | null) {
  if (contactId === null) return [];
  const types = [{ associationCategory: "HUBSPOT_DEFINED" as C, associationTypeId: associationTypes[type] }];
  return [{ to: { id: contactId }, types }];
}

function note(request: Request): ActionExecutor {
  return {
    // The contact's associations are read from the store; the search index, which lags, is not asked.
    repeat: "lookup",
    settleMs: 5_000,
    async lookup(input, key, call) {
      const { contactId } = actionKinds["hubspot.note"].parse(input);
      return findAssociated(request, call, "notes", contactId, key);
    },
    async execute(input, key, call) {
      const { contactId, body, at } = actionKinds["hubspot.note"].parse(input);
      const properties = { hs_timestamp: String(at), hs_note_body: withMarker(body, key) };
      return request(call, "write", async (crm, options) =>
        Made.parse(
          await crm.objects.notes.basicApi.create(
            { properties, associations: toContact("note", contactId) },
            options,
          ),
        ),
      );
    },
  };
}

function task(request: Request): ActionExecutor {
  return {
    // The tasks of a contact are listed as they are; one of no contact can only be searched for, and the search lags.
    repeat: (input) =>
      actionKinds["hubspot.task"].parse(input).contactId === null ? "weak-lookup" : "lookup",
    settleMs: 15_000,
    async lookup(input, key, call) {
      const { contactId, subject } = actionKinds["hubspot.task"].parse(input);
      return contactId === null
        ? searchTask(request, call, subject, key)
        : findAssociated(request, call, "tasks", contactId, key);
    },
    async execute(input, key, call) {
      const { contactId, subject, body, dueAt, priority } = actionKinds["hubspot.task"].parse(input);
      const properties = {
        hs_timestamp: String(dueAt),
        hs_task_subject: subject,
        hs_task_body: withMarker(body, key),
        hs_task_priority: priority,
        hs_task_status: "NOT_STARTED",
        hs_task_type: "TODO",
      };
      return request(call, "write", async (crm, options) =>
        Made.parse(
          await crm.objects.tasks.basicApi.create(
            { properties, associations: toContact("task", contactId) },
            options,
          ),
        ),
      );
    },
  };
}

const Properties = z.record(z.string(), z.string().nullish());
const Found = z.object({ results: z.array(Made.extend({ properties: Properties })) });
const Associated = z.object({
  results: z.array(z.object({ toObjectId: z.union([z.string(), z.number()]).transform(String) })),
  paging: z.object({ next: z.object({ after: z.string() }).nullish() }).nullish(),
});

const bodyProperty = { notes: "hs_note_body", tasks: "hs_task_body" } as const;

/** Reads the contact's notes or tasks, the newest first, until one carries the key. */
async function findAssociated(
  request: Request,
  call: Call,
  type: keyof typeof bodyProperty,
  contactId: string,
  key: string,
): Promise<ActionRef | null> {
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const page = await request(call, "read", async (crm, options) =>
      Associated.parse(
        await crm.associations.v4.basicApi.getPage("contacts", contactId, type, after, 500, options),
      ),
    );
    ids.push(...page.results.map((result) => result.toObjectId));
    after = page.paging?.next?.after;
  } while (after !== undefined);
  ids.sort((a, b) => Number(b) - Number(a));
  for (let start = 0; start < ids.length; start += 100) {
    const inputs = ids.slice(start, start + 100).map((id) => ({ id }));
    const query = { inputs, properties: [bodyProperty[type]], propertiesWithHistory: [] };
    const { results } = await request(call, "read", async (crm, options) =>
      Found.parse(await crm.objects[type].batchApi.read(query, false, options)),
    );
    const found = results.find((item) => item.properties[bodyProperty[type]]?.includes(marker(key)));
    if (found) return { id: found.id };
  }
  return null;
}

async function searchTask(
  request: Request,
  call: Call,
  subject: string,
  key: string,
): Promise<ActionRef | null> {
  const query = {
    // The SDK's word for it is an enum that it does not export.
    filterGroups: [
      { filters: [{ propertyName: "hs_task_subject", operator: "EQ" as never, value: subject }] },
    ],
    properties: ["hs_task_body"],
    sorts: ["-hs_createdate"],
    limit: 100,
    after: "0",
  };
  const { results } = await request(call, "read", async (crm, options) =>
    Found.parse(await crm.objects.tasks.searchApi.doSearch(query, options)),
  );
  const found = results.find((item) => item.properties["hs_task_body"]?.includes(marker(key)));
  return found ? { id: found.id } : null;
}

// ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

const Contact = Made.extend({ properties: Properties });
const contactProperties = ["email", "firstname", "lastname", "company", "lifecyclestage"];

const reads = (request: Request, call: Call): HubspotReads => ({
  async contactByEmail(email) {
    try {
      const { id, properties } = await request(call, "read", async (crm, options) =>
        Contact.parse(
          await crm.contacts.basicApi.getById(
            email,
            contactProperties,
            undefined,
            undefined,
            false,
            "email",
            options,
          ),
        ),
      );
      return {
        id,
        email: properties["email"] ?? email,
        name: [properties["firstname"], properties["lastname"]].filter(Boolean).join(" "),
        company: properties["company"] ?? "",
        lifecycleStage: properties["lifecyclestage"] ?? "",
      };
    } catch (error) {
      if (error instanceof ServiceError && error.status === 404) return null;
      throw error;
    }
  },
});
