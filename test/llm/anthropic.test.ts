import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createAnthropicModel } from "../../src/llm/anthropic.ts";
import { modelContract, requestOf } from "../contracts/model.ts";
import { manualClock } from "../support/clock.ts";
import { startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";

const message = (text: string, stop: string, more: Record<string, unknown> = {}) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "some-model",
  content: text === "" ? [] : [{ type: "text", text }],
  stop_reason: stop,
  stop_sequence: null,
  usage: { input_tokens: 100, output_tokens: 20 },
  ...more,
});

const error = (type: string, text: string) => ({ type: "error", error: { type, message: text } });

modelContract({
  provider: "anthropic",
  create: createAnthropicModel,
  baseURL: (server) => server,
  path: "/v1/messages",
  answer: (text) => message(text, "end_turn"),
  refusal: () => message("", "refusal"),
  truncated: (text) => message(text, "max_tokens"),
  error,
  schemaOf: (body) => (body["output_config"] as { format: { schema: unknown } }).format.schema,
});

describe("a model of anthropic, in its own terms", () => {
  let server: ModelServer;
  const create = (model = "claude-haiku-4-5") =>
    createAnthropicModel({
      name: "main",
      model,
      price: () => ({ input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 }),
      apiKey: "key-1",
      baseURL: server.url,
      timeoutMs: 30_000,
      clock: manualClock(),
    });
  beforeAll(async () => {
    server = await startModelServer();
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.requests.length = 0;
  });

  it("marks the end of what is the same for every event, so that the vendor caches it", async () => {
    server.replies.push(server.json(message("{}", "end_turn")));
    const turns = ["an example", "its answer", "the event"].map(
      (text, index) => ({ role: index === 1 ? "assistant" : "user", text }) as const,
    );
    await create().complete(requestOf({ messages: turns }));
    const body = server.requests[0]?.body as
      | { system: { cache_control?: unknown }[]; messages: { content: { cache_control?: unknown }[] }[] }
      | undefined;
    expect(body?.system.map((block) => block.cache_control)).toEqual([{ type: "ephemeral" }]);
    expect(body?.messages.map(({ content }) => content[0]?.cache_control)).toEqual([
      undefined,
      { type: "ephemeral" },
      undefined,
    ]);
  });

  it("counts cached tokens as input, at their own price", async () => {
    const usage = {
      input_tokens: 1_000,
      output_tokens: 100,
      cache_creation_input_tokens: 2_000,
      cache_read_input_tokens: 10_000,
    };
    server.replies.push(server.json(message("{}", "end_turn", { usage })));
    const answer = await create().complete(requestOf());
    expect(answer.usage).toMatchObject({ inputTokens: 13_000, outputTokens: 100 });
    // 1,000 at $1, 2,000 at $1.25, 10,000 at $0.10 and 100 at $5 per million.
    expect(answer.usage.costUsd).toBeCloseTo(0.001 + 0.0025 + 0.001 + 0.0005, 10);
  });

  it("takes an account without credit for a matter of the account, though it comes as a 400", async () => {
    const text = "Your credit balance is too low to access the Anthropic API.";
    server.replies.push(server.json(error("invalid_request_error", text), 400));
    await expect(create().complete(requestOf())).rejects.toMatchObject({ kind: "unauthorized", status: 400 });
  });

  it("writes nothing to the console, not even where its vendor will retire the model", async () => {
    const written = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    server.replies.push(server.json(message("{}", "end_turn")));
    await create("claude-sonnet-4-5").complete(requestOf());
    expect(written).not.toHaveBeenCalled();
    written.mockRestore();
  });

  it("leaves the model's thinking out of the text, and takes a full context window for a cut answer", async () => {
    const content = [
      { type: "thinking", thinking: "hm", signature: "s" },
      { type: "text", text: "{}" },
    ];
    server.replies.push(server.json(message("", "model_context_window_exceeded", { content })));
    expect(await create().complete(requestOf())).toMatchObject({ text: "{}", stop: "truncated" });
  });
});
