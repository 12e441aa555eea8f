/** An address that stays the same while the server behind it is killed and started anew: what a reverse proxy is to it. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Relay {
  readonly url: string;
  close(): Promise<void>;
}

/** `target` is asked at every request: the address of the server, or null when there is none (502). */
export async function startRelay(target: () => Promise<string | null>): Promise<Relay> {
  const server = createServer((request, response) => void pass(request, response));
  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const to = await target();
    try {
      if (to === null) throw new Error("there is no server");
      const answer = await fetch(to + (request.url ?? "/"), {
        method: request.method ?? "POST",
        headers: { "content-type": request.headers["content-type"] ?? "application/json" },
        body: Buffer.concat(chunks),
      });
      const type = answer.headers.get("content-type") ?? "text/plain";
      response.writeHead(answer.status, { "content-type": type }).end(await answer.text());
    } catch {
      response.writeHead(502).end();
    }
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
