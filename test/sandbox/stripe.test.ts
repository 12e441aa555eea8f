import Stripe from "stripe";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseForm } from "../../src/sandbox/bodies.ts";
import type { StripeSandbox } from "../../src/sandbox/stripe.ts";
import { startStripe } from "../../src/sandbox/stripe.ts";

let sandbox: StripeSandbox;
let stripe: Stripe;
let customer: string;
beforeEach(async () => {
  sandbox = await startStripe({ now: () => 1_800_000_000_000 });
  const { host, port } = sandbox;
  stripe = new Stripe("sk_test_secret", {
    host,
    port,
    protocol: "http",
    maxNetworkRetries: 0,
    telemetry: false,
  });
  customer = sandbox.addCustomer({ id: "cus_1", email: "ada@example.com" }).id;
});
afterEach(() => sandbox.close());

const coupon = { id: "save20", percent_off: 20, duration: "repeating" as const, duration_in_months: 3 };
const code = {
  code: "STAY",
  promotion: { type: "coupon" as const, coupon: "save20" },
  customer: "cus_1",
  max_redemptions: 1,
};

describe("Stripe's stand-in", () => {
  it("shows a subscription with its plan, its discounts and why it was cancelled", async () => {
    const terms = { amount: 9_900, interval: "year" as const, productName: "Team" };
    const seed = {
      customer,
      cancellation_details: { feedback: "too_expensive", comment: "Sorry", reason: null },
    };
    const { id } = sandbox.addSubscription(seed, terms);
    await stripe.coupons.create(coupon);
    sandbox.addDiscount(id, "save20");
    const found = await stripe.subscriptions.retrieve(id, {
      expand: ["items.data.price.product", "discounts", "customer"],
    });
    expect(found.items.data[0]?.price).toMatchObject({ unit_amount: 9_900, product: { name: "Team" } });
    expect(found.discounts).toMatchObject([{ object: "discount", source: { coupon: "save20" } }]);
    expect(found.customer).toMatchObject({ email: "ada@example.com" });
    expect(found.cancellation_details?.feedback).toBe("too_expensive");
  });

  it("makes a coupon under the client's id once", async () => {
    expect(await stripe.coupons.create(coupon)).toMatchObject({
      id: "save20",
      percent_off: 20,
      duration_in_months: 3,
    });
    await expect(stripe.coupons.create(coupon)).rejects.toMatchObject({
      type: "StripeInvalidRequestError",
      code: "resource_already_exists",
    });
    expect(sandbox.state.effects.map(({ kind, key }) => [kind, key])).toEqual([["coupon", "save20"]]);
  });

  it.each([
    ["neither percent nor amount", { duration: "once" as const }],
    ["both percent and amount", { percent_off: 5, amount_off: 5, currency: "usd" }],
    ["an amount without a currency", { amount_off: 5 }],
    ["more than all", { percent_off: 101 }],
    ["months for a single use", { percent_off: 5, duration_in_months: 3 }],
  ])("refuses a coupon of %s", async (_, wrong) => {
    await expect(stripe.coupons.create(wrong)).rejects.toMatchObject({ type: "StripeInvalidRequestError" });
    expect(sandbox.state.coupons).toEqual([]);
  });

  it("makes a promotion code once, and finds it by its code", async () => {
    await expect(stripe.promotionCodes.create(code)).rejects.toMatchObject({ code: "resource_missing" });
    await stripe.coupons.create(coupon);
    await stripe.promotionCodes.create(code);
    await expect(stripe.promotionCodes.create({ ...code, code: "stay" })).rejects.toThrow(/already exists/);
    const { data } = await stripe.promotionCodes.list({ code: "STAY", limit: 10 });
    expect(data).toMatchObject([{ code: "STAY", customer: "cus_1", promotion: { coupon: "save20" } }]);
  });

  it("no longer takes the coupon where old versions of the API took it", async () => {
    await stripe.coupons.create(coupon);
    const old = stripe.rawRequest("POST", "/v1/promotion_codes", { coupon: "save20", code: "STAY" });
    await expect(old).rejects.toMatchObject({ code: "parameter_unknown" });
  });

  it("answers one idempotency key once", async () => {
    const first = await stripe.coupons.create({ percent_off: 20 }, { idempotencyKey: "k1" });
    const again = await stripe.coupons.create({ percent_off: 20 }, { idempotencyKey: "k1" });
    expect([again.id, sandbox.state.coupons.length, sandbox.state.effects.length]).toEqual([first.id, 1, 1]);
    expect(again.lastResponse.headers["idempotent-replayed"]).toBe("true");
    const other = stripe.coupons.create({ percent_off: 30 }, { idempotencyKey: "k1" });
    await expect(other).rejects.toMatchObject({ type: "StripeIdempotencyError" });
  });

  it("pages lists by cursor, the newest first", async () => {
    const ids = Array.from({ length: 5 }, (_, index) => sandbox.addInvoice({ customer, created: index }).id);
    sandbox.addInvoice({ customer: "cus_2" });
    const seen = await stripe.invoices.list({ customer, limit: 2 }).autoPagingToArray({ limit: 100 });
    expect(seen.map(({ id }) => id)).toEqual(ids.toReversed());
    const late = await stripe.invoices.list({ customer, created: { gte: 3 } });
    expect(late.data).toHaveLength(2);
  });

  it("lists ended subscriptions only where they are asked for", async () => {
    sandbox.addSubscription({ customer, status: "canceled" });
    expect((await stripe.subscriptions.list({ customer })).data).toHaveLength(0);
    expect((await stripe.subscriptions.list({ customer, status: "all" })).data).toHaveLength(1);
  });

  it("fails as the SDK knows it", async () => {
    await expect(stripe.customers.retrieve("cus_9")).rejects.toMatchObject({
      statusCode: 404,
      code: "resource_missing",
    });
    sandbox.faults.fail({ status: 429 });
    await expect(stripe.customers.retrieve(customer)).rejects.toMatchObject({ type: "StripeRateLimitError" });
    // The SDK sends once more when a kept connection is cut, even where retries are off.
    sandbox.faults.drop({ after: "effect", times: 2 });
    await expect(stripe.coupons.create(coupon)).rejects.toMatchObject({ type: "StripeConnectionError" });
    expect(sandbox.state.effects.map(({ kind }) => kind)).toEqual(["coupon"]);
    expect((await fetch(`${sandbox.url}/v1/customers`)).status).toBe(401);
  });
});

describe("a form", () => {
  it.each([
    ["a=1&a=2", { a: ["1", "2"] }],
    ["a[b][c]=1&a[b][d]=2", { a: { b: { c: "1", d: "2" } } }],
    ["e[]=x&e[]=y", { e: ["x", "y"] }],
    ["e[0]=x&e[1]=y", { e: ["x", "y"] }],
    ["n=%26+x", { n: "& x" }],
  ])("of %j is read as its sender meant it", (text, value) => {
    expect(parseForm(text)).toEqual(value);
  });

  it("reaches nothing outside itself", () => {
    parseForm("__proto__[polluted]=1&a[__proto__][polluted]=1&constructor[prototype][polluted]=1");
    expect("polluted" in {}).toBe(false);
  });
});
