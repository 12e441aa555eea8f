/** A server on loopback that plays a model's vendor: it gives the replies it was told, and keeps what it was sent. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface SentRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}
type Reply = (response: ServerResponse) => void;

/** Anthropic's answer that holds a decision. */
export const messageWith = (
  decision: unknown,
  usage: { readonly input_tokens: number; readonly output_tokens: number },
) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-5-5",
  content: [{ type: "text", text: JSON.stringify(decision) }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage,
});

export interface ModelServer {
  readonly url: string;
  readonly requests: SentRequest[];
  /** Given to the next requests, one each, in order; a request without a reply gets 500. */
  readonly replies: Reply[];
  /** Resolves when the next reply that stalls has begun. */
  stalled(): Promise<{ closed: Promise<void> }>;
  close(): Promise<void>;
  readonly json: (value: unknown, status?: number, headers?: Record<string, string>) => Reply;
  readonly html: Reply;
  readonly stall: Reply;
  readonly stallBody: Reply;
  readonly resetBody: Reply;
}

export async function startModelServer(): Promise<ModelServer> {
  const requests: SentRequest[] = [];
  const replies: Reply[] = [];
  let tellStalled: (value: { closed: Promise<void> }) => void = () => undefined;

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      requests.push({ path: request.url ?? "", headers: request.headers, body });
      const reply = replies.shift();
      if (reply) reply(response);
      else response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const stalling = (response: ServerResponse) =>
    tellStalled({ closed: new Promise((resolve) => response.once("close", () => resolve())) });
  const halfBody = (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    response.write('{"id":"');
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    replies,
    stalled: () =>
      new Promise((resolve) => {
        tellStalled = resolve;
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    json:
      (value, status = 200, headers) =>
      (response) =>
        response
          .writeHead(status, { "content-type": "application/json", ...headers })
          .end(JSON.stringify(value)),
    html: (response) =>
      response.writeHead(200, { "content-type": "text/html" }).end("<html><body>Welcome</body></html>"),
    stall: stalling,
    stallBody: (response) => {
      halfBody(response);
      stalling(response);
    },
    resetBody: (response) => {
      halfBody(response);
      setImmediate(() => response.destroy());
    },
  };
}
