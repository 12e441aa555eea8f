/**
 * Tells the queue what is due in the journal: runs whose wait is over, and those whose job was lost. One process in the
 * fleet does it; two do no harm.
 *
 * Every second, and when something may have become due, it goes from agent to agent. One whose queue is well filled is
 * left alone. To the others it tells their oldest due runs; what it told a moment ago it tells again only after
 * `againMs`, so that a run waits no longer than that for a job that Redis has lost, and Redis is not asked to compare a
 * long queue with itself every second.
 */
import type { Journal } from "../domain/ports.ts";
import type { Wake } from "../domain/queue.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";

export interface PublisherParts {
  readonly journal: Pick<Journal, "dueAgents" | "dueRuns">;
  /** Whether the queue can be told anything now. */
  readonly up: () => boolean;
  /** How many jobs wait in the agent's queue. Rejects when that can't be known. */
  readonly waiting: (agent: string) => Promise<number>;
  readonly tell: (agent: string, wakes: readonly Wake[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Publisher {
  /** Looks soon: something may have become due. */
  look(): void;
  /** Looks soon and takes nothing for told: the queue may have lost all of it. */
  lookAgain(): void;
  stop(): Promise<void>;
}

const everyMs = 1_000;
/** Between two looks that were asked for, or while an agent has more due than was told. */
const soonMs = 100;
const againMs = 3_000;
/** Jobs that keep all hands of a fleet busy until the next look. */
const wellFilled = 1_000;
const toldAtOnce = 2 * wellFilled;

export function startPublisher({ journal, up, waiting, tell, clock, log }: PublisherParts): Publisher {
  /** When each wake was last told. */
  const told = new Map<string, number>();
  let looking: Promise<void> | null = null;
  let again = false;
  let stopped = false;
  let failing = false;
  let timer = clock.after(0, tick);

  /** Whether the agent has more due than was told. */
  async function tellFor(agent: string): Promise<boolean> {
    if ((await waiting(agent)) >= wellFilled) return false;
    const due = await journal.dueRuns(toldAtOnce, agent);
    const fresh = due.filter((wake) => !told.has(nameOf(wake)));
    if (fresh.length === 0) return false;
    failPoint("sweeper.publish");
    await tell(agent, fresh);
    for (const wake of fresh) told.set(nameOf(wake), clock.now());
    return due.length === toldAtOnce;
  }

  async function lookOnce(): Promise<boolean> {
    if (!up()) return false;
    for (const [name, at] of told) if (clock.now() - at >= againMs) told.delete(name);
    let more = false;
    for (const agent of await journal.dueAgents()) more = (await tellFor(agent)) || more;
    return more;
  }

  async function lookAround(): Promise<void> {
    let more = false;
    try {
      more = await lookOnce();
      failing = false;
    } catch (error) {
      // Once: what can't be reached is tried every second.
      if (!failing && up()) log.error({ err: error }, "due runs could not be published; it is tried again");
      failing = true;
    }
    looking = null;
    if (!stopped) timer = clock.after(more || again ? soonMs : everyMs, tick);
  }

  function tick(): void {
    again = false;
    looking = lookAround();
  }

  function look(): void {
    if (stopped || again) return;
    again = true;
    if (looking) return;
    timer.cancel();
    timer = clock.after(soonMs, tick);
  }

  return {
    look,
    lookAgain() {
      told.clear();
      look();
    },
    async stop() {
      stopped = true;
      timer.cancel();
      await looking;
    },
  };
}

const nameOf = ({ run, number }: Wake): string => `${run}.${number}`;
