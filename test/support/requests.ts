/** Requests to a journal, without a source or a route: as few words as a test needs. */
import type { Action } from "../../src/domain/action.ts";
import { actionKey } from "../../src/domain/action.ts";
import { hashJson } from "../../src/domain/json.ts";
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
  /** A message that is planned, of the time 1. A payload and what follows from it go together. */
  const action = (
    of: { readonly run: string; readonly name: string; readonly subject: string },
    over: Partial<Action> = {},
  ): Action => {
    const { input = { text: "hello" }, kind = "slack.message" } = over;
    return {
      id: ids("act"),
      agent: "pr-review",
      kind,
      key: actionKey("pr-review", of.name, of.subject),
      status: "planned",
      input,
      hash: hashJson({ kind, input }),
      needs: [],
      ref: null,
      dryRun: false,
      reason: null,
      reviewedBy: null,
      attempts: 0,
      intentAt: null,
      createdAt: 1,
      updatedAt: 1,
      ...of,
      ...over,
    };
  };
  return { run, item, request, action };
}
