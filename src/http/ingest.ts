/**
 * The receiver: bare node:http, because every event passes here.
 *
 * One request:  known path? ─▶ active? ─▶ allowed? ─▶ readable size? ─▶ [handshake] ─▶ authentic? ─▶ [challenge]
 *               404 405         503        403 415      413              200            401 429        200
 *               ─▶ readable? (400, kept)
 *               ─▶ stored ─▶ 200.     Anything that keeps us from storing it is a 503 with Retry-After.
 *
 * The server:   idle ──listen──▶ listening ──close──▶ stopping (answers what it has, takes nothing new) ──▶ closed
 *               A request that outlives the grace is cut off; its sender sends it again.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { JournalUnavailable, Rejection } from "../domain/errors.ts";
import type { AcceptedItem, Inbox } from "../domain/ports.ts";
import type { Acknowledgement, Identified, RawRequest, Source, Verified } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { createLiveAddresses } from "./address.ts";
import { answerWireFault, failure, send, success } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { createBadSignatures } from "./bad-signatures.ts";
import { Aborted, announcedLength, readBody, tooLarge } from "./body.ts";
import type { Door } from "./doors.ts";
import { createLargeBodies } from "./large-bodies.ts";
import type { Share } from "./large-bodies.ts";
import { listenFault } from "./listen-fault.ts";

/** All optional; times in milliseconds, sizes in bytes. */
interface IngestLimits {
  /** For a whole request, headers and body. 30 s. */
  readonly requestTimeoutMs?: number;
  /** For its headers. 10 s. */
  readonly headersTimeoutMs?: number;
  /** How long an idle connection is kept: longer than common load balancers keep theirs. 65 s. */
  readonly keepAliveMs?: number;
  /** 16 KB. */
  readonly maxHeaderBytes?: number;
  /** Bad signatures per address and minute that are answered 401; further ones are answered 429. 60. */
  readonly badSignaturesPerMinute?: number;
  /** What all bodies may hold at once beyond the first megabyte of each. 256 MB. */
  readonly largeBodiesBytes?: number;
}

export interface IngestOptions {
  /** By name; read at every request, so that a reload may replace its entries. */
  readonly sources: ReadonlyMap<string, Source>;
  readonly inbox: Pick<Inbox, "accept" | "keepMalformed">;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** Refuse requests that did not come over HTTPS by the word of a trusted proxy; read at every request. */
  readonly requireHttps?: boolean;
  /** What single sources ask beyond that, by name; read at every request. */
  readonly doors?: (source: string) => Door | undefined;
  /** Addresses and CIDR ranges whose X-Forwarded-* headers are believed; another list counts from the next request on. */
  readonly trustProxy?: readonly string[];
  readonly limits?: IngestLimits;
}

