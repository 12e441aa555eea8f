import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import fc from "fast-check";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { startAnthropic } from "../../src/sandbox/anthropic.ts";
import type { ModelSandbox } from "../../src/sandbox/models.ts";
import { startOpenai } from "../../src/sandbox/openai.ts";
import { valueFor } from "../../src/sandbox/schema-values.ts";

const Verdict = z.strictObject({
  reason: z.string(),
  kind: z.enum(["lead", "spam"]),
  score: z.number().int().min(1).max(5),
  due: z.string().nullable(),
});
const thoughtful = {
  matches: ({ user }: { user: string }) => user.includes("offer"),
  answer: () => ({ reason: "It asks.", kind: "lead", score: 4, due: null }),
};

describe("Anthropic's stand-in", () => {
  let server: ModelSandbox;
  let client: Anthropic;
  beforeEach(async () => {
    server = await startAnthropic({ now: () => 0 });
    client = new Anthropic({ apiKey: "secret", baseURL: server.baseUrl, maxRetries: 0, logLevel: "off" });
  });
  afterEach(() => server.close());
  const ask = (content: string, maxTokens = 1_000) =>
    client.messages.create({
      model: "claude-of-the-sandbox",
      max_tokens: maxTokens,
      system: [{ type: "text", text: "You sort mail.", cache_control: { type: "ephemeral" } }],
      messages: [{ role: "user", content }],
      output_config: { format: zodOutputFormat(Verdict) },
    });
  const textOf = (message: Anthropic.Message) =>
    message.content.map((part) => (part.type === "text" ? part.text : "")).join("");

  it("answers the SDK with what the first matching brain thinks", async () => {
    server.brains.unshift(thoughtful);
    const message = await ask("Please send an offer.");
    expect(message.stop_reason).toBe("end_turn");
    expect(Verdict.parse(JSON.parse(textOf(message)))).toMatchObject({ kind: "lead", score: 4 });
    expect(message._request_id).toMatch(/^req_/);
  });

  it("answers with a valid value when no brain matches, and counts a cached prefix once as written", async () => {
    server.brains.length = 0;
    const [first, second] = [await ask("Hello"), await ask("Hello")];
    expect(Object.keys(JSON.parse(textOf(first)) as object)).toEqual(["reason", "kind", "score", "due"]);
    expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(0);
    expect(second.usage).toMatchObject({ cache_creation_input_tokens: 0 });
    expect(second.usage.cache_read_input_tokens).toBe(first.usage.cache_creation_input_tokens);
  });

  it("refuses, cuts short, and says anything else on demand", async () => {
    server.brains.unshift(thoughtful);
    server.faults.refuse();
    server.faults.truncate();
    server.faults.answerWith("```json");
    expect(await ask("offer")).toMatchObject({ stop_reason: "refusal", content: [] });
    expect(await ask("offer")).toMatchObject({ stop_reason: "max_tokens" });
    expect(textOf(await ask("offer"))).toBe("```json");
    expect(await ask("offer", 3)).toMatchObject({ stop_reason: "max_tokens", usage: { output_tokens: 3 } });
    expect(await ask("offer")).toMatchObject({ stop_reason: "end_turn" });
  });

  it.each([
    [400, Anthropic.BadRequestError],
    [401, Anthropic.AuthenticationError],
    [429, Anthropic.RateLimitError],
    [529, Anthropic.InternalServerError],
  ])("fails with %i as the SDK knows it", async (status, type) => {
    server.faults.fail({ status });
    await expect(ask("offer")).rejects.toBeInstanceOf(type);
  });

  it("refuses an open object, and a bound that constrained output can't hold", async () => {
    const send = (schema: object) =>
      fetch(`${server.url}/v1/messages`, {
        method: "POST",
        headers: {
          "x-api-key": "secret",
          "anthropic-version": "2023-06-01",
          "content-type": "application/json",
        },
        body: JSON.stringify({
          model: "m",
          max_tokens: 10,
          messages: [{ role: "user", content: "Hi" }],
          output_config: { format: { type: "json_schema", schema } },
        }),
      });
    const closed = { type: "object", properties: {}, required: [], additionalProperties: false };
    expect((await send(closed)).status).toBe(200);
    expect((await send({ type: "object", properties: {} })).status).toBe(400);
    const bounded = { ...closed, properties: { n: { type: "integer", maximum: 3 } }, required: ["n"] };
    expect((await send(bounded)).status).toBe(400);
  });

  it("wants a key and a version", async () => {
    const keyless = await fetch(`${server.url}/v1/messages`, { method: "POST" });
    expect([keyless.status, await keyless.json()]).toMatchObject([
      401,
      { error: { type: "authentication_error" } },
    ]);
    const headers = { "x-api-key": "secret", "content-type": "application/json" };
    const versionless = await fetch(`${server.url}/v1/messages`, { method: "POST", headers, body: "{}" });
    expect(versionless.status).toBe(400);
    expect(JSON.stringify(server.requests)).not.toContain("secret");
  });
});

