import { Rejection } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import { digestFromHex, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isId, isLine, parseObject, requiredId, timeOf } from "./payload.ts";
import { requireFresh } from "./signed-time.ts";

export interface LinearOptions {
  readonly name: string;
  /** Signing secrets of the webhook, the current one first; unset ones are dropped. */
  readonly secrets: readonly SecretEntry[];
}

/** Linear's own figure. Each attempt is signed with the time at which it is sent. */
const toleranceMs = 60_000;
const maxBodyBytes = 1_000_000;

/** Linear's webhooks: https://linear.app/developers/webhooks#securing-webhooks */
export function linear({ name, secrets }: LinearOptions): Source {
  const keys = signingKeys(secrets);
  return {
    name,
    type: "linear",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent", "linear-delivery", "linear-event"],
    evidence: { headers: ["linear-signature"], url: false },
    verify: (request) => {
      const secretIndex = matchLinearSignature(request, keys);
      requireFreshBody(request);
      return { secretIndex };
    },
    identify,
  };
}

/** Checks `Linear-Signature: <hex>` over the body and gives the place of the secret that matched. Throws Rejection 401. */
function matchLinearSignature(
  { headers, body, receivedAt }: RawRequest,
  keys: readonly SigningKey[],
): number {
  const signature = headers["linear-signature"];
  if (signature === undefined || signature === "") {
    throw new Rejection(401, "signature_missing", "the Linear-Signature header is missing");
  }
  const digest = digestFromHex(signature);
  if (!digest) {
    throw new Rejection(401, "signature_malformed", "Linear-Signature must be 64 lower-case hex digits");
  }
  const secretIndex = matchingSecret(keys, [body], [digest], receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      "Linear-Signature does not fit the body under a configured secret; " +
        "use the webhook's own signing secret, and let nothing on the way change the body",
    );
  }
  return secretIndex;
}

/**
 * The signed time is inside the body, so the body is read once it is known to be Linear's. A body that can't be read
 * passes here: it will never be an event, and is kept for a person to look at. The Linear-Timestamp header is not looked
 * at, as Linear's own SDK does not any more: it is not signed, so whoever replays a request may set it.
 * Throws Rejection 401.
 */
function requireFreshBody({ body, receivedAt }: RawRequest): void {
  let payload: JsonObject;
  try {
    payload = parseObject(body);
  } catch {
    return;
  }
  const sentAt = timestampOf(payload);
  if (sentAt === null) {
    throw new Rejection(
      401,
      "timestamp_missing",
      "the body's `webhookTimestamp` is missing or no time in milliseconds; Linear puts it into every attempt",
    );
  }
  requireFresh(sentAt, receivedAt, toleranceMs);
}

const timestampOf = ({ webhookTimestamp: at }: JsonObject): number | null =>
  typeof at === "number" && Number.isSafeInteger(at) && at > 0 ? at : null;

function identify({ headers, body }: RawRequest): Identified[] {
  const delivery = requiredId(headers["linear-delivery"], "the Linear-Delivery header");
  const payload = parseObject(body);
  const { type, action } = payload;
  // Both name the same; the one in the body is signed.
  const event = isId(type) ? type : requiredId(headers["linear-event"], "the Linear-Event header");
  return [
    {
      providerId: delivery,
      type: isLine(action) ? `${event}.${action}` : event,
      occurredAt:
        typeof payload["createdAt"] === "string" ? timeOf(payload["createdAt"]) : timestampOf(payload),
      // The delivery id is not signed: a captured request under a fresh id would otherwise be an event of its own.
      dedupeKeys: [`id:${delivery}`, `body:${sha256(body)}`],
      body,
      payload,
    },
  ];
}
