/** The part of a process that works on runs. */
import type { Parts } from "./parts.ts";
import type { Watches } from "./worker/watches.ts";
import { createWorker } from "./worker/worker.ts";
import type { Worker } from "./worker/worker.ts";

/** A stuck agent leaves a quarter of the hands to the others. */
const mostPerAgent = (concurrency: number): number =>
  Math.max(1, concurrency - Math.max(1, Math.floor(concurrency / 4)));

/** Takes runs up at once. `onSettled` is told whenever one is put down with a verdict. */
export function startWorking(
  parts: Parts,
  { watches, onSettled }: { readonly watches: Watches; readonly onSettled: () => void },
): Pick<Worker, "stop"> {
  const { store, current, alerts } = parts;
  const worker = createWorker({
    ...parts,
    ...store,
    onSettled,
    sources: () => current().sources,
    renewWatch: watches.renew,
    get destinations() {
      return current().destinations;
    },
    decider: { decide: (request) => current().decider.decide(request) },
    table: () => current().work,
    onDead: (run, agent, reason) =>
      alerts.raise("dead-letter", agent, `run ${run} of ${agent} is dead: ${reason}`),
    onCapped: (agent, limit) =>
      alerts.raise(
        "action-cap",
        agent,
        `${agent} wants more than ${limit} actions within an hour: what is more waits for a person`,
      ),
  });
  const config = () => current().settings.loaded.config.worker;
  worker.start({
    get total() {
      return config().concurrency;
    },
    get perAgent() {
      return config().perAgent ?? mostPerAgent(config().concurrency);
    },
  });
  return worker;
}
