/** An admin port on a real socket, with a small company's morning in its journal. */
import { createHash } from "node:crypto";
import { createAdmin } from "../../src/http/admin.ts";
import type {
  Admin,
  AdminOptions,
  BreakerRow,
  Control,
  ProcessRow,
  SourceRow,
} from "../../src/http/admin.ts";
import type { Action } from "../../src/domain/action.ts";
import type { StoredEvent } from "../../src/domain/event.ts";
import type { Json } from "../../src/domain/json.ts";
import type { Run } from "../../src/domain/run.ts";
import type { StepRecord } from "../../src/domain/step.ts";
import { silentLog } from "../../src/observability/log.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import { emptyRows, memoryJournal } from "./memory-reads.ts";
import type { MemoryJournal, MemoryRows } from "./memory-reads.ts";

export const adminToken = "a-token-for-tests-only-0001";
const minute = 60_000;

export function sampleEvent(id: string, receivedAt: number, more: Partial<StoredEvent> & { payload?: Json }) {
  const { payload = {}, ...fields } = more;
  const body = Buffer.from(JSON.stringify(payload));
  const event: StoredEvent = {
    id,
    source: "github",
    type: "pull_request.opened",
    providerId: `delivery-${id}`,
    receivedAt,
    occurredAt: receivedAt - 1_000,
    status: "routed",
    bodyHash: createHash("sha256").update(body).digest("hex"),
    body,
    headers: { "content-type": "application/json" },
    faults: [],
    ...fields,
  };
  return event;
}

export const sampleRun = (id: string, event: string, createdAt: number, more: Partial<Run> = {}): Run => ({
  id,
  event,
  route: "review-pull-requests",
  agent: "pr-review",
  about: null,
  mode: "auto",
  status: "succeeded",
  decidedBy: "model",
  decidedWhy: "anthropic/claude-sonnet-4-5 answered within the schema",
  attempts: 1,
  streak: null,
  waitingFor: null,
  parkedSince: null,
  reason: null,
  cleared: null,
  concurrency: null,
  generation: 0,
  configHash: "c0ffee",
  promptHash: "beef",
  createdAt,
  updatedAt: createdAt + 4_200,
  ...more,
});

export const sampleAction = (id: string, run: string, at: number, more: Partial<Action> = {}): Action => ({
  id,
  run,
  agent: "pr-review",
  name: "review",
  kind: "github.review",
  subject: "acme/shop#41@9f2c1ab",
  key: `${id}-5b1f0c7e9a3d4b2f8c6e1d0a7b9c3e5f`.slice(0, 40),
  status: "done",
  input: { owner: "acme", repo: "shop", number: 41, body: "Two remarks.", comments: [] },
  hash: `hash-of-${id}`,
  needs: [],
  ref: { id: "2210", url: "https://github.com/acme/shop/pull/41#pullrequestreview-2210" },
  dryRun: false,
  reason: null,
  reviewedBy: null,
  attempts: 1,
  intentAt: at,
  createdAt: at,
  updatedAt: at + 900,
  ...more,
});

const sampleStep = (run: string, name: string, at: number, ms: number, output: Json): StepRecord => ({
  run,
  name,
  schemaVersion: 1,
  output,
  startedAt: at,
  endedAt: at + ms,
  usage:
    name === "decide"
      ? { model: "claude-sonnet-4-5", inputTokens: 3_120, outputTokens: 410, costUsd: 0.0155 }
      : null,
});