export interface Ingest {
  /** Port 0 takes any free one. Rejects with an Error that says why the port can't be had. */
  listen(address: { host: string; port: number }): Promise<{ port: number }>;
  /** Takes nothing new, lets requests in flight end for at most `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** How requests end, as metrics count them. */
type Result =
  | "accepted"
  | "duplicate"
  | "handshake"
  | "malformed"
  | "unauthorized"
  | "limited"
  | "forbidden"
  | "too_large"
  | "refused"
  | "unavailable"
  | "aborted"
  | "unknown";

interface Outcome {
  readonly answer: Answer;
  readonly result: Result;
}

const noProxy: readonly string[] = [];
const defaults: Required<IngestLimits> = {
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveMs: 65_000,
  maxHeaderBytes: 16_384,
  badSignaturesPerMinute: 60,
  largeBodiesBytes: 256_000_000,
};
const ordinaryBytes = 1_000_000;

/** Throws an Error when an entry of `trustProxy` is no address. */
export function createIngest(options: IngestOptions): Ingest {
  const { sources, inbox, metrics, log, clock } = options;
  const limits = { ...defaults, ...options.limits };
  const addresses = createLiveAddresses(() => options.trustProxy ?? noProxy);
  const badSignatures = createBadSignatures(limits.badSignaturesPerMinute, clock);
  const largeBodies = createLargeBodies(limits.largeBodiesBytes, ordinaryBytes);
  const inFlight = new Set<Promise<void>>();
  let stopping = false;

  const server = createServer({
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.max(50, Math.min(5_000, limits.headersTimeoutMs / 4)),
    maxHeaderSize: limits.maxHeaderBytes,
    // Node drops the second of two Authorization headers: a proxy and we would then judge different ones.
    joinDuplicateHeaders: true,
  });
  server.on("request", (request, response) => track(request, response, false));
  // Answered by hand: a body that will be refused is not asked for.
  server.on("checkContinue", (request, response) => track(request, response, true));
  server.on("clientError", answerWireFault);

  function track(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const work = handle(request, response, expectsContinue)
      .catch((error: unknown) => {
        log.error({ err: error }, "ingest: a request could not be answered");
        response.destroy();
      })
      .finally(() => inFlight.delete(work));
    inFlight.add(work);
  }

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> {
    const began = performance.now();
    const receivedAt = clock.now();
    response.on("error", () => {});
    const path = pathOf(request.url ?? "");
    if (path === "/healthz") {
      await send(request, response, health(request.method), { clock, close: stopping });
      return;
    }
    const name = /^\/webhooks\/([^/]+)$/.exec(path)?.[1];
    const source = name === undefined ? undefined : sources.get(name);
    const label = source?.name ?? "unknown";
    try {
      const { answer, result } = await outcomeOf(source, request, receivedAt, () => {
        if (expectsContinue) response.writeContinue();
      });
      metrics.eventsReceived.inc({ source: label, result });
      if (answer.status < 300) metrics.ackSeconds.observe((performance.now() - began) / 1000);
      await send(request, response, answer, { clock, close: stopping });
      failPoint("http.answered");
    } catch (error) {
      if (!(error instanceof Aborted)) throw error;
      metrics.eventsReceived.inc({ source: label, result: "aborted" });
      log.debug({ source: label }, "ingest: the sender went away before the request was whole");
    }
  }

  async function outcomeOf(
    source: Source | undefined,
    request: IncomingMessage,
    receivedAt: number,
    beforeBody: () => void,
  ): Promise<Outcome> {
    const share = largeBodies.share();
    try {
      return await receive(known(source), request, { receivedAt, beforeBody, share });
    } catch (error) {
      if (error instanceof Aborted) throw error;
      return refusal(error, source, addresses.of(request));
    } finally {
      share.giveBack();
    }
  }

  async function receive(
    source: Source,
    request: IncomingMessage,
    { receivedAt, beforeBody, share }: { receivedAt: number; beforeBody: () => void; share: Share },
  ): Promise<Outcome> {
    const door = options.doors?.(source.name) ?? {};
    admit(source, door, request);
    const most = door.maxBody ?? source.maxBodyBytes;
    const length = announcedLength(request);
    if (length !== null && length > most) throw tooLarge(most);
    beforeBody();
    const body = await readBody(request, most, share);
    const raw = rawRequest(request, body, receivedAt, addresses.of(request));
    const handshake = source.handshake?.(raw);
    if (handshake) return { answer: handshake, result: "handshake" };
    if (raw.method !== "POST") throw postOnly();
    const verified = await source.verify(raw);
    if (verified.foreign)
      metrics.eventsReceived.inc({ source: source.name, result: "foreign" }, verified.foreign);
    const challenge = source.challenge?.(raw);
    if (challenge) return { answer: challenge, result: "handshake" };
    const events = await identify(source, raw, verified);
    failPoint("http.verified");
    const accepted = await inbox.accept(source, raw, verified, events);
    failPoint("http.accepted");
    return stored(accepted, source.acknowledgement?.(events));
  }

  function admit(source: Source, door: Door, request: IncomingMessage): void {
    // A handshake may come by GET; what comes so and is none is refused once it has been looked at.
    if (request.method !== "POST" && !(request.method === "GET" && source.handshake)) throw postOnly();
    if (!source.active) {
      throw new Rejection(
        503,
        "source_inactive",
        "no secret of this source is set and unexpired; set one in its configuration and restart or reload",
        { retryAfterSeconds: 60 },
      );
    }
    if (door.allows && !door.allows(addresses.of(request))) {
      log.info(
        { source: source.name, address: addresses.of(request) },
        "ingest: refused, address not allowed",
      );
      throw new Rejection(
        403,
        "address_not_allowed",
        "this address is not in the source's allowFrom; behind a proxy, list the proxy in server.trustProxy",
      );
    }
    if ((door.requireHttps ?? options.requireHttps) && !addresses.overHttps(request)) {
      throw new Rejection(
        403,
        "https_required",
        "this server takes HTTPS only: send through the proxy that is listed in server.trustProxy " +
          "and sets X-Forwarded-Proto: https",
      );
    }
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
      throw new Rejection(
        415,
        "content_encoding",
        "compressed bodies are not taken; send the bytes as they were signed, without Content-Encoding",
      );
    }
  }

