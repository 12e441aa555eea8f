/**
 * Subscriptions of the Graph stand-in. One is made only after its address has given back a token that we sent there, as
 * plain text and within ten seconds: so the address has to be reachable while the request for it is still under way.
 */
import { randomUUID } from "node:crypto";
import type { JsonObject } from "../domain/json.ts";
import { asObject, asText } from "./bodies.ts";
import type { Answer, AskingHandler, Call, Route } from "./call.ts";
import { graphFailure } from "./graph-mailbox.ts";
import type { GraphState, GraphSubscription } from "./graph-mailbox.ts";

const longestMs = 10_080 * 60_000;
const validationMs = 10_000;

export function subscriptionRoutes(state: GraphState, now: () => number): Route<AskingHandler>[] {
  const one =
    (handle: (call: Call, found: GraphSubscription) => Answer | Promise<Answer>) => (call: Call) => {
      drop(state, now());
      const found = state.subscriptions.find(({ id }) => id === call.params["id"]);
      return found ? handle(call, found) : graphFailure(404, "The object was not found.", "ResourceNotFound");
    };
  const root = "/v1.0/subscriptions";
  return [
    ["POST", root, (call) => create(state, now(), call)],
    [
      "GET",
      root,
      () => {
        drop(state, now());
        return { status: 200, json: { value: state.subscriptions.map(view) } };
      },
    ],
    ["GET", `${root}/:id`, one((_, found) => ({ status: 200, json: view(found) }))],
    ["PATCH", `${root}/:id`, one((call, found) => extend(now(), call, found))],
    [
      "DELETE",
      `${root}/:id`,
      one((_, found) => {
        state.subscriptions = state.subscriptions.filter((other) => other !== found);
        return { status: 204 };
      }),
    ],
    ["POST", `${root}/:id/reauthorize`, one(() => ({ status: 204 }))],
  ];
}

/** Those that have lapsed are gone. */
export function drop(state: GraphState, now: number): void {
  state.subscriptions = state.subscriptions.filter(({ expiresAt }) => expiresAt > now);
}

async function create(state: GraphState, now: number, call: Call): Promise<Answer> {
  const body = asObject(call.body);
  const fault = faultIn(state, body) ?? lifeFault(body, now);
  if (fault !== null) return graphFailure(400, fault, "ValidationError");
  const text = (field: string) => asText(body[field]) ?? "";
  const subscription: GraphSubscription = {
    id: randomUUID(),
    resource: text("resource"),
    changeType: text("changeType"),
    notificationUrl: text("notificationUrl"),
    lifecycleNotificationUrl: asText(body["lifecycleNotificationUrl"]) ?? null,
    clientState: asText(body["clientState"]) ?? null,
    expiresAt: Date.parse(text("expirationDateTime")),
  };
  for (const url of new Set([subscription.notificationUrl, subscription.lifecycleNotificationUrl])) {
    const refused = url === null ? null : await validation(url);
    if (refused !== null) return graphFailure(400, refused, "ValidationError");
  }
  state.subscriptions.push(subscription);
  return { status: 201, json: view(subscription) };
}

function faultIn(state: GraphState, body: JsonObject): string | null {
  const missing = ["changeType", "notificationUrl", "resource", "expirationDateTime"].find(
    (field) => !asText(body[field]),
  );
  if (missing !== undefined) return `Property ${missing} is required.`;
  if ((asText(body["clientState"]) ?? "").length > 128) return "clientState exceeds 128 characters.";
  const resource = (asText(body["resource"]) ?? "").replace(/^\//, "").toLowerCase();
  const user = `users/${state.account.toLowerCase()}/`;
  if (!resource.startsWith(user)) return "The resource is not one that the app may subscribe to.";
  const urls = ["notificationUrl", "lifecycleNotificationUrl"].flatMap((field) => asText(body[field]) ?? []);
  return urls.every((url) => URL.canParse(url)) ? null : "The notification URL is not valid.";
}

function lifeFault(body: JsonObject, now: number): string | null {
  const until = Date.parse(asText(body["expirationDateTime"]) ?? "");
  if (Number.isNaN(until) || until <= now) return "Subscription expiration must be in the future.";
  return until > now + longestMs ? "Subscription expiration can only be 10080 minutes in the future." : null;
}

async function extend(now: number, call: Call, found: GraphSubscription): Promise<Answer> {
  const body = asObject(call.body);
  const fault = lifeFault(body, now);
  if (fault !== null) return graphFailure(400, fault, "ValidationError");
  const refused = await validation(found.notificationUrl);
  if (refused !== null) return graphFailure(400, refused, "ValidationError");
  found.expiresAt = Date.parse(asText(body["expirationDateTime"]) ?? "");
  return { status: 200, json: view(found) };
}

/** Null when the address gave the token back; else what Graph says of it. */
async function validation(url: string): Promise<string | null> {
  const token = `Validation: Testing client application reachability for subscription Request-Id: ${randomUUID()}`;
  const asked = new URL(url);
  asked.searchParams.set("validationToken", token);
  try {
    const answer = await fetch(asked, {
      method: "POST",
      headers: { "content-type": "text/plain; charset=utf-8" },
      redirect: "manual",
      signal: AbortSignal.timeout(validationMs),
    });
    const isPlain = answer.headers.get("content-type")?.startsWith("text/plain") === true;
    if (answer.status === 200 && isPlain && (await answer.text()) === token) return null;
    return `Subscription validation request failed. Response must exactly match validationToken query parameter (HTTP ${answer.status}).`;
  } catch {
    return "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.";
  }
}

/** `clientState` is never given back. */
const view = (subscription: GraphSubscription) => ({
  "@odata.type": "#microsoft.graph.subscription",
  id: subscription.id,
  resource: subscription.resource,
  changeType: subscription.changeType,
  clientState: null,
  notificationUrl: subscription.notificationUrl,
  lifecycleNotificationUrl: subscription.lifecycleNotificationUrl,
  expirationDateTime: new Date(subscription.expiresAt).toISOString(),
  latestSupportedTlsVersion: "v1_2",
});
