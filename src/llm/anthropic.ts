/** Anthropic's Messages API through its SDK. Wire contract: POST {baseURL}/v1/messages, output_config.format. */
import { z } from "zod";
import type Anthropic from "@anthropic-ai/sdk";
import type { Model, ModelAnswer, ModelRequest, ModelStop } from "../domain/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import { costUsd } from "./prices.ts";
import { callProvider, modelService, noKey, shownWord, unreadable } from "./provider-call.ts";
import type { ModelOptions } from "./provider-call.ts";

const tokens = z.number().int().min(0);

const Message = z.object({
  stop_reason: z.string().nullable(),
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })),
  usage: z.object({
    input_tokens: tokens,
    output_tokens: tokens,
    cache_creation_input_tokens: tokens.nullish(),
    cache_read_input_tokens: tokens.nullish(),
  }),
});
type Message = z.infer<typeof Message>;

/**
 * A model at Anthropic. `complete` throws ServiceError (service `model:anthropic/<model>`), or the reason of the
 * request's own signal when that aborts.
 */
export function createAnthropicModel(options: ModelOptions): Model {
  const service = modelService({ provider: "anthropic", model: options.model });
  const apiKey = options.apiKey ?? "";
  let client: Promise<Anthropic> | null = null;

  return {
    name: options.name,
    provider: "anthropic",
    model: options.model,
    configured: apiKey !== "",
    timeoutMs: options.timeoutMs,
    price: options.price,
    async complete(request) {
      if (apiKey === "") throw noKey(service, "ANTHROPIC_API_KEY");
      return callProvider(service, options, request.signal, async (signal) => {
        client ??= connect(options, apiKey);
        const sdk = await client;
        const body = await wireRequest(service, options.model, request);
        // Neither `parse`, which throws on a refusal or a cut answer, so that what was paid for is not counted, nor `create`,
        // which writes to the console at every call of a model that its vendor will retire.
        const answer = await sdk.post<unknown>("/v1/messages", { body, signal }).withResponse();
        const requestId = shownWord(answer.request_id);
        const message = Message.safeParse(answer.data);
        if (!message.success) throw unreadable(service, requestId);
        return { ...readMessage(message.data, options), requestId };
      });
    },
  };
}

async function connect(options: ModelOptions, apiKey: string): Promise<Anthropic> {
  const { Anthropic: Client } = await import("@anthropic-ai/sdk");
  return new Client({
    apiKey,
    // Null keeps a token in the environment from being sent beside the key that was configured.
    authToken: null,
    ...(options.baseURL ? { baseURL: options.baseURL } : {}),
    maxRetries: 0,
    // Only so that the SDK accepts any size of answer; our own deadline comes first.
    timeout: options.timeoutMs + 60_000,
    logLevel: "off",
    fetchOptions: { redirect: "manual" },
  });
}

async function wireRequest(
  service: string,
  model: string,
  request: ModelRequest,
): Promise<Anthropic.MessageCreateParamsNonStreaming> {
  const { zodOutputFormat } = await import("@anthropic-ai/sdk/helpers/zod");
  const cached = { cache_control: { type: "ephemeral" } } as const;
  // The last turn holds the event; all before it is the same for every event, so it ends the cached prefix.
  const prefixEnd = request.messages.length - 2;
  return {
    model,
    max_tokens: request.maxOutputTokens,
    system: [{ type: "text", text: request.system, ...cached }],
    messages: request.messages.map(({ role, text }, index) => ({
      role,
      content: [{ type: "text", text, ...(index === prefixEnd ? cached : {}) }],
    })),
    output_config: { format: { type: "json_schema", schema: wireSchema(service, zodOutputFormat, request) } },
  };
}

function wireSchema(
  service: string,
  convert: (schema: ModelRequest["schema"]) => { schema: Record<string, unknown> },
  request: ModelRequest,
): Record<string, unknown> {
  try {
    return convert(request.schema).schema;
  } catch (error) {
    throw new ServiceError(
      service,
      "invalid",
      `the schema ${request.schemaName} can't be sent (${error instanceof Error ? error.message : "unknown cause"}); ` +
        "use closed objects with required fields only, no record, tuple, transform or date",
    );
  }
}

function readMessage(message: Message, { model, price }: ModelOptions): ModelAnswer {
  const { usage } = message;
  const cacheWrite = usage.cache_creation_input_tokens ?? 0;
  const cacheRead = usage.cache_read_input_tokens ?? 0;
  return {
    text: message.content.map((block) => (block.type === "text" ? (block.text ?? "") : "")).join(""),
    stop: stopOf(message.stop_reason),
    usage: {
      model,
      inputTokens: usage.input_tokens + cacheWrite + cacheRead,
      outputTokens: usage.output_tokens,
      costUsd: costUsd(price(), {
        input: usage.input_tokens,
        cacheRead,
        cacheWrite,
        output: usage.output_tokens,
      }),
    },
  };
}

function stopOf(reason: string | null): ModelStop {
  if (reason === "refusal") return "refusal";
  return reason === "max_tokens" || reason === "model_context_window_exceeded" ? "truncated" : "end";
}
