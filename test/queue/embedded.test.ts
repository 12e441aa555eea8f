import { silentLog } from "../../src/observability/log.ts";
import { createEmbeddedQueue } from "../../src/queue/embedded.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { queueContract } from "../contracts/queue.ts";

queueContract("embedded", async (journal) => ({
  queue: createEmbeddedQueue(journal, systemClock, silentLog),
  close: async () => {},
}));
