import { Rejection } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import { digestFromBase64, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isId, parseObjects, requiredId } from "./payload.ts";
import type { ListItem } from "./payload.ts";
import { requireFresh } from "./signed-time.ts";

export interface HubspotOptions {
  readonly name: string;
  /** Client secrets of the app, the current one first; unset ones are dropped. */
  readonly secrets: readonly SecretEntry[];
  /** The webhook's target URL exactly as HubSpot was given it. Default: `publicUrl` and the request's path and query. */
  readonly url?: string | undefined;
  /** `server.publicUrl`: where this server is reached from outside, without a slash at the end. */
  readonly publicUrl: string;
}

const toleranceMs = 300_000;
const maxBodyBytes = 1_000_000;

/**
 * HubSpot's webhooks, signature version 3; versions 1 and 2 sign no time and are not taken:
 * https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
 */
export function hubspot({ name, secrets, url, publicUrl }: HubspotOptions): Source {
  const keys = signingKeys(secrets);
  return {
    name,
    type: "hubspot",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent", "x-hubspot-request-timestamp"],
    evidence: { headers: ["x-hubspot-signature-v3", "x-hubspot-request-timestamp"], url: true },
    verify: (request) => ({
      secretIndex: matchHubspotSignature(request, url ?? publicUrl + request.url, keys),
    }),
    identify,
  };
}

/**
 * Checks `X-HubSpot-Signature-v3: <base64>` over method + URL + body + `X-HubSpot-Request-Timestamp` (milliseconds) and
 * gives the place of the secret that matched. The URL is the one that HubSpot was given, from the configuration: the
 * Host header is the sender's to choose. Throws Rejection 401.
 */
function matchHubspotSignature(request: RawRequest, url: string, keys: readonly SigningKey[]): number {
  const { method, headers, body, receivedAt } = request;
  const signature = headers["x-hubspot-signature-v3"];
  if (signature === undefined || signature === "") {
    throw new Rejection(
      401,
      "signature_missing",
      "the X-HubSpot-Signature-v3 header is missing; older versions of the signature are not taken",
    );
  }
  const digest = digestFromBase64(signature);
  const timestamp = headers["x-hubspot-request-timestamp"] ?? "";
  // The parts are joined without a separator. Thirteen digits, and a URL of URL characters only, leave one way to take
  // them apart: bytes moved over a border make a body that is no list, or a time that is refused here.
  if (!digest || !/^\d{13}$/.test(timestamp) || !urlCharacters.test(url)) {
    throw new Rejection(
      401,
      "signature_malformed",
      "X-HubSpot-Signature-v3 must be 32 bytes in base64, X-HubSpot-Request-Timestamp milliseconds in 13 digits, " +
        "and the query made of URL characters",
    );
  }
  for (const form of new Set([decoded(url), url])) {
    const secretIndex = matchingSecret(keys, [method, form, body, timestamp], [digest], receivedAt);
    if (secretIndex === null) continue;
    requireFresh(Number(timestamp), receivedAt, toleranceMs);
    return secretIndex;
  }
  throw new Rejection(
    401,
    "signature_mismatch",
    "X-HubSpot-Signature-v3 does not fit the request under a configured secret; use the app's client secret, and set " +
      "the source's `url` (or server.publicUrl) to the address that HubSpot sends to",
  );
}

const urlCharacters = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]+$/;

/**
 * HubSpot documents that these escapes, and no others, are decoded before it signs. What it does with the letter case or
 * with a URL that it was given decoded is not documented, so the URL as sent is tried too: both name this source.
 */
const decodedEscapes = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi;
const decoded = (url: string): string => url.replace(decodedEscapes, (escape) => decodeURIComponent(escape));

/** A request carries a list of events; each becomes an event of its own, all of them or none. */
function identify({ body }: RawRequest): Identified[] {
  const items = parseObjects(body);
  if (items.length === 0) {
    throw new Rejection(
      400,
      "malformed_json",
      "the body is an empty list; HubSpot sends at least one event in each request",
    );
  }
  return items.map(eventOf);
}

function eventOf({ value, bytes }: ListItem): Identified {
  const eventId = requiredId(idOf(value["eventId"]), "each event's `eventId`");
  const occurredAt = value["occurredAt"];
  const scope = ["portalId", "subscriptionId"].map((field) => idOf(value[field]) ?? "");
  return {
    providerId: eventId,
    type: requiredId(value["subscriptionType"], "each event's `subscriptionType`"),
    occurredAt: isTime(occurredAt) ? occurredAt : null,
    // `eventId` alone is not promised to be unique. `attemptNumber` differs between deliveries of one event.
    dedupeKeys: [`id:${[...scope, eventId, idOf(occurredAt) ?? ""].join("/")}`],
    body: bytes,
    payload: value,
  };
}

/** HubSpot's ids are numbers. */
function idOf(value: JsonObject[string] | undefined): string | null {
  if (typeof value === "number") return String(value);
  return isId(value) ? value : null;
}

/** Milliseconds since the epoch. */
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
