/** Coupons and promotion codes: what Stripe checks before it makes one. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asNumber, asObject, asText, asWord } from "./bodies.ts";
import type { Answer, Call } from "./call.ts";
import { expanded, expandsOf, stripeFailure } from "./stripe-lists.ts";
import type { StripeState } from "./stripe-shapes.ts";
import * as shape from "./stripe-shapes.ts";

const couponFields = [
  "id",
  "percent_off",
  "amount_off",
  "currency",
  "duration",
  "duration_in_months",
  "max_redemptions",
  "metadata",
  "name",
  "redeem_by",
  "applies_to",
  "currency_options",
  "expand",
];
const codeFields = [
  "code",
  "promotion",
  "active",
  "customer",
  "customer_account",
  "expires_at",
  "max_redemptions",
  "metadata",
  "restrictions",
  "expand",
];

const refuse = (message: string, param: string, code?: string) =>
  stripeFailure(400, message, { param, ...(code === undefined ? {} : { code }) });

function unknownParameter(form: JsonObject, allowed: readonly string[]): Answer | null {
  const unknown = Object.keys(form).find((name) => !allowed.includes(name));
  return unknown === undefined
    ? null
    : refuse(`Received unknown parameter: ${unknown}`, unknown, "parameter_unknown");
}

const numbers = (form: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = asNumber(form[name]);
      return value === undefined ? [] : [[name, value]];
    }),
  );

export function createCoupon(state: StripeState, at: number, call: Call): Answer {
  const form = asObject(call.body);
  const fault = couponFault(state, form, Math.floor(at / 1_000));
  if (fault) return fault;
  const id = asText(form["id"]) ?? `coupon${state.nextId++}`;
  const { currency, name, duration } = form;
  const coupon = shape.coupon(id, Math.floor(at / 1_000), {
    ...numbers(form, ["percent_off", "amount_off", "duration_in_months", "max_redemptions", "redeem_by"]),
    ...(currency === undefined ? {} : { currency }),
    ...(name === undefined ? {} : { name }),
    duration: duration ?? "once",
    metadata: asObject(form["metadata"]),
  });
  state.coupons.push(coupon);
  state.effects.push({ vendor: "stripe", kind: "coupon", target: id, key: id, at });
  return { status: 200, json: coupon };
}

function couponFault(state: StripeState, form: JsonObject, now: number): Answer | null {
  const unknown = unknownParameter(form, couponFields);
  if (unknown) return unknown;
  const percent = asNumber(form["percent_off"]);
  const amount = asNumber(form["amount_off"]);
  if ((percent === undefined) === (amount === undefined)) {
    return refuse(
      "You must pass exactly one of percent_off or amount_off.",
      "percent_off",
      "parameter_missing",
    );
  }
  if (percent !== undefined && (percent <= 0 || percent > 100)) {
    return refuse(
      "Invalid percent_off: must be greater than 0 and at most 100.",
      "percent_off",
      "parameter_invalid",
    );
  }
  if (amount !== undefined && !asText(form["currency"])) {
    return refuse("You must pass currency when passing amount_off", "currency", "parameter_missing");
  }
  const duration = asText(form["duration"]) ?? "once";
  if (!["once", "repeating", "forever"].includes(duration)) {
    return refuse("Invalid duration: must be one of forever, once, or repeating", "duration");
  }
  if ((duration === "repeating") !== (asNumber(form["duration_in_months"]) !== undefined)) {
    return refuse(
      "duration_in_months goes with a duration of repeating, and only with it.",
      "duration_in_months",
    );
  }
  if ((asText(form["name"]) ?? "").length > 40)
    return refuse("Invalid string: must be at most 40 characters", "name", "parameter_invalid_string_length");
  if ((asNumber(form["redeem_by"]) ?? now + 1) <= now)
    return refuse("redeem_by must be in the future", "redeem_by");
  return state.coupons.some((one) => one.id === form["id"])
    ? refuse("Coupon already exists.", "id", "resource_already_exists")
    : null;
}

export function createPromotionCode(
  state: StripeState,
  at: number,
  call: Call,
  find: (id: string) => Json,
): Answer {
  const now = Math.floor(at / 1_000);
  const form = asObject(call.body);
  const unknown = unknownParameter(form, codeFields);
  if (unknown) return unknown;
  const promotion = asObject(form["promotion"]);
  if (promotion["type"] !== "coupon")
    return refuse("Missing required param: promotion[type].", "promotion[type]", "parameter_missing");
  const couponId = asText(promotion["coupon"]) ?? "";
  if (!state.coupons.some((one) => one.id === couponId)) {
    return refuse(`No such coupon: '${couponId}'`, "promotion[coupon]", "resource_missing");
  }
  const owner = asText(form["customer"]);
  if (owner !== undefined && !state.customers.some((one) => one.id === owner)) {
    return refuse(`No such customer: '${owner}'`, "customer", "resource_missing");
  }
  if ((asNumber(form["expires_at"]) ?? now + 1) <= now)
    return refuse("expires_at must be in the future", "expires_at");
  const code = asText(form["code"]) ?? `CODE${state.nextId++}`;
  // A code is taken while an active one with it is open to everybody, or to the same customer.
  const taken = state.promotionCodes.some(
    (one) =>
      asWord(one["code"]).toLowerCase() === code.toLowerCase() &&
      one["active"] === true &&
      (one["customer"] === null || owner === undefined || one["customer"] === owner),
  );
  if (taken) return refuse("An active promotion code with `code: " + code + "` already exists.", "code");
  const restrictions = asObject(form["restrictions"]);
  const created = shape.promotionCode(`promo_sandbox${state.nextId++}`, now, {
    ...numbers(form, ["expires_at", "max_redemptions"]),
    ...(owner === undefined ? {} : { customer: owner }),
    active: form["active"] !== "false",
    code,
    metadata: asObject(form["metadata"]),
    promotion: { type: "coupon", coupon: couponId },
    restrictions: {
      first_time_transaction: restrictions["first_time_transaction"] === "true",
      minimum_amount: asNumber(restrictions["minimum_amount"]) ?? null,
      minimum_amount_currency: restrictions["minimum_amount_currency"] ?? null,
    },
  });
  state.promotionCodes.push(created);
  state.effects.push({ vendor: "stripe", kind: "promotion-code", target: owner ?? couponId, key: code, at });
  return { status: 200, json: expanded(created, expandsOf(call), find) };
}
