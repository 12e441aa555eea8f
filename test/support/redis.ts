/** A throw-away redis-server on a free port, with its data in a folder of its own. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

export const redisPresent = spawnSync("redis-server", ["--version"]).status === 0;
/** Whether it was built to: else it does not know the setting. */
export const redisSpeaksTls =
  redisPresent &&
  !spawnSync("redis-server", ["--port", "0", "--tls-port", "0"]).stderr.toString().includes("Bad directive");
/** For the titles of `describe.skipIf(!redisPresent)`. */
export const redisNote = redisPresent
  ? ""
  : " [skipped: redis-server is not on the PATH; `npm test` installs it on Debian as root]";

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Runs one command as redis-cli would. */
  command(...words: string[]): Promise<unknown>;
  /** SIGKILL, as a power cut would. Resolves once it is gone. */
  kill(): Promise<void>;
  /** On the same port, with what it had flushed, or with nothing. */
  start(data: "kept" | "lost"): Promise<void>;
  /** SIGSTOP and SIGCONT: it takes connections and answers nothing. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** As on its command line: `--maxmemory-policy allkeys-lru`. */
  readonly args?: readonly string[];
  /** Does not start it yet: `start` does. */
  readonly down?: boolean;
}

export async function startRedis({ args = [], down = false }: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-redis-"));
  const port = await freePort();
  let child: ChildProcess | null = null;
  const launch = async () => {
    const settings = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
    const own = spawn(
      "redis-server",
      [...settings, "--appendonly", "yes", "--appendfsync", "always", ...args],
      {
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    child = own;
    let output = "";
    for await (const chunk of own.stdout as AsyncIterable<Buffer>) {
      output += chunk.toString();
      if (output.includes("eady to accept connections")) break;
    }
    if (own.exitCode !== null) throw new Error(`redis-server did not start: ${output}`);
    own.stdout.resume();
  };
  const end = async (signal: NodeJS.Signals) => {
    const own = child;
    child = null;
    if (!own || own.exitCode !== null || own.signalCode !== null) return;
    const exited = once(own, "exit");
    own.kill("SIGCONT");
    own.kill(signal);
    await exited;
  };
  if (!down) await launch();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async command(...words) {
      const client = new Redis(port, "127.0.0.1", { retryStrategy: () => null });
      client.on("error", () => {});
      try {
        const [name = "", ...rest] = words;
        return await client.call(name, ...rest);
      } finally {
        client.disconnect();
      }
    },
    kill: () => end("SIGKILL"),
    async start(data) {
      if (data === "lost") rmSync(join(folder, "appendonlydir"), { recursive: true, force: true });
      await launch();
    },
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    async stop() {
      await end("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}
