import { Rejection } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import { clickIn, isPress, pressOf } from "../domain/review-press.ts";
import type { Acknowledgement, HandshakeAnswer, Identified, RawRequest, Source } from "../domain/source.ts";
import { isForm, parseForm } from "./form.ts";
import { digestFromHex, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isId, objectAt, parseObject, requiredId, timeOf } from "./payload.ts";
import { requireFresh } from "./signed-time.ts";

export interface SlackOptions {
  readonly name: string;
  /** Signing secrets of the app, the current one first; unset ones are dropped. */
  readonly secrets: readonly SecretEntry[];
}

const toleranceMs = 300_000;
const maxBodyBytes = 1_000_000;
const timestampHeader = "x-slack-request-timestamp";

/** Slack's Events API, interactivity and slash commands: https://docs.slack.dev/authentication/verifying-requests-from-slack */
export function slack({ name, secrets }: SlackOptions): Source {
  const keys = signingKeys(secrets);
  return {
    name,
    type: "slack",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent", timestampHeader, "x-slack-retry-num", "x-slack-retry-reason"],
    evidence: { headers: ["x-slack-signature", timestampHeader], url: false },
    verify: (request) => ({ secretIndex: matchSlackSignature(request, keys) }),
    challenge,
    identify,
    acknowledgement,
  };
}

/**
 * Checks `X-Slack-Signature: v0=<hex>` over `"v0:" + timestamp + ":" + body` and gives the place of the secret that
 * matched. Throws Rejection 401.
 */
function matchSlackSignature({ headers, body, receivedAt }: RawRequest, keys: readonly SigningKey[]): number {
  const signature = headers["x-slack-signature"];
  if (signature === undefined || signature === "") {
    throw new Rejection(401, "signature_missing", "the X-Slack-Signature header is missing");
  }
  const digest = signature.startsWith("v0=") ? digestFromHex(signature.slice("v0=".length)) : null;
  const timestamp = headers[timestampHeader] ?? "";
  if (!digest || !/^\d{1,12}$/.test(timestamp)) {
    throw new Rejection(
      401,
      "signature_malformed",
      "X-Slack-Signature must read v0=<64 lower-case hex digits>, and X-Slack-Request-Timestamp be a number of seconds",
    );
  }
  const secretIndex = matchingSecret(keys, [`v0:${timestamp}:`, body], [digest], receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      "X-Slack-Signature does not fit the time and the body under a configured secret; " +
        "use the app's signing secret (not its client secret or token), and let nothing on the way change the body",
    );
  }
  requireFresh(Number(timestamp) * 1000, receivedAt, toleranceMs);
  return secretIndex;
}

/** `url_verification` when the request URL is entered, and now and then `ssl_check`, which wants no more than a 200. */
function challenge({ headers, body }: RawRequest): HandshakeAnswer | null {
  if (isForm(headers["content-type"])) {
    if (!body.includes("ssl_check=1")) return null;
    const fields = parsedOrNull(() => parseForm(body));
    return fields?.get("ssl_check") === "1" && !fields.has("command") ? plain("") : null;
  }
  // Every event passes here: only what can be a challenge is parsed twice.
  if (!body.includes("url_verification")) return null;
  const payload = parsedOrNull(() => parseObject(body));
  if (payload?.["type"] !== "url_verification") return null;
  const text = payload["challenge"];
  return isId(text) ? plain(text) : null;
}

const plain = (body: string): HandshakeAnswer => ({
  status: 200,
  contentType: "text/plain; charset=utf-8",
  body,
});

/** What can't be read is no challenge; `identify` says what is wrong with it. */
function parsedOrNull<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}

/** A body that is no `response_action` makes Slack keep the dialog open and show an error. */
const acknowledgement = (events: readonly Identified[]): Acknowledgement => ({
  status: 200,
  empty: events.some(({ type }) => /^(view|dialog)_(submission|closed|cancellation)$/.test(type)),
});

function identify(request: RawRequest): Identified[] {
  if (!isForm(request.headers["content-type"])) return [fromJson(request.body)];
  const fields = parseForm(request.body);
  const payload = fields.get("payload");
  const signedAt = timeOf(Number(request.headers[timestampHeader]));
  if (payload !== undefined) return [interaction(Buffer.from(payload, "utf8"), signedAt)];
  if (fields.has("command")) return [slashCommand(fields, signedAt)];
  throw new Rejection(
    400,
    "malformed_form",
    "the form has neither a field `payload` (interactivity) nor a field `command` (slash command)",
  );
}

/** An event of the Events API, or one of its notices (`app_rate_limited`), which have no id. */
function fromJson(body: Buffer): Identified {
  const payload = parseObject(body);
  const outer = requiredId(payload["type"], "the body's `type`");
  if (outer !== "event_callback") {
    if (outer === "url_verification")
      throw new Rejection(400, "malformed_event", "the `challenge` of the url_verification is missing");
    return event(sha256(body), outer, null, body, payload);
  }
  const time = payload["event_time"];
  return event(
    requiredId(payload["event_id"], "the `event_id`"),
    requiredId(objectAt(payload, "event")?.["type"], "the event's `type`"),
    typeof time === "number" ? timeOf(time) : null,
    body,
    payload,
  );
}

/** A click, a submitted dialog, a shortcut: none is sent again, so an id only has to be the same in a copy. */
function interaction(body: Buffer, signedAt: number | null): Identified {
  const payload = parseObject(body);
  const type = requiredId(payload["type"], "the `type` in the field `payload`");
  const click = clickOf(payload);
  const trigger = payload["trigger_id"];
  const id = click?.id ?? (isId(trigger) ? trigger : sha256(body));
  const identified = event(id, type, click?.at ?? signedAt, body, payload);
  const pressed = type === "block_actions" ? clickIn(payload) : null;
  if (!pressed || !isPress(pressed["action_id"])) return identified;
  return { ...identified, press: { about: pressOf(pressed)?.action ?? "unknown" } };
}

/** Of the first action in `actions`: Slack sends one per click. */
function clickOf(payload: JsonObject): { id: string; at: number | null } | null {
  const action = clickIn(payload);
  if (action === null) return null;
  const container = objectAt(payload, "container");
  const place = container?.["message_ts"] ?? container?.["view_id"];
  const { action_id: actionId, action_ts: actionTs } = action;
  if (!isId(place) || !isId(actionId) || !isId(actionTs)) return null;
  const id = `${place}:${actionId}:${actionTs}`;
  const at = Math.floor(Number(actionTs) * 1000);
  return isId(id) ? { id, at: Number.isSafeInteger(at) && at > 0 ? at : null } : null;
}

/** The form as a JSON object of texts; that is what expressions and agents see. */
function slashCommand(fields: ReadonlyMap<string, string>, signedAt: number | null): Identified {
  const id = requiredId(fields.get("trigger_id"), "the field `trigger_id`");
  const body = Buffer.from(JSON.stringify(Object.fromEntries(fields)), "utf8");
  return event(id, "slash_command", signedAt, body, parseObject(body));
}

const event = (
  id: string,
  type: string,
  occurredAt: number | null,
  body: Buffer,
  payload: JsonObject,
): Identified => ({ providerId: id, type, occurredAt, dedupeKeys: [`id:${id}`], body, payload });
