/** OpenAI's Chat Completions and Responses, with strict JSON schemas. Keeps nothing. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asList, asNumber, asObject, asText } from "./bodies.ts";
import type { ModelRequest } from "./brains.ts";
import type { Answer, Call } from "./call.ts";
import { bearer } from "./call.ts";
import type { ModelMind, ModelSandbox, Reply } from "./models.ts";
import { countTokens, createMind } from "./models.ts";
import { openStand } from "./stand.ts";

const kinds: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ["invalid_request_error", null],
  401: ["invalid_request_error", "invalid_api_key"],
  404: ["invalid_request_error", null],
  429: ["requests", "rate_limit_exceeded"],
};

function failure(status: number, message: string): Answer {
  const [type, code] = kinds[status] ?? ["server_error", null];
  return { status, json: { error: { message, type, param: null, code } } };
}

export async function startOpenai(options: { now: () => number }): Promise<ModelSandbox> {
  const { now } = options;
  let count = 0;
  const mind = createMind();
  const answered = (make: (call: Call, id: string, at: number) => Answer) => (call: Call) => {
    const id = `sandbox${++count}`;
    const answer = make(call, id, Math.floor(now() / 1_000));
    return { ...answer, headers: { ...answer.headers, "x-request-id": `req_${id}` } };
  };
  const stand = await openStand({
    now,
    routes: [
      ["POST", "/v1/chat/completions", answered((call, id, at) => chat(mind, call, id, at))],
      ["POST", "/v1/responses", answered((call, id, at) => responses(mind, call, id, at))],
    ],
    authorize: (call) => (bearer(call) ? null : failure(401, "You didn't provide an API key.")),
    failure,
    save: () => {},
  });
  return { ...stand, faults: mind.faults(stand.faults), baseUrl: `${stand.url}/v1`, brains: mind.brains };
}

const textIn = (content: Json | undefined): string =>
  asText(content) ??
  asList(content)
    .map((part) => asText(asObject(part)["text"]) ?? "")
    .join("\n");

const spoken = (turns: readonly JsonObject[], roles: readonly string[]) =>
  turns
    .filter((turn) => roles.includes(asText(turn["role"]) ?? "user"))
    .map((turn) => textIn(turn["content"]))
    .join("\n\n");

/** Strict mode: every object closed, every property required. */
function schemaFault(schema: Json, place: string): string | null {
  if (!isObject(schema)) return null;
  if (schema["type"] === "object") {
    const names = Object.keys(asObject(schema["properties"]));
    const required = asList(schema["required"]);
    const missing = names.find((name) => !required.includes(name));
    if (schema["additionalProperties"] !== false) {
      return `Invalid schema: In context=${place}, 'additionalProperties' is required to be supplied and to be false.`;
    }
    if (missing !== undefined) {
      return `Invalid schema: In context=${place}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${missing}'.`;
    }
  }
  const inner = [
    ...Object.entries(asObject(schema["properties"])),
    ...Object.entries(asObject(schema["$defs"])),
    ...asList(schema["anyOf"]).map((part, index) => [String(index), part] as const),
    ...(schema["items"] === undefined ? [] : [["items", schema["items"]] as const]),
  ];
  return (
    inner.map(([name, part]) => schemaFault(part, `${place}/${name}`)).find((fault) => fault !== null) ?? null
  );
}

interface Format {
  readonly name: string | undefined;
  readonly schema: JsonObject;
  readonly fault: string | null;
}

function formatOf(format: JsonObject): Format {
  const schema = asObject(format["schema"]);
  const name = asText(format["name"]);
  const strict = format["strict"] === true;
  return { name, schema, fault: strict ? schemaFault(schema, "()") : null };
}

function replyTo(
  mind: ModelMind,
  call: Call,
  turns: readonly JsonObject[],
  instructions: string,
  format: Format,
  limit: number,
) {
  const request: ModelRequest = {
    system: [instructions, spoken(turns, ["system", "developer"])].filter((text) => text !== "").join("\n\n"),
    user: spoken(turns, ["user"]),
    schema: format.schema,
    model: asText(asObject(call.body)["model"]) ?? "",
    ...(format.name === undefined ? {} : { schemaName: format.name }),
  };
  const reply = mind.reply(call, request, limit);
  const input = countTokens(request.system + request.user);
  return { request, reply, input, output: reply.kind === "text" ? reply.tokens : 0 };
}

const declined = "I'm sorry, I can't help with that.";
const unlimited = 1_000_000;

function chat(mind: ModelMind, call: Call, id: string, created: number): Answer {
  const body = asObject(call.body);
  if (!asText(body["model"])) return failure(400, "you must provide a model parameter");
  const turns = asList(body["messages"]).map(asObject);
  if (turns.length === 0) return failure(400, "Missing required parameter: 'messages'.");
  const format = formatOf(asObject(asObject(body["response_format"])["json_schema"]));
  if (format.fault !== null) return failure(400, format.fault);
  const limit = asNumber(body["max_completion_tokens"]) ?? asNumber(body["max_tokens"]) ?? unlimited;
  const { request, reply, input, output } = replyTo(mind, call, turns, "", format, limit);
  return {
    status: 200,
    json: {
      id: `chatcmpl-${id}`,
      object: "chat.completion",
      created,
      model: request.model,
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: reply.kind === "text" ? reply.text : null,
            refusal: reply.kind === "text" ? null : declined,
            annotations: [],
          },
          logprobs: null,
          finish_reason: reply.kind === "text" && reply.truncated ? "length" : "stop",
        },
      ],
      usage: {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input + output,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
      },
      service_tier: "default",
      system_fingerprint: null,
    },
  };
}

function responses(mind: ModelMind, call: Call, id: string, createdAt: number): Answer {
  const body = asObject(call.body);
  const text = asText(body["input"]);
  const turns =
    text === undefined
      ? asList(body["input"]).map(asObject)
      : [{ role: "user", content: text } as JsonObject];
  if (!asText(body["model"])) return failure(400, "Missing required parameter: 'model'.");
  if (turns.length === 0) return failure(400, "Missing required parameter: 'input'.");
  const format = formatOf(asObject(asObject(body["text"])["format"]));
  if (format.fault !== null) return failure(400, format.fault);
  const limit = asNumber(body["max_output_tokens"]) ?? unlimited;
  const { request, reply, input, output } = replyTo(
    mind,
    call,
    turns,
    asText(body["instructions"]) ?? "",
    format,
    limit,
  );
  const cut = reply.kind === "text" && reply.truncated;
  return {
    status: 200,
    json: {
      id: `resp_${id}`,
      object: "response",
      created_at: createdAt,
      status: cut ? "incomplete" : "completed",
      error: null,
      incomplete_details: cut ? { reason: "max_output_tokens" } : null,
      instructions: body["instructions"] ?? null,
      model: request.model,
      output: [
        {
          type: "message",
          id: `msg_${id}`,
          status: cut ? "incomplete" : "completed",
          role: "assistant",
          content: [contentOf(reply)],
        },
      ],
      parallel_tool_calls: true,
      tool_choice: "auto",
      tools: [],
      temperature: 1,
      top_p: 1,
      metadata: {},
      usage: {
        input_tokens: input,
        output_tokens: output,
        total_tokens: input + output,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens_details: { reasoning_tokens: 0 },
      },
    },
  };
}

const contentOf = (reply: Reply): JsonObject =>
  reply.kind === "text"
    ? { type: "output_text", text: reply.text, annotations: [] }
    : { type: "refusal", refusal: declined };
