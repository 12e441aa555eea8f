/**
 * Stripe's API over form-encoded bodies. A POST with an `Idempotency-Key` is answered once: the same key gives the first
 * answer again (`idempotent-replayed: true`), the same key with other parameters is an `idempotency_error`.
 */
import type { Json, JsonObject } from "../domain/json.ts";
import { sha256 } from "../domain/json.ts";
import { asList, asObject, asText } from "./bodies.ts";
import type { Answer, Call, Handler, Route } from "./call.ts";
import { bearer, textOf } from "./call.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";
import { createCoupon, createPromotionCode } from "./stripe-codes.ts";
import type { Filters } from "./stripe-lists.ts";
import { expanded, expandsOf, list, missing, stripeFailure } from "./stripe-lists.ts";
import type { Kind, Plan, StripeObject, StripeState } from "./stripe-shapes.ts";
import * as shape from "./stripe-shapes.ts";
import { kinds } from "./stripe-shapes.ts";

/** Fields of the object; `id` and `created` (in seconds) may be among them. */
type Seed = JsonObject;

export interface StripeSandbox extends Stand {
  readonly state: StripeState;
  /** What the SDK takes: it knows no base URL. */
  readonly host: string;
  readonly port: number;
  addCustomer(seed: Seed): StripeObject;
  /** With one item of this plan; `productName` is what the plan's product is called. */
  addSubscription(
    seed: Seed & { readonly customer: string },
    plan?: Partial<Plan> & { productName?: string },
  ): StripeObject;
  addInvoice(seed: Seed): StripeObject;
  addCharge(seed: Seed): StripeObject;
  addDispute(seed: Seed): StripeObject;
  addRefund(seed: Seed): StripeObject;
  /** Puts a discount on a subscription. */
  addDiscount(subscription: string, coupon: string): StripeObject;
  /** An event of the Events API, as it would be sent to a webhook endpoint. */
  /** `created` in seconds; now by default. */
  addEvent(event: {
    type: string;
    object: JsonObject;
    previous?: JsonObject;
    id?: string;
    created?: number;
  }): StripeObject;
  change(id: string, changes: JsonObject): StripeObject;
}

export async function startStripe(options: VendorOptions): Promise<StripeSandbox> {
  const { now } = options;
  const empty = Object.fromEntries(kinds.map((kind) => [kind, []])) as unknown as {
    [K in Kind]: StripeObject[];
  };
  const store = openStore<StripeState>(options.file ?? null, {
    ...empty,
    nextId: 1,
    idempotent: {},
    effects: [],
  });
  const { state } = store;
  const stand = await openStand({
    now,
    routes: routesOf(state, now),
    authorize: (call) => {
      const known = bearer(call) ?? /^Basic \S+/.exec(call.headers["authorization"] ?? "")?.[0];
      return known
        ? null
        : stripeFailure(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header.",
          );
    },
    failure: stripeFailure,
    save: store.save,
  });
  const { hostname, port } = new URL(stand.url);
  return { ...stand, state, host: hostname, port: Number(port), ...seeds(state, now, saving(store.save)) };
}

const findIn = (state: StripeState, id: string): StripeObject | undefined =>
  kinds.flatMap((kind) => state[kind]).find((object) => object.id === id);

