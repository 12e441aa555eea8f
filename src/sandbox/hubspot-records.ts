/** HubSpot's objects, its errors, and how objects are found and shown. */
import type { Json } from "../domain/json.ts";
import { asText } from "./bodies.ts";
import type { Answer } from "./call.ts";
import type { Effect } from "./stand.ts";

export const objectTypes: readonly string[] = ["contacts", "companies", "deals", "tickets", "notes", "tasks"];

export interface ObjectRecord {
  id: string;
  type: string;
  properties: { [name: string]: string };
  createdAt: number;
  updatedAt: number;
}

export interface AssociationRecord {
  fromType: string;
  from: string;
  toType: string;
  to: string;
  typeId: number;
}

export interface HubspotState {
  nextId: number;
  objects: ObjectRecord[];
  /** Each link is kept once for each direction. */
  associations: AssociationRecord[];
  searchLagMs: number;
  effects: Effect[];
}

const categories: Readonly<Record<number, string>> = {
  400: "VALIDATION_ERROR",
  401: "INVALID_AUTHENTICATION",
  403: "MISSING_SCOPES",
  404: "OBJECT_NOT_FOUND",
  409: "CONFLICT",
  429: "RATE_LIMITS",
};

export const failure = (
  status: number,
  message: string,
  category = categories[status] ?? "INTERNAL_ERROR",
): Answer => ({
  status,
  json: { status: "error", message, correlationId: "00000000-0000-4000-8000-000000000000", category },
});
export const invalid = (message: string): Answer => failure(400, message, "VALIDATION_ERROR");
export const ok = (json: unknown): Answer => ({ status: 200, json });

/** By id, or by the value of a unique property; e-mail addresses are compared without regard to case. */
export const find = (
  state: HubspotState,
  type: string,
  idProperty: string | null,
  id: string,
): ObjectRecord | undefined =>
  state.objects.find(
    (one) =>
      one.type === type &&
      (idProperty === null || idProperty === "hs_object_id"
        ? one.id === id
        : one.properties[idProperty]?.toLowerCase() === id.toLowerCase()),
  );

export const view = (record: ObjectRecord) => ({
  id: record.id,
  properties: record.properties,
  createdAt: new Date(record.createdAt).toISOString(),
  updatedAt: new Date(record.updatedAt).toISOString(),
  archived: false,
});

const always = ["hs_object_id", "createdate", "lastmodifieddate", "hs_createdate", "hs_lastmodifieddate"];
const usual = ["email", "firstname", "lastname", "name", "subject", "content", "dealname", "dealstage"];

/** With the properties that were asked for, null where the object has none; a usual few when none was named. */
export function pick(record: ObjectRecord, names: readonly Json[]) {
  const asked = names.flatMap((name) => asText(name) ?? []);
  const shown = [
    ...always.filter((name) => name in record.properties),
    ...(asked.length > 0 ? asked : usual.filter((name) => name in record.properties)),
  ];
  return {
    ...view(record),
    properties: Object.fromEntries(shown.map((name) => [name, record.properties[name] ?? null])),
  };
}
