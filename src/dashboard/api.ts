/** The admin API as the page uses it; the shapes are those of /api/openapi.json. */
import type { ActionStatus } from "../domain/action.ts";
import type { AttemptEnd } from "../domain/attempt.ts";
import type { EventStatus, RoutingFault } from "../domain/event.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { Mode, RunStatus } from "../domain/run.ts";

export interface EventRow {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly providerId: string;
  readonly receivedAt: string;
  readonly status: EventStatus;
  readonly faults: readonly RoutingFault[];
  readonly runs: readonly { readonly id: string; readonly agent: string; readonly status: RunStatus }[];
}
export interface EventDetail extends Omit<EventRow, "runs"> {
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly payload: Json;
  readonly text: string | null;
  readonly deliveries: readonly {
    readonly id: string;
    readonly result: string;
    readonly receivedAt: string;
    readonly remoteAddress: string;
    readonly secretIndex: number | null;
    readonly reason: string | null;
  }[];
  readonly runs: readonly RunRow[];
}
export interface RunRow {
  readonly id: string;
  readonly event: string;
  readonly route: string | null;
  readonly agent: string;
  /** The run whose held actions it tells of. */
  readonly about: string | null;
  readonly mode: Mode;
  readonly status: RunStatus;
  readonly decidedBy: "model" | "rules" | null;
  readonly decidedWhy: string | null;
  readonly attempts: number;
  readonly waitingFor: {
    readonly kind: string;
    readonly reason: string;
    readonly service: string | null;
    readonly until: string | null;
  } | null;
  readonly reason: string | null;
  /** How a dead run left the dead letters. */
  readonly cleared: { readonly at: string; readonly by: string; readonly reason: string } | null;
  readonly generation: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}
export interface Step {
  readonly name: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly durationMs: number;
  readonly usage: {
    readonly model: string;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly costUsd: number | null;
  } | null;
  readonly output: Json;
}
export interface ActionRow {
  readonly id: string;
  readonly run: string;
  readonly agent: string;
  readonly name: string;
  readonly kind: string;
  readonly subject: string;
  readonly key: string;
  /** Of the payload: what an approval is for. */
  readonly hash: string;
  readonly status: ActionStatus;
  readonly input: JsonObject;
  readonly ref: Readonly<Record<string, string>> | null;
  readonly dryRun: boolean;
  readonly reason: string | null;
  /** Who approved or rejected it. */
  readonly reviewedBy: string | null;
  readonly attempts: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}
/** Attempts in a row that ended alike, and not well. */
export interface Attempt {
  readonly number: number;
  readonly times: number;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly end: AttemptEnd;
  readonly at: string | null;
  readonly error: string;
  readonly counted: boolean;
}
export interface RunDetail extends RunRow {
  readonly decision: Json;
  readonly checks: readonly {
    readonly name: string;
    readonly passed: boolean;
    readonly detail: string;
    readonly effect: "clamped" | "held" | null;
  }[];
  readonly steps: readonly Step[];
  readonly actions: readonly ActionRow[];
  readonly history: readonly Attempt[];
}
export interface ReplayRow {
  readonly id: string;
  readonly filter: JsonObject;
  readonly status: "running" | "done" | "cancelled";
  readonly perMinute: number;
  readonly expected: { readonly events: number; readonly runs: number };
  readonly runs: number;
  readonly refused: number;
  readonly by: string;
  readonly createdAt: string;
}
export interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly by: string;
  readonly address: string | null;
  readonly deed: string;
  readonly object: string | null;
  readonly reason: string | null;
  readonly details: JsonObject | null;
}
export interface BreakerRow {
  readonly service: string;
  readonly state: "closed" | "half-open" | "open";
  readonly failures: number;
  readonly openUntil: string | null;
  readonly reason: string | null;
  readonly paused: {
    readonly by: "refusal" | "person";
    readonly reason: string;
    readonly since: string | null;
    readonly until: string | null;
  } | null;
}
export interface ProcessRow {
  readonly id: string;
  readonly role: "all" | "ingest" | "worker";
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly config: string;
  readonly startedAt: string;
  readonly seenAt: string;
  readonly leading: boolean;
  readonly trouble: string | null;
}
export interface SourceRow {
  readonly name: string;
  readonly type: string;
  readonly active: boolean;
  readonly inactiveReason: "unset" | "expired" | null;
  readonly lastEventAt: string | null;
  readonly events: number;
  /** Up to when nothing that it sent is missing; null when it was not healed yet, or can't be. */
  readonly healedUntil: string | null;
  /** Why it can't be healed; null when it can. */
  readonly unhealed: string | null;
  /** What makes its provider notify us; null where that is not ours to keep. */
  readonly watch: {
    readonly state: "active" | "failing" | "lapsed" | "none";
    readonly expiresAt: string | null;
    readonly error: string | null;
  } | null;
}
export interface Overview {
  readonly version: string;
  readonly events: Readonly<Record<EventStatus | "total", number>>;
  readonly runs: Readonly<Record<RunStatus | "total", number>>;
  readonly actions: Readonly<Record<ActionStatus | "total", number>>;
  readonly decided: {
    readonly model: number;
    readonly rules: number;
    readonly total: number;
    readonly modelShare: number | null;
  };
  readonly deadLetters: number;
  readonly reviewsPending: number;
}
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** Throws with a sentence for people. A session that ended leads to the login page instead. */
export const get = <T>(path: string): Promise<T> => ask<T>(path, "GET");

/** As `get`. */
export const send = <T>(method: "POST" | "DELETE", path: string, body?: JsonObject): Promise<T> =>
  ask<T>(path, method, body);

async function ask<T>(path: string, method: string, body?: JsonObject): Promise<T> {
  const answer = await fetch(path, {
    method,
    headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  }).catch(() => null);
  if (!answer) throw new Error("Signalbox does not answer. It may be restarting; this page tries again.");
  if (answer.status === 401) {
    location.reload();
    return new Promise<never>(() => undefined);
  }
  const said = (await answer.json().catch(() => null)) as T & { error?: { message?: string } };
  if (!answer.ok) throw new Error(said?.error?.message ?? `The answer was ${answer.status}.`);
  return said;
}
