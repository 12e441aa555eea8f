/** Domain values as the admin API shows them: ISO times, personal data and secrets taken out. */
import type { PolicyCheck } from "../domain/agent.ts";
import type { Action, ActionStatus } from "../domain/action.ts";
import type { Attempt } from "../domain/attempt.ts";
import type { AuditRecord } from "../domain/audit.ts";
import type { Delivery, StoredEvent, Unreadable } from "../domain/event.ts";
import { isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { EventSummary, Overview, RunRecord } from "../domain/ports.ts";
import type { ReplayJob, Verification } from "../domain/replay.ts";
import type { Run } from "../domain/run.ts";
import type { watchStates } from "../domain/source.ts";
import type { StepRecord } from "../domain/step.ts";
import { redactText } from "../observability/redact.ts";

export interface BreakerRow {
  readonly service: string;
  readonly state: "closed" | "half-open" | "open";
  readonly failures: number;
  /** Milliseconds since the epoch; null unless it is open. */
  readonly openUntil: number | null;
  readonly reason: string | null;
  /** Whether it is closed for another reason than its failures. */
  readonly paused: Paused | null;
}
interface Paused {
  /** refusal: it does not take our credentials. */
  readonly by: "refusal" | "person";
  readonly reason: string;
  /** Milliseconds since the epoch; `until` is null where only a person ends it. */
  readonly since: number;
  readonly until: number | null;
}
export interface PauseRow {
  readonly name: string;
  readonly paused: Paused;
}
export interface SourceRow {
  readonly name: string;
  readonly type: string;
  readonly active: boolean;
  /** Null when it is active. */
  readonly inactiveReason: "unset" | "expired" | null;
  /** Milliseconds since the epoch. */
  readonly lastEventAt: number | null;
  readonly events: number;
  /** Which secret signed last, 0 = first. */
  readonly lastSecret: { readonly index: number; readonly at: number } | null;
  /** What it signed and could not be read here, as long as it is kept. */
  readonly unreadable: Unreadable | null;
  /** Up to when nothing that it sent is missing; milliseconds since the epoch, null when its gaps are not healed. */
  readonly healedUntil: number | null;
  /** Why they can't be, continuing "it can't be healed: "; null when they can. */
  readonly unhealed: string | null;
  /** What makes its provider notify us; null where that is not ours to keep. */
  readonly watch: WatchRow | null;
}
interface WatchRow {
  /** The provider's. */
  readonly id: string | null;
  readonly state: (typeof watchStates)[number];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | null;
  readonly lastRenewedAt: number | null;
  readonly error: string | null;
}

/** A process of the fleet. */
export interface ProcessRow {
  readonly id: string;
  readonly role: "all" | "ingest" | "worker";
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** What its configuration and prompts say, as a short hash. */
  readonly config: string;
  /** Milliseconds since the epoch, by its own clock. */
  readonly configSince: number;
  readonly startedAt: number;
  readonly seenAt: number;
  /** Whether it does what is done once in the fleet. */
  readonly leading: boolean;
  /** What is wrong with it, in words for people. */
  readonly trouble: string | null;
}

const iso = (at: number): string => new Date(at).toISOString();
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));
const redactedOrNull = (text: string | null): string | null => (text === null ? null : redactText(text));

const secretName =
  /(?:^|[_-]|[a-z](?=[A-Z]))(?:secret|token|password|api_?key|private_?key|authorization|cookie)$/i;
const isBase64 = (text: string) => text.length >= 256 && /^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(text);

/**
 * A value without credentials, addresses and card numbers. Beyond what their patterns find: fields that are named like
 * a secret, names of fields, numbers that are card numbers, and encoded bytes (a whole mail), which nobody can read
 * and which would hide all of the above.
 */
function redacted(value: Json): Json {
  if (typeof value === "string")
    return isBase64(value) ? `[${value.length} characters of encoded data, not shown]` : redactText(value);
  if (typeof value === "number") {
    const shown = redactText(String(value));
    return value > 1e14 && shown !== String(value) ? shown : value;
  }
  if (Array.isArray(value)) return value.map((item: Json) => redacted(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      redactText(key),
      secretName.test(key) && typeof item === "string" && item !== "" ? "[redacted]" : redacted(item),
    ]),
  );
}

