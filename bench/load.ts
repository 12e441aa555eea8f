/** A load generator that costs little: raw sockets, prepared requests, one request at a time per connection. */
import { once } from "node:events";
import { connect } from "node:net";
import { performance } from "node:perf_hooks";

export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds, one per request. */
  readonly latencies: readonly number[];
}

/** Throws when any answer is not a 200: a refused request would make a server look fast. */
export async function runLoad(
  port: number,
  requests: readonly Buffer[],
  connections: number,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let next = 0;
  const one = async () => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.setNoDelay(true);
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      const begun = performance.now();
      socket.write(request);
      await answered(socket);
      latencies.push(performance.now() - begun);
    }
    socket.destroy();
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: connections }, one));
  return { perSecond: (requests.length * 1_000) / (performance.now() - begun), latencies };
}

function answered(socket: ReturnType<typeof connect>): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const done = (error?: Error) => {
      socket.off("data", read);
      socket.off("error", done);
      if (error) reject(error);
      else resolve();
    };
    const read = (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? "0");
      if (text.length < end + 4 + length) return;
      done(text.startsWith("HTTP/1.1 200") ? undefined : new Error(`answered ${text.slice(0, 200)}`));
    };
    socket.on("data", read);
    socket.on("error", done);
  });
}

export const percentile = (values: readonly number[], percent: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
};
export const median = (values: readonly number[]): number => percentile(values, 50);
