/** HubSpot's search: groups are alternatives, the filters of a group must all hold; it lags behind the writes. */
import type { JsonObject } from "../domain/json.ts";
import { asList, asNumber, asObject, asText, asWord } from "./bodies.ts";
import type { Answer } from "./call.ts";
import type { HubspotState, ObjectRecord } from "./hubspot-records.ts";
import { invalid, ok, pick } from "./hubspot-records.ts";

type Compare = (value: string, wanted: string, filter: JsonObject) => boolean;

const size = (text: string) => (Number.isNaN(Number(text)) ? Date.parse(text) : Number(text));
const operators: Readonly<Record<string, Compare>> = {
  EQ: (value, wanted) => value.toLowerCase() === wanted.toLowerCase(),
  NEQ: (value, wanted) => value.toLowerCase() !== wanted.toLowerCase(),
  LT: (value, wanted) => size(value) < size(wanted),
  LTE: (value, wanted) => size(value) <= size(wanted),
  GT: (value, wanted) => size(value) > size(wanted),
  GTE: (value, wanted) => size(value) >= size(wanted),
  BETWEEN: (value, wanted, filter) =>
    size(value) >= size(wanted) && size(value) <= size(asText(filter["highValue"]) ?? ""),
  IN: (value, _, filter) =>
    asList(filter["values"]).some((one) => asText(one)?.toLowerCase() === value.toLowerCase()),
  NOT_IN: (value, _, filter) =>
    !asList(filter["values"]).some((one) => asText(one)?.toLowerCase() === value.toLowerCase()),
  HAS_PROPERTY: (value) => value !== "",
  NOT_HAS_PROPERTY: (value) => value === "",
  CONTAINS_TOKEN: (value, wanted) => tokenPattern(wanted).test(value),
  NOT_CONTAINS_TOKEN: (value, wanted) => !tokenPattern(wanted).test(value),
};

/** A word, `*` standing for any part of one. */
const tokenPattern = (wanted: string) =>
  new RegExp(
    `(?:^|\\W)${wanted.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "\\S*")}(?:$|\\W)`,
    "i",
  );

export function search(state: HubspotState, now: number, type: string, body: JsonObject): Answer {
  const groups = asList(body["filterGroups"]).map((group) =>
    asList(asObject(group)["filters"]).map(asObject),
  );
  const unknown = groups.flat().find((filter) => !(asWord(filter["operator"]) in operators));
  if (unknown) return invalid(`Invalid input JSON: unknown operator ${asWord(unknown["operator"])}`);
  if (groups.length > 5 || groups.some((group) => group.length > 6))
    return invalid("Too many filter groups or filters");
  const query = asText(body["query"])?.toLowerCase();
  const met = sorted(
    state.objects
      .filter((one) => one.type === type && one.updatedAt <= now - state.searchLagMs)
      .filter(
        (one) => groups.length === 0 || groups.some((group) => group.every((filter) => holds(one, filter))),
      )
      .filter(
        (one) =>
          query === undefined ||
          Object.values(one.properties).some((value) => value.toLowerCase().includes(query)),
      ),
    body,
  );
  const limit = Math.min(200, asNumber(body["limit"]) ?? 10);
  const start = asNumber(body["after"]) ?? 0;
  const end = start + limit;
  return ok({
    total: met.length,
    results: met.slice(start, end).map((one) => pick(one, asList(body["properties"]))),
    ...(end < met.length ? { paging: { next: { after: String(end) } } } : {}),
  });
}

function holds(record: ObjectRecord, filter: JsonObject): boolean {
  const value = record.properties[asText(filter["propertyName"]) ?? ""] ?? "";
  return operators[asWord(filter["operator"])]?.(value, asText(filter["value"]) ?? "", filter) ?? false;
}

/** By the first of `sorts`: `{propertyName, direction}` or `-name`; by creation when there is none. */
function sorted(records: ObjectRecord[], body: JsonObject): ObjectRecord[] {
  const first = asList(body["sorts"])[0];
  if (first === undefined) return records;
  const text = asText(first);
  const name = text?.replace(/^-/, "") ?? asText(asObject(first)["propertyName"]) ?? "";
  const sign = (text?.startsWith("-") ?? asObject(first)["direction"] === "DESCENDING") ? -1 : 1;
  const valueOf = (record: ObjectRecord) => record.properties[name] ?? "";
  return records.toSorted((a, b) => {
    const order = valueOf(a).localeCompare(valueOf(b)) || Number(a.id) - Number(b.id);
    return sign * order;
  });
}
