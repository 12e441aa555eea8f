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

/** Looks at least this often: a run whose concurrency key was freed elsewhere has no due time of its own. */
const pollMs = 1_000;

type Due = Pick<Journal, "dueAgents" | "dueRuns" | "nextDue">;

export function createEmbeddedQueue(journal: Due, clock: Clock, log: Log): Queue {
  let wake: () => void = () => {};
  return {
    publish: () => wake(),
    consume(handler, hands) {
      const inFlight = new Map<string, { agent: string; work: Promise<void> }>();
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
            wake();
          });
        inFlight.set(run, { agent, work });
      };

      const pump = async () => {
        timer?.cancel();
        for (const next of await nextUp(journal, inFlight, hands)) hand(next);
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
          await Promise.all([...inFlight.values()].map(({ work }) => work));
        },
      };
    },
  };
}

/** As many as hands are free, the agents in turn, and first those that have the fewest under way. */
async function nextUp(
  journal: Due,
  inFlight: ReadonlyMap<string, { readonly agent: string }>,
  { total, perAgent }: Hands,
): Promise<Wake[]> {
  const free = total - inFlight.size;
  if (free <= 0) return [];
  const busy = (agent: string) => [...inFlight.values()].filter((one) => one.agent === agent).length;
  const agents = (await journal.dueAgents()).map((agent) => ({ agent, busy: busy(agent) }));
  const lines: Wake[][] = [];
  for (const { agent, busy: mine } of agents.sort((a, b) => a.busy - b.busy)) {
    const room = Math.min(perAgent - mine, free);
    if (room <= 0) continue;
    // What is being claimed just now still looks due.
    const due = await journal.dueRuns(room + mine, agent);
    lines.push(due.filter(({ run }) => !inFlight.has(run)).slice(0, room));
  }
  const next: Wake[] = [];
  for (let place = 0; place < free && next.length < free; place += 1)
    for (const line of lines) next.push(...line.slice(place, place + 1));
  return next.slice(0, free);
}
