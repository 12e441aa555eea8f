/**
 * HubSpot's CRM: objects of the v3 API, associations of the v4 API. Every property value is a text. Search sees a write
 * only `setSearchLag` milliseconds later; everything else reads what was written.
 */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asList, asObject, asText } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import { bearer } from "./call.ts";
import { associate, associationRoutes } from "./hubspot-associations.ts";
import type { HubspotState, ObjectRecord } from "./hubspot-records.ts";
import { failure, find, invalid, objectTypes, ok, pick, view } from "./hubspot-records.ts";
import { search } from "./hubspot-search.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";

export interface HubspotSandbox extends Stand {
  readonly state: HubspotState;
  addObject(type: string, properties: Readonly<Record<string, string>>): ObjectRecord;
  /** How long search stays behind the writes, in milliseconds; 0 at first. */
  setSearchLag(ms: number): void;
  /** The next requests meet this limit. `retryAfter` in seconds, as HubSpot sends it for some. */
  limitRate(
    policy: "TEN_SECONDLY_ROLLING" | "SECONDLY" | "DAILY",
    limit?: { times?: number; retryAfter?: number },
  ): void;
}

export async function startHubspot(options: VendorOptions): Promise<HubspotSandbox> {
  const { now } = options;
  const store = openStore<HubspotState>(options.file ?? null, {
    nextId: 1_000,
    objects: [],
    associations: [],
    searchLagMs: 0,
    effects: [],
  });
  const { state } = store;
  const stand = await openStand({
    now,
    routes: [...associationRoutes(state), ...objectRoutes(state, now)],
    authorize: (call) =>
      bearer(call) ? null : failure(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION"),
    failure,
    save: store.save,
  });
  const seed = saving(store.save);
  return {
    ...stand,
    state,
    addObject: seed((type, properties) => add(state, now(), type, properties)),
    setSearchLag: seed((ms) => {
      state.searchLagMs = ms;
    }),
    limitRate(policyName, { times = 1, retryAfter } = {}) {
      const scope =
        policyName === "DAILY" ? "daily" : policyName === "SECONDLY" ? "secondly" : "ten_secondly_rolling";
      stand.faults.fail({
        status: 429,
        body: {
          status: "error",
          message: `You have reached your ${scope} limit.`,
          errorType: "RATE_LIMIT",
          correlationId: "00000000-0000-4000-8000-000000000000",
          policyName,
          category: "RATE_LIMITS",
        },
        times,
        ...(retryAfter === undefined ? {} : { retryAfter }),
      });
    },
  };
}

function add(
  state: HubspotState,
  at: number,
  type: string,
  properties: Readonly<Record<string, string>>,
): ObjectRecord {
  const id = String(state.nextId++);
  const stamp = new Date(at).toISOString();
  const record: ObjectRecord = {
    id,
    type,
    properties: {
      ...properties,
      hs_object_id: id,
      [createdProperty(type)]: stamp,
      [changedProperty(type)]: stamp,
    },
    createdAt: at,
    updatedAt: at,
  };
  state.objects.push(record);
  return record;
}

const createdProperty = (type: string) => (type === "contacts" ? "createdate" : "hs_createdate");
const changedProperty = (type: string) => (type === "contacts" ? "lastmodifieddate" : "hs_lastmodifieddate");

function change(record: ObjectRecord, at: number, properties: Readonly<Record<string, string>>): void {
  Object.assign(record.properties, properties, {
    [changedProperty(record.type)]: new Date(at).toISOString(),
  });
  record.updatedAt = at;
}

/** What a person would see in the CRM. */
function notice(state: HubspotState, record: ObjectRecord): void {
  const { properties } = record;
  const text = properties["hs_note_body"] ?? properties["hs_task_body"] ?? properties["content"] ?? "";
  const key = /\[signalbox:([^\]]+)\]|<!--\s*(.*?)\s*-->/
    .exec(text)
    ?.slice(1)
    .find((part) => part !== undefined);
  state.effects.push({
    vendor: "hubspot",
    kind: record.type.replace(/ies$/, "y").replace(/s$/, ""),
    target: properties["email"] ?? properties["hs_task_subject"] ?? properties["subject"] ?? record.id,
    at: record.createdAt,
    ...(key === undefined ? {} : { key }),
  });
}

type Checked = { readonly properties: Readonly<Record<string, string>> } | { readonly fault: Answer };

/** The properties of a body, each a text. */
function checked(type: string, body: Json | undefined): Checked {
  const given = asObject(body)["properties"];
  if (given === undefined || !isObject(given))
    return { fault: invalid("Invalid input JSON: properties are missing") };
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== "string") {
      return {
        fault: invalid(
          `Invalid input JSON: Cannot deserialize value of type \`java.lang.String\` for properties["${name}"]`,
        ),
      };
    }
  }
  const properties = given as Readonly<Record<string, string>>;
  const email = properties["email"];
  if (type === "contacts" && email !== undefined && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) {
    return { fault: invalid(`Property values were not valid: Email address ${email} is invalid`) };
  }
  return { properties };
}

function missingTimestamp(type: string, properties: Readonly<Record<string, string>>): Answer | null {
  const needed = (type === "notes" || type === "tasks") && !properties["hs_timestamp"];
  return needed
    ? invalid("Error creating engagement. Some required properties were not set: hs_timestamp")
    : null;
}

