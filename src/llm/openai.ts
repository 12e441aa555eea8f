/**
 * OpenAI's Chat Completions through its SDK: what compatible servers speak too.
 * Wire contract: POST {baseURL}/chat/completions, response_format json_schema (strict).
 */
import { z } from "zod";
import type OpenAI from "openai";
import type { Model, ModelAnswer, ModelRequest, ModelStop } from "../domain/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import { costUsd } from "./prices.ts";
import { callProvider, modelService, noKey, statusOf, unreadable, vendorText } from "./provider-call.ts";
import type { ModelOptions } from "./provider-call.ts";

type Body = OpenAI.ChatCompletionCreateParamsNonStreaming;
type Format = "json_schema" | "json_object";

const tokens = z.number().int().min(0);

const Completion = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: tokens,
      completion_tokens: tokens,
      prompt_tokens_details: z.object({ cached_tokens: tokens.nullish() }).nullish(),
    })
    .nullish(),
});
type Completion = z.infer<typeof Completion>;

/**
 * A model at OpenAI, or at a server that speaks its API. `complete` throws ServiceError (service
 * `model:openai/<model>`), or the reason of the request's own signal when that aborts.
 */
export function createOpenaiModel(options: ModelOptions): Model {
  const service = modelService({ provider: "openai", model: options.model });
  const apiKey = options.apiKey ?? "";
  // Schemas, by name, that the server would not take: asked for as plain JSON from then on.
  const refusedSchemas = new Set<string>();
  let client: Promise<OpenAI> | null = null;

  async function ask(
    sdk: OpenAI,
    format: Format,
    request: ModelRequest,
    signal: AbortSignal,
  ): Promise<ModelAnswer> {
    const body = await wireRequest(service, options.model, format, request);
    const answer: unknown = await sdk.chat.completions.create(body, { signal });
    const completion = Completion.safeParse(answer);
    if (!completion.success) throw unreadable(service);
    return readCompletion(completion.data, options);
  }

  return {
    name: options.name,
    provider: "openai",
    model: options.model,
    configured: apiKey !== "",
    timeoutMs: options.timeoutMs,
    price: options.price,
    async complete(request) {
      if (apiKey === "") throw noKey(service, "OPENAI_API_KEY");
      return callProvider(service, options, request.signal, async (signal) => {
        client ??= connect(options, apiKey);
        const sdk = await client;
        if (refusedSchemas.has(request.schemaName)) return ask(sdk, "json_object", request, signal);
        try {
          return await ask(sdk, "json_schema", request, signal);
        } catch (error) {
          if (!refusesSchemas(error)) throw error;
          refusedSchemas.add(request.schemaName);
          return ask(sdk, "json_object", request, signal);
        }
      });
    },
  };
}

async function connect(options: ModelOptions, apiKey: string): Promise<OpenAI> {
  const { OpenAI: Client } = await import("openai");
  return new Client({
    apiKey,
    ...(options.baseURL ? { baseURL: options.baseURL } : {}),
    maxRetries: 0,
    timeout: options.timeoutMs + 60_000,
    logLevel: "off",
    fetchOptions: { redirect: "manual" },
  });
}

/** A 400 that names the response format: older models and many compatible servers know no json_schema. */
function refusesSchemas(error: unknown): boolean {
  const status = statusOf(error);
  return (status === 400 || status === 422) && /response_format|json_schema/i.test(vendorText(error));
}

async function wireRequest(
  service: string,
  model: string,
  format: Format,
  request: ModelRequest,
): Promise<Body> {
  const jsonSchema = await wireSchema(service, request);
  const turns = request.messages.map(({ role, text }) => ({ role, content: text }));
  if (format === "json_schema")
    return {
      model,
      max_completion_tokens: request.maxOutputTokens,
      messages: [{ role: "system", content: request.system }, ...turns],
      response_format: { type: "json_schema", json_schema: jsonSchema },
    };
  const instruction =
    "Answer with one JSON object and nothing else. It must satisfy this JSON Schema:\n" +
    JSON.stringify(jsonSchema.schema);
  return {
    model,
    // Servers without json_schema are mostly older than max_completion_tokens as well.
    max_tokens: request.maxOutputTokens,
    messages: [{ role: "system", content: `${request.system}\n\n${instruction}` }, ...turns],
    response_format: { type: "json_object" },
  };
}

async function wireSchema(
  service: string,
  request: ModelRequest,
): Promise<OpenAI.ResponseFormatJSONSchema["json_schema"]> {
  const { zodResponseFormat } = await import("openai/helpers/zod");
  const name = request.schemaName.replace(/[^\w-]/g, "_").slice(0, 64);
  try {
    return zodResponseFormat(request.schema, name).json_schema;
  } catch (error) {
    throw new ServiceError(
      service,
      "invalid",
      `the schema ${request.schemaName} can't be sent (${error instanceof Error ? error.message : "unknown cause"}); ` +
        "use closed objects with required fields only, no record, tuple, transform or date",
    );
  }
}

function readCompletion(completion: Completion, { model, price }: ModelOptions): ModelAnswer {
  const choice = completion.choices[0];
  const input = completion.usage?.prompt_tokens ?? 0;
  const output = completion.usage?.completion_tokens ?? 0;
  const cacheRead = Math.min(input, completion.usage?.prompt_tokens_details?.cached_tokens ?? 0);
  return {
    text: choice?.message.content ?? "",
    stop: stopOf(choice?.finish_reason ?? null, choice?.message.refusal ?? null),
    usage: {
      model,
      inputTokens: input,
      outputTokens: output,
      // A server that reports no usage has an unknown cost, not none.
      costUsd: completion.usage
        ? costUsd(price(), { input: input - cacheRead, cacheRead, cacheWrite: 0, output })
        : null,
    },
  };
}

function stopOf(reason: string | null, refusal: string | null): ModelStop {
  if (refusal !== null || reason === "content_filter") return "refusal";
  return reason === "length" ? "truncated" : "end";
}