describe("OpenAI's stand-in", () => {
  let server: ModelSandbox;
  let client: OpenAI;
  beforeEach(async () => {
    server = await startOpenai({ now: () => 0 });
    server.brains.unshift(thoughtful);
    client = new OpenAI({ apiKey: "secret", baseURL: server.baseUrl, maxRetries: 0, logLevel: "off" });
  });
  afterEach(() => server.close());
  const messages = [
    { role: "system" as const, content: "You sort mail." },
    { role: "user" as const, content: "Please send an offer." },
  ];
  const chat = () =>
    client.chat.completions.parse({
      model: "gpt-4o",
      messages,
      response_format: zodResponseFormat(Verdict, "verdict"),
    });
  const respond = () =>
    client.responses.parse({
      model: "gpt-4o",
      input: messages,
      text: { format: zodTextFormat(Verdict, "verdict") },
    });

  it("answers both of the SDK's ways to ask", async () => {
    expect((await chat()).choices[0]?.message.parsed).toMatchObject({ kind: "lead", score: 4 });
    expect((await respond()).output_parsed).toMatchObject({ kind: "lead", score: 4 });
  });

  it("tells the brain the name of the schema", async () => {
    server.brains.unshift({
      matches: ({ schemaName }) => schemaName === "verdict",
      answer: () => valueFor({ const: 1 }),
    });
    await expect(chat()).rejects.toThrow(z.ZodError);
  });

  it("refuses and cuts short as the SDK shows it", async () => {
    server.faults.refuse({ times: 2 });
    server.faults.truncate({ times: 2 });
    expect((await chat()).choices[0]?.message).toMatchObject({
      parsed: null,
      refusal: expect.any(String) as string,
    });
    expect((await respond()).output_parsed).toBeNull();
    await expect(chat()).rejects.toThrow(/length limit was reached/);
    expect(await respond()).toMatchObject({ status: "incomplete", output_parsed: null });
  });

  it("refuses a strict schema with an optional property", async () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string" } },
      required: [],
      additionalProperties: false,
    };
    const request = client.chat.completions.create({
      model: "gpt-4o",
      messages,
      response_format: { type: "json_schema", json_schema: { name: "v", strict: true, schema } },
    });
    await expect(request).rejects.toThrow(/Missing 'a'/);
  });

  it("fails as the SDK knows it", async () => {
    server.faults.fail({ status: 429, retryAfter: 3 });
    await expect(chat()).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  });
});

describe("the value that a schema gets when nobody thinks", () => {
  const leaf = fc.oneof(
    fc.constant(z.boolean()),
    fc.constant(z.null()),
    fc.constant(z.email()),
    fc.constant(z.url()),
    fc.constant(z.enum(["a", "b"])),
    fc.tuple(fc.nat(20), fc.nat(20)).map(([a, b]) => z.string().min(Math.min(a, b)).max(Math.max(a, b))),
    fc.tuple(fc.integer({ min: -50, max: 50 }), fc.nat(50)).map(([a, b]) =>
      z
        .number()
        .int()
        .min(a)
        .max(a + b),
    ),
    fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 2, max: 50 })).map(([a, b]) =>
      z
        .number()
        .gt(a)
        .lt(a + b),
    ),
  );
  const { schema: schemas } = fc.letrec<{ schema: z.ZodType }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc
        .dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie("schema"), { maxKeys: 4 })
        .map((shape) => z.strictObject(shape)),
      fc.tuple(tie("schema"), fc.nat(3)).map(([item, least]) => z.array(item).min(least)),
      tie("schema").map((inner) => inner.nullable()),
      fc.tuple(tie("schema"), tie("schema")).map((both) => z.union(both)),
    ),
  }));

  it("is valid for any schema of the common subset", () => {
    fc.assert(fc.property(schemas, (schema) => schema.safeParse(valueFor(z.toJSONSchema(schema))).success));
  });
});
