/**
 * The queue of the embedded profile: the journal's own runs table, with a wake-up inside the process.
 *
 * idle     nothing is due; a timer waits for the next due time, at most `pollMs`.
 * pumping  due runs are handed out while hands are free. Told again meanwhile, it looks once more when it is done.
 * stopped  hands nothing out; handlers in flight end.
 *
 * What it is told is never trusted to be complete: it always looks into the journal. So nothing can be lost here.
 */
import type { Journal } from "../domain/ports.ts";
import type { Hands, Queue, Wake } from "../domain/queue.ts";
import type { Log } from "../observability/log.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import { createTurns } from "./turns.ts";
import type { Turns } from "./turns.ts";

/** Looks at least this often: a run whose concurrency key was freed elsewhere has no due time of its own. */
const pollMs = 1_000;

type Due = Pick<Journal, "dueAgents" | "dueRuns" | "nextDue">;

export function createEmbeddedQueue(journal: Due, clock: Clock, log: Log): Queue {
  let wake: () => void = () => {};
  return {
    publish: () => wake(),
    consume(handler, hands) {
      const inFlight = new Map<string, Promise<void>>();
      const turns = createTurns();
      let timer: { cancel(): void } | null = null;
      let pumping = false;
      let again = false;
      let stopped = false;

      const hand = ({ run, agent }: Wake) => {
        failPoint("queue.handed");
        const work = handler(run)
          .catch(async (error: unknown) => {
            log.error({ run, err: error }, "a run's handler failed");
            // Without a pause, a full disk would make this loop as fast as it can fail.
            await sleep(clock, pollMs);
          })
          .finally(() => {
            inFlight.delete(run);
            turns.ended(agent);
            wake();
          });
        inFlight.set(run, work);
        turns.begun(agent);
      };

      const pump = async () => {
        timer?.cancel();
        for (const next of await nextUp(journal, inFlight, turns, hands)) hand(next);
        const next = (await journal.nextDue()) ?? Number.POSITIVE_INFINITY;
        if (!stopped) timer = clock.after(Math.min(Math.max(next - clock.now(), 0), pollMs), () => wake());
      };

      wake = () => {
        if (stopped) return;
        again = true;
        if (pumping) return;
        pumping = true;
        void (async () => {
          while (again && !stopped) {
            again = false;
            await pump().catch((error: unknown) => {
              log.error({ err: error }, "the queue could not read the journal; it looks again soon");
              timer = clock.after(pollMs, () => wake());
            });
          }
          pumping = false;
        })();
      };
      wake();

      return {
        stop: async () => {
          stopped = true;
          timer?.cancel();
          await Promise.all(inFlight.values());
        },
      };
    },
  };
}

/** As many as hands are free, the agents in turn. */
async function nextUp(
  journal: Due,
  inFlight: ReadonlyMap<string, unknown>,
  { busy, compare }: Turns,
  { total, perAgent }: Hands,
): Promise<Wake[]> {
  const free = total - inFlight.size;
  if (free <= 0) return [];
  const lines: Wake[][] = [];
  for (const agent of (await journal.dueAgents()).toSorted(compare)) {
    const room = Math.min(perAgent - busy(agent), free);
    if (room <= 0) continue;
    // What is being claimed just now still looks due.
    const due = await journal.dueRuns(room + busy(agent), agent);
    lines.push(due.filter(({ run }) => !inFlight.has(run)).slice(0, room));
  }
  const next: Wake[] = [];
  for (let place = 0; place < free && next.length < free; place += 1)
    for (const line of lines) next.push(...line.slice(place, place + 1));
  return next.slice(0, free);
}
