/**
 * The connection to Redis, and what is known of it:
 *
 * down    not connected, or connected to a server that can't be used; connecting is tried again, at least every second.
 * up      connected, and the server was found fit for a queue.
 * closed  for good.
 *
 * Whoever publishes asks `up()` first, so that nothing ever waits for a server that is away. Each change is logged once,
 * not each attempt.
 */
import type { Redis, RedisOptions } from "ioredis";
import type { Log } from "../observability/log.ts";
import { redactText } from "../observability/redact.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";

/** The server was reached and can't serve: the message names what is wrong and what to do. */
class RedisUnfit extends Error {
  override readonly name = "RedisUnfit";
}

export interface RedisLink {
  /** For commands that may fail at once: without a server, and when an answer takes too long. */
  readonly client: Redis;
  up(): boolean;
  /** Why it is down, in words for people; null while it is up. */
  trouble(): string | null;
  /** Called whenever it comes up. */
  onUp(listener: () => void): void;
  /** Another connection, whose commands wait for the server to come back. */
  patient(): Redis;
  close(): void;
}

export interface RedisLinkOptions {
  readonly url: string;
  /** Takes a server that may evict keys when it is full. */
  readonly allowEviction: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const connectTimeoutMs = 2_000;
/** How long a start waits for the server before it goes on without. */
const startTimeoutMs = 3_000;
const answerTimeoutMs = 1_500;
/** A connection whose other end vanished without a word is replaced after this. */
const socketTimeoutMs = 10_000;
const longestPauseMs = 1_000;

const shared = {
  connectTimeout: connectTimeoutMs,
  socketTimeout: socketTimeoutMs,
  retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 10), longestPauseMs),
  // After a failover the old primary may still answer, read-only: the name has to be looked up again.
  reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
} satisfies RedisOptions;

/**
 * Resolves once the server answered, or could not be reached for a while: it is not needed to accept events.
 * Throws RedisUnfit for a server that answers and can't be used, and for an address that can't work.
 */
export async function openRedisLink({
  url,
  allowEviction,
  clock,
  log,
}: RedisLinkOptions): Promise<RedisLink> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url, {
    ...shared,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: answerTimeoutMs,
  });
  const asksForTls = url.startsWith("rediss:") ? " (REDIS_URL asks for TLS: rediss://)" : "";
  const listeners: (() => void)[] = [];
  let trouble: string | null = "it has not answered yet";
  let closed = false;
  let told = false;

  function fall(why: string): void {
    const news = trouble === null || !told;
    trouble = why;
    if (closed || !news) return;
    told = true;
    log.warn({ reason: why }, "redis.down: events are accepted, and runs start when it is back");
  }

  function rise(): void {
    if (trouble === null || closed) return;
    if (told) log.info("redis.up");
    trouble = null;
    told = true;
    for (const listener of listeners) listener();
  }

  /** Until it is found fit: what makes a server unfit can be mended while it runs. */
  async function judge(): Promise<void> {
    while (client.status === "ready" && trouble !== null) {
      try {
        const info = await client.info();
        const unfit = unfitness(info, allowEviction);
        if (unfit !== null) refuse(new RedisUnfit(unfit));
        else if (isReadOnly(info)) fall("it is a read-only replica: REDIS_URL has to name the primary");
        else return rise();
      } catch (error) {
        const unfit = refusal(error);
        if (unfit) refuse(unfit);
        else fall(reasonOf(error));
      }
      await sleep(clock, longestPauseMs);
    }
  }

  let refused: RedisUnfit | null = null;
  let started = false;
  let answered: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    answered = resolve;
  });
  function refuse(unfit: RedisUnfit): void {
    if (started && refused?.message !== unfit.message) log.error({ reason: unfit.message }, "redis.unfit");
    refused = unfit;
    trouble = unfit.message;
    told = true;
    answered();
  }
  listeners.push(() => {
    refused = null;
    answered();
  });

  let lastError: string | null = null;
  client.on("ready", () => void judge());
  client.on("error", (error: Error) => {
    lastError = reasonOf(error);
    const unfit = refusal(error);
    if (unfit) refuse(unfit);
  });
  client.on("close", () => {
    if (!refused) fall(`${lastError ?? "the connection was closed"}${asksForTls}`);
    lastError = null;
  });

  const timer = clock.after(startTimeoutMs, () => answered());
  await first;
  timer.cancel();
  started = true;
  // Assigned in a callback, which narrowing does not see.
  const unfit = refused as RedisUnfit | null;
  if (unfit) {
    closed = true;
    client.disconnect();
    throw unfit;
  }
  return {
    client,
    up: () => trouble === null && client.status === "ready",
    trouble: () => trouble,
    onUp: (listener) => void listeners.push(listener),
    patient: () => new Redis(url, { ...shared, maxRetriesPerRequest: null }),
    close: () => {
      closed = true;
      client.disconnect();
    },
  };
}

/** A replica, such as the old primary after a failover: it answers, and takes no writes. It may become the primary. */
const isReadOnly = (info: string): boolean =>
  /^role:slave\r?$/m.test(info) && /^slave_read_only:1\r?$/m.test(info);

/** Why a server that answers can't hold the queue; null when it can. `info` is its answer to INFO. */
function unfitness(info: string, allowEviction: boolean): string | null {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim();
  const version = field("redis_version") ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 2))
    return `Redis ${version || "of an unknown version"} is too old: use 6.2 or later`;
  const policy = field("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction" && !allowEviction)
    return (
      `Redis may drop queued work when it is full (maxmemory-policy is ${policy}): set it to noeviction ` +
      "(CONFIG SET maxmemory-policy noeviction, and in redis.conf), or set SIGNALBOX_REDIS_ALLOW_EVICTION=1 to use it as it is"
    );
  return null;
}

/** A fault that trying again does not mend, with what to do about it; null for the others. */
function refusal(error: unknown): RedisUnfit | null {
  const { message = "", code = "" } = error as { message?: string; code?: string };
  if (/^(WRONGPASS|NOAUTH|NOPERM)|invalid password|without any password/i.test(message))
    return new RedisUnfit(
      "Redis refuses the name or password in REDIS_URL: it looks like redis://user:password@host:6379 (redis://:password@host:6379 without a user)",
    );
  if (/invalid DB index|DB index is out of range/i.test(message))
    return new RedisUnfit(
      "Redis has no database of the number that REDIS_URL ends with: redis://host:6379/0",
    );
  if (/wrong version number|EPROTO|SSL routines/i.test(`${code} ${message}`))
    return new RedisUnfit(
      "Redis does not speak TLS at that address: use redis:// in REDIS_URL, or its TLS port",
    );
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code))
    return new RedisUnfit(
      `the certificate of Redis is not trusted (${code}): name the right host in REDIS_URL, and its authority in NODE_EXTRA_CA_CERTS`,
    );
  return null;
}

/** Of an error that several addresses of one name gave, the first. */
function reasonOf(error: unknown): string {
  const one: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  return redactText(one instanceof Error ? one.message : String(one));
}
