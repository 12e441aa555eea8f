/** Links between HubSpot's objects. Making one again changes nothing. */
import type { Json } from "../domain/json.ts";
import { asList, asNumber, asObject, asText, asWord } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import type { AssociationRecord, HubspotState, ObjectRecord } from "./hubspot-records.ts";
import { failure, find, invalid, ok } from "./hubspot-records.ts";

/** The default type of each link, by its two ends; the ids are those of HubSpot's own SDK. */
const defaults: Readonly<Record<string, number>> = {
  "notes>contacts": 202,
  "contacts>notes": 201,
  "notes>companies": 190,
  "companies>notes": 189,
  "notes>deals": 214,
  "deals>notes": 213,
  "notes>tickets": 228,
  "tickets>notes": 227,
  "tasks>contacts": 204,
  "contacts>tasks": 203,
  "tasks>companies": 192,
  "companies>tasks": 191,
  "tasks>deals": 216,
  "deals>tasks": 215,
  "tasks>tickets": 230,
  "tickets>tasks": 229,
  "tickets>contacts": 16,
  "contacts>tickets": 15,
  "tickets>companies": 339,
  "companies>tickets": 340,
  "deals>contacts": 3,
  "contacts>deals": 4,
  "deals>companies": 341,
  "companies>deals": 342,
  "contacts>companies": 279,
  "companies>contacts": 280,
};

const plural = (type: string): string =>
  ({
    contact: "contacts",
    company: "companies",
    deal: "deals",
    ticket: "tickets",
    note: "notes",
    task: "tasks",
  })[type] ?? type;

function link(state: HubspotState, one: AssociationRecord): void {
  const same = (other: AssociationRecord) =>
    other.fromType === one.fromType &&
    other.from === one.from &&
    other.toType === one.toType &&
    other.to === one.to &&
    other.typeId === one.typeId;
  if (!state.associations.some(same)) state.associations.push(one);
}

/** Links both ways, as HubSpot shows it from both ends. */
function linkBoth(state: HubspotState, from: ObjectRecord, to: ObjectRecord, typeId: number): void {
  link(state, { fromType: from.type, from: from.id, toType: to.type, to: to.id, typeId });
  const back = defaults[`${to.type}>${from.type}`];
  if (back !== undefined)
    link(state, { fromType: to.type, from: to.id, toType: from.type, to: from.id, typeId: back });
}

/** The `associations` of a create request; the answer is a refusal, and then nothing is linked. */
export function associate(
  state: HubspotState,
  record: ObjectRecord,
  associations: readonly Json[],
): Answer | null {
  const links: (() => void)[] = [];
  for (const association of associations.map(asObject)) {
    const id = asWord(asObject(association["to"])["id"]);
    for (const type of asList(association["types"]).map(asObject)) {
      const typeId = asNumber(type["associationTypeId"]) ?? 0;
      const ends = Object.entries(defaults).find(
        ([key, value]) => value === typeId && key.startsWith(`${record.type}>`),
      );
      if (!ends) return invalid(`Invalid association type id ${typeId} for object type ${record.type}`);
      const to = find(state, ends[0].split(">")[1] ?? "", null, id);
      if (!to) return invalid(`Object not found. objectId are usually numeric: ${id}`);
      links.push(() => linkBoth(state, record, to, typeId));
    }
  }
  links.forEach((make) => make());
  return null;
}

interface Ends {
  readonly from: ObjectRecord;
  readonly to: ObjectRecord;
}

function endsOf(state: HubspotState, call: Call): Ends | null {
  const from = find(state, plural(call.params["fromType"] ?? ""), null, call.params["from"] ?? "");
  const to = find(state, plural(call.params["toType"] ?? ""), null, call.params["to"] ?? "");
  return from && to ? { from, to } : null;
}

const typesOf = (links: readonly AssociationRecord[], to: string) => ({
  toObjectId: to,
  associationTypes: links
    .filter((one) => one.to === to)
    .map((one) => ({ category: "HUBSPOT_DEFINED", typeId: one.typeId })),
});

function linksFrom(state: HubspotState, fromType: string, from: string, toType: string) {
  const links = state.associations.filter(
    (one) => one.fromType === plural(fromType) && one.from === from && one.toType === plural(toType),
  );
  return [...new Set(links.map((one) => one.to))].map((to) => typesOf(links, to));
}

export function associationRoutes(state: HubspotState): Route[] {
  return [
    [
      "PUT",
      "/crm/v4/objects/:fromType/:from/associations/default/:toType/:to",
      (call) => putDefault(state, call),
    ],
    ["PUT", "/crm/v4/objects/:fromType/:from/associations/:toType/:to", (call) => putTyped(state, call)],
    ["GET", "/crm/v4/objects/:fromType/:from/associations/:toType", (call) => listLinks(state, call)],
    ["POST", "/crm/v4/associations/:fromType/:toType/batch/read", (call) => readLinks(state, call)],
  ];
}

function putDefault(state: HubspotState, call: Call): Answer {
  const ends = endsOf(state, call);
  if (!ends) return failure(404, "One or more objects of the association do not exist");
  const typeId = defaults[`${ends.from.type}>${ends.to.type}`];
  if (typeId === undefined)
    return invalid(`No default association from ${ends.from.type} to ${ends.to.type}`);
  linkBoth(state, ends.from, ends.to, typeId);
  const stamp = new Date(call.at).toISOString();
  const result = (from: string, to: string, id: number) => ({
    from: { id: from },
    to: { id: to },
    associationSpec: { associationCategory: "HUBSPOT_DEFINED", associationTypeId: id },
  });
  return ok({
    status: "COMPLETE",
    startedAt: stamp,
    completedAt: stamp,
    results: [result(ends.from.id, ends.to.id, typeId)],
  });
}

function putTyped(state: HubspotState, call: Call): Answer {
  const ends = endsOf(state, call);
  if (!ends) return failure(404, "One or more objects of the association do not exist");
  for (const type of asList(call.body).map(asObject)) {
    const typeId = asNumber(type["associationTypeId"]);
    if (typeId === undefined) return invalid("associationTypeId is missing");
    linkBoth(state, ends.from, ends.to, typeId);
  }
  return {
    status: 201,
    json: {
      fromObjectTypeId: ends.from.type,
      fromObjectId: ends.from.id,
      toObjectTypeId: ends.to.type,
      toObjectId: ends.to.id,
      labels: [],
    },
  };
}

function listLinks(state: HubspotState, call: Call): Answer {
  const { fromType = "", from = "", toType = "" } = call.params;
  if (!find(state, plural(fromType), null, from)) return failure(404, "resource not found");
  const all = linksFrom(state, fromType, from, toType);
  const limit = asNumber(call.query["limit"]) ?? 500;
  const start = asNumber(call.query["after"]) ?? 0;
  const end = start + limit;
  const paging =
    end < all.length ? { paging: { next: { after: String(end), link: `${call.path}?after=${end}` } } } : {};
  return ok({ results: all.slice(start, end), ...paging });
}

function readLinks(state: HubspotState, call: Call): Answer {
  const { fromType = "", toType = "" } = call.params;
  const ids = asList(asObject(call.body)["inputs"]).map((input) => asText(asObject(input)["id"]) ?? "");
  const stamp = new Date(call.at).toISOString();
  const results = ids
    .map((id) => ({ from: { id }, to: linksFrom(state, fromType, id, toType) }))
    .filter((result) => result.to.length > 0);
  return ok({ status: "COMPLETE", startedAt: stamp, completedAt: stamp, results });
}
