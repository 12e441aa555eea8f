import { createPublicKey, verify as verifySignature } from "node:crypto";
import { Rejection } from "../domain/errors.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import { digestFromBase64, matchingSecret, setSecrets, signingKeys, unexpired } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isId, parseObject, requiredId, timeOf } from "./payload.ts";
import { requireFresh } from "./signed-time.ts";

export interface StandardWebhooksOptions {
  readonly name: string;
  /**
   * `whsec_` and base64: a shared secret, for signatures `v1`. `whpk_` and base64: the sender's public key (ed25519),
   * for signatures `v1a`. Without a prefix: a shared secret. Unset ones are dropped, and so are those that hold no key.
   */
  readonly secrets: readonly SecretEntry[];
}

const toleranceMs = 300_000;
const maxBodyBytes = 1_000_000;
/** A rotation needs two or three. Each costs time, and a signature of a public key costs much of it. */
const maxSignatures = 16;
const publicKeyPrefix = "whpk_";

interface Keys {
  readonly shared: readonly SigningKey[];
  readonly public: readonly SigningKey[];
}

/** Standard Webhooks, also as Svix names the headers: https://www.standardwebhooks.com */
export function standardWebhooks({ name, secrets }: StandardWebhooksOptions): Source {
  const keys: Keys = { shared: signingKeys(secrets, sharedKey), public: publicKeys(secrets) };
  return {
    name,
    type: "standard-webhooks",
    active: keys.shared.length + keys.public.length > 0,
    maxBodyBytes,
    keptHeaders: [
      "content-type",
      "user-agent",
      "webhook-id",
      "webhook-timestamp",
      "svix-id",
      "svix-timestamp",
    ],
    evidence: {
      headers: ["id", "timestamp", "signature"].flatMap((part) => [`webhook-${part}`, `svix-${part}`]),
      url: false,
    },
    verify: (request) => ({ secretIndex: matchSignature(request, keys) }),
    identify,
  };
}

/** Base64, its padding or not; empty for anything else. */
const fromBase64 = (text: string): Buffer =>
  /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);

const sharedKey = (text: string): Buffer =>
  text.startsWith(publicKeyPrefix) ? Buffer.alloc(0) : fromBase64(text.replace(/^whsec_/, ""));

const publicKeys = (secrets: readonly SecretEntry[]): SigningKey[] =>
  setSecrets(secrets).flatMap(({ value, ...rest }) => {
    if (!value.startsWith(publicKeyPrefix)) return [];
    const bytes = fromBase64(value.slice(publicKeyPrefix.length));
    if (bytes.length !== 32) return [];
    const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") };
    return [{ ...rest, key: createPublicKey({ key: jwk, format: "jwk" }) }];
  });

interface Envelope {
  readonly id: string | undefined;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
}

/** Everything is read from one family of headers: what is signed names what is read. */
function envelopeOf({ headers }: RawRequest): Envelope {
  const family = headers["webhook-signature"] === undefined ? "svix" : "webhook";
  return {
    id: headers[`${family}-id`],
    timestamp: headers[`${family}-timestamp`],
    signature: headers[`${family}-signature`],
  };
}

/**
 * Checks `Webhook-Signature: v1,<base64>[ v1a,<base64>…]` over `id + "." + timestamp + "." + body` and gives the place
 * of the secret that matched. Throws Rejection 401.
 */
function matchSignature(request: RawRequest, keys: Keys): number {
  const { body, receivedAt } = request;
  const { id, timestamp, signature } = envelopeOf(request);
  if (signature === undefined || signature === "") {
    throw new Rejection(401, "signature_missing", "the Webhook-Signature header is missing");
  }
  const { digests, ed25519 } = readSignatures(signature);
  // Without a dot in the id, and digits alone in the time, the signed text can be taken apart in one way only.
  if (!isId(id) || id.includes(".") || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) {
    throw new Rejection(
      401,
      "signature_malformed",
      "Webhook-Id must be visible ASCII characters without a dot, and Webhook-Timestamp a number of seconds",
    );
  }
  const signed = [`${id}.${timestamp}.`, body];
  const secretIndex =
    matchingSecret(keys.shared, signed, digests, receivedAt) ??
    matchingPublicKey(keys.public, signed, ed25519, receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      "no signature in Webhook-Signature fits the id, the time and the body under a configured secret; " +
        "use the secret or public key of exactly this endpoint, and let nothing on the way change the body",
    );
  }
  requireFresh(Number(timestamp) * 1000, receivedAt, toleranceMs);
  return secretIndex;
}

function readSignatures(header: string): { digests: Buffer[]; ed25519: Buffer[] } {
  const digests: Buffer[] = [];
  const ed25519: Buffer[] = [];
  const parts = header.split(" ");
  const wellFormed = parts.every((part) => {
    const [, version, value = ""] = /^([a-z0-9]+),([A-Za-z0-9+/]+={0,2})$/.exec(part) ?? [];
    const digest = version === "v1" ? digestFromBase64(value) : null;
    if (digest) digests.push(digest);
    if (version !== "v1a") return version === undefined ? false : version !== "v1" || digest !== null;
    const bytes = Buffer.from(value, "base64");
    if (bytes.length !== 64 || bytes.toString("base64") !== value) return false;
    ed25519.push(bytes);
    return true;
  });
  if (!wellFormed || parts.length > maxSignatures || digests.length + ed25519.length === 0) {
    throw new Rejection(
      401,
      "signature_malformed",
      `Webhook-Signature must read v1,<base64> or v1a,<base64>, up to ${maxSignatures} of them with spaces between`,
    );
  }
  return { digests, ed25519 };
}

function matchingPublicKey(
  keys: readonly SigningKey[],
  content: readonly (string | Buffer)[],
  presented: readonly Buffer[],
  at: number,
): number | null {
  if (presented.length === 0) return null;
  const signed = Buffer.concat(content.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const match = unexpired(keys, at).find(({ key }) =>
    presented.some((signature) => verifySignature(null, signed, key, signature)),
  );
  return match?.index ?? null;
}

function identify(request: RawRequest): Identified[] {
  const id = requiredId(envelopeOf(request).id, "the Webhook-Id header");
  const { body } = request;
  const payload = parseObject(body);
  return [
    {
      providerId: id,
      // The standard only recommends a `type`: an event without one is still an event.
      type: payload["type"] === undefined ? "webhook" : requiredId(payload["type"], "the event's `type`"),
      occurredAt: timeOf(payload["timestamp"]),
      dedupeKeys: [`id:${id}`],
      body,
      payload,
    },
  ];
}
