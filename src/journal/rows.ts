/** Rows as domain values. */
import type { Action, ActionRef, ActionStatus } from "../domain/action.ts";
import type { ActionKind } from "../domain/action-kinds.ts";
import type { Delivery, DeliveryResult, EventStatus, RoutingFault, StoredEvent } from "../domain/event.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { Cleared, DecidedBy, Mode, Run, RunStatus, WaitingFor } from "../domain/run.ts";
import type { StepRecord, StepUsage } from "../domain/step.ts";
import type { Row } from "./sql.ts";
import { place } from "./vault.ts";
import type { Vault } from "./vault.ts";

export const text = (row: Row, column: string): string => String(row[column]);
export const textOrNull = (row: Row, column: string): string | null =>
  row[column] === null || row[column] === undefined ? null : String(row[column]);
export const integer = (row: Row, column: string): number => Number(row[column]);
export const integerOrNull = (row: Row, column: string): number | null =>
  row[column] === null || row[column] === undefined ? null : Number(row[column]);
const parsed = <T>(row: Row, column: string): T => JSON.parse(text(row, column)) as T;
const parsedOrNull = <T>(row: Row, column: string): T | null => {
  const value = textOrNull(row, column);
  return value === null ? null : (JSON.parse(value) as T);
};

const outlineFrom = (row: Row): Omit<StoredEvent, "body" | "headers"> => ({
  id: text(row, "id"),
  source: text(row, "source"),
  type: text(row, "type"),
  providerId: text(row, "provider_id"),
  receivedAt: integer(row, "received_at"),
  occurredAt: integerOrNull(row, "occurred_at"),
  status: text(row, "status") as EventStatus,
  bodyHash: text(row, "body_hash"),
  faults: parsed<RoutingFault[]>(row, "faults"),
});

const headersFrom = (row: Row, vault: Vault) =>
  JSON.parse(vault.openText(text(row, "headers"), place.eventHeaders(text(row, "id")))) as Record<
    string,
    string
  >;

/** Throws when its sealed headers can't be opened. */
export const eventFrom = (row: Row, vault: Vault): Omit<StoredEvent, "body"> => ({
  ...outlineFrom(row),
  headers: headersFrom(row, vault),
});

/** For a list, which one damaged row may not hide: its headers are then left out. */
export function listedEventFrom(row: Row, vault: Vault): Omit<StoredEvent, "body"> {
  try {
    return eventFrom(row, vault);
  } catch {
    return { ...outlineFrom(row), headers: {} };
  }
}

/** Columns of an event without its body, which lists never read. */
export const eventColumns =
  "id, source, type, provider_id, received_at, occurred_at, status, body_hash, headers, faults";

export const bodyFrom = (row: Row, vault: Vault): Uint8Array => {
  const body = row["body"];
  return body instanceof Uint8Array
    ? vault.openBytes(body, place.eventBody(text(row, "id")))
    : new Uint8Array();
};

/** Columns of a delivery without the bytes of an unreadable one. */
export const deliveryColumns = "id, source, event, result, received_at, remote_address, secret_index, reason";

export const deliveryFrom = (row: Row): Delivery => ({
  id: text(row, "id"),
  source: text(row, "source"),
  event: textOrNull(row, "event"),
  result: text(row, "result") as DeliveryResult,
  receivedAt: integer(row, "received_at"),
  remoteAddress: text(row, "remote_address"),
  secretIndex: integerOrNull(row, "secret_index"),
  reason: textOrNull(row, "reason"),
});

export function runFrom(row: Row): Run {
  const streakService = textOrNull(row, "streak_service");
  const concurrencyKey = textOrNull(row, "concurrency_key");
  return {
    id: text(row, "id"),
    event: text(row, "event"),
    route: textOrNull(row, "route"),
    agent: text(row, "agent"),
    about: textOrNull(row, "about"),
    mode: text(row, "mode") as Mode,
    status: text(row, "status") as RunStatus,
    decidedBy: textOrNull(row, "decided_by") as DecidedBy | null,
    decidedWhy: textOrNull(row, "decided_why"),
    attempts: integer(row, "attempts"),
    streak: streakService === null ? null : { service: streakService, count: integer(row, "streak_count") },
    waitingFor: waitingForFrom(row),
    parkedSince: integerOrNull(row, "parked_since"),
    reason: textOrNull(row, "reason"),
    cleared: clearedFrom(row),
    concurrency:
      concurrencyKey === null ? null : { key: concurrencyKey, limit: integer(row, "concurrency_limit") },
    generation: integer(row, "generation"),
    configHash: text(row, "config_hash"),
    promptHash: textOrNull(row, "prompt_hash"),
    createdAt: integer(row, "created_at"),
    updatedAt: integer(row, "updated_at"),
  };
}

/** A run that was woken is due before the time that it was put down with. */
function waitingForFrom(row: Row): WaitingFor | null {
  const waitingFor = parsedOrNull<WaitingFor>(row, "waiting_for");
  return waitingFor && text(row, "status") === "waiting"
    ? { ...waitingFor, until: integerOrNull(row, "due_at") }
    : waitingFor;
}

function clearedFrom(row: Row): Cleared | null {
  const at = integerOrNull(row, "cleared_at");
  return at === null ? null : { at, by: text(row, "cleared_by"), reason: text(row, "cleared_reason") };
}

export const stepFrom = (row: Row, vault: Vault): StepRecord => ({
  run: text(row, "run"),
  name: text(row, "name"),
  schemaVersion: integer(row, "schema_version"),
  output: JSON.parse(
    vault.openText(text(row, "output"), place.stepOutput(text(row, "run"), text(row, "name"))),
  ) as Json,
  startedAt: integer(row, "started_at"),
  endedAt: integer(row, "ended_at"),
  usage: parsedOrNull<StepUsage>(row, "usage"),
});

export const actionFrom = (row: Row, vault: Vault): Action => ({
  id: text(row, "id"),
  run: text(row, "run"),
  agent: text(row, "agent"),
  name: text(row, "name"),
  kind: text(row, "kind") as ActionKind,
  subject: text(row, "subject"),
  key: text(row, "key"),
  status: text(row, "status") as ActionStatus,
  input: JSON.parse(vault.openText(text(row, "input"), place.actionInput(text(row, "id")))) as JsonObject,
  hash: text(row, "hash"),
  needs: parsed<string[]>(row, "needs"),
  ref: parsedOrNull<ActionRef>(row, "ref"),
  dryRun: integer(row, "dry_run") === 1,
  reason: textOrNull(row, "reason"),
  reviewedBy: textOrNull(row, "decided_by"),
  attempts: integer(row, "attempts"),
  intentAt: integerOrNull(row, "intent_at"),
  createdAt: integer(row, "created_at"),
  updatedAt: integer(row, "updated_at"),
});

/** `?, ?, ?` for as many values. */
export const marks = (values: readonly unknown[]): string => values.map(() => "?").join(", ");
