import { createHmac } from "node:crypto";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { Agent, request as httpRequest } from "node:http";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { JournalUnavailable, Rejection } from "../../src/domain/errors.ts";
import type { Source } from "../../src/domain/source.ts";
import { createIngest } from "../../src/http/ingest.ts";
import type { IngestOptions } from "../../src/http/ingest.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createSources } from "../../src/sources/index.ts";
import { manualClock } from "../support/clock.ts";
import { memoryInbox } from "../support/memory-inbox.ts";

const secret = "secret-of-the-test";
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(options: Partial<IngestOptions> & { extra?: Source[] } = {}) {
  const inbox = memoryInbox();
  const metrics = createMetrics();
  const clock = options.clock ?? systemClock;
  const sources = createSources(
    [
      { type: "stripe", name: "stripe", secrets: [secret] },
      { type: "github", name: "github", secrets: [secret] },
      { type: "github", name: "unset", secrets: [""] },
    ],
    { clock, log: silentLog },
  );
  for (const source of options.extra ?? []) sources.set(source.name, source);
  const parts = { sources, inbox, metrics, log: silentLog, clock };
  // Not spread: what is read at every request stays a getter.
  const ingest = createIngest(Object.defineProperties(parts, Object.getOwnPropertyDescriptors(options)));
  const { port } = await ingest.listen({ host: "127.0.0.1", port: 0 });
  stops.push(() => ingest.close(0));
  const counted = async (source: string, result: string) =>
    (await metrics.eventsReceived.get()).values.find(
      ({ labels }) => labels.source === source && labels.result === result,
    )?.value ?? 0;
  return { inbox, ingest, port, metrics, counted, url: `http://127.0.0.1:${port}` };
}

const pullRequest = (text = "{}", headers: Record<string, string> = {}) => ({
  body: text,
  headers: {
    "Content-Type": "application/json",
    "X-GitHub-Event": "ping",
    "X-GitHub-Delivery": "d-1",
    "X-Hub-Signature-256": `sha256=${createHmac("sha256", secret).update(text).digest("hex")}`,
    ...headers,
  },
});

interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  json: {
    status?: string;
    event?: string;
    runs?: number;
    events?: string[];
    error?: { code: string; message: string };
  };
}

