/** A network between two ends that a test can disturb. */
import { createServer, connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface TcpRelay {
  readonly port: number;
  /** Takes connections and bytes, and passes nothing on. */
  stall(): void;
  /** Passes on what was held back. */
  resume(): void;
  /** Passes on the next bytes to the server that hold this text, and breaks the connection when it answers them. */
  loseAnswerTo(text: string): void;
  close(): Promise<void>;
}

export async function startTcpRelay(target: number): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  let stalled = false;
  let losing: string | null = null;
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    let isLost = false;
    const close = () => {
      client.destroy();
      upstream.destroy();
    };
    client.on("data", (bytes) => {
      if (losing !== null && bytes.includes(losing)) {
        losing = null;
        isLost = true;
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => (isLost ? close() : client.write(bytes)));
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      if (stalled) socket.pause();
      socket.on("error", close);
      socket.on("close", () => {
        close();
        sockets.delete(socket);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stall() {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    resume() {
      stalled = false;
      for (const socket of sockets) socket.resume();
    },
    loseAnswerTo(text) {
      losing = text;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