/** One of each that people meet: a done run, one under review, one parked behind an outage, a dead one, an unrouted event. */
export function sampleRows(now: number): MemoryRows {
  const rows = emptyRows();
  const [t1, t2, t3, t4, t5] = [62, 41, 18, 6, 2].map((minutes) => now - minutes * minute) as [
    number,
    number,
    number,
    number,
    number,
  ];
  rows.events.push(
    sampleEvent("evt_1", t1, {
      payload: { action: "opened", pull_request: { number: 41, title: "Faster cart" } },
    }),
    sampleEvent("evt_2", t2, {
      source: "stripe",
      type: "customer.subscription.deleted",
      payload: {
        id: "evt_1Pq",
        type: "customer.subscription.deleted",
        data: { object: { customer_email: "jane.doe@example.com", client_secret: "seti_secret_4mT9" } },
      },
    }),
    sampleEvent("evt_3", t3, { source: "inbox", type: "message.received", payload: { subject: "Refund?" } }),
    sampleEvent("evt_4", t4, { source: "inbox", type: "message.received", payload: { subject: "Hello" } }),
    sampleEvent("evt_5", t5, { source: "stripe", type: "invoice.created", status: "unrouted" }),
  );
  rows.deliveries.push({
    id: "dlv_1",
    source: "github",
    event: "evt_1",
    result: "accepted",
    receivedAt: t1,
    remoteAddress: "140.82.115.3",
    secretIndex: 0,
    reason: null,
  });
  rows.runs.push(
    sampleRun("run_1", "evt_1", t1),
    sampleRun("run_2", "evt_2", t2, {
      agent: "churn-intervention",
      route: "save-customers",
      mode: "review",
      status: "awaiting_review",
      waitingFor: { kind: "person", reason: "2 actions wait for a person", until: null },
    }),
    sampleRun("run_3", "evt_3", t3, {
      agent: "email-triage",
      route: "triage-mail",
      status: "waiting",
      decidedBy: "rules",
      decidedWhy: "the breaker of model:anthropic/claude-sonnet-4-5 is open",
      waitingFor: {
        kind: "service",
        service: "hubspot",
        reason: "hubspot does not answer (5 failures in a row, last: 503)",
        until: now + 4 * minute,
      },
      parkedSince: t3,
    }),
    sampleRun("run_4", "evt_4", t4, {
      agent: "email-triage",
      route: "triage-mail",
      status: "dead",
      decidedBy: "rules",
      attempts: 4,
      reason: "zendesk: 422 the requester jane.doe@example.com is suspended",
    }),
  );
  rows.steps.push(
    sampleStep("run_1", "gather", t1 + 100, 640, { files: 12, author: "jane.doe@example.com" }),
    sampleStep("run_1", "decide", t1 + 760, 2_900, {
      decision: {
        verdict: "comment",
        risk: "medium",
        summary: "The cart total is computed twice.",
        comments: [],
      },
      decidedBy: "model",
      why: "anthropic/claude-sonnet-4-5 answered within the schema",
    }),
    sampleStep("run_1", "plan", t1 + 3_670, 3, { summary: "One review." }),
  );
  rows.actions.push(
    sampleAction("act_1", "run_1", t1 + 3_700),
    sampleAction("act_2", "run_2", t2 + 3_700, {
      agent: "churn-intervention",
      name: "offer",
      kind: "email.send",
      subject: "sub_1:2026-11",
      status: "awaiting_review",
      input: { to: "jane.doe@example.com", subject: "Before you go", text: "Hello Jane,\n\nwe are sorry…" },
      ref: null,
      attempts: 0,
      intentAt: null,
    }),
    sampleAction("act_3", "run_1", t1 + 3_900, {
      name: "link",
      kind: "linear.comment",
      status: "skipped",
      input: { issueId: "ENG-12", body: "Reviewed; ask jane.doe@example.com." },
      ref: null,
      reason: "the key was used before by another payload",
    }),
  );
  rows.attempts.set("run_4", [
    {
      number: 1,
      times: 3,
      startedAt: t4 + 200,
      endedAt: t4 + 9_000,
      end: "retryAt",
      at: "ticket",
      service: "zendesk",
      error: "zendesk: answered 503",
      counted: true,
    },
    {
      number: 4,
      times: 1,
      startedAt: t4 + 26_000,
      endedAt: t4 + 26_400,
      end: "dead",
      at: "ticket",
      service: null,
      error: "zendesk: 422 the requester jane.doe@example.com is suspended",
      counted: true,
    },
  ]);
  return rows;
}

const sampleBreakers = (now: number): BreakerRow[] => [
  { service: "github", state: "closed", failures: 0, openUntil: null, reason: null, paused: null },
  {
    service: "hubspot",
    state: "open",
    failures: 5,
    openUntil: now + 4 * minute,
    reason: "503 Service Unavailable",
    paused: { by: "person", reason: "paused by hand: moving house", since: now - minute, until: null },
  },
  {
    service: "model:anthropic/claude-sonnet-4-5",
    state: "half-open",
    failures: 5,
    openUntil: null,
    reason: "no answer within 60000 ms",
    paused: null,
  },
];

