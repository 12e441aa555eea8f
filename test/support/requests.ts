/** Requests to a journal, without a source or a route: as few words as a test needs. */
import type { AcceptRequest, Acceptance, NewRun } from "../../src/domain/ports.ts";
import type { Ids } from "../../src/resilience/ids.ts";

export function createRequests(ids: Ids) {
  const run = (over: Partial<NewRun> = {}): NewRun => ({
    id: ids("run"),
    route: "all",
    agent: "pr-review",
    mode: "auto",
    concurrency: null,
    configHash: "c",
    promptHash: null,
    ...over,
  });
  const item = (
    keys: readonly string[],
    runs: readonly NewRun[] = [run()],
    over: Partial<Acceptance["event"]> = {},
  ): Acceptance => ({
    event: {
      id: ids("evt"),
      source: "github",
      type: "pull_request.opened",
      providerId: keys[0] ?? "",
      receivedAt: 1,
      occurredAt: null,
      status: "routed",
      body: Buffer.from(`{"key":"${keys[0]}"}`),
      headers: { "x-github-event": "pull_request" },
      faults: [],
      ...over,
    },
    dedupeKeys: keys,
    runs,
  });
  const request = (...items: readonly Acceptance[]): AcceptRequest => ({
    delivery: { id: ids("dlv"), source: "github", receivedAt: 1, remoteAddress: "127.0.0.1", secretIndex: 0 },
    items,
  });
  return { run, item, request };
}