function seeds(state: StripeState, now: () => number, seed: ReturnType<typeof saving>) {
  const idOf = (given: Seed, prefix: string) =>
    typeof given["id"] === "string" ? given["id"] : `${prefix}_sandbox${state.nextId++}`;
  const atOf = (given: Seed) =>
    typeof given["created"] === "number" ? given["created"] : Math.floor(now() / 1_000);
  const adder = (kind: Kind, prefix: string, make: (id: string, at: number, given: Seed) => StripeObject) =>
    seed((given: Seed): StripeObject => {
      const object = make(idOf(given, prefix), atOf(given), given);
      state[kind].push(object);
      return object;
    });
  const addProduct = adder("products", "prod", shape.product);
  const change = (id: string, changes: JsonObject): StripeObject => {
    const object = findIn(state, id);
    if (!object) throw new Error(`The sandbox has no Stripe object ${id}.`);
    return Object.assign(object, changes);
  };
  return {
    addCustomer: adder("customers", "cus", shape.customer),
    addInvoice: adder("invoices", "in", shape.invoice),
    addCharge: adder("charges", "ch", shape.charge),
    addDispute: adder("disputes", "dp", shape.dispute),
    addRefund: adder("refunds", "re", shape.refund),
    change: seed(change),
    addSubscription: (
      given: Seed & { readonly customer: string },
      plan: Partial<Plan> & { productName?: string } = {},
    ) => {
      const { productName = "Pro", ...terms } = plan;
      const product = terms.product ?? addProduct({ name: productName }).id;
      const full: Plan = { amount: 4_900, currency: "usd", interval: "month", ...terms, product };
      return adder("subscriptions", "sub", (id, at, fields) => shape.subscription(id, at, full, fields))(
        given,
      );
    },
    addDiscount: seed((subscription: string, coupon: string): StripeObject => {
      const at = Math.floor(now() / 1_000);
      const owner = change(subscription, {});
      const discount = discountOf(`di_sandbox${state.nextId++}`, at, owner, coupon);
      state.discounts.push(discount);
      change(subscription, { discounts: [discount.id] });
      return discount;
    }),
    addEvent: seed((given: Parameters<StripeSandbox["addEvent"]>[0]) => {
      const data = {
        object: given.object,
        ...(given.previous ? { previous_attributes: given.previous } : {}),
      };
      const id = given.id ?? `evt_sandbox${state.nextId++}`;
      const event = shape.event(id, given.created ?? Math.floor(now() / 1_000), { type: given.type, data });
      state.events.push(event);
      return event;
    }),
  };
}

const discountOf = (id: string, at: number, owner: StripeObject, coupon: string): StripeObject => ({
  id,
  object: "discount",
  created: at,
  checkout_session: null,
  customer: owner["customer"] ?? null,
  customer_account: null,
  end: null,
  invoice: null,
  invoice_item: null,
  promotion_code: null,
  source: { coupon, type: "coupon" },
  start: at,
  subscription: owner.id,
  subscription_item: null,
});

/** The vendor's names of its lists, and what each can be narrowed by. */
const lists: readonly (readonly [path: string, kind: Kind, singular: string, filters: Filters])[] = [
  ["customers", "customers", "customer", { email: (one) => one["email"] }],
  ["subscriptions", "subscriptions", "subscription", { customer: (one) => one["customer"] }],
  ["invoices", "invoices", "invoice", { customer: (one) => one["customer"], status: (one) => one["status"] }],
  ["charges", "charges", "charge", { customer: (one) => one["customer"] }],
  ["disputes", "disputes", "dispute", { charge: (one) => one["charge"] }],
  ["refunds", "refunds", "refund", { charge: (one) => one["charge"] }],
  ["coupons", "coupons", "coupon", {}],
  [
    "promotion_codes",
    "promotionCodes",
    "promotion code",
    {
      code: (one) => one["code"],
      customer: (one) => one["customer"],
      active: (one) => one["active"],
      coupon: (one) => asObject(one["promotion"])["coupon"],
    },
  ],
  ["events", "events", "event", {}],
];

