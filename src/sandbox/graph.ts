/** Microsoft in one server: Graph's mail and subscriptions for one mailbox, and the token endpoint of its tenant. */
import { asObject, asText } from "./bodies.ts";
import type { Answer, Call } from "./call.ts";
import { bearer } from "./call.ts";
import type { Mail } from "./gmail-messages.ts";
import { composeMail, mailIn } from "./gmail-messages.ts";
import { addMessage, delta, etagOf, graphFailure, messageMime } from "./graph-mailbox.ts";
import type { GraphState } from "./graph-mailbox.ts";
import { drop, subscriptionRoutes } from "./graph-subscriptions.ts";
import type { Signed } from "./senders.ts";
import { graphNotification } from "./senders.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";

type LifecycleEvent = "missed" | "subscriptionRemoved" | "reauthorizationRequired";

export interface GraphSandbox extends Stand {
  readonly state: GraphState;
  /** What a configuration takes as `baseUrl`. */
  readonly baseUrl: string;
  readonly tokenUrl: string;
  /** What a configuration takes as `credentials`. */
  credentials(): string;
  /** Mail that arrives in the inbox. */
  receive(mail: Mail): { id: string };
  /** The same for a whole RFC 822 message. */
  receiveRaw(mime: string): { id: string };
  remove(id: string): void;
  /** What Graph posts about these messages, to each live subscription: where to, and what. */
  announce(ids: readonly string[]): { url: string; signed: Signed }[];
  announceLifecycle(event: LifecycleEvent): { url: string; signed: Signed }[];
  /** Every delta link given so far becomes unknown: 410. */
  expireDelta(): void;
  /** Every access token so far becomes invalid; a new one can be had. */
  expireTokens(): void;
  /** Takes the app its right: no token can be had any more. */
  revoke(): void;
  /** Ends all subscriptions, as Graph does when nobody answers for long. */
  endSubscriptions(): void;
  limitPages(messages: number): void;
  setAccount(email: string): void;
}

const tenant = "sandbox";
const tenantId = "84bd8158-6d4d-4958-8b9f-9d6445542f95";

export async function startGraph(options: VendorOptions): Promise<GraphSandbox> {
  const { now } = options;
  const store = openStore<GraphState>(options.file ?? null, {
    account: "support@example.com",
    nextId: 1,
    messages: [],
    subscriptions: [],
    tokens: {},
    revoked: false,
    generation: 1,
    pageSize: 1_000,
    effects: [],
  });
  const { state } = store;
  const mailbox = "/v1.0/users/:user";
  const stand = await openStand({
    now,
    routes: [
      ["POST", "/:tenant/oauth2/v2.0/token", (call) => token(state, now(), call)],
      ["GET", `${mailbox}/mailFolders/:folder/messages/delta`, (call) => delta(state, call)],
      ["GET", `${mailbox}/messages/:id/$value`, (call) => messageMime(state, call)],
      ...subscriptionRoutes(state, now),
      ["POST", "/sandbox/mail", (call) => sandboxMail(state, now(), call)],
    ],
    authorize: (call) => authorize(state, now(), call),
    failure: graphFailure,
    save: store.save,
  });
  return { ...stand, state, ...verbs(state, stand.url, now, saving(store.save)) };
}

function receive(state: GraphState, at: number, mail: Mail): { id: string } {
  return { id: addMessage(state, composeMail(mail, `<mail-${state.nextId}@sandbox.example>`, at), at).id };
}

/** A door that Graph does not have: another program has a mail arrive, and is given the item that announces it. */
function sandboxMail(state: GraphState, now: number, call: Call): Answer {
  const mail = mailIn(call.body);
  if (!mail) return graphFailure(400, "`mail` takes from, to, subject and text.");
  const { id } = receive(state, now, mail);
  return { status: 200, json: { id, item: { tenantId, ...change(state, { changeType: "created" }, id) } } };
}

