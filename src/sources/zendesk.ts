import { Rejection } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import { digestFromBase64, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isId, isLine, parseObject, requiredId, timeOf } from "./payload.ts";
import { isoTime, requireFresh } from "./signed-time.ts";

export interface ZendeskOptions {
  readonly name: string;
  /** Signing secrets of the webhook, used as text, the current one first; unset ones are dropped. */
  readonly secrets: readonly SecretEntry[];
}

/** Zendesk sets none itself. */
const toleranceMs = 300_000;
const maxBodyBytes = 1_000_000;
const eventPrefix = "zen:event-type:";
const timestampHeader = "x-zendesk-webhook-signature-timestamp";
const invocationHeader = "x-zendesk-webhook-invocation-id";

/** Zendesk's webhooks, of events and of triggers: https://developer.zendesk.com/documentation/webhooks/verifying/ */
export function zendesk({ name, secrets }: ZendeskOptions): Source {
  const keys = signingKeys(secrets);
  return {
    name,
    type: "zendesk",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: [
      "content-type",
      "user-agent",
      "x-zendesk-account-id",
      "x-zendesk-webhook-id",
      invocationHeader,
    ],
    evidence: { headers: ["x-zendesk-webhook-signature", timestampHeader], url: false },
    verify: (request) => ({ secretIndex: matchZendeskSignature(request, keys) }),
    identify,
  };
}

/**
 * Checks `X-Zendesk-Webhook-Signature: <base64>` over the timestamp header and the body, which nothing separates, and
 * gives the place of the secret that matched. Throws Rejection 401.
 */
function matchZendeskSignature(
  { headers, body, receivedAt }: RawRequest,
  keys: readonly SigningKey[],
): number {
  const signature = headers["x-zendesk-webhook-signature"];
  if (signature === undefined || signature === "") {
    throw new Rejection(401, "signature_missing", "the X-Zendesk-Webhook-Signature header is missing");
  }
  const digest = digestFromBase64(signature);
  const timestamp = headers[timestampHeader] ?? "";
  // It ends with the one Z in it: nothing can be moved between it and the body.
  const signedAt = timestamp.endsWith("Z") ? isoTime(timestamp) : null;
  if (!digest || signedAt === null) {
    throw new Rejection(
      401,
      "signature_malformed",
      "X-Zendesk-Webhook-Signature must be 32 bytes in base64, and X-Zendesk-Webhook-Signature-Timestamp a time " +
        "like 2026-01-02T03:04:05Z",
    );
  }
  const secretIndex = matchingSecret(keys, [timestamp, body], [digest], receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      "X-Zendesk-Webhook-Signature does not fit the body under a configured secret; " +
        "use the webhook's own signing secret, and let nothing on the way change the body",
    );
  }
  requireFresh(signedAt, receivedAt, toleranceMs);
  return secretIndex;
}

/**
 * An event webhook carries an event with an id and a type of its own. The body of a trigger's webhook is what an admin
 * wrote, and may be empty, which is kept as `{}`: an `id` in it is a ticket's as likely as not, and says nothing.
 */
function identify({ headers, body: sent }: RawRequest): Identified[] {
  const body = sent.length === 0 ? Buffer.from("{}") : sent;
  const payload = parseObject(body);
  const { type } = payload;
  const ofEvent = typeof type === "string" && type.startsWith(eventPrefix);
  const eventId = ofEvent && isId(payload["id"]) ? payload["id"] : null;
  const invocation = headers[invocationHeader];
  const signed = sha256(headers[timestampHeader] ?? "", sent);
  // A proxy that passes on only what it knows takes the id away: what was signed is then the only name there is.
  const providerId = requiredId(
    invocation === undefined || invocation === "" ? (eventId ?? signed) : invocation,
    "the X-Zendesk-Webhook-Invocation-Id header",
  );
  return [
    {
      providerId,
      type: typeOf(type),
      occurredAt: occurredAt(payload, ofEvent),
      // The invocation's id is not signed: a captured request under a fresh one is known by what was signed.
      dedupeKeys: [`id:${providerId}`, eventId === null ? `signed:${signed}` : `event:${eventId}`],
      body,
      payload,
    },
  ];
}

function typeOf(type: unknown): string {
  const text = isLine(type) && type.startsWith(eventPrefix) ? type.slice(eventPrefix.length) : type;
  return isLine(text) ? text : "webhook";
}

function occurredAt(payload: JsonObject, ofEvent: boolean): number | null {
  const time = ofEvent ? payload["time"] : null;
  return typeof time === "string" ? timeOf(time) : null;
}
