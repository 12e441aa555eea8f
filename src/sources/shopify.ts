import { Rejection } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import { digestFromBase64, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { parseObject, requiredId, timeOf } from "./payload.ts";

export interface ShopifyOptions {
  readonly name: string;
  /**
   * Client secrets of the app (for webhooks made in the admin: the one shown there), the current one first; unset ones
   * are dropped. After a rotation Shopify goes on signing with the old one for up to an hour: list both.
   */
  readonly secrets: readonly SecretEntry[];
}

const maxBodyBytes = 1_000_000;

/** What the headers' names begin with: webhooks have the first, the newer Events the second. */
type Family = "x-shopify-" | "shopify-";
const kept = ["topic", "shop-domain", "api-version", "webhook-id", "event-id", "triggered-at"];
const keptOfWebhooks = ["name", "sub-topic"];
const keptOfEvents = ["action", "handle", "resource-id"];

/**
 * Shopify's webhooks and Events: https://shopify.dev/docs/apps/build/webhooks/verify-deliveries and
 * https://shopify.dev/docs/apps/build/events/verify-deliveries
 */
export function shopify({ name, secrets }: ShopifyOptions): Source {
  const keys = signingKeys(secrets);
  return {
    name,
    type: "shopify",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: [
      "content-type",
      "user-agent",
      ...[...kept, ...keptOfWebhooks].map((header) => `x-shopify-${header}`),
      ...[...kept, ...keptOfEvents].map((header) => `shopify-${header}`),
    ],
    evidence: { headers: ["x-shopify-hmac-sha256", "shopify-hmac-sha256"], url: false },
    verify: (request) => ({ secretIndex: matchShopifySignature(request, keys) }),
    identify,
  };
}

/** Events win, as in Shopify's own library. Everything is read from one family: what is signed names what is read. */
const familyOf = ({ headers }: RawRequest): Family =>
  headers["shopify-hmac-sha256"] === undefined ? "x-shopify-" : "shopify-";

/**
 * Checks `X-Shopify-Hmac-Sha256: <base64>` (or `Shopify-Hmac-Sha256`) over the body and gives the place of the secret
 * that matched. Throws Rejection 401.
 */
function matchShopifySignature(request: RawRequest, keys: readonly SigningKey[]): number {
  const { body, receivedAt } = request;
  const header = `${familyOf(request)}hmac-sha256`;
  const signature = request.headers[header];
  if (signature === undefined || signature === "") {
    throw new Rejection(401, "signature_missing", `the ${shown(header)} header is missing`);
  }
  const digest = digestFromBase64(signature);
  if (!digest) {
    throw new Rejection(401, "signature_malformed", `${shown(header)} must be 32 bytes in base64`);
  }
  const secretIndex = matchingSecret(keys, [body], [digest], receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      `${shown(header)} does not fit the body under a configured secret; ` +
        "use the client secret of the app that made the subscription, and let nothing on the way change the body",
    );
  }
  return secretIndex;
}

function identify(request: RawRequest): Identified[] {
  const family = familyOf(request);
  const required = (header: string): string =>
    requiredId(request.headers[family + header], `the ${shown(family + header)} header`);
  const topic = required("topic");
  // A host name: no spelling of it is another shop.
  const shop = required("shop-domain").toLowerCase();
  const webhookId = required("webhook-id");
  const { body } = request;
  const payload = parseObject(body);
  return [
    {
      providerId: webhookId,
      type: topic,
      occurredAt: timeOf(request.headers[`${family}triggered-at`]) ?? timeOf(payload["updated_at"]),
      dedupeKeys: [
        `id:${shop} ${topic} ${webhookId}`,
        // Neither the id nor the shop is signed: a captured request under another one is known by its body. Two topics
        // may send the same body (orders/create and orders/paid), and both are meant.
        `body:${topic} ${sha256(body)}`,
      ],
      body,
      payload,
    },
  ];
}

/** `x-shopify-topic` → `X-Shopify-Topic` */
const shown = (header: string): string => header.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