function objectRoutes(state: HubspotState, now: () => number): Route[] {
  const root = "/crm/v3/objects/:type";
  const known = (handle: (call: Call, type: string) => Answer) => (call: Call) => {
    const type = call.params["type"] ?? "";
    return objectTypes.includes(type)
      ? handle(call, type)
      : failure(400, `Unable to infer object type from: ${type}`);
  };
  return [
    ["POST", root, known((call, type) => create(state, now(), type, asObject(call.body)))],
    ["POST", `${root}/search`, known((call, type) => search(state, now(), type, asObject(call.body)))],
    ["POST", `${root}/batch/create`, known((call, type) => batchCreate(state, now(), type, call))],
    ["POST", `${root}/batch/upsert`, known((call, type) => batchUpsert(state, now(), type, call))],
    ["POST", `${root}/batch/read`, known((call, type) => batchRead(state, now(), type, call))],
    ["GET", `${root}/:id`, known((call, type) => read(state, type, call))],
    ["PATCH", `${root}/:id`, known((call, type) => patch(state, now(), type, call))],
  ];
}

const emailTaken = (state: HubspotState, type: string, properties: Readonly<Record<string, string>>) =>
  type === "contacts" && properties["email"] !== undefined
    ? find(state, type, "email", properties["email"])
    : undefined;

function create(state: HubspotState, at: number, type: string, body: JsonObject): Answer {
  const input = checked(type, body);
  if ("fault" in input) return input.fault;
  const fault = missingTimestamp(type, input.properties);
  if (fault) return fault;
  const taken = emailTaken(state, type, input.properties);
  if (taken) return failure(409, `Contact already exists. Existing ID: ${taken.id}`);
  const record = add(state, at, type, input.properties);
  const unknown = associate(state, record, asList(body["associations"]));
  if (unknown) {
    state.objects = state.objects.filter((one) => one !== record);
    return unknown;
  }
  notice(state, record);
  return { status: 201, json: view(record) };
}

function read(state: HubspotState, type: string, call: Call): Answer {
  const record = find(state, type, asText(call.query["idProperty"]) ?? null, call.params["id"] ?? "");
  if (!record) return failure(404, "resource not found");
  const properties = asText(call.query["properties"])?.split(",") ?? asList(call.query["properties"]);
  return ok(pick(record, properties));
}

function patch(state: HubspotState, at: number, type: string, call: Call): Answer {
  const record = find(state, type, asText(call.query["idProperty"]) ?? null, call.params["id"] ?? "");
  if (!record) return failure(404, "resource not found");
  const input = checked(type, call.body);
  if ("fault" in input) return input.fault;
  const taken = emailTaken(state, type, input.properties);
  if (taken && taken !== record) return failure(409, `Contact already exists. Existing ID: ${taken.id}`);
  change(record, at, input.properties);
  return ok(view(record));
}

const batch = (at: number, results: readonly unknown[]) => {
  const stamp = new Date(at).toISOString();
  return { status: "COMPLETE", startedAt: stamp, completedAt: stamp, results };
};

/** All inputs or none. */
function batchCreate(state: HubspotState, at: number, type: string, call: Call): Answer {
  const inputs = asList(asObject(call.body)["inputs"]).map(asObject);
  for (const input of inputs) {
    const one = checked(type, input);
    const fault = "fault" in one ? one.fault : missingTimestamp(type, one.properties);
    if (fault) return fault;
    if (!("fault" in one) && emailTaken(state, type, one.properties))
      return failure(409, "Contact already exists.");
  }
  const answers = inputs.map((input) => create(state, at, type, input));
  return {
    status: 201,
    json: batch(
      at,
      answers.map((answer) => answer.json),
    ),
  };
}

function batchUpsert(state: HubspotState, at: number, type: string, call: Call): Answer {
  const inputs = asList(asObject(call.body)["inputs"]).map(asObject);
  const inputsChecked = inputs.map((input) => ({ input, checked: checked(type, input) }));
  for (const { checked: one } of inputsChecked) if ("fault" in one) return one.fault;
  const results = inputsChecked.flatMap(({ input, checked: one }) => {
    if ("fault" in one) return [];
    const idProperty = asText(input["idProperty"]) ?? null;
    const id = asText(input["id"]) ?? "";
    const found = find(state, type, idProperty, id);
    if (found) {
      change(found, at, one.properties);
      return [{ ...view(found), new: false }];
    }
    const record = add(
      state,
      at,
      type,
      idProperty === null ? one.properties : { [idProperty]: id, ...one.properties },
    );
    notice(state, record);
    return [{ ...view(record), new: true }];
  });
  return ok(batch(at, results));
}

function batchRead(state: HubspotState, at: number, type: string, call: Call): Answer {
  const body = asObject(call.body);
  const idProperty = asText(body["idProperty"]) ?? null;
  const properties = asList(body["properties"]);
  const ids = asList(body["inputs"]).map((input) => asText(asObject(input)["id"]) ?? "");
  if (ids.length > 100) return invalid("The maximum number of inputs is 100");
  const found = ids.map((id) => find(state, type, idProperty, id));
  const results = found.flatMap((record) => (record ? [pick(record, properties)] : []));
  if (results.length === ids.length) return ok(batch(at, results));
  const missing = ids.filter((_, index) => !found[index]);
  const error = {
    status: "error",
    category: "OBJECT_NOT_FOUND",
    message: "Could not get some objects, they may be deleted or not exist. Check that ids are valid.",
    context: { ids: missing },
    errors: [],
    links: {},
  };
  return { status: 207, json: { ...batch(at, results), numErrors: 1, errors: [error] } };
}