const sampleSources = (now: number): SourceRow[] => [
  {
    name: "github",
    type: "github",
    active: true,
    inactiveReason: null,
    lastEventAt: now - 62 * minute,
    events: 1,
    lastSecret: null,
    unreadable: null,
    healedUntil: now - 3 * minute,
    unhealed: null,
    watch: null,
  },
  {
    name: "stripe",
    type: "stripe",
    active: true,
    inactiveReason: null,
    lastEventAt: now - 2 * minute,
    events: 2,
    lastSecret: { index: 1, at: now - 2 * minute },
    unreadable: { count: 2, lastAt: now - 5 * minute, reason: "the body is not valid JSON in UTF-8" },
    healedUntil: null,
    unhealed: "it lacks `healing.apiKey`",
    watch: {
      id: null,
      state: "failing",
      expiresAt: now + 60 * minute,
      lastRenewedAt: now - 60 * minute,
      error: "it does not answer",
    },
  },
  {
    name: "forms",
    type: "custom",
    active: false,
    inactiveReason: "unset",
    lastEventAt: null,
    events: 0,
    lastSecret: null,
    unreadable: null,
    healedUntil: null,
    unhealed: "it is inactive",
    watch: null,
  },
];

export const refusingControl: Control = {
  approve: () => Promise.reject(new Error("not expected here")),
  reject: () => Promise.reject(new Error("not expected here")),
  cancelRun: () => Promise.reject(new Error("not expected here")),
  heal: () => Promise.reject(new Error("not expected here")),
  replay: () => Promise.reject(new Error("not expected here")),
  replays: async () => [],
  cancelReplay: () => Promise.reject(new Error("not expected here")),
  resumeReplay: () => Promise.reject(new Error("not expected here")),
  discard: () => Promise.reject(new Error("not expected here")),
  discardAll: () => Promise.reject(new Error("not expected here")),
  verify: () => Promise.reject(new Error("not expected here")),
  forget: () => Promise.reject(new Error("not expected here")),
  pauses: () => Promise.reject(new Error("not expected here")),
  pause: () => Promise.reject(new Error("not expected here")),
  resume: () => Promise.reject(new Error("not expected here")),
};

export interface RunningAdmin {
  readonly admin: Admin;
  readonly journal: MemoryJournal;
  readonly url: string;
  readonly port: number;
  /** With the bearer token. */
  get(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

export async function startAdmin(
  more: Partial<AdminOptions> & { rows?: MemoryRows; clock?: Clock; port?: number } = {},
): Promise<RunningAdmin> {
  const { rows, port: wanted = 0, ...options } = more;
  const now = (options.clock ?? systemClock).now();
  const journal = memoryJournal(rows ?? sampleRows(now));
  const admin = createAdmin({
    reads: journal.reads,
    changes: journal.changes,
    control: refusingControl,
    audit: journal.audit,
    breakers: async () => sampleBreakers(now),
    processes: async () => sampleProcesses(now),
    sources: async () => sampleSources(now),
    metrics: { render: async () => ({ contentType: "text/plain", text: "signalbox_dead_letters 1\n" }) },
    ready: async () => ({ ok: true, checks: { journal: { ok: true } } }),
    token: adminToken,
    assets: "no/such/folder",
    log: silentLog,
    clock: systemClock,
    version: "0.1.0",
    ...options,
  });
  const { port } = await admin.listen({ host: "127.0.0.1", port: wanted });
  const url = `http://127.0.0.1:${port}`;
  const authorization = { Authorization: `Bearer ${adminToken}` };
  return {
    admin,
    journal,
    url,
    port,
    get: (path, init = {}) =>
      fetch(url + path, {
        ...init,
        headers: { ...authorization, ...(init.headers as Record<string, string>) },
      }),
    post: (path, body, headers = authorization) =>
      fetch(url + path, {
        method: "POST",
        redirect: "manual",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
    close: () => admin.close(),
  };
}

const sampleProcesses = (now: number): ProcessRow[] =>
  (["ingest", "worker"] as const).map((role, at) => ({
    id: `process-${at}`,
    role,
    host: "one.example",
    pid: 100 + at,
    version: "0.0.0",
    config: "0123456789ab",
    configSince: now - 60_000,
    startedAt: now - 60_000,
    seenAt: now - 1_000,
    leading: role === "worker",
    trouble: role === "worker" ? "its configuration is not the newest" : null,
  }));
