/**
 * One vendor on one loopback port. A request goes: recorded → fault, if one waits → body parsed → authorised → routed →
 * handled → state saved → answered. Handlers are synchronous, so a request either took effect wholly or not at all; one that
 * asks elsewhere before it acts (a callback to the client) does all of its acting at its end.
 *
 * The server is `open` from the moment `openStand` resolves. While faults say `down` it accepts and cuts; after `close`
 * the port is free again and nothing is answered.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Json } from "../domain/json.ts";
import { headersWithoutSecrets, parseBody, parseForm, withoutSecrets } from "./bodies.ts";
import type { Answer, AskingHandler, Call, Route } from "./call.ts";
import type { Fault, FaultBox, Faults } from "./faults.ts";
import { createFaults } from "./faults.ts";

interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, Json>>;
  /** `authorization` holds its kind only, never the credential. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
  /** Null while unanswered: stalled, dropped, or still at work. */
  readonly status: number | null;
  readonly at: number;
}

export interface StandSpec {
  readonly now: () => number;
  readonly routes: readonly Route<AskingHandler>[];
  /** The vendor's own refusal; null lets the call in. */
  authorize(call: Call): Answer | null;
  /** The vendor's error shape, for faults, unknown paths and unreadable bodies. */
  failure(status: number, message: string): Answer;
  /** Called after every request that may have changed something, before it is answered. */
  save(): void;
  readonly port?: number;
}

/** What every stand-in offers besides its own verbs. */
export interface Stand {
  readonly url: string;
  readonly faults: Faults;
  readonly requests: readonly RecordedRequest[];
  /** The first recorded request that matches, past or future. */
  received(when?: (request: RecordedRequest) => boolean): Promise<RecordedRequest>;
  close(): Promise<void>;
}

/** An outward effect that a person would notice. */
export interface Effect {
  readonly vendor: string;
  /** `review`, `ticket`, `mail` … */
  readonly kind: string;
  /** What it was done to: `acme/web#7`, `ada@example.com`. */
  readonly target: string;
  /** The sender's marker, idempotency key or client id, where one was given. */
  readonly key?: string;
  readonly at: number;
}

export async function openStand(spec: StandSpec): Promise<Stand> {
  const sockets = new Set<Socket>();
  const faults = createFaults(() => sockets.forEach((socket) => socket.destroy()));
  const log = createRecorder();
  const server = createServer((request, response) => {
    // A client that goes away while it sends is its own business.
    void serve(spec, faults, log, request, response).catch(() => response.destroy());
  });
  // A stalled request stays open until the caller gives up: that is what it is for.
  server.requestTimeout = 0;
  // Clients that reuse a connection after a pause must not meet it half closed: that would be a fault nobody asked for.
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket: Socket) => {
    if (faults.isDown()) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(spec.port ?? 0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    requests: log.requests,
    received: log.received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        sockets.forEach((socket) => socket.destroy());
      }),
  };
}

type MutableRecord = { -readonly [K in keyof RecordedRequest]: RecordedRequest[K] };

function createRecorder() {
  const requests: MutableRecord[] = [];
  let waiting: { when: (request: RecordedRequest) => boolean; found(request: RecordedRequest): void }[] = [];
  return {
    requests,
    add(record: MutableRecord) {
      requests.push(record);
      const met = waiting.filter((waiter) => waiter.when(record));
      waiting = waiting.filter((waiter) => !met.includes(waiter));
      met.forEach((waiter) => waiter.found(record));
    },
    received(when: (request: RecordedRequest) => boolean = () => true): Promise<RecordedRequest> {
      const past = requests.find(when);
      if (past) return Promise.resolve(past);
      return new Promise((found) => waiting.push({ when, found }));
    },
  };
}

async function serve(
  spec: StandSpec,
  faults: FaultBox,
  log: ReturnType<typeof createRecorder>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks).toString("utf8");
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
  const method = request.method ?? "GET";
  const parsed = parseBody(headers["content-type"] ?? "", raw);
  const body = parsed.ok ? parsed.value : raw;
  const call: Call = {
    method,
    path,
    params: {},
    query: parseForm(query),
    headers,
    body,
    raw,
    at: spec.now(),
  };
  const record: MutableRecord = {
    method,
    path,
    query: call.query,
    headers: headersWithoutSecrets(headers),
    body: withoutSecrets(body),
    status: null,
    at: call.at,
  };
  const fault = faults.take(call);
  log.add(record);
  const answer = await answerTo(spec, call, fault, parsed.ok ? null : parsed.reason);
  if (answer === null) {
    if (fault?.kind !== "stall") request.socket.destroy();
    return;
  }
  record.status = answer.status;
  send(response, answer);
}

/** Null when nothing is answered. */
async function answerTo(
  spec: StandSpec,
  call: Call,
  fault: Fault | null,
  unreadable: string | null,
): Promise<Answer | null> {
  if (fault && !takesEffect(fault)) return fault.kind === "fail" ? failed(spec, fault) : null;
  const handled = handle(spec, call, unreadable);
  const answer = handled instanceof Promise ? await handled : handled;
  if (call.method !== "GET") spec.save();
  if (fault?.kind === "fail") return failed(spec, fault);
  if (fault?.kind === "garble")
    return { status: 200, text: "<html><body>Something went wrong</body></html>" };
  return fault ? null : answer;
}

const takesEffect = (fault: Fault): boolean => fault.kind === "garble" || fault.after === "effect";

function failed(spec: StandSpec, fault: Extract<Fault, { kind: "fail" }>): Answer {
  const shape = spec.failure(fault.status, `The sandbox was told to answer ${fault.status}.`);
  return {
    ...shape,
    ...(fault.body === undefined ? {} : { json: fault.body }),
    headers: {
      ...shape.headers,
      ...fault.headers,
      ...(fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) }),
    },
  };
}

function handle(spec: StandSpec, call: Call, unreadable: string | null): Answer | Promise<Answer> {
  const refused = spec.authorize(call);
  if (refused) return refused;
  if (unreadable !== null) return spec.failure(400, `Problems parsing JSON: ${unreadable}`);
  for (const [method, pattern, handler] of spec.routes) {
    const params = method === call.method ? match(pattern, call.path) : null;
    if (params) return handler({ ...call, params });
  }
  return spec.failure(404, "Not Found");
}

function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.at(-1) !== "*" && wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    if (part === "*") return { ...params, rest: decode(given.slice(index).join("/")) };
    const value = given[index];
    if (value === undefined) return null;
    if (part.startsWith(":")) params[part.slice(1)] = decode(value);
    else if (part !== value) return null;
  }
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function send(response: ServerResponse, answer: Answer): void {
  const text = answer.text ?? (answer.json === undefined ? "" : JSON.stringify(answer.json));
  const type = answer.text === undefined ? "application/json; charset=utf-8" : "text/plain; charset=utf-8";
  const headers = { ...(text === "" ? {} : { "content-type": type }), ...answer.headers };
  response.writeHead(answer.status, { ...headers, "content-length": Buffer.byteLength(text) });
  if (!answer.cutShort) {
    response.end(text);
    return;
  }
  response.write(text.slice(0, Math.ceil(text.length / 2)), () => response.destroy());
}

/** How every vendor is started. */
export interface VendorOptions {
  readonly now: () => number;
  /** Where its state is kept; without it, in memory only. */
  readonly file?: string | null;
}

/** Wraps seeding verbs: what they change is in the file when they return. */
export const saving =
  (save: () => void) =>
  <A extends unknown[], R>(verb: (...args: A) => R) =>
  (...args: A): R => {
    const result = verb(...args);
    save();
    return result;
  };
