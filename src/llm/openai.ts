/**
 * OpenAI's Chat Completions through its SDK: what compatible servers speak too.
 * Wire contract: POST {baseURL}/chat/completions, response_format json_schema (strict).
 */
import { z } from "zod";
import type OpenAI from "openai";
import type { Model, ModelAnswer, ModelRequest, ModelStop } from "../domain/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import { costUsd } from "./prices.ts";
import {
  callProvider,
  modelService,
  noKey,
  shownWord,
  statusOf,
  unreadable,
  vendorText,
} from "./provider-call.ts";
import type { ModelOptions } from "./provider-call.ts";

type Body = OpenAI.ChatCompletionCreateParamsNonStreaming;

/** How a server wants to be asked. OpenAI's own way comes first; what a server refuses is left out of the next try. */
interface Dialect {
  /** `text`: it is only told, in words, to answer with JSON. */
  readonly format: "json_schema" | "json_object" | "text";
  readonly limit: "max_completion_tokens" | "max_tokens";
}
const own: Dialect = { format: "json_schema", limit: "max_completion_tokens" };

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
  /** What the server took in the end, by the name of the schema: one of them may be too much for it. */
  const understood = new Map<string, Dialect>();
  let client: Promise<OpenAI> | null = null;

  async function ask(request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> {
    client ??= connect(options, apiKey);
    const sdk = await client;
    const tried: Dialect[] = [];
    for (let dialect = understood.get(request.schemaName) ?? own; ;) {
      tried.push(dialect);
      const body = await wireRequest(service, options.model, dialect, request);
      try {
        const answer = await sdk.chat.completions.create(body, { signal }).withResponse();
        understood.set(request.schemaName, dialect);
        const requestId = shownWord(answer.request_id);
        const completion = Completion.safeParse(answer.data);
        if (!completion.success) throw unreadable(service, requestId);
        return { ...readCompletion(completion.data, options), requestId };
      } catch (error) {
        const next = plainer(dialect, error);
        if (next === null || tried.some((each) => each.format === next.format && each.limit === next.limit))
          throw error;
        dialect = next;
      }
    }
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
      return callProvider(service, options, request.signal, (signal) => ask(request, signal));
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
    fetch: readably,
    fetchOptions: { redirect: "manual" },
  });
}

/** Some servers (Mistral, older vLLM, FastAPI) put no `error` around what is wrong with a request: the SDK would drop it. */
async function readably(...request: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(...request);
  if (!refusedStatuses.includes(response.status)) return response;
  const text = await response.text();
  const { status, headers } = response;
  return new Response(hasError(text) ? text : JSON.stringify({ error: { message: text } }), {
    status,
    headers,
  });
}

function hasError(text: string): boolean {
  try {
    return (JSON.parse(text) as { error?: unknown } | null)?.error !== undefined;
  } catch {
    return false;
  }
}

const refusedStatuses = [400, 422];

/** What to leave out of the next try; null when the refusal is about something else. */
function plainer(dialect: Dialect, error: unknown): Dialect | null {
  if (!refusedStatuses.includes(statusOf(error) ?? 0)) return null;
  const text = vendorText(error);
  if (/max_completion_tokens/i.test(text))
    return {
      ...dialect,
      limit: dialect.limit === "max_tokens" ? "max_completion_tokens" : "max_tokens",
    };
  if (!/response_format|json_schema|json_object/i.test(text) || dialect.format === "text") return null;
  return {
    format: dialect.format === "json_schema" ? "json_object" : "text",
    // Servers without json_schema are mostly older than max_completion_tokens as well.
    limit: "max_tokens",
  };
}

async function wireRequest(
  service: string,
  model: string,
  { format, limit }: Dialect,
  request: ModelRequest,
): Promise<Body> {
  const jsonSchema = await wireSchema(service, request);
  const turns = request.messages.map(({ role, text }) => ({ role, content: text }));
  const common = { model, [limit]: request.maxOutputTokens };
  if (format === "json_schema")
    return {
      ...common,
      messages: [{ role: "system", content: request.system }, ...turns],
      response_format: { type: "json_schema", json_schema: jsonSchema },
    };
  const instruction =
    "Answer with one JSON object and nothing else. It must satisfy this JSON Schema:\n" +
    JSON.stringify(jsonSchema.schema);
  return {
    ...common,
    messages: [{ role: "system", content: `${request.system}\n\n${instruction}` }, ...turns],
    ...(format === "json_object" ? { response_format: { type: "json_object" } } : {}),
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