/** With node:http, which sends what it is told to: fetch hides Expect, chunks and connections. */
function post(
  url: string,
  {
    body,
    headers,
    method = "POST",
    agent,
  }: { body?: string | Buffer; headers?: Record<string, string>; method?: string; agent?: Agent },
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      url,
      { method, headers, ...(agent ? { agent } : { agent: false }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const json = text === "" ? {} : (JSON.parse(text) as Answered["json"]);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Everything a raw connection says until it is closed. */
async function said(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
  socket.on("error", () => {});
  if (!socket.closed) await once(socket, "close");
  return text;
}
const open = async (port: number, text: string): Promise<Socket> => {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(text);
  return socket;
};

/** Takes whatever comes. */
const listed: Source = {
  name: "listed",
  type: "test",
  active: true,
  maxBodyBytes: 1_000,
  keptHeaders: [],
  evidence: null,
  verify: () => ({ secretIndex: 0 }),
  identify: () => [],
};

describe("an authentic request", () => {
  it("is answered 200 once it is stored, with the event's id and the number of runs", async () => {
    const { url, inbox, counted, metrics } = await start();
    const answer = await post(`${url}/webhooks/github?x=1`, pullRequest('{"zen":"ü"}'));
    expect(answer).toMatchObject({
      status: 200,
      json: { status: "accepted", event: "evt_0_0", runs: 2, events: ["evt_0_0"] },
    });
    expect(inbox.stored[0]).toMatchObject({
      source: "github",
      request: {
        method: "POST",
        url: "/webhooks/github?x=1",
        remoteAddress: "127.0.0.1",
        headers: { "x-github-event": "ping" },
      },
    });
    expect(inbox.stored[0]?.request.body).toEqual(Buffer.from('{"zen":"ü"}'));
    expect(inbox.stored[0]?.request.query.get("x")).toBe("1");
    expect(await counted("github", "accepted")).toBe(1);
    expect(
      (await metrics.ackSeconds.get()).values.find(({ metricName }) => metricName?.endsWith("_count"))?.value,
    ).toBe(1);
  });

  it("is a duplicate under a fresh delivery id, and names the first", async () => {
    const { url, counted } = await start();
    const first = await post(`${url}/webhooks/github`, pullRequest());
    const again = await post(`${url}/webhooks/github`, pullRequest("{}", { "X-GitHub-Delivery": "d-2" }));
    expect(again.json).toEqual({
      status: "duplicate",
      event: first.json.event,
      runs: 0,
      events: [first.json.event],
    });
    expect(await counted("github", "duplicate")).toBe(1);
  });

  it("of several items is accepted while one of them is new, and counts the runs of all", async () => {
    const source: Source = {
      ...listed,
      identify: ({ body }) =>
        body
          .toString()
          .split(" ")
          .map((id) => ({
            providerId: id,
            type: "t",
            occurredAt: null,
            dedupeKeys: [id],
            body: Buffer.from(id),
            payload: {},
          })),
    };
    const { url, counted } = await start({ extra: [source] });
    const sent = async (body: string) => (await post(`${url}/webhooks/listed`, { body })).json;
    expect(await sent("a b")).toMatchObject({ status: "accepted", event: "evt_0_0", runs: 4 });
    expect(await sent("b c")).toEqual({
      status: "accepted",
      event: "evt_0_1",
      runs: 2,
      events: ["evt_0_1", "evt_1_1"],
    });
    expect(await sent("c a")).toMatchObject({ status: "duplicate", event: "evt_1_1", runs: 0 });
    expect([await counted("listed", "accepted"), await counted("listed", "duplicate")]).toEqual([2, 1]);
  });

  it("is not answered before it is stored", async () => {
    const { url, inbox } = await start();
    let store = (): void => {};
    const storing = new Promise<void>((resolve) => (store = resolve));
    let asked = (): void => {};
    const reached = new Promise<void>((resolve) => (asked = resolve));
    inbox.before = () => {
      asked();
      return storing;
    };
    let answered = false;
    const answer = post(`${url}/webhooks/github`, pullRequest()).finally(() => (answered = true));
    await reached;
    expect((await post(`${url}/healthz`, { method: "GET" })).status).toBe(200);
    expect(answered).toBe(false);
    store();
    expect((await answer).status).toBe(200);
  });

  it("may come in chunks, byte by byte", async () => {
    const { port, inbox } = await start();
    const { headers } = pullRequest('{"a":1}');
    const head = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
    const socket = await open(
      port,
      `POST /webhooks/github HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${head}\r\n`,
    );
    const heard = said(socket);
    for (const byte of '{"a":1}') socket.write(`1\r\n${byte}\r\n`);
    socket.write("0\r\n\r\n");
    expect(await heard).toContain("200 OK");
    expect(inbox.stored[0]?.request.body.toString()).toBe('{"a":1}');
  });

  it("leaves the connection open for the next one", async () => {
    const { url } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    agent.on("free", (socket: Socket) => ports.add(socket.localPort));
    for (let at = 0; at < 3; at += 1) {
      const answer = await post(`${url}/webhooks/github`, {
        ...pullRequest(`{"n":${at}}`, { "X-GitHub-Delivery": `d-${at}` }),
        agent,
      });
      expect(answer.headers["connection"]).toBe("keep-alive");
    }
    agent.destroy();
    expect(ports.size).toBe(1);
  });

  it("is asked for its body only once its head was accepted", async () => {
    const { port } = await start();
    const head = (length: number) =>
      `POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
    const refused = await open(port, head(2_000_000));
    const answer = new Promise<string>((resolve) =>
      refused.once("data", (chunk: Buffer) => resolve(chunk.toString())),
    );
    expect(await answer).toContain("413 Payload Too Large");
    refused.destroy();
    const accepted = await open(port, head(2));
    const heard = said(accepted);
    accepted.once("data", () => accepted.end("{}"));
    expect(await heard).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 401 Unauthorized/);
  });
});

describe("refusals", () => {
  it.each([
    [404, "unknown_source", "POST", "/webhooks/nobody"],
    [404, "unknown_source", "POST", "/webhooks/"],
    [404, "unknown_source", "GET", "/webhooks/__proto__"],
    [404, "unknown_source", "POST", "/webhooks/github/"],
    [404, "unknown_source", "GET", "/"],
    [405, "method_not_allowed", "GET", "/webhooks/github"],
    [405, "method_not_allowed", "POST", "/healthz"],
    [503, "source_inactive", "POST", "/webhooks/unset"],
  ])("are %i %s for %s %s", async (status, code, method, path) => {
    const { url } = await start();
    const answer = await post(`${url}${path}`, { method, headers: {} });
    expect(answer).toMatchObject({ status, json: { error: { code } } });
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(answer.headers["allow"]).toBe(
      status === 405 ? (path === "/healthz" ? "GET, HEAD" : "POST") : undefined,
    );
    expect(answer.headers["retry-after"]).toBe(status === 503 ? "60" : undefined);
  });

  it("come in one order, each before what would be found after it", async () => {
    const { url, inbox } = await start({ requireHttps: true, trustProxy: ["127.0.0.0/8"] });
    const https = { "X-Forwarded-Proto": "https" };
    const over = "a".repeat(1_000_001);
    const codeOf = async (path: string, body: string, headers: Record<string, string>) =>
      (await post(url + path, { body, headers })).json.error?.code;
    expect(await codeOf("/webhooks/nobody", over, { "Content-Encoding": "gzip" })).toBe("unknown_source");
    expect(await codeOf("/webhooks/unset", over, { "Content-Encoding": "gzip" })).toBe("source_inactive");
    expect(await codeOf("/webhooks/stripe", over, { "Content-Encoding": "gzip" })).toBe("https_required");
    expect(await codeOf("/webhooks/stripe", over, { ...https, "Content-Encoding": "gzip" })).toBe(
      "content_encoding",
    );
    expect(await codeOf("/webhooks/stripe", over, https)).toBe("too_large");
    expect(await codeOf("/webhooks/stripe", "no json", https)).toBe("signature_missing");
    expect(await codeOf("/webhooks/github", "no json", { ...https, ...pullRequest("no json").headers })).toBe(
      "malformed_json",
    );
    expect(inbox.stored).toEqual([]);
  });

  it("keep an authentic but unreadable request, with its bytes, before they say 400", async () => {
    const { url, inbox, counted } = await start();
    const answer = await post(`${url}/webhooks/github`, pullRequest("{broken"));
    expect(answer).toMatchObject({ status: 400, json: { error: { code: "malformed_json" } } });
    expect(inbox.malformed).toEqual([
      { source: "github", body: Buffer.from("{broken"), reason: answer.json.error?.message },
    ]);
    expect(await counted("github", "malformed")).toBe(1);
    inbox.before = () => {
      throw new JournalUnavailable("disk full");
    };
    expect(await post(`${url}/webhooks/github`, pullRequest("{broken"))).toMatchObject({
      status: 503,
      json: { error: { code: "not_stored" } },
    });
  });

  it("keep nothing of a request that is not authentic", async () => {
    const { url, inbox, counted } = await start();
    const answer = await post(
      `${url}/webhooks/github`,
      pullRequest("{broken", { "X-Hub-Signature-256": `sha256=${"0".repeat(64)}` }),
    );
    expect(answer).toMatchObject({ status: 401, json: { error: { code: "signature_mismatch" } } });
    expect([inbox.stored, inbox.malformed]).toEqual([[], []]);
    expect(await counted("github", "unauthorized")).toBe(1);
  });

  it("do not decompress", async () => {
    const { url, inbox } = await start();
    const { headers } = pullRequest();
    const answer = await post(`${url}/webhooks/github`, {
      body: gzipSync(Buffer.alloc(10_000_000)),
      headers: { ...headers, "Content-Encoding": "gzip" },
    });
    expect(answer).toMatchObject({ status: 415, json: { error: { code: "content_encoding" } } });
    expect(inbox.stored).toEqual([]);
    // Which says that nothing was done to the bytes.
    const plain = pullRequest("{}", { "Content-Encoding": "Identity" });
    expect((await post(`${url}/webhooks/github`, plain)).status).toBe(200);
  });

  it("are 503 with Retry-After while nothing can be stored, whatever the cause, and tell no internals", async () => {
    const { url, inbox, counted } = await start();
    for (const [error, code] of [
      [new JournalUnavailable("SQLITE_FULL in /var/data"), "not_stored"],
      [new TypeError("undefined is not a function at /srv/app"), "internal"],
    ] as const) {
      inbox.before = () => {
        throw error;
      };
      const answer = await post(`${url}/webhooks/github`, pullRequest());
      expect(answer).toMatchObject({
        status: 503,
        json: { error: { code } },
        headers: { "retry-after": "5" },
      });
      expect(answer.json.error?.message).not.toMatch(/SQLITE|undefined|\//);
    }
    expect(await counted("github", "unavailable")).toBe(2);
  });

  it("pass on what a source says of keys that can't be had, with a time to come back", async () => {
    const source: Source = {
      name: "keys",
      type: "gmail",
      active: true,
      maxBodyBytes: 10,
      keptHeaders: [],
      evidence: null,
      verify: () =>
        Promise.reject(new Rejection(503, "keys_unavailable", "later", { retryAfterSeconds: 10 })),
      identify: () => [],
    };
    const { url } = await start({ extra: [source] });
    expect(await post(`${url}/webhooks/keys`, { body: "{}" })).toMatchObject({
      status: 503,
      headers: { "retry-after": "10" },
    });
  });
});

describe("what a source answers in its provider's words", () => {
  const signed: Source = {
    name: "signed",
    type: "test",
    active: true,
    maxBodyBytes: 100,
    keptHeaders: [],
    evidence: null,
    verify: ({ headers }) => {
      if (headers["x-signature"] === "right") return { secretIndex: 0 };
      throw new Rejection(401, "signature_mismatch", "wrong");
    },
    challenge: ({ body }) =>
      body.includes("challenge") ? { status: 200, contentType: "text/plain", body: "echo" } : null,
    identify: ({ body }) => [
      {
        providerId: "1",
        type: body.toString(),
        occurredAt: null,
        dedupeKeys: [`body:${body.toString()}`],
        body,
        payload: {},
      },
    ],
    acknowledgement: ([event]) =>
      event?.type === "empty" ? { status: 200, empty: true } : { status: 202, empty: false },
  };
  const text = async (url: string, body: string, signature = "right") => {
    const answer = await fetch(url, { method: "POST", body, headers: { "x-signature": signature } });
    return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
  };

  it("is a signed challenge's answer only to who signed it, and nothing is stored", async () => {
    const { url, inbox, counted } = await start({ extra: [signed] });
    expect((await text(`${url}/webhooks/signed`, "challenge", "wrong")).status).toBe(401);
    expect(await text(`${url}/webhooks/signed`, "challenge")).toEqual({
      status: 200,
      type: "text/plain",
      text: "echo",
    });
    expect(inbox.stored).toEqual([]);
    expect(await counted("signed", "handshake")).toBe(1);
  });

  it("is another status, or nothing at all, for an event and for its duplicate", async () => {
    const { url, inbox } = await start({ extra: [signed] });
    for (const status of ["accepted", "duplicate"]) {
      const answer = await text(`${url}/webhooks/signed`, "event");
      expect(answer.status).toBe(202);
      expect(JSON.parse(answer.text)).toMatchObject({ status });
      expect(await text(`${url}/webhooks/signed`, "empty")).toEqual({
        status: 200,
        type: "text/plain; charset=utf-8",
        text: "",
      });
    }
    expect(inbox.stored).toHaveLength(4);
  });
});

describe("a body that is too large", () => {
  it("is refused by its announced length, and the sender hears why", async () => {
    const { url, counted } = await start();
    const answer = await post(`${url}/webhooks/stripe`, { body: Buffer.alloc(2_000_000) });
    expect(answer).toMatchObject({
      status: 413,
      headers: { connection: "close" },
      json: { error: { code: "too_large" } },
    });
    expect(await counted("stripe", "too_large")).toBe(1);
  });

  it("is refused while it comes, when it comes in chunks", async () => {
    const { url, inbox } = await start();
    const answer = await post(`${url}/webhooks/stripe`, {
      body: Buffer.alloc(2_000_000),
      headers: { "Transfer-Encoding": "chunked" },
    });
    expect(answer).toMatchObject({ status: 413, headers: { connection: "close" } });
    expect(inbox.stored).toEqual([]);
  });

  it("is heard out for a short while only: then the connection is closed", async () => {
    const clock = manualClock();
    const { port } = await start({ clock });
    const socket = await open(
      port,
      "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    );
    const heard = said(socket);
    await once(socket, "data");
    expect(clock.pending()).toBe(1);
    await clock.advance(2_000);
    expect(await heard).toContain("413 Payload Too Large");
  });

  it("waits its turn while others hold the memory; ordinary ones never do, and what was held is given back", async () => {
    const { url, port, counted } = await start({ limits: { largeBodiesBytes: 1_000_000 } });
    const large = pullRequest(`{"large":"${"a".repeat(1_200_000)}"}`);
    const ordinary = pullRequest(`{"ordinary":"${"b".repeat(900_000)}"}`, { "X-GitHub-Delivery": "d-2" });
    const statusOf = async (sent: typeof large) => (await post(`${url}/webhooks/github`, sent)).status;
    // Each is done with its room once it is answered, whatever the answer.
    for (let at = 0; at < 10; at += 1) expect(await statusOf(large)).toBe(200);
    const unsigned = { ...large, headers: {} };
    for (let at = 0; at < 10; at += 1)
      expect((await post(`${url}/webhooks/github`, unsigned)).status).toBe(401);
    const stranger = await open(
      port,
      "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 25000000\r\n\r\n",
    );
    const gone = said(stranger);
    stranger.write(Buffer.alloc(1_950_000));
    let answer = await post(`${url}/webhooks/github`, large);
    while (answer.status === 200) answer = await post(`${url}/webhooks/github`, large);
    expect(answer).toMatchObject({
      status: 503,
      headers: { "retry-after": "5" },
      json: { error: { code: "busy" } },
    });
    expect(await statusOf(ordinary)).toBe(200);
    expect(await counted("github", "unavailable")).toBe(1);
    stranger.destroy();
    await gone;
    while ((await statusOf(large)) !== 200);
  });

  it("may be 25 MB for GitHub", async () => {
    const { url } = await start();
    const text = `{"a":"${"b".repeat(24_000_000)}"}`;
    expect((await post(`${url}/webhooks/github`, pullRequest(text))).status).toBe(200);
  });
});

describe("a sender that", () => {
  it("goes away in the middle of its body leaves nothing behind", async () => {
    const { port, inbox, counted, url } = await start();
    const socket = await open(
      port,
      "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    );
    socket.destroy();
    await expect.poll(() => counted("github", "aborted")).toBe(1);
    expect([inbox.stored, inbox.malformed]).toEqual([[], []]);
    expect((await post(`${url}/healthz`, { method: "GET" })).json).toEqual({ status: "ok" });
  });

  it("is too slow with its body is told so and cut off", async () => {
    const { port, inbox } = await start({ limits: { requestTimeoutMs: 100, headersTimeoutMs: 100 } });
    const socket = await open(
      port,
      "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    );
    const text = await said(socket);
    expect(text).toContain("408 Request Timeout");
    expect(text).toContain('"code":"too_slow"');
    expect(inbox.stored).toEqual([]);
  });

  it("is too slow with its headers is told so and cut off", async () => {
    const { port } = await start({ limits: { headersTimeoutMs: 100 } });
    expect(await said(await open(port, "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Slow: "))).toContain(
      "408 Request Timeout",
    );
  });

  it("sends endless headers is cut off", async () => {
    const { port } = await start();
    const text = await said(
      await open(port, `POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(20_000)}\r\n\r\n`),
    );
    expect(text).toContain("431 Request Header Fields Too Large");
    expect(text).toContain('"code":"headers_too_large"');
  });

  it("speaks no HTTP is told so and cut off", async () => {
    const { port } = await start();
    expect(await said(await open(port, "EHLO example.com\r\n\r\n"))).toContain("400 Bad Request");
  });

  it("sends its credential twice is refused", async () => {
    const { port } = await start();
    const { headers } = pullRequest();
    const head = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
    const text = await said(
      await open(
        port,
        `POST /webhooks/github HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Hub-Signature-256: sha256=${"0".repeat(64)}\r\n${head}Content-Length: 2\r\n\r\n{}`,
      ),
    );
    expect(text).toContain('"code":"signature_malformed"');
  });

  it("sends two tokens shows both to the source, as a proxy in front may have read either", async () => {
    const seen: (string | undefined)[] = [];
    const source: Source = {
      ...listed,
      verify({ headers }) {
        seen.push(headers["authorization"]);
        throw new Rejection(401, "token_malformed", "no");
      },
    };
    const { port } = await start({ extra: [source] });
    await said(
      await open(
        port,
        "POST /webhooks/listed HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer one\r\n" +
          "Authorization: Bearer two\r\nContent-Length: 0\r\n\r\n",
      ),
    );
    expect(seen).toEqual(["Bearer one, Bearer two"]);
  });
});

describe("many bad signatures from one address", () => {
  const shut = (source: string) => (source === "stripe" ? { allows: () => false } : undefined);

  it("are answered 429 in the end, while a good one is never limited", async () => {
    const clock = manualClock();
    const { url, counted } = await start({ clock, limits: { badSignaturesPerMinute: 3 } });
    const statuses: number[] = [];
    for (let at = 0; at < 5; at += 1)
      statuses.push((await post(`${url}/webhooks/stripe`, { body: "{}" })).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect((await post(`${url}/webhooks/github`, pullRequest())).status).toBe(200);
    expect(await counted("stripe", "limited")).toBe(2);
    const limited = await post(`${url}/webhooks/stripe`, { body: "{}" });
    expect(limited).toMatchObject({
      headers: { "retry-after": "5" },
      json: { error: { code: "too_many_bad_signatures" } },
    });
    await clock.advance(20_000);
    expect((await post(`${url}/webhooks/stripe`, { body: "{}" })).status).toBe(401);
  });

  it("are not what a request that fails otherwise is counted as", async () => {
    const { url } = await start({ limits: { badSignaturesPerMinute: 1 }, doors: shut });
    for (let at = 0; at < 3; at += 1) {
      expect((await post(`${url}/webhooks/github`, pullRequest("no json"))).status).toBe(400);
      expect((await post(`${url}/webhooks/stripe`, { body: "{}" })).status).toBe(403);
      expect((await post(`${url}/webhooks/nobody`, { body: "{}" })).status).toBe(404);
    }
    const unsigned = { body: "{}" };
    expect((await post(`${url}/webhooks/github`, unsigned)).status).toBe(401);
    expect((await post(`${url}/webhooks/github`, unsigned)).status).toBe(429);
    expect((await post(`${url}/webhooks/github`, pullRequest("no json"))).status).toBe(400);
  });

  it("are counted per sender behind a trusted proxy", async () => {
    const { url } = await start({ trustProxy: ["127.0.0.1"], limits: { badSignaturesPerMinute: 1 } });
    const from = async (address: string) =>
      (await post(`${url}/webhooks/stripe`, { body: "{}", headers: { "X-Forwarded-For": address } })).status;
    expect(await from("198.51.100.1")).toBe(401);
    expect(await from("198.51.100.1")).toBe(429);
    expect(await from("198.51.100.2")).toBe(401);
    expect(await from("203.0.113.9, 198.51.100.2")).toBe(429);
    expect(await from("2001:db8::1")).toBe(401);
    expect(await from("2001:db8:0:0:ffff::2")).toBe(429);
    expect(await from("2001:db8:0:1::1")).toBe(401);
  });
});

describe("a handshake", () => {
  it("is answered as the source says, and nothing is stored", async () => {
    const source: Source = {
      name: "graph",
      type: "graph",
      active: true,
      maxBodyBytes: 10,
      keptHeaders: [],
      evidence: null,
      handshake: ({ query }) => ({
        status: 200,
        contentType: "text/plain",
        body: query.get("validationToken") ?? "",
      }),
      verify: () => ({ secretIndex: 0 }),
      identify: () => [],
    };
    const { url, inbox, counted } = await start({ extra: [source] });
    const answer = await fetch(`${url}/webhooks/graph?validationToken=a%20%3Cb%3E`, { method: "POST" });
    expect([answer.status, answer.headers.get("content-type"), await answer.text()]).toEqual([
      200,
      "text/plain",
      "a <b>",
    ]);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(inbox.stored).toEqual([]);
    expect(await counted("graph", "handshake")).toBe(1);
  });
});

describe("plain HTTP", () => {
  it.each([
    ["no proxy is trusted", [], { "X-Forwarded-Proto": "https" }, 403],
    ["another proxy is trusted", ["10.0.0.0/8", "::1"], { "X-Forwarded-Proto": "https" }, 403],
    ["the proxy says http", ["127.0.0.1"], { "X-Forwarded-Proto": "http" }, 403],
    ["the proxy says http of one hop", ["127.0.0.1"], { "X-Forwarded-Proto": "https, http" }, 403],
    ["the proxy says nothing", ["127.0.0.1"], {}, 403],
    ["the proxy says https", ["127.0.0.0/8"], { "X-Forwarded-Proto": "https" }, 200],
  ] as [string, string[], Record<string, string>, number][])(
    "where HTTPS is required and %s",
    async (_, trustProxy, headers, status) => {
      const { url } = await start({ requireHttps: true, trustProxy });
      expect((await post(`${url}/webhooks/github`, pullRequest("{}", headers))).status).toBe(status);
    },
  );

  it("is judged by what the configuration says at the time of the request", async () => {
    const server = { requireHttps: false, trustProxy: [] as readonly string[] };
    const { url } = await start({
      get requireHttps() {
        return server.requireHttps;
      },
      get trustProxy() {
        return server.trustProxy;
      },
    });
    const status = async (n: number) =>
      (await post(`${url}/webhooks/github`, pullRequest(`{"n":${n}}`, { "X-Forwarded-Proto": "https" })))
        .status;
    expect(await status(1)).toBe(200);
    server.requireHttps = true;
    expect(await status(2)).toBe(403);
    server.trustProxy = ["127.0.0.1"];
    expect(await status(3)).toBe(200);
  });

  it("is judged by addresses that must be addresses", () => {
    for (const entry of ["proxy", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/8/8"]) {
      const options = {
        sources: new Map(),
        inbox: memoryInbox(),
        metrics: createMetrics(),
        log: silentLog,
        clock: systemClock,
      };
      expect(() => createIngest({ ...options, trustProxy: [entry] })).toThrow(
        `"${entry}" is no address and no CIDR range`,
      );
    }
  });
});

describe("the server", () => {
  it("finishes requests in flight when it stops, takes no new ones, and closes idle connections", async () => {
    const { url, inbox, ingest, port } = await start();
    const idle = await open(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    const idleClosed = said(idle);
    await once(idle, "data");
    let store = (): void => {};
    let asked = (): void => {};
    const reached = new Promise<void>((resolve) => (asked = resolve));
    inbox.before = () => {
      asked();
      return new Promise<void>((resolve) => (store = resolve));
    };
    const answer = post(`${url}/webhooks/github`, pullRequest());
    await reached;
    const stopped = ingest.close(10_000);
    await idleClosed;
    await expect(post(`${url}/healthz`, { method: "GET" })).rejects.toMatchObject({ code: "ECONNREFUSED" });
    store();
    expect(await answer).toMatchObject({ status: 200, headers: { connection: "close" } });
    await stopped;
    expect(inbox.stored.length).toBe(1);
  });

  it("cuts off what is left when its grace is over", async () => {
    const clock = manualClock();
    const { port, ingest } = await start({ clock });
    const socket = await open(
      port,
      "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    );
    const heard = said(socket);
    await once(socket, "data");
    const stopped = ingest.close(5_000);
    await clock.advance(5_000);
    await stopped;
    expect(await heard).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  });

  it("says why it can't have a port", async () => {
    const { port } = await start();
    const { ingest } = await start();
    await ingest.close(0);
    await expect(ingest.listen({ host: "127.0.0.1", port })).rejects.toThrow(
      `port ${port} on 127.0.0.1 can't be had: another program has it; set server.port to a free one`,
    );
  });
});
