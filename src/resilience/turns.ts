/**
 * Lets requests to a service through at the rate it takes. What was let through is kept in the journal by
 * compare-and-set, so that a fleet shares one count and a restart forgets nothing. Per service, in this process:
 *
 * empty    no turn in hand: the next request writes one, or, when the last block was used up in time, twice as many.
 * in hand  requests take from the block, without a write, until it is used up or its time is over.
 * full     a short wait is slept out, one request after another; a longer one is for the run to be parked over.
 */
import { ServiceClosed } from "../domain/errors.ts";
import type { Json } from "../domain/json.ts";
import type { State } from "../domain/ports.ts";
import { sleep } from "./clock.ts";
import type { Clock } from "./clock.ts";
import { inWords, largestBlock, noTurnsTaken, stayAway, takeTurns, turnAfter } from "./rate.ts";
import type { Rate, RateState } from "./rate.ts";

export interface TurnParts {
  readonly state: State;
  readonly clock: Clock;
  /** Empty for a service that may be asked at will. */
  readonly ratesOf: (service: string) => readonly Rate[];
}

export interface Turns {
  /** Resolves when `requests` may be made. Throws ServiceClosed when that takes too long, or the signal's reason. */
  take(service: string, requests: number, signal: AbortSignal): Promise<void>;
  /** The service said to come back after `ms`: nobody asks it before. */
  stayAway(service: string, ms: number): Promise<void>;
  /** Set when `take` would throw now. Writes nothing. */
  full(service: string): Promise<ServiceClosed | null>;
  /** How long the one that `ahead` others wait before has to wait, in milliseconds. */
  after(service: string, ahead: number): number;
}

interface Block {
  readonly left: number;
  readonly goodUntil: number;
  readonly size: number;
}

/** Longest wait with a lease in hand. */
const longestSleepMs = 2_000;
/** A vendor's word is obeyed, but not for ever. */
const longestAwayMs = 86_400_000;

/** Names as their owners write them. */
const proper: Readonly<Record<string, string>> = {
  hubspot: "HubSpot",
  zendesk: "Zendesk",
  linear: "Linear",
  github: "GitHub",
  stripe: "Stripe",
  slack: "Slack",
  email: "the mail server",
};

export function createTurns({ state, clock, ratesOf }: TurnParts): Turns {
  const blocks = new Map<string, Block>();
  const lines = new Map<string, Promise<unknown>>();

  async function stored(service: string): Promise<{ value: RateState; version: number }> {
    const row = await state.get("rate", service);
    return { value: (row?.value ?? noTurnsTaken) as unknown as RateState, version: row?.version ?? 0 };
  }

  function fromBlock(service: string, requests: number): boolean {
    const block = blocks.get(service);
    if (!block || block.left < requests || clock.now() >= block.goodUntil) return false;
    blocks.set(service, { ...block, left: block.left - requests });
    return true;
  }

  /** The next block is as large as the flow asks for: a lone request takes no turns that would be forfeit. */
  function nextSize(service: string, rates: readonly Rate[]): number {
    const block = blocks.get(service);
    const usedUp = block !== undefined && block.left === 0 && clock.now() < block.goodUntil;
    return usedUp ? Math.min(block.size * 2, largestBlock(rates)) : 1;
  }

  function closed(service: string, until: number, by: Rate | "service"): ServiceClosed {
    const name = proper[service] ?? service;
    return by === "service"
      ? new ServiceClosed(service, until, `${name} limits us and said when to come back`)
      : new ServiceClosed(service, until, `waits for its turn: ${name} takes ${inWords(by)}`, "ours");
  }

  /** Throws when the turn would come after `latest`. */
  async function wait(service: string, requests: number, latest: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (fromBlock(service, requests)) return;
      const rates = ratesOf(service);
      const { value, version } = await stored(service);
      const size = nextSize(service, rates);
      const taking = takeTurns(value, rates, clock.now(), requests, Math.max(requests, size));
      if (taking.full) {
        if (taking.until > latest) throw closed(service, taking.until, taking.by);
        await sleep(clock, taking.until - clock.now(), signal);
        continue;
      }
      if (!(await state.put("rate", service, taking.next as unknown as Json, version))) continue;
      blocks.set(service, { left: Math.max(0, taking.taken - requests), goodUntil: taking.goodUntil, size });
      return;
    }
  }

  return {
    take(service, requests, signal) {
      if (ratesOf(service).length === 0) return Promise.resolve();
      const latest = clock.now() + longestSleepMs;
      const before = lines.get(service) ?? Promise.resolve();
      const turn = before.then(() => wait(service, requests, latest, signal));
      lines.set(
        service,
        turn.catch(() => {}),
      );
      return turn;
    },

    async stayAway(service, ms) {
      if (ratesOf(service).length === 0) return;
      blocks.delete(service);
      const until = clock.now() + Math.min(ms, longestAwayMs);
      for (;;) {
        const { value, version } = await stored(service);
        const next = stayAway(value, until);
        if (next === value || (await state.put("rate", service, next as unknown as Json, version))) return;
      }
    },

    async full(service) {
      const rates = ratesOf(service);
      const block = blocks.get(service);
      if (rates.length === 0 || (block && block.left > 0 && clock.now() < block.goodUntil)) return null;
      const taking = takeTurns((await stored(service)).value, rates, clock.now(), 1);
      return taking.full && taking.until > clock.now() + longestSleepMs
        ? closed(service, taking.until, taking.by)
        : null;
    },

    after: (service, ahead) => turnAfter(ratesOf(service), ahead),
  };
}
