/** An address that answers Graph's validation as a subscriber has to, for tests without a server of ours. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Echo {
  readonly url: string;
  close(): Promise<void>;
}

export async function startEcho(): Promise<Echo> {
  const server = createServer((request, response) => {
    const token = new URL(request.url ?? "/", "http://echo").searchParams.get("validationToken");
    response.writeHead(token === null ? 400 : 200, { "content-type": "text/plain" }).end(token ?? "");
  });
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
