/** What every Model promises, whoever its vendor is. */
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ServiceError } from "../../src/domain/errors.ts";
import type { FaultKind } from "../../src/domain/errors.ts";
import type { Model, ModelRequest } from "../../src/domain/ports.ts";
import type { ModelOptions } from "../../src/llm/provider-call.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";

/** A vendor's wire format: how it says what the suite is about. */
export interface ModelVendor {
  readonly provider: Model["provider"];
  readonly create: (options: ModelOptions) => Model;
  /** From the server's own address. */
  readonly baseURL: (server: string) => string;
  readonly path: string;
  answer(text: string): unknown;
  refusal(): unknown;
  truncated(text: string): unknown;
  error(type: string, message: string): unknown;
  /** The schema in a request. */
  schemaOf(body: Record<string, unknown>): unknown;
}

const Verdict = z.strictObject({
  category: z.enum(["bug", "question"]),
  score: z.number().min(0).max(100),
  note: z.string().nullable(),
});
const key = "sk-contract-key-0123456789abcdef";
const mail = "please call me back on my private number";
const timeoutMs = 30_000;

export const requestOf = (more: Partial<ModelRequest> = {}): ModelRequest => ({
  system: "You sort mail.",
  messages: [{ role: "user", text: `<mail>${mail}</mail>` }],
  schemaName: "email-triage decide",
  schema: Verdict,
  maxOutputTokens: 512,
  signal: new AbortController().signal,
  ...more,
});