function routesOf(state: StripeState, now: () => number): Route[] {
  const find = (id: string): Json => findIn(state, id) ?? id;
  const once =
    (handler: Handler): Handler =>
    (call) =>
      idempotent(state, call, handler);
  const shown = (call: Call, object: StripeObject): Answer => ({
    status: 200,
    json: expanded(object, expandsOf(call), find),
  });
  const reading = lists.flatMap(([path, kind, singular, filters]): Route[] => [
    ["GET", `/v1/${path}`, (call) => list(call, listed(state, kind, call), filters, find)],
    [
      "GET",
      `/v1/${path}/:id`,
      (call) => {
        const object = state[kind].find((one) => one.id === call.params["id"]);
        return object ? shown(call, object) : missing(singular, call.params["id"] ?? "");
      },
    ],
  ]);
  const updating = (path: string, kind: Kind, singular: string): Route => [
    "POST",
    `/v1/${path}/:id`,
    once((call) => {
      const object = state[kind].find((one) => one.id === call.params["id"]);
      return object
        ? shown(call, update(object, asObject(call.body)))
        : missing(singular, call.params["id"] ?? "");
    }),
  ];
  return [
    ...reading,
    ["POST", "/v1/coupons", once((call) => createCoupon(state, now(), call))],
    ["POST", "/v1/promotion_codes", once((call) => createPromotionCode(state, now(), call, find))],
    ["POST", "/v1/customers", once((call) => createCustomer(state, now(), call))],
    updating("customers", "customers", "customer"),
    updating("subscriptions", "subscriptions", "subscription"),
    updating("promotion_codes", "promotionCodes", "promotion code"),
  ];
}

/** Without a wanted status, subscriptions that ended are left out; events may be narrowed by several types. */
function listed(state: StripeState, kind: Kind, call: Call): StripeObject[] {
  if (kind === "events") return state.events.filter((one) => isOfTypes(asText(one["type"]) ?? "", call));
  const wanted = call.query["status"];
  if (kind !== "subscriptions" || wanted === "all") return state[kind];
  return state[kind].filter((one) =>
    wanted === undefined ? one["status"] !== "canceled" : one["status"] === wanted,
  );
}

/** `type` may hold `*`, `types` is a list of exact ones. */
function isOfTypes(type: string, call: Call): boolean {
  const pattern = textOf(call, "type");
  const exact = Object.values(asObject(call.query["types"])).concat(asList(call.query["types"]));
  const [head = "", tail] = (pattern ?? type).split("*", 2);
  const fits = tail === undefined ? type === head : type.startsWith(head) && type.endsWith(tail);
  return fits && (exact.length === 0 || exact.includes(type));
}

function createCustomer(state: StripeState, at: number, call: Call): Answer {
  const { expand: _, ...fields } = asObject(call.body);
  const customer = shape.customer(`cus_sandbox${state.nextId++}`, Math.floor(at / 1_000), fields);
  state.customers.push(customer);
  return { status: 200, json: customer };
}

/** Forms carry texts: a field keeps the type that it has. Metadata is merged, key by key. */
function update(object: StripeObject, form: JsonObject): StripeObject {
  for (const [name, value] of Object.entries(form)) {
    if (name === "expand") continue;
    const before = object[name];
    if (name === "metadata") object[name] = { ...asObject(before), ...asObject(value) };
    else if (typeof before === "boolean") object[name] = value === "true";
    else if (typeof before === "number") object[name] = Number(value);
    else object[name] = value === "" ? null : value;
  }
  return object;
}

function idempotent(state: StripeState, call: Call, handler: Handler): Answer {
  const key = call.headers["idempotency-key"];
  if (key === undefined) return handler(call);
  if (key.length > 255) return stripeFailure(400, "Idempotency keys must be at most 255 characters.");
  const parameters = sha256(call.path, call.raw);
  const first = state.idempotent[key];
  if (!first) {
    const answer = handler(call);
    // A copy: what is answered once stays as it was, whatever becomes of the object.
    const json = JSON.parse(JSON.stringify(answer.json ?? null)) as Json;
    // Refused parameters never started anything, so their key is free again.
    if (answer.status !== 400) state.idempotent[key] = { parameters, status: answer.status, json };
    return { ...answer, headers: { "idempotency-key": key } };
  }
  if (first.parameters !== parameters) {
    return stripeFailure(
      400,
      "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than the one given if you meant to execute a different request.",
      { type: "idempotency_error" },
    );
  }
  return {
    status: first.status,
    json: first.json,
    headers: { "idempotency-key": key, "idempotent-replayed": "true" },
  };
}
