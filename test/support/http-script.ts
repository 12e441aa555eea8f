import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Resolves when the connection that brought it is closed. */
  readonly closed: Promise<void>;
}

/** Answers by writing to the response, or leaves the caller waiting. */
export type Script = (request: SeenRequest, response: ServerResponse) => void;

export interface ScriptServer {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** The next request that matches, from now on. */
  next(matches: (request: SeenRequest) => boolean): Promise<SeenRequest>;
  run(script: Script): void;
  close(): Promise<void>;
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Script => {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
};

/** A server on loopback that behaves as the test says: for the faults of a wire, which no vendor's stand-in has. */
export async function startScript(first: Script): Promise<ScriptServer> {
  let script = first;
  const seen: SeenRequest[] = [];
  const waiting = new Set<(request: SeenRequest) => void>();
  const sockets = new Map<Socket, Promise<void>>();
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    const closed = sockets.get(incoming.socket) ?? Promise.resolve();
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const request: SeenRequest = {
        method: incoming.method ?? "",
        url: incoming.url ?? "",
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString("utf8"),
        closed,
      };
      seen.push(request);
      script(request, response);
      waiting.forEach((notify) => notify(request));
    });
  });
  server.on("connection", (socket: Socket) => {
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => {
        sockets.delete(socket);
        resolve();
      });
    });
    sockets.set(socket, closed);
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    next: (matches) =>
      new Promise((resolve) => {
        const notify = (request: SeenRequest) => {
          if (!matches(request)) return;
          waiting.delete(notify);
          resolve(request);
        };
        waiting.add(notify);
      }),
    run: (next) => {
      script = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets.keys()) socket.destroy();
      }),
  };
}

/** The address of a port that nobody listens on. */
export async function refusingUrl(): Promise<string> {
  const server = await startScript(() => {});
  await server.close();
  return server.url;
}