export function modelContract(vendor: ModelVendor): void {
  describe(`a model of ${vendor.provider}`, () => {
    let server: ModelServer;
    let clock: ManualClock;
    let model: Model;

    const create = (more: Partial<ModelOptions> = {}) =>
      vendor.create({
        name: "main",
        model: "some-model",
        apiKey: key,
        price: () => null,
        baseURL: vendor.baseURL(server.url),
        timeoutMs,
        clock,
        ...more,
      });
    const failure = async (promise: Promise<unknown>): Promise<ServiceError> => {
      const error: unknown = await promise.then(
        () => null,
        (reason: unknown) => reason,
      );
      if (!(error instanceof ServiceError)) throw new Error(`not a ServiceError: ${String(error)}`);
      return error;
    };

    beforeAll(async () => {
      server = await startModelServer();
    });
    afterAll(() => server.close());
    beforeEach(() => {
      server.replies.length = 0;
      server.requests.length = 0;
      clock = manualClock();
      model = create();
    });

    it("gives the text as answered, with what it used", async () => {
      server.replies.push(server.json(vendor.answer('{"category":"bug"}')));
      const answer = await model.complete(requestOf());
      expect(answer).toEqual({
        text: '{"category":"bug"}',
        stop: "end",
        usage: { model: "some-model", inputTokens: 100, outputTokens: 20, costUsd: null },
        requestId: null,
      });
      expect(server.requests.map(({ path }) => path)).toEqual([vendor.path]);
      expect(clock.pending()).toBe(0);
    });

    it("does not judge the text: what is no JSON comes back as it is", async () => {
      server.replies.push(server.json(vendor.answer("Sure! Here you are.")));
      expect(await model.complete(requestOf())).toMatchObject({ text: "Sure! Here you are.", stop: "end" });
    });

    it("holds the vendor to the schema: enums, required fields and closed objects reach the wire", async () => {
      server.replies.push(server.json(vendor.answer("{}")));
      await model.complete(requestOf());
      expect(vendor.schemaOf(server.requests[0]?.body ?? {})).toMatchObject({
        type: "object",
        additionalProperties: false,
        required: ["category", "score", "note"],
        properties: { category: { enum: ["bug", "question"] } },
      });
    });

    it("keeps what a refusal and a cut answer used, and the vendor's id of the request", async () => {
      server.replies.push(
        server.json(vendor.refusal(), 200, { "request-id": "req_8", "x-request-id": "req_8" }),
        server.json(vendor.truncated('{"cate')),
      );
      const usage = { model: "some-model", inputTokens: 100, outputTokens: 20, costUsd: null };
      expect(await model.complete(requestOf())).toMatchObject({
        stop: "refusal",
        usage,
        requestId: "req_8",
      });
      expect(await model.complete(requestOf())).toMatchObject({ stop: "truncated", text: '{"cate', usage });
    });

    it.each<[number, FaultKind]>([
      [400, "invalid"],
      [401, "unauthorized"],
      [402, "unauthorized"],
      [403, "unauthorized"],
      [404, "invalid"],
      [429, "rate-limited"],
      [500, "unavailable"],
      [503, "unavailable"],
      [529, "unavailable"],
    ])("blames a %i as %s, after one request", async (status, kind) => {
      server.replies.push(server.json(vendor.error("some_error", "no"), status));
      const error = await failure(model.complete(requestOf()));
      expect(error).toMatchObject({ service: `model:${vendor.provider}/some-model`, kind, status });
      expect(server.requests).toHaveLength(1);
    });

    it("hints at what to look at: the vendor's code, its id of the request, the key, the model's name", async () => {
      const ids = { "request-id": "req_7", "x-request-id": "req_7" };
      server.replies.push(
        server.json(vendor.error("bad_key", "no"), 401, ids),
        server.json(vendor.error("not_found", "no"), 404, ids),
      );
      expect((await failure(model.complete(requestOf()))).hint).toMatch(/request req_7; check its API key$/);
      expect((await failure(model.complete(requestOf()))).hint).toMatch(
        /request req_7; check the model's name and its base URL$/,
      );
    });

    it("tells when a rate limit ends, from seconds as from a date", async () => {
      const body = vendor.error("rate_limit_error", "slow down");
      const at = new Date(clock.now() + 7_000).toUTCString();
      server.replies.push(
        server.json(body, 429, { "retry-after": "3" }),
        server.json(body, 429, { "retry-after": at }),
      );
      expect((await failure(model.complete(requestOf()))).retryAfterMs).toBe(3_000);
      expect((await failure(model.complete(requestOf()))).retryAfterMs).toBe(7_000);
    });

    it("tells nothing of the key or the request in an error, even when the vendor quotes them", async () => {
      for (const status of [400, 401, 429, 500]) {
        server.replies.push(server.json(vendor.error("some_error", `bad: ${key} ${mail}`), status));
        const error = await failure(model.complete(requestOf()));
        const shown = `${error.message} ${error.stack ?? ""} ${JSON.stringify(error)} ${String(error.cause)}`;
        expect(shown).not.toContain(key);
        expect(shown).not.toContain(mail);
      }
    });

    it("takes a page of HTML, a body that is reset and a refused connection for an outage", async () => {
      const half = (response: ServerResponse) =>
        response.writeHead(200, { "content-type": "application/json" }).end('{"id":');
      const other = server.json({ hello: 1 }, 200, { "request-id": "req_9", "x-request-id": "req_9" });
      server.replies.push(server.html, half, other, server.resetBody);
      for (const request of ["", "", ", request req_9"])
        expect(await failure(model.complete(requestOf()))).toMatchObject({
          kind: "unavailable",
          hint: `it answered something other than a completion${request}; check its base URL`,
        });
      expect(await failure(model.complete(requestOf()))).toMatchObject({
        kind: "unavailable",
        effect: "unknown",
        hint: "the connection was lost, UND_ERR_SOCKET",
      });
      const gone = await startModelServer();
      await gone.close();
      const lost = create({ baseURL: vendor.baseURL(gone.url) });
      expect(await failure(lost.complete(requestOf()))).toMatchObject({
        kind: "unavailable",
        status: null,
        // Nothing was asked, so nothing is billed.
        effect: "none",
        hint: "no connection, ECONNREFUSED; check its base URL",
      });
    });

    it("follows no redirect, which would carry the request elsewhere", async () => {
      server.replies.push((response) =>
        response.writeHead(307, { location: `${server.url}/elsewhere` }).end(),
      );
      await failure(model.complete(requestOf()));
      expect(server.requests).toHaveLength(1);
    });

    it.each(["stall", "stallBody"] as const)(
      "ends at its deadline when the vendor falls silent (%s)",
      async (how) => {
        server.replies.push(server[how]);
        const silence = server.stalled();
        const failed = failure(model.complete(requestOf()));
        const { closed } = await silence;
        // The client gets to see the headers: what is left of the silence is in the body.
        for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        await clock.advance(timeoutMs);
        expect(await failed).toMatchObject({ kind: "timeout", effect: "unknown" });
        await closed;
      },
    );

    it("rejects with the reason of the caller's signal, for which the vendor is not to blame", async () => {
      const reason = new Error("the run was cancelled");
      server.replies.push(server.stallBody);
      const silence = server.stalled();
      const caller = new AbortController();
      const answer = model.complete(requestOf({ signal: caller.signal }));
      const { closed } = await silence;
      caller.abort(reason);
      await expect(answer).rejects.toBe(reason);
      await closed;
      await expect(model.complete(requestOf({ signal: caller.signal }))).rejects.toBe(reason);
      expect(server.requests).toHaveLength(1);
    });

    it.each([null, ""])("is not configured without a key (%j), and sends nothing then", async (apiKey) => {
      const keyless = create({ apiKey });
      expect([model.configured, keyless.configured]).toEqual([true, false]);
      expect(await failure(keyless.complete(requestOf()))).toMatchObject({ kind: "unauthorized" });
      expect(server.requests).toHaveLength(0);
    });

    it("says which schema can't be sent", async () => {
      const error = await failure(model.complete(requestOf({ schema: z.strictObject({ at: z.date() }) })));
      expect(error.kind).toBe("invalid");
      expect(error.message).toContain("email-triage decide");
      expect(server.requests).toHaveLength(0);
    });
  });
}
