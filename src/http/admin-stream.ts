/**
 * The live feed: server-sent events, one row per change.
 *
 * idle     no client: nothing is subscribed, nothing is looked up.
 * live     each change is queued by kind and id (a run that changes five times while one look-up is under way is looked
 *          up once more, not five times), looked up once for all clients, rendered once, and written to each.
 * dropped  a client that does not read: once its buffer is full it is disconnected. It reconnects and reads the lists
 *          again, which is cheaper than any back-log; the others never wait for it.
 */
import type { Change, Changes, Reads } from "../domain/ports.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { actionRow, breakerRow, eventRow, runRow } from "./admin-views.ts";
import type { BreakerRow } from "./admin-views.ts";

const heartbeatMs = 15_000;
const maxClients = 64;
const maxBufferBytes = 256 * 1024;
const maxPending = 5_000;

export interface StreamParts {
  readonly reads: Pick<Reads, "event" | "run" | "action">;
  readonly changes: Changes;
  readonly breakers: () => Promise<readonly BreakerRow[]>;
  readonly clock: Clock;
  readonly log: Log;
}
export interface LiveFeed {
  /** `cut` ends the client's connection at once. Null when there are too many clients. */
  open(cut: () => void): ReadableStream<Uint8Array> | null;
  clients(): number;
  close(): void;
}

interface Client {
  readonly cut: () => void;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
}

export function createLiveFeed(parts: StreamParts): LiveFeed {
  const clients = new Set<Client>();
  const pending = new Map<string, Change>();
  const encoder = new TextEncoder();
  let working = false;
  let unsubscribe: (() => void) | null = null;
  let heartbeat: { cancel(): void } | null = null;

  function leave(client: Client, how: "gone" | "end" | "drop"): void {
    if (!clients.delete(client)) return;
    if (how === "end") client.controller.close();
    // An end would wait behind the full buffer; cutting the connection frees it.
    if (how === "drop") client.cut();
    if (clients.size > 0) return;
    unsubscribe?.();
    unsubscribe = null;
    heartbeat?.cancel();
    heartbeat = null;
    pending.clear();
  }
  function write(text: string): void {
    const bytes = encoder.encode(text);
    for (const client of clients) {
      if ((client.controller.desiredSize ?? 0) < bytes.byteLength) {
        parts.log.info(
          { bufferBytes: maxBufferBytes },
          "a reader of the live feed was too slow and was dropped",
        );
        leave(client, "drop");
      } else client.controller.enqueue(bytes);
    }
  }
  async function work(): Promise<void> {
    if (working) return;
    working = true;
    for (let next = pending.entries().next(); !next.done; next = pending.entries().next()) {
      const [key, change] = next.value;
      pending.delete(key);
      try {
        const row = await rowOf(parts, change);
        if (row !== null) write(`event: ${change.kind}\ndata: ${JSON.stringify(row)}\n\n`);
      } catch (err) {
        parts.log.warn({ err, kind: change.kind }, "a change could not be looked up for the live feed");
      }
    }
    working = false;
  }
  function changed(change: Change): void {
    pending.set(`${change.kind}:${change.id}`, change);
    if (pending.size > maxPending) for (const client of clients) leave(client, "drop");
    else void work();
  }
  function beat(): void {
    heartbeat = parts.clock.after(heartbeatMs, () => {
      beat();
      write(": still here\n\n");
    });
  }
  return {
    open(cut) {
      if (clients.size >= maxClients) return null;
      let client: Client | null = null;
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            client = { controller, cut };
            clients.add(client);
            unsubscribe ??= parts.changes.subscribe(changed);
            if (heartbeat === null) beat();
            controller.enqueue(encoder.encode("retry: 2000\n: connected\n\n"));
          },
          cancel() {
            if (client) leave(client, "gone");
          },
        },
        new ByteLengthQueuingStrategy({ highWaterMark: maxBufferBytes }),
      );
    },
    clients: () => clients.size,
    close() {
      for (const client of clients) leave(client, "end");
    },
  };
}

const resumed = { state: "closed", failures: 0, openUntil: null, reason: null, paused: null } as const;

async function rowOf(parts: StreamParts, { kind, id }: Change): Promise<object | null> {
  switch (kind) {
    case "event": {
      const event = await parts.reads.event(id);
      return event && eventRow(event);
    }
    case "run": {
      const found = await parts.reads.run(id);
      return found && runRow(found.run);
    }
    case "action": {
      const action = await parts.reads.action(id);
      return action && actionRow(action);
    }
    case "breaker": {
      const breaker = (await parts.breakers()).find(({ service }) => service === id);
      // What is no service is listed while it is paused only; that it is no more has to be told as well.
      return breakerRow(breaker ?? { ...resumed, service: id });
    }
  }
}
