/** How the ingest port speaks: JSON, with a code and a sentence for everything that is not a success. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Rejection } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { discardRest, hasBody } from "./body.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const json = "application/json; charset=utf-8";

export const success = (value: unknown): Answer => ({
  status: 200,
  contentType: json,
  body: JSON.stringify(value),
});

/** A sender that is told 5xx or 429 is also told when to come back. */
const defaultRetryAfterSeconds = 5;

export function failure(rejection: Rejection, headers: Readonly<Record<string, string>> = {}): Answer {
  const { status, code, message } = rejection;
  const waits = status >= 500 || status === 429;
  const retryAfter = rejection.retryAfterSeconds ?? (waits ? defaultRetryAfterSeconds : null);
  return {
    status,
    contentType: json,
    body: JSON.stringify({ error: { code, message } }),
    headers: { ...headers, ...(retryAfter === null ? {} : { "Retry-After": String(retryAfter) }) },
  };
}

/** How long a sender may go on with a body that was refused. */
const lingerMs = 2_000;

export interface SendOptions {
  readonly clock: Clock;
  /** Close the connection after this answer, as when the server is stopping. */
  readonly close: boolean;
}

/** Writes the answer. A request whose body was not read to its end costs the connection. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  { clock, close }: SendOptions,
): Promise<void> {
  if (response.destroyed || response.headersSent) return;
  const unread = hasBody(request) && !request.readableEnded;
  // As text: Node then sends head and body in one piece, which costs the kernel less than two.
  const { body } = answer;
  response.writeHead(answer.status, {
    ...answer.headers,
    "Content-Type": answer.contentType,
    "Content-Length": Buffer.byteLength(body),
    "X-Content-Type-Options": "nosniff",
    ...(close || unread ? { Connection: "close" } : {}),
  });
  if (!unread) {
    response.end(body);
    return;
  }
  // The answer is whole for its reader now; the connection is closed once the sender has had time to read it.
  response.write(body);
  await discardRest(request, lingerMs, clock);
  response.end();
}

const wireFaults: Readonly<Record<string, { line: string; code: string; message: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    line: "408 Request Timeout",
    code: "too_slow",
    message: "the request did not arrive in time; send it again in one go",
  },
  HPE_HEADER_OVERFLOW: {
    line: "431 Request Header Fields Too Large",
    code: "headers_too_large",
    message: "the headers are larger than this server takes",
  },
};
const notHttp = {
  line: "400 Bad Request",
  code: "bad_request",
  message: "this is not a valid HTTP/1.1 request",
};

/** Answers what is no request (yet): broken, too slow, or with endless headers. The connection is always closed. */
export function answerWireFault(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { line, code, message } = wireFaults[error.code ?? ""] ?? notHttp;
  const body = JSON.stringify({ error: { code, message } });
  socket.end(
    `HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Type: ${json}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