function verbs(state: GraphState, url: string, now: () => number, seed: ReturnType<typeof saving>) {
  const receiveRaw = (mime: string) => ({ id: addMessage(state, mime, now()).id });
  return {
    baseUrl: `${url}/v1.0`,
    tokenUrl: `${url}/${tenant}/oauth2/v2.0/token`,
    credentials: () => JSON.stringify({ tenant, client_id: "sandbox", client_secret: "sandbox" }),
    receive: seed((mail: Mail) => receive(state, now(), mail)),
    receiveRaw: seed(receiveRaw),
    remove: seed((id: string) => {
      state.messages = state.messages.map((one) => (one.id === id ? { ...one, id: "" } : one));
    }),
    announce: (ids: readonly string[]) =>
      posts(state, now(), (subscription) => ids.map((id) => change(state, subscription, id))),
    announceLifecycle: (lifecycleEvent: LifecycleEvent) => posts(state, now(), () => [{ lifecycleEvent }]),
    expireDelta: seed(() => {
      state.generation += 1;
    }),
    expireTokens: seed(() => {
      state.tokens = {};
    }),
    revoke: seed(() => {
      state.tokens = {};
      state.revoked = true;
    }),
    endSubscriptions: seed(() => {
      state.subscriptions = [];
    }),
    limitPages: seed((messages: number) => {
      state.pageSize = messages;
    }),
    setAccount: seed((email: string) => {
      state.account = email;
    }),
  };
}

type Subscription = GraphState["subscriptions"][number];

function posts(
  state: GraphState,
  now: number,
  itemsFor: (subscription: Subscription) => readonly object[],
): { url: string; signed: Signed }[] {
  drop(state, now);
  return state.subscriptions.map((subscription) => {
    const about = {
      subscriptionId: subscription.id,
      subscriptionExpirationDateTime: new Date(subscription.expiresAt).toISOString(),
      tenantId,
    };
    const items = itemsFor(subscription).map((item) => ({ ...about, ...item }));
    return {
      url: subscription.notificationUrl,
      signed: graphNotification({ clientState: subscription.clientState ?? "", items }),
    };
  });
}

function change(state: GraphState, { changeType }: Pick<Subscription, "changeType">, id: string) {
  const resource = `Users/${tenantId}/Messages/${id}`;
  const changeKey = state.messages.find((message) => message.id === id)?.changeKey ?? "";
  return {
    changeType,
    resource,
    resourceData: {
      "@odata.type": "#Microsoft.Graph.Message",
      "@odata.id": resource,
      "@odata.etag": etagOf(changeKey),
      id,
    },
  };
}

function authorize(state: GraphState, now: number, call: Call): Answer | null {
  if (!call.path.startsWith("/v1.0/")) return null;
  if ((state.tokens[bearer(call) ?? ""] ?? 0) <= now) {
    return graphFailure(401, "Access token has expired or is not yet valid.");
  }
  const [, , room, user = ""] = call.path.split("/");
  const isOwn = decodeURIComponent(user).toLowerCase() === state.account.toLowerCase();
  return room !== "users" || isOwn
    ? null
    : graphFailure(404, "The requested user is invalid.", "ErrorInvalidUser");
}

function token(state: GraphState, now: number, call: Call): Answer {
  const form = asObject(call.body);
  const refuse = (status: number, error: string, description: string): Answer => ({
    status,
    json: { error, error_description: description, error_codes: [], trace_id: "", correlation_id: "" },
  });
  if (asText(form["grant_type"]) !== "client_credentials") {
    return refuse(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.");
  }
  const missing = ["client_id", "client_secret", "scope"].find((name) => !asText(form[name]));
  if (missing !== undefined) return refuse(400, "invalid_request", `AADSTS900144: ${missing} is missing.`);
  if (call.params["tenant"] !== tenant) {
    return refuse(400, "invalid_request", "AADSTS90002: Tenant not found.");
  }
  if (state.revoked || asText(form["client_secret"]) !== "sandbox") {
    return refuse(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.");
  }
  const accessToken = `eyJ0.sandbox.${state.nextId++}`;
  state.tokens[accessToken] = now + 3_600_000;
  return {
    status: 200,
    json: { token_type: "Bearer", expires_in: 3_599, ext_expires_in: 3_599, access_token: accessToken },
  };
}