export const eventRow = (event: EventSummary) => ({
  id: event.id,
  source: event.source,
  type: event.type,
  // Ids are what people search by, at the vendor and here; redacting long numbers would take some of them away.
  providerId: event.providerId,
  receivedAt: iso(event.receivedAt),
  occurredAt: isoOrNull(event.occurredAt),
  status: event.status,
  faults: event.faults.map(({ route, part, message }) => ({ route, part, message: redactText(message) })),
  runs: event.runs.map(({ id, agent, status }) => ({ id, agent, status })),
});

const deliveryRow = (delivery: Delivery) => ({
  id: delivery.id,
  result: delivery.result,
  receivedAt: iso(delivery.receivedAt),
  remoteAddress: delivery.remoteAddress,
  secretIndex: delivery.secretIndex,
  reason: redactedOrNull(delivery.reason),
});

export const verificationView = (event: string, verification: Verification) => ({
  event,
  result: verification.result,
  secretIndex: verification.result === "verified" ? verification.secretIndex : null,
  reason: verification.result === "verified" ? null : verification.reason,
});

/** `payload` is the parsed body; where the body is no JSON, it is shown as `text`. */
export function eventDetail(event: StoredEvent & { deliveries: Delivery[]; runs: Run[] }) {
  const { payload, text } = readable(event.body);
  return {
    ...eventRow(event),
    headers: redacted(event.headers),
    bodyBytes: event.body.byteLength,
    bodyHash: event.bodyHash,
    payload,
    text,
    deliveries: event.deliveries.map(deliveryRow),
    runs: event.runs.map(runRow),
  };
}

function readable(body: Uint8Array): { payload: Json; text: string | null } {
  const text = Buffer.from(body).toString("utf8");
  try {
    return { payload: redacted(JSON.parse(text) as Json), text: null };
  } catch {
    return { payload: null, text: redactText(text.slice(0, 20_000)) };
  }
}

export const runRow = (run: Run) => ({
  id: run.id,
  event: run.event,
  route: run.route,
  agent: run.agent,
  about: run.about,
  mode: run.mode,
  status: run.status,
  decidedBy: run.decidedBy,
  decidedWhy: redactedOrNull(run.decidedWhy),
  attempts: run.attempts,
  waitingFor:
    run.waitingFor === null
      ? null
      : {
          kind: run.waitingFor.kind,
          reason: redactText(run.waitingFor.reason),
          service: run.waitingFor.service ?? null,
          until: isoOrNull(run.waitingFor.until),
        },
  parkedSince: isoOrNull(run.parkedSince),
  reason: redactedOrNull(run.reason),
  cleared: run.cleared && {
    at: iso(run.cleared.at),
    by: run.cleared.by,
    reason: redactText(run.cleared.reason),
  },
  concurrencyKey: run.concurrency === null ? null : redactText(run.concurrency.key),
  generation: run.generation,
  configHash: run.configHash,
  promptHash: run.promptHash,
  createdAt: iso(run.createdAt),
  updatedAt: iso(run.updatedAt),
});

const stepRow = (step: StepRecord) => ({
  name: step.name,
  schemaVersion: step.schemaVersion,
  startedAt: iso(step.startedAt),
  endedAt: iso(step.endedAt),
  durationMs: Math.max(0, step.endedAt - step.startedAt),
  usage: step.usage,
  output: redacted(step.output),
});

const attemptRow = (attempt: Attempt) => ({
  ...attempt,
  startedAt: iso(attempt.startedAt),
  endedAt: iso(attempt.endedAt),
  error: redactText(attempt.error),
});

export const runDetail = ({ run, steps, actions, attempts }: RunRecord) => ({
  ...runRow(run),
  decision: decisionOf(steps),
  /** What the decision was held against before anything was planned from it. */
  checks: checksOf(steps),
  steps: steps.map(stepRow),
  actions: actions.map(actionRow),
  /** The attempts that did not end well; `attempts` says how many counted. */
  history: attempts.map(attemptRow),
});

function decisionOf(steps: readonly StepRecord[]): Json {
  const output = steps.find((step) => step.name === "decide")?.output ?? null;
  // The step records who decided beside what was decided.
  return redacted(isObject(output) && "decision" in output ? (output["decision"] ?? null) : output);
}

