import { Rejection } from "../domain/errors.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { digestFromHex, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { parseObject, requiredId, timeOf } from "./payload.ts";
import { stripeEvents } from "./stripe-events.ts";
import type { StripeHealing } from "./stripe-events.ts";

export interface StripeOptions {
  readonly name: string;
  /** Signing secrets (`whsec_…`, used as text), the current one first; unset ones are dropped. */
  readonly secrets: readonly SecretEntry[];
  /** The key that events which did not arrive are fetched with. */
  readonly healing?: StripeHealing | undefined;
}

const toleranceSeconds = 300;
const maxBodyBytes = 1_000_000;

/** Stripe's webhooks: https://docs.stripe.com/webhooks#verify-manually */
export function stripe(
  { name, secrets, healing }: StripeOptions,
  { clock, log }: { clock: Clock; log: Log },
): Source {
  const keys = signingKeys(secrets);
  return {
    ...(healing?.apiKey
      ? { heal: stripeEvents({ source: name, healing, clock, identify: recordReader(name, log) }) }
      : {}),
    name,
    type: "stripe",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent"],
    evidence: { headers: ["stripe-signature"], url: false },
    verify: ({ headers, body, receivedAt }) => ({
      secretIndex: matchStripeSignature(headers["stripe-signature"], body, keys, receivedAt),
    }),
    identify,
  };
}

/**
 * Checks `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=…]` over `t + "." + body` and gives the place of the secret that
 * matched. The time is judged last, so that `timestamp_out_of_tolerance` tells an operator that the secret is right.
 * Throws Rejection 401.
 */
function matchStripeSignature(
  header: string | undefined,
  body: Buffer,
  keys: readonly SigningKey[],
  receivedAt: number,
): number {
  if (header === undefined || header === "") {
    throw new Rejection(401, "signature_missing", "the Stripe-Signature header is missing");
  }
  const { timestamp, digests } = readHeader(header);
  const secretIndex = matchingSecret(keys, [`${timestamp}.`, body], digests, receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      "no v1 signature in Stripe-Signature fits the body under a configured secret; " +
        "use the signing secret of exactly this endpoint, and let nothing on the way change the body",
    );
  }
  if (Math.abs(Math.floor(receivedAt / 1000) - Number(timestamp)) > toleranceSeconds) {
    throw new Rejection(
      401,
      "timestamp_out_of_tolerance",
      `the signed time is more than ${toleranceSeconds} s from ours; check this machine's clock`,
    );
  }
  return secretIndex;
}

function readHeader(header: string): { timestamp: string; digests: Buffer[] } {
  const timestamps: string[] = [];
  const digests: Buffer[] = [];
  for (const part of header.split(",")) {
    const [scheme, value] = splitOnce(part.trim());
    if (scheme === "t") timestamps.push(value);
    // Other schemes (v0 of test events) sign with something weaker, or with nothing we know.
    if (scheme !== "v1") continue;
    const digest = digestFromHex(value);
    if (digest) digests.push(digest);
  }
  const [timestamp] = timestamps;
  if (
    timestamp === undefined ||
    timestamps.length > 1 ||
    !/^\d{1,12}$/.test(timestamp) ||
    digests.length === 0
  ) {
    throw new Rejection(
      401,
      "signature_malformed",
      "Stripe-Signature must read t=<seconds>,v1=<64 lower-case hex digits>, with one t and at least one v1",
    );
  }
  return { timestamp, digests };
}

function splitOnce(part: string): [string, string] {
  const at = part.indexOf("=");
  return at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
}

/** An event as Stripe's list holds it, read as that of a request is. */
function recordReader(name: string, log: Log) {
  return (body: Buffer): Identified[] => {
    try {
      return identify({ body });
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      log.warn({ source: name, code: error.code }, "stripe: an event on record can't be read; passed over");
      return [];
    }
  };
}

function identify({ body }: Pick<RawRequest, "body">): Identified[] {
  const payload = parseObject(body);
  const id = requiredId(payload["id"], "the event's `id`");
  return [
    {
      providerId: id,
      type: requiredId(payload["type"], "the event's `type`"),
      occurredAt: typeof payload["created"] === "number" ? timeOf(payload["created"]) : null,
      dedupeKeys: [`id:${id}`],
      body,
      payload,
    },
  ];
}
