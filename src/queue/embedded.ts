/**
 * The queue of the embedded profile: the journal's own runs table, with a wake-up inside the process.
 *
 * idle     nothing is due; a timer waits for the next due time, at most `pollMs`.
 * pumping  due runs are handed out while hands are free. Told again meanwhile, it looks once more when it is done.
 * stopped  hands nothing out; handlers in flight end.
 *
 * What it is told is never trusted to be complete: it always looks into the journal. So nothing can be lost here.
 */
import type { Journal, Queue } from "../domain/ports.ts";
import type { Log } from "../observability/log.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";

/** Looks at least this often: a run whose concurrency key was freed elsewhere has no due time of its own. */
const pollMs = 1_000;

export function createEmbeddedQueue(
  journal: Pick<Journal, "dueRuns" | "nextDue">,
  clock: Clock,
  log: Log,
): Queue {
  let wake: () => void = () => {};
  return {
    publish: () => wake(),
    consume(handler, concurrency) {
      const inFlight = new Map<string, Promise<void>>();
      let timer: { cancel(): void } | null = null;
      let pumping = false;
      let again = false;
      let stopped = false;

      const hand = (run: string) => {
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
        inFlight.set(run, work);
      };

      const pump = async () => {
        timer?.cancel();
        const free = concurrency - inFlight.size;
        if (free > 0) {
          const due = await journal.dueRuns(free + inFlight.size);
          for (const run of due.filter((id) => !inFlight.has(id)).slice(0, free)) hand(run);
        }
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
