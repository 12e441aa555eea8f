/**
 * What the providers send to a webhook endpoint, signed as each of them signs: one function per provider, with the body
 * that must go out unchanged. A payload that is a text is sent as it is; anything else is sent as JSON.
 */
import { createHmac, randomUUID, sign } from "node:crypto";

export interface Signed {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Delivered {
  readonly status: number;
  /** The parsed answer; null when it is not JSON. */
  readonly json: unknown;
}

const bodyOf = (payload: unknown): string =>
  typeof payload === "string" ? payload : JSON.stringify(payload);
const hmac = (secret: string | Buffer, signed: string, encoding: "hex" | "base64"): string =>
  createHmac("sha256", secret).update(signed, "utf8").digest(encoding);
const json = { "content-type": "application/json" };

/** `event` is the name without the action: `pull_request`. */
export function signGithub(options: {
  secret: string;
  event: string;
  payload: unknown;
  delivery?: string;
}): Signed {
  const body = bodyOf(options.payload);
  return {
    body,
    headers: {
      ...json,
      "user-agent": "GitHub-Hookshot/sandbox",
      "x-github-event": options.event,
      "x-github-delivery": options.delivery ?? randomUUID(),
      "x-github-hook-id": "1",
      "x-hub-signature-256": `sha256=${hmac(options.secret, body, "hex")}`,
    },
  };
}

/** `timestamp` in seconds. Several secrets sign side by side, as during a rotation. */
export function signStripe(options: {
  secret: string | readonly string[];
  payload: unknown;
  timestamp: number;
}): Signed {
  const body = bodyOf(options.payload);
  const secrets = typeof options.secret === "string" ? [options.secret] : options.secret;
  const signatures = secrets.map((secret) => `v1=${hmac(secret, `${options.timestamp}.${body}`, "hex")}`);
  const header = [`t=${options.timestamp}`, ...signatures].join(",");
  return { body, headers: { ...json, "stripe-signature": header } };
}

/** A Pub/Sub push: the token comes from the Google stand-in, and so does the body. */
export function gmailPush(options: { token: string; body: string }): Signed {
  return {
    body: options.body,
    headers: { ...json, "user-agent": "APIs-Google", authorization: `Bearer ${options.token}` },
  };
}

/** `family`: the headers of webhooks (`X-Shopify-…`, the default) or of the newer Events (`shopify-…`). */
export function signShopify(options: {
  secret: string;
  topic: string;
  payload: unknown;
  shop?: string;
  webhookId?: string;
  eventId?: string;
  /** ISO 8601. */
  triggeredAt: string;
  family?: "webhooks" | "events";
}): Signed {
  const body = bodyOf(options.payload);
  const prefix = options.family === "events" ? "shopify-" : "x-shopify-";
  return {
    body,
    headers: {
      ...json,
      [`${prefix}topic`]: options.topic,
      [`${prefix}shop-domain`]: options.shop ?? "sandbox.myshopify.com",
      [`${prefix}api-version`]: "2026-07",
      [`${prefix}webhook-id`]: options.webhookId ?? randomUUID(),
      [`${prefix}event-id`]: options.eventId ?? randomUUID(),
      [`${prefix}triggered-at`]: options.triggeredAt,
      [`${prefix}hmac-sha256`]: hmac(options.secret, body, "base64"),
    },
  };
}

/**
 * `timestamp` in seconds. `form`: "interaction" for clicks and dialogs, whose JSON travels in the form field `payload`;
 * "command" for slash commands, where `payload` is the form's fields.
 */
export function signSlack(options: {
  secret: string;
  payload: unknown;
  timestamp: number;
  form?: "interaction" | "command";
}): Signed {
  const body = slackBody(options.payload, options.form);
  return {
    body,
    headers: {
      "content-type": options.form ? "application/x-www-form-urlencoded" : "application/json",
      "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
      "x-slack-request-timestamp": String(options.timestamp),
      "x-slack-signature": `v0=${hmac(options.secret, `v0:${options.timestamp}:${body}`, "hex")}`,
    },
  };
}

function slackBody(payload: unknown, form: "interaction" | "command" | undefined): string {
  if (form === "interaction") return new URLSearchParams({ payload: bodyOf(payload) }).toString();
  if (form !== "command" || typeof payload === "string") return bodyOf(payload);
  const fields = new URLSearchParams();
  for (const [field, value] of Object.entries(payload ?? {})) fields.set(field, String(value));
  return fields.toString();
}

/**
 * `secret` is `whsec_` and base64 (signs `v1`), or a private ed25519 key in PEM (signs `v1a`); several sign side by
 * side, as during a rotation. `timestamp` in seconds. `family`: what the headers' names begin with.
 */
export function signStandardWebhooks(options: {
  secret: string | readonly string[];
  payload: unknown;
  timestamp: number;
  id?: string;
  family?: "webhook" | "svix";
}): Signed {
  const body = bodyOf(options.payload);
  const { id = `msg_${randomUUID()}`, family = "webhook", timestamp } = options;
  const secrets = typeof options.secret === "string" ? [options.secret] : options.secret;
  const signed = `${id}.${timestamp}.${body}`;
  const signatures = secrets.map((secret) =>
    secret.startsWith("-----BEGIN")
      ? `v1a,${sign(null, Buffer.from(signed), secret).toString("base64")}`
      : `v1,${hmac(Buffer.from(secret.replace(/^whsec_/, ""), "base64"), signed, "base64")}`,
  );
  return {
    body,
    headers: {
      ...json,
      [`${family}-id`]: id,
      [`${family}-timestamp`]: String(timestamp),
      [`${family}-signature`]: signatures.join(" "),
    },
  };
}

/** Version 3 signs the public URL that HubSpot was given; `timestampMs` in milliseconds. */
export function signHubspot(options: {
  secret: string;
  url: string;
  payload: unknown;
  timestampMs: number;
  method?: string;
}): Signed {
  const body = bodyOf(options.payload);
  const signed = `${options.method ?? "POST"}${options.url}${body}${options.timestampMs}`;
  return {
    body,
    headers: {
      ...json,
      "x-hubspot-request-timestamp": String(options.timestampMs),
      "x-hubspot-signature-v3": hmac(options.secret, signed, "base64"),
    },
  };
}

/** `timestamp` as ISO 8601; the secret is used as text. */
export function signZendesk(options: {
  secret: string;
  payload: unknown;
  timestamp: string;
  invocation?: string;
}): Signed {
  const body = bodyOf(options.payload);
  return {
    body,
    headers: {
      ...json,
      "x-zendesk-webhook-id": "01SANDBOX",
      "x-zendesk-webhook-invocation-id": options.invocation ?? randomUUID(),
      "x-zendesk-webhook-signature-timestamp": options.timestamp,
      "x-zendesk-webhook-signature": hmac(options.secret, `${options.timestamp}${body}`, "base64"),
    },
  };
}

/** The time that counts is `webhookTimestamp` in the payload, in milliseconds: the caller puts it there. */
export function signLinear(options: {
  secret: string;
  event: string;
  payload: unknown;
  delivery?: string;
}): Signed {
  const body = bodyOf(options.payload);
  return {
    body,
    headers: {
      ...json,
      "linear-event": options.event,
      "linear-delivery": options.delivery ?? randomUUID(),
      "linear-signature": hmac(options.secret, body, "hex"),
    },
  };
}

/** Graph signs nothing: each item of `value` carries the `clientState` that the subscription was made with. */
export function graphNotification(options: { clientState: string; items: readonly object[] }): Signed {
  const value = options.items.map((item) => ({ ...item, clientState: options.clientState }));
  return { body: JSON.stringify({ value }), headers: json };
}

/** How a custom source is configured; what is left out is the configuration's default. */
export interface CustomScheme {
  readonly signature?:
    | {
        readonly header?: string | undefined;
        readonly prefix?: string | undefined;
        readonly encoding?: "hex" | "base64" | undefined;
        readonly construction?: string | undefined;
      }
    | undefined;
  readonly idHeader?: string | undefined;
  readonly timestampHeader?: string | undefined;
  readonly typeHeader?: string | undefined;
}

/** `timestamp` in seconds, unless it is a text; an id of null is not sent. `event` goes into the type's header, if any. */
export function signCustom(options: {
  secret: string;
  payload: unknown;
  timestamp: number | string;
  id?: string | null;
  event?: string;
  scheme?: CustomScheme;
}): Signed {
  const body = bodyOf(options.payload);
  const { scheme = {}, event } = options;
  const { header = "X-Signature", prefix = "sha256=", encoding = "hex" } = scheme.signature ?? {};
  const id = options.id === undefined ? randomUUID() : options.id;
  const values = { id: id ?? "", timestamp: String(options.timestamp), body };
  const signed = (scheme.signature?.construction ?? "{id}.{timestamp}.{body}").replace(
    /\{(id|timestamp|body)\}/g,
    (_, name: keyof typeof values) => values[name],
  );
  return {
    body,
    headers: {
      ...json,
      ...(id === null ? {} : { [(scheme.idHeader ?? "X-Event-ID").toLowerCase()]: id }),
      [(scheme.timestampHeader ?? "X-Timestamp").toLowerCase()]: values.timestamp,
      ...(scheme.typeHeader === undefined || event === undefined
        ? {}
        : { [scheme.typeHeader.toLowerCase()]: event }),
      [header.toLowerCase()]: `${prefix}${hmac(options.secret, signed, encoding)}`,
    },
  };
}

/** Sends it. Rejects when there is no answer. */
export async function deliver(url: string, signed: Signed, signal?: AbortSignal): Promise<Delivered> {
  const response = await fetch(url, {
    method: "POST",
    headers: signed.headers,
    body: signed.body,
    redirect: "manual",
    ...(signal ? { signal } : {}),
  });
  const text = await response.text();
  try {
    return { status: response.status, json: JSON.parse(text) as unknown };
  } catch {
    return { status: response.status, json: null };
  }
}
