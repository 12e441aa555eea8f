import { Rejection } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { HealedItem, Identified, RawRequest, Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { canHeal, githubDeliveries } from "./github-deliveries.ts";
import type { GithubHealing } from "./github-deliveries.ts";
import { isForm, parseForm } from "./form.ts";
import { digestFromHex, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isLine, objectAt, parseObject, requiredId, timeOf } from "./payload.ts";

export interface GithubOptions {
  readonly name: string;
  /** Webhook secrets, the current one first; unset ones are dropped. GitHub signs with one: list old and new to rotate. */
  readonly secrets: readonly SecretEntry[];
  /** Credentials that failed deliveries are fetched with. */
  readonly healing?: GithubHealing | undefined;
}

/** GitHub never sends more. */
const maxBodyBytes = 25_000_000;

const keptHeaders: readonly string[] = [
  "content-type",
  "user-agent",
  "x-github-delivery",
  "x-github-event",
  "x-github-hook-id",
  "x-github-hook-installation-target-id",
  "x-github-hook-installation-target-type",
];

/** GitHub's webhooks: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries */
export function github(
  { name, secrets, healing }: GithubOptions,
  { clock, log }: { clock: Clock; log: Log },
): Source {
  const keys = signingKeys(secrets);
  const read = recordReader(name, log);
  return {
    ...(healing && canHeal(healing)
      ? { heal: githubDeliveries({ source: name, healing, clock, log, read }) }
      : {}),
    name,
    type: "github",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders,
    evidence: { headers: ["x-hub-signature-256"], url: false },
    verify: ({ headers, body, receivedAt }) => ({
      secretIndex: matchGithubSignature(headers["x-hub-signature-256"], body, keys, receivedAt),
    }),
    identify,
  };
}

/**
 * Checks `X-Hub-Signature-256: sha256=<hex>` over the body and gives the place of the secret that matched. The SHA-1
 * header is never looked at. Throws Rejection 401.
 */
function matchGithubSignature(
  header: string | undefined,
  body: Buffer,
  keys: readonly SigningKey[],
  receivedAt: number,
): number {
  if (header === undefined || header === "") {
    throw new Rejection(
      401,
      "signature_missing",
      "the X-Hub-Signature-256 header is missing; set a secret on the webhook",
    );
  }
  const digest = header.startsWith("sha256=") ? digestFromHex(header.slice("sha256=".length)) : null;
  if (!digest) {
    throw new Rejection(
      401,
      "signature_malformed",
      "X-Hub-Signature-256 must read sha256=<64 lower-case hex digits>",
    );
  }
  const secretIndex = matchingSecret(keys, [body], [digest], receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      "X-Hub-Signature-256 does not fit the body under a configured secret; " +
        "use the webhook's own secret, and let nothing on the way change the body",
    );
  }
  return secretIndex;
}

/** A delivery as its record holds it: the same reading as that of a request; GitHub itself vouches for what it holds. */
function recordReader(name: string, log: Log) {
  return (headers: Readonly<Record<string, string>>, body: Buffer): HealedItem[] => {
    try {
      const kept = keptHeaders.flatMap((key) => {
        const value = headers[key];
        return value === undefined ? [] : [[key, value] as const];
      });
      return identify({ headers, body }).map((item) => ({ item, headers: Object.fromEntries(kept) }));
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      log.warn({ source: name, code: error.code }, "github: a delivery on record can't be read; passed over");
      return [];
    }
  };
}

function identify(request: Pick<RawRequest, "headers" | "body">): Identified[] {
  const delivery = requiredId(request.headers["x-github-delivery"], "the X-GitHub-Delivery header");
  const event = requiredId(request.headers["x-github-event"], "the X-GitHub-Event header");
  const body = jsonBytes(request);
  const payload = parseObject(body);
  const action = payload["action"];
  const bodyHash = sha256(body);
  return [
    {
      providerId: delivery,
      type: isLine(action) ? `${event}.${action}` : event,
      occurredAt: occurredAt(payload),
      // The delivery id is not signed: a captured request under a fresh id would otherwise be an event of its own.
      dedupeKeys: [`id:${delivery}`, `body:${bodyHash}`],
      body,
      bodyHash,
      payload,
    },
  ];
}

/**
 * The event as JSON. A webhook of content type `application/x-www-form-urlencoded` carries it in the field `payload`.
 * Every other content type is read as JSON: the signature vouches for the bytes, not for their label.
 */
function jsonBytes({ headers, body }: Pick<RawRequest, "headers" | "body">): Buffer {
  if (!isForm(headers["content-type"])) return body;
  const payload = parseForm(body).get("payload");
  if (payload === undefined) {
    throw new Rejection(400, "malformed_form", "the form must have a field `payload`");
  }
  return Buffer.from(payload, "utf8");
}

/**
 * When it happened by GitHub's clock; orders superseding. For a push that is `pushed_at`: a commit's own timestamp is
 * set by its author, and one in the far future would make every later push look old.
 */
function occurredAt(payload: JsonObject): number | null {
  return (
    timeOf(objectAt(payload, "pull_request")?.["updated_at"]) ??
    timeOf(payload["head_commit"] === undefined ? null : objectAt(payload, "repository")?.["pushed_at"]) ??
    timeOf(objectAt(payload, "head_commit")?.["timestamp"]) ??
    timeOf(objectAt(payload, "comment")?.["updated_at"]) ??
    timeOf(objectAt(payload, "issue")?.["updated_at"]) ??
    timeOf(payload["updated_at"]) ??
    timeOf(payload["created_at"])
  );
}
