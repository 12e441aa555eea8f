import type { AcceptedItem, Inbox } from "../../src/domain/ports.ts";
import type { Identified, RawRequest } from "../../src/domain/source.ts";

export interface MemoryInbox extends Pick<Inbox, "accept" | "keepMalformed"> {
  readonly stored: { source: string; request: RawRequest; items: readonly Identified[] }[];
  readonly malformed: { source: string; body: Buffer; reason: string }[];
  /** Called before anything is stored; throws or waits to play a journal in trouble. */
  before: () => Promise<void> | void;
}

/** An inbox without routes: each new event starts two runs. */
export function memoryInbox(): MemoryInbox {
  const known = new Map<string, string>();
  const inbox: MemoryInbox = {
    stored: [],
    malformed: [],
    before: () => {},
    async accept(source, request, _verified, items) {
      await inbox.before();
      const accepted = items.map((item, at): AcceptedItem => {
        const keys = item.dedupeKeys.map((key) => `${source.name} ${key}`);
        const first = keys.map((key) => known.get(key)).find((event) => event !== undefined);
        if (first !== undefined) return { event: first, duplicate: true, runs: [] };
        const event = `evt_${inbox.stored.length}_${at}`;
        for (const key of keys) known.set(key, event);
        return { event, duplicate: false, runs: [`run_${event}_a`, `run_${event}_b`] };
      });
      inbox.stored.push({ source: source.name, request, items });
      return accepted;
    },
    async keepMalformed(source, request, _verified, reason) {
      await inbox.before();
      inbox.malformed.push({ source: source.name, body: request.body, reason });
    },
  };
  return inbox;
}