const checksOf = (steps: readonly StepRecord[]) =>
  steps
    .flatMap(({ output }) => (isObject(output) && "checks" in output ? [output["checks"]] : []))
    .flatMap((checks) => (checks ?? []) as unknown as readonly PolicyCheck[])
    .map(({ name, passed, detail, effect = null }) => ({ name, passed, detail: redactText(detail), effect }));

/** Whoever reviews must see exactly what will be sent; afterwards nobody needs to. */
const shownWhole: readonly ActionStatus[] = ["awaiting_review"];

export const actionRow = (action: Action) => ({
  id: action.id,
  run: action.run,
  agent: action.agent,
  name: action.name,
  kind: action.kind,
  subject: redactText(action.subject),
  key: action.key,
  status: action.status,
  hash: action.hash,
  input: shownWhole.includes(action.status) ? action.input : redacted(action.input),
  needs: action.needs,
  ref: action.ref,
  dryRun: action.dryRun,
  reason: redactedOrNull(action.reason),
  reviewedBy: action.reviewedBy,
  attempts: action.attempts,
  createdAt: iso(action.createdAt),
  updatedAt: iso(action.updatedAt),
});

export const breakerRow = (breaker: BreakerRow) => ({
  service: breaker.service,
  state: breaker.state,
  failures: breaker.failures,
  openUntil: isoOrNull(breaker.openUntil),
  reason: redactedOrNull(breaker.reason),
  paused: breaker.paused && pausedView(breaker.paused),
});

const pausedView = ({ by, reason, since, until }: Paused) => ({
  by,
  reason: redactText(reason),
  since: isoOrNull(since),
  until: isoOrNull(until),
});

export const pauseRow = ({ name, paused }: PauseRow) => ({ name, ...pausedView(paused) });

export const sourceRow = (source: SourceRow) => ({
  name: source.name,
  type: source.type,
  active: source.active,
  inactiveReason: source.inactiveReason,
  lastEventAt: isoOrNull(source.lastEventAt),
  events: source.events,
  lastSecret: source.lastSecret && { index: source.lastSecret.index, at: iso(source.lastSecret.at) },
  unreadable: source.unreadable && {
    count: source.unreadable.count,
    lastAt: iso(source.unreadable.lastAt),
    reason: redactedOrNull(source.unreadable.reason),
  },
  healedUntil: isoOrNull(source.healedUntil),
  unhealed: source.unhealed,
  watch: source.watch && {
    id: source.watch.id,
    state: source.watch.state,
    expiresAt: isoOrNull(source.watch.expiresAt),
    lastRenewedAt: isoOrNull(source.watch.lastRenewedAt),
    error: redactedOrNull(source.watch.error),
  },
});

export const processRow = (row: ProcessRow) => ({
  ...row,
  configSince: iso(row.configSince),
  startedAt: iso(row.startedAt),
  seenAt: iso(row.seenAt),
});

export const replayRow = (job: ReplayJob) => ({
  ...job,
  filter: {
    ...job.filter,
    ...(job.filter.since === undefined ? {} : { since: iso(job.filter.since) }),
    ...(job.filter.until === undefined ? {} : { until: iso(job.filter.until) }),
  },
  createdAt: iso(job.createdAt),
  updatedAt: iso(job.updatedAt),
});

export const auditRow = (record: AuditRecord) => ({
  id: record.id,
  at: iso(record.at),
  by: record.by,
  address: record.address,
  deed: record.deed,
  object: record.object,
  reason: redactedOrNull(record.reason),
  details: redacted(record.details),
});

const sum = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((total, count) => total + count, 0);

export function overviewView(overview: Overview, version: string, now: number) {
  const decided = sum(overview.decided);
  return {
    version,
    now: iso(now),
    events: { ...overview.events, total: sum(overview.events) },
    runs: { ...overview.runs, total: sum(overview.runs) },
    actions: { ...overview.actions, total: sum(overview.actions) },
    decided: {
      ...overview.decided,
      total: decided,
      /** Of the decisions made so far; null before the first. */
      modelShare: decided === 0 ? null : overview.decided.model / decided,
    },
    deadLetters: overview.deadLetters,
    reviewsPending: overview.actions.awaiting_review + overview.actions.uncertain,
    oldestDueAt: isoOrNull(overview.oldestDueAt),
  };
}
