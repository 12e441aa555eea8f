/** Anthropic's Messages API: one text answer, structured when a JSON schema is given. Keeps nothing. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asList, asNumber, asObject, asText } from "./bodies.ts";
import type { ModelRequest } from "./brains.ts";
import type { Answer, Call } from "./call.ts";
import { bearer } from "./call.ts";
import type { ModelMind, ModelSandbox, Reply } from "./models.ts";
import { countTokens, createMind } from "./models.ts";
import { openStand } from "./stand.ts";

const types: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
};

export async function startAnthropic(options: { now: () => number }): Promise<ModelSandbox> {
  let count = 0;
  const requestId = () => `req_sandbox${++count}`;
  const failure = (status: number, message: string): Answer => {
    const id = requestId();
    return {
      status,
      json: { type: "error", error: { type: types[status] ?? "api_error", message }, request_id: id },
      headers: { "request-id": id },
    };
  };
  const mind = createMind();
  const seen = new Set<string>();
  const stand = await openStand({
    now: options.now,
    routes: [
      [
        "POST",
        "/v1/messages",
        (call) => {
          const fault = faultOf(call);
          return fault === null ? messages(mind, seen, call, requestId()) : failure(400, fault);
        },
      ],
    ],
    authorize: (call) =>
      call.headers["x-api-key"] || bearer(call) ? null : failure(401, "x-api-key header is required"),
    failure,
    save: () => {},
  });
  return { ...stand, faults: mind.faults(stand.faults), baseUrl: stand.url, brains: mind.brains };
}

/** What the API would refuse in this request; null when nothing. */
function faultOf(call: Call): string | null {
  const body = asObject(call.body);
  if (!call.headers["anthropic-version"]) return "anthropic-version: header is required";
  for (const field of ["model", "max_tokens", "messages"]) {
    if (body[field] === undefined) return `${field}: Field required`;
  }
  if (asList(body["messages"]).length === 0) return "messages: at least one message is required";
  const format = asObject(body["output_config"])["format"];
  if (format === undefined) return null;
  if (asObject(format)["type"] !== "json_schema")
    return "output_config.format.type: Input should be 'json_schema'";
  return schemaFault(asObject(format)["schema"] ?? null);
}

const refusedKeywords = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "maxItems",
];

/** Constrained output takes closed objects only, and no bounds: the SDK moves those into descriptions. */
function schemaFault(schema: Json): string | null {
  if (Array.isArray(schema))
    return schema.map((part: Json) => schemaFault(part)).find((fault) => fault !== null) ?? null;
  if (!isObject(schema)) return null;
  const type = asText(schema["type"]);
  if (type === "object" && schema["additionalProperties"] !== false) {
    return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false";
  }
  const refused = type === undefined ? [] : refusedKeywords.filter((word) => schema[word] !== undefined);
  if (refused.length > 0) {
    return `output_config.format.schema: For '${type ?? ""}' type, properties ${refused.join(", ")} are not supported`;
  }
  const inner = Object.entries(schema).flatMap(([word, part]) =>
    word === "properties" || word === "$defs" || word === "definitions"
      ? Object.values(asObject(part))
      : [part],
  );
  return inner.map((part) => schemaFault(part)).find((fault) => fault !== null) ?? null;
}

/** The texts of a `content` or `system`: a text, or blocks of which the text ones count. */
const textIn = (content: Json | undefined): string =>
  asText(content) ??
  asList(content)
    .map((block) => asText(asObject(block)["text"]) ?? "")
    .join("\n");

function messages(mind: ModelMind, seen: Set<string>, call: Call, id: string): Answer {
  const body = asObject(call.body);
  const turns = asList(body["messages"]).map(asObject);
  const format = asObject(asObject(body["output_config"])["format"]);
  const request: ModelRequest = {
    system: textIn(body["system"]),
    user: turns
      .filter((turn) => turn["role"] === "user")
      .map((turn) => textIn(turn["content"]))
      .join("\n\n"),
    schema: asObject(format["schema"]),
    model: asText(body["model"]) ?? "",
  };
  const reply = mind.reply(call, request, asNumber(body["max_tokens"]) ?? 1_024);
  return {
    status: 200,
    headers: { "request-id": id },
    json: {
      id: `msg_${id.slice(4)}`,
      type: "message",
      role: "assistant",
      model: request.model,
      content: reply.kind === "text" ? [{ type: "text", text: reply.text, citations: null }] : [],
      ...endOf(reply),
      stop_sequence: null,
      usage: {
        ...inputUsage(seen, body, request),
        output_tokens: reply.kind === "text" ? reply.tokens : 0,
        service_tier: "standard",
      },
    },
  };
}

function endOf(reply: Reply): JsonObject {
  if (reply.kind === "text")
    return { stop_reason: reply.truncated ? "max_tokens" : "end_turn", stop_details: null };
  return { stop_reason: "refusal", stop_details: { type: "refusal", category: "cyber", explanation: null } };
}

/** A prefix marked with `cache_control` is written once, and read from then on. */
function inputUsage(seen: Set<string>, body: JsonObject, request: ModelRequest) {
  const marked = asList(body["system"]).some((block) => asObject(block)["cache_control"] !== undefined);
  const prefix = marked ? countTokens(request.system) : 0;
  const hit = marked && seen.has(request.system);
  if (marked) seen.add(request.system);
  return {
    input_tokens: countTokens(request.system + request.user) - prefix,
    cache_creation_input_tokens: hit ? 0 : prefix,
    cache_read_input_tokens: hit ? prefix : 0,
    cache_creation: { ephemeral_5m_input_tokens: hit ? 0 : prefix, ephemeral_1h_input_tokens: 0 },
  };
}
