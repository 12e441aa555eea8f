/** The person of the house: decides what is held, and replays an event now and then. Gets no answer while it is down. */
import type { Random } from "./random.ts";
import type { ServiceUnderTest } from "./service.ts";

export interface PersonParts {
  readonly service: ServiceUnderTest;
  readonly random: Random;
  /** Events that may be replayed, the latest last: the content of old ones is erased. */
  readonly known: () => readonly string[];
  /** Runs that replays may start at full pace; after them one now and then, so that their fail points go on being passed. */
  readonly replays: number;
}

export interface Person {
  counts(): { readonly approved: number; readonly rejected: number; readonly replayed: number };
  /** Replays the latest event. True when that started a run. */
  replayLatest(): Promise<boolean>;
  /** True when nothing is held that a person can decide without looking elsewhere. */
  nothingHeld(): Promise<boolean>;
  stop(): Promise<void>;
}

interface Held {
  readonly id: string;
  readonly hash: string;
}

const everyMs = 500;
const recent = 30;
const seldom = 0.15;

export function startPerson({ service, random, known, replays }: PersonParts): Person {
  const counts = { approved: 0, rejected: 0, replayed: 0 };
  let stopped = false;
  const held = () => service.admin<{ items: Held[] }>("/api/actions?status=awaiting_review&limit=50");

  async function decide(): Promise<void> {
    for (const { id, hash } of (await held())?.items ?? []) {
      const reject = random.chance(0.2);
      const path = `/api/actions/${id}/${reject ? "reject" : "approve"}`;
      const answer = await service.admin(path, reject ? { reason: "not needed" } : { hash });
      if (answer !== null) counts[reject ? "rejected" : "approved"] += 1;
    }
  }
  async function replay(event: string): Promise<void> {
    const started = await service.admin<{ runs: string[] }>("/api/replays", { event });
    counts.replayed += started?.runs.length ?? 0;
  }
  const working = (async () => {
    while (!stopped) {
      await decide();
      const [event] = random.shuffled(known().slice(-recent));
      if (event !== undefined && (counts.replayed < replays || random.chance(seldom))) await replay(event);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    counts: () => counts,
    async replayLatest() {
      const before = counts.replayed;
      const event = known().at(-1);
      if (event !== undefined) await replay(event);
      return counts.replayed > before;
    },
    nothingHeld: async () => (await held())?.items.length === 0,
    async stop() {
      stopped = true;
      await working;
    },
  };
}
