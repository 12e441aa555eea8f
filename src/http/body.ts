/** Reading a request's body up to a limit, and getting rid of one that nobody wants. */
import type { IncomingMessage } from "node:http";
import { Rejection } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Share } from "./large-bodies.ts";

/** The sender went away, or was cut off for being too slow, before the body was whole. There is nobody to answer. */
export class Aborted extends Error {
  override readonly name = "Aborted";
}

export const tooLarge = (limit: number): Rejection =>
  new Rejection(413, "too_large", `the body is larger than the ${limit} bytes that this source takes`);

const noRoom = (): Rejection =>
  new Rejection(503, "busy", "too many large bodies are coming in at once; send it again", {
    retryAfterSeconds: 5,
  });

/** The announced length in bytes; null for chunked bodies. */
export function announcedLength(request: IncomingMessage): number | null {
  const header = request.headers["content-length"];
  return header === undefined ? null : Number(header);
}

export const hasBody = (request: IncomingMessage): boolean =>
  request.headers["transfer-encoding"] !== undefined || (announcedLength(request) ?? 0) > 0;

/** The whole body. Throws Rejection 413 as soon as it grows beyond `limit`, 503 when its share can't grow, and Aborted. */
export function readBody(request: IncomingMessage, limit: number, share: Share): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (end: () => void): void => {
      request.removeAllListeners("data").removeListener("end", whole).removeListener("close", gone);
      end();
    };
    const whole = (): void =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)));
    const gone = (): void =>
      settle(() => reject(new Aborted("the sender went away in the middle of the body")));
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit && share.grow(size)) chunks.push(chunk);
      else settle(() => reject(size > limit ? tooLarge(limit) : noRoom()));
    });
    request.once("end", whole);
    request.once("close", gone);
    // Node reports a cut connection as an error too; `close` follows and settles it.
    request.on("error", () => {});
  });
}

/**
 * Throws away what is still coming, until it ends, the sender goes, or `ms` have passed. A connection that is closed
 * with bytes unread is reset, and the reset can overtake the answer: the sender would see a failure instead of why.
 */
export function discardRest(request: IncomingMessage, ms: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (request.complete || request.destroyed) {
      resolve();
      return;
    }
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    const timer = clock.after(ms, done);
    request.once("end", done).once("close", done);
    request.on("error", () => {});
    request.resume();
  });
}
