import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createOpenaiModel } from "../../src/llm/openai.ts";
import { modelContract, requestOf } from "../contracts/model.ts";
import { manualClock } from "../support/clock.ts";
import { startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";

const completion = (
  content: string | null,
  finish = "stop",
  more: { refusal?: string; usage?: unknown } = {},
) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "some-model",
  choices: [
    {
      index: 0,
      finish_reason: finish,
      logprobs: null,
      message: { role: "assistant", content, refusal: more.refusal ?? null },
    },
  ],
  usage: "usage" in more ? more.usage : { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
});

const error = (code: string, message: string) => ({ error: { message, type: code, param: null, code } });

modelContract({
  provider: "openai",
  create: createOpenaiModel,
  baseURL: (server) => `${server}/v1`,
  path: "/v1/chat/completions",
  answer: (text) => completion(text),
  refusal: () => completion(null, "stop", { refusal: "I can't help with that." }),
  truncated: (text) => completion(text, "length"),
  error,
  schemaOf: (body) => {
    const format = body["response_format"] as { json_schema: { strict: boolean; schema: unknown } };
    return format.json_schema.strict ? format.json_schema.schema : "not strict";
  },
});

describe("a model of openai, in its own terms", () => {
  let server: ModelServer;
  const create = () =>
    createOpenaiModel({
      name: "fallback",
      model: "gpt-4o",
      price: () => ({ input: 2.5, output: 10, cacheRead: 1.25, cacheWrite: 2.5 }),
      apiKey: "key-1",
      baseURL: `${server.url}/v1`,
      timeoutMs: 30_000,
      clock: manualClock(),
    });
  const formats = () =>
    server.requests.map(({ body }) => (body["response_format"] as { type: string } | undefined)?.type);
  beforeAll(async () => {
    server = await startModelServer();
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.requests.length = 0;
    server.replies.length = 0;
  });

  it("asks a server that knows no json_schema for plain JSON, with the schema in words, and remembers it", async () => {
    const unknown = error(
      "invalid_request_error",
      "'response_format' of type 'json_schema' is not supported",
    );
    server.replies.push(
      server.json(unknown, 400),
      server.json(completion("{}")),
      server.json(completion("{}")),
    );
    const model = create();
    expect(await model.complete(requestOf())).toMatchObject({ text: "{}", stop: "end" });
    await model.complete(requestOf());
    expect(formats()).toEqual(["json_schema", "json_object", "json_object"]);
    const messages = server.requests[1]?.body["messages"] as { content: string }[] | undefined;
    expect(messages?.[0]?.content).toMatch(
      /^You sort mail\.\n\nAnswer with one JSON object[\s\S]*"enum":\["bug","question"\]/,
    );
  });

  const forbidden = (field: string) => [
    { type: "extra_forbidden", loc: ["body", field], msg: "Extra inputs are not permitted" },
  ];
  const limits = () =>
    server.requests.map(({ body }) => Object.keys(body).filter((name) => name.startsWith("max_")));

  // As Mistral, vLLM before 0.6.4 and a server behind OpenAI's SDK say it.
  it.each<[string, number, unknown]>([
    [
      "an object as message",
      422,
      { object: "error", message: { detail: forbidden("max_completion_tokens") } },
    ],
    [
      "a text as message",
      400,
      { object: "error", message: JSON.stringify(forbidden("max_completion_tokens")) },
    ],
    ["an error", 400, error("x", "Unrecognized request argument supplied: max_completion_tokens")],
  ])(
    "leaves out max_completion_tokens where it is not known (%s), and keeps the schema",
    async (_how, status, body) => {
      server.replies.push(
        server.json(body, status),
        server.json(completion("{}")),
        server.json(completion("{}")),
      );
      const model = create();
      expect(await model.complete(requestOf())).toMatchObject({ text: "{}" });
      await model.complete(requestOf());
      expect(limits()).toEqual([["max_completion_tokens"], ["max_tokens"], ["max_tokens"]]);
      expect(new Set(formats())).toEqual(new Set(["json_schema"]));
    },
  );

  it("asks in words alone where no response format is known at all", async () => {
    const detail = { detail: forbidden("response_format") };
    server.replies.push(server.json(detail, 422), server.json(detail, 422), server.json(completion("{}")));
    expect(await create().complete(requestOf())).toMatchObject({ text: "{}" });
    expect(formats()).toEqual(["json_schema", "json_object", undefined]);
  });

  it("goes back to max_completion_tokens where the plainer way is what is refused", async () => {
    server.replies.push(
      server.json(error("x", "'response_format' of type 'json_schema' is not supported"), 400),
      server.json(error("x", "'max_tokens' is not supported. Use 'max_completion_tokens' instead."), 400),
      server.json(completion("{}")),
    );
    expect(await create().complete(requestOf())).toMatchObject({ text: "{}" });
    expect(limits()).toEqual([["max_completion_tokens"], ["max_tokens"], ["max_completion_tokens"]]);
    expect(formats()).toEqual(["json_schema", "json_object", "json_object"]);
  });

  it("gives up on a server that refuses whatever it is asked, and names its refusal", async () => {
    const all = { detail: [...forbidden("response_format"), ...forbidden("max_completion_tokens")] };
    for (let times = 0; times < 8; times += 1) server.replies.push(server.json(all, 422));
    await expect(create().complete(requestOf())).rejects.toMatchObject({ kind: "invalid", status: 422 });
    expect(server.requests.length).toBeLessThanOrEqual(6);
  });

  it("does not ask again when a 400 is about something else", async () => {
    server.replies.push(server.json(error("context_length_exceeded", "too many tokens"), 400));
    await expect(create().complete(requestOf())).rejects.toMatchObject({ kind: "invalid" });
    expect(formats()).toEqual(["json_schema"]);
  });

  it("tells no time to wait when the quota is used up, whatever the header says", async () => {
    server.replies.push(server.json(error("insufficient_quota", "quota"), 429, { "retry-after": "1" }));
    await expect(create().complete(requestOf())).rejects.toMatchObject({
      kind: "rate-limited",
      retryAfterMs: null,
      message: expect.stringContaining("no credit left") as string,
    });
  });

  it("takes the content filter for a refusal", async () => {
    server.replies.push(server.json(completion(null, "content_filter")));
    expect(await create().complete(requestOf())).toMatchObject({ stop: "refusal", text: "" });
  });

  it("prices cached input, and knows no cost where the server reports no usage", async () => {
    const usage = {
      prompt_tokens: 10_000,
      completion_tokens: 1_000,
      total_tokens: 11_000,
      prompt_tokens_details: { cached_tokens: 8_000 },
    };
    server.replies.push(server.json(completion("{}", "stop", { usage })));
    server.replies.push(server.json(completion("{}", "stop", { usage: null })));
    const model = create();
    // 2,000 at $2.50, 8,000 at $1.25 and 1,000 at $10 per million.
    expect((await model.complete(requestOf())).usage.costUsd).toBeCloseTo(0.005 + 0.01 + 0.01, 10);
    expect((await model.complete(requestOf())).usage).toMatchObject({ inputTokens: 0, costUsd: null });
  });
});