  /** An authentic request that can't be read is kept for a person to look at, then refused. */
  async function identify(source: Source, raw: RawRequest, verified: Verified): Promise<Identified[]> {
    try {
      return source.identify(raw);
    } catch (error) {
      if (error instanceof Rejection && error.status === 400) {
        await inbox.keepMalformed(source, raw, verified, error.message);
        log.warn({ source: source.name, code: error.code }, "ingest: authentic but unreadable; kept");
      }
      throw error;
    }
  }

  function refusal(error: unknown, source: Source | undefined, address: string): Outcome {
    const name = source?.name ?? "unknown";
    if (error instanceof JournalUnavailable) {
      log.error({ source: name, err: error }, "ingest: not stored; the sender was asked to come back");
      return unavailable("not_stored", "the event could not be stored; send it again");
    }
    if (!(error instanceof Rejection)) {
      log.error(
        { source: name, err: error },
        "ingest: failed unexpectedly; the sender was asked to come back",
      );
      return unavailable("internal", "the event could not be taken; send it again");
    }
    const { status, code } = error;
    if (status === 401 && !badSignatures.mayBeTold(address)) {
      const slower = "too many requests with a bad signature from this address; a valid one is never limited";
      return { answer: failure(new Rejection(429, "too_many_bad_signatures", slower)), result: "limited" };
    }
    if (status === 401) log.info({ source: name, code, address }, "ingest: refused, not authentic");
    else if (status === 503) log.warn({ source: name, code, err: error.cause }, "ingest: not taken for now");
    return {
      answer: failure(error, status === 405 ? { Allow: "POST" } : {}),
      result: source ? resultOf[status] : "unknown",
    };
  }

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        const refused = (error: NodeJS.ErrnoException): void =>
          reject(listenFault(error, host, port, { host: "host", port: "port" }));
        server.once("error", refused);
        server.listen({ host, port }, () => {
          server.removeListener("error", refused);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),
    async close(graceMs) {
      stopping = true;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      let disarm = (): void => {};
      const graceOver = new Promise<void>((resolve) => {
        const timer = clock.after(graceMs, () => {
          server.closeAllConnections();
          resolve();
        });
        disarm = () => timer.cancel();
      });
      server.closeIdleConnections();
      await Promise.race([Promise.allSettled(inFlight), graceOver]);
      // Connections that were busy until now, and that their senders would keep.
      server.closeIdleConnections();
      await closed;
      disarm();
    },
  };
}

const resultOf: Readonly<Record<Rejection["status"], Result>> = {
  400: "malformed",
  401: "unauthorized",
  403: "forbidden",
  404: "unknown",
  405: "refused",
  413: "too_large",
  415: "refused",
  429: "limited",
  503: "unavailable",
};

const unavailable = (code: string, message: string): Outcome => ({
  answer: failure(new Rejection(503, code, message, { retryAfterSeconds: 5 })),
  result: "unavailable",
});

function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

const postOnly = (): Rejection => new Rejection(405, "method_not_allowed", "webhooks are sent with POST");

function known(source: Source | undefined): Source {
  if (source) return source;
  throw new Rejection(
    404,
    "unknown_source",
    "there is nothing here; webhooks go to /webhooks/{name}, the name being one under `sources:`",
  );
}

function health(method: string | undefined): Answer {
  if (method === "GET" || method === "HEAD") return success({ status: "ok" });
  return failure(new Rejection(405, "method_not_allowed", "health is read with GET"), { Allow: "GET, HEAD" });
}

function rawRequest(
  request: IncomingMessage,
  body: Buffer,
  receivedAt: number,
  remoteAddress: string,
): RawRequest {
  const url = request.url ?? "";
  const query = url.indexOf("?");
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ");
  }
  return {
    method: request.method ?? "",
    url,
    query: new URLSearchParams(query < 0 ? "" : url.slice(query + 1)),
    headers,
    body,
    remoteAddress,
    receivedAt,
  };
}

function stored(items: readonly AcceptedItem[], asked?: Acknowledgement): Outcome {
  const duplicate = items.length > 0 && items.every((item) => item.duplicate);
  const status = duplicate ? "duplicate" : "accepted";
  const told = success({
    status,
    event: items[0]?.event ?? null,
    runs: items.reduce((sum, item) => sum + item.runs.length, 0),
    events: items.map((item) => item.event),
  });
  const content = asked?.empty ? { contentType: "text/plain; charset=utf-8", body: "" } : told;
  return { answer: { ...content, status: asked?.status ?? told.status }, result: status };
}
