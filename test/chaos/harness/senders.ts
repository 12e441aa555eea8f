/**
 * Providers: they send again what was not acknowledged, sign each attempt anew, and now and then send the same twice,
 * one copy after the other or both at once. What they were told goes into the ledger.
 */
import { deliver } from "../../../src/sandbox/senders.ts";
import type { Delivered } from "../../../src/sandbox/senders.ts";
import type { Item } from "./items.ts";
import type { Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";

export interface SenderParts {
  readonly ledger: Ledger;
  readonly random: Random;
  readonly ingestUrl: () => string | null;
  /** Resolves when the next item may go out. */
  readonly turn: (sent: number) => Promise<void>;
  readonly lanes: number;
}

export interface Sending {
  /** Resolves when everything was acknowledged. */
  readonly done: Promise<void>;
  /** One attempt more. True when it was acknowledged. */
  attempt(item: Item): Promise<boolean>;
  sent(): number;
  /** Ids of acknowledged events that start runs, the latest last. */
  known(): readonly string[];
  /** Answers that were no 2xx, by status; 0 for none at all. */
  refusals(): Readonly<Record<number, number>>;
}

/** Providers wait longer; nothing would be learnt from that here. */
const againMs = 100;
const longestAgainMs = 500;
const answerMs = 15_000;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function send(items: readonly Item[], parts: SenderParts): Sending {
  const { ledger, random } = parts;
  let next = 0;
  let sent = 0;
  const refusals: Record<number, number> = {};
  const known: string[] = [];

  async function once({ path, signed }: ReturnType<Item["attempt"]>[number]): Promise<Delivered | null> {
    const base = parts.ingestUrl();
    if (base === null) return null;
    const answer = await deliver(base + path, signed, AbortSignal.timeout(answerMs)).catch(() => null);
    if (answer !== null && answer.status < 300) return answer;
    const status = answer?.status ?? 0;
    refusals[status] = (refusals[status] ?? 0) + 1;
    return null;
  }

  /** True when it was acknowledged. */
  async function attempt(item: Item): Promise<boolean> {
    const requests = item.attempt();
    const answers = await Promise.all(requests.map(once));
    for (const answer of answers) {
      if (answer === null) continue;
      const { events } = (answer.json ?? {}) as { events?: string[] };
      if (item.agent !== null) known.push(...(events ?? []));
      ledger.add({
        item: item.name,
        source: item.source,
        events: events ?? [],
        agent: item.agent,
        mails: [...item.mails()],
      });
    }
    return answers.length > 0 && answers.every((answer) => answer !== null);
  }

  async function deliverItem(item: Item): Promise<void> {
    const copies = random.chance(0.05) ? 2 : 1;
    for (let pause = againMs; ; pause = Math.min(pause * 1.5, longestAgainMs)) {
      const told = await Promise.all(Array.from({ length: copies }, () => attempt(item)));
      if (told.some(Boolean)) break;
      await wait(pause);
    }
    // Providers do not promise to send a thing once.
    if (random.chance(0.05)) await attempt(item);
  }

  async function lane(): Promise<void> {
    for (let item = items[next]; item !== undefined; item = items[next]) {
      next += 1;
      await parts.turn(sent);
      await deliverItem(item);
      sent += 1;
    }
  }

  const done = Promise.all(Array.from({ length: parts.lanes }, lane)).then(() => undefined);
  return { done, attempt, sent: () => sent, known: () => known, refusals: () => refusals };
}
