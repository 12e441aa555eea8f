/** The person of the house: decides what is held, and replays an event now and then. Gets no answer while it is down. */
import type { Random } from "./random.ts";
import type { ServiceUnderTest } from "./service.ts";

export interface PersonParts {
  readonly service: ServiceUnderTest;
  readonly random: Random;
  /** Events that may be replayed. */
  readonly known: () => readonly string[];
  readonly replays: number;
}

export interface Person {
  counts(): { readonly approved: number; readonly rejected: number; readonly replayed: number };
  /** True when nothing is held that a person can decide without looking elsewhere. */
  nothingHeld(): Promise<boolean>;
  stop(): Promise<void>;
}

interface Held {
  readonly id: string;
  readonly hash: string;
}

const everyMs = 500;

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
  async function replay(): Promise<void> {
    const events = known();
    const event = events[random.int(0, Math.max(0, events.length - 1))];
    if (event === undefined || counts.replayed >= replays) return;
    if ((await service.admin("/api/replays", { event })) !== null) counts.replayed += 1;
  }
  const working = (async () => {
    while (!stopped) {
      await decide();
      await replay();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    counts: () => counts,
    nothingHeld: async () => (await held())?.items.length === 0,
    async stop() {
      stopped = true;
      await working;
    },
  };
}
