/**
 * Stripe through its SDK. Every POST carries our key, and what is made carries an id or a code derived from the key:
 * the vendor forgets keys after a day, ids never.
 */
import type Stripe from "stripe";
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionRef } from "../domain/action.ts";
import { sha256 } from "../domain/json.ts";
import type { ActionExecutor, Call, Destination } from "../domain/ports.ts";
import type { StripeHistory, StripeReads, StripeSubscription } from "../domain/readers.ts";
import type { Attempt, Deps, Refusal } from "./http.ts";
import { boundFetch, createAttempt, filled, orExisting, trimSlash } from "./http.ts";

export interface StripeOptions {
  /** A restricted key is enough: coupons and promotion codes write; customers, subscriptions, invoices, charges read. */
  readonly apiKey?: string | undefined;
  readonly baseUrl?: string | undefined;
}

type Client = () => Promise<Stripe>;

export function stripe(options: StripeOptions, deps: Deps): Destination {
  const configured = filled(options.apiKey);
  const attempt = createAttempt("stripe", deps, {
    secrets: [options.apiKey ?? ""],
    read: readRefusal,
    counted: "all",
  });
  const client = createClient(options);
  return {
    name: "stripe",
    configured,
    actions: {
      "stripe.coupon": coupon(attempt, client),
      "stripe.promotion_code": promotionCode(attempt, client),
    },
    reads: (call) => (configured ? reads(attempt, client, call) : null),
  };
}

/** The SDK knows hosts, not base URLs, and no signal: both come in through the fetch that it is given. */
function createClient(options: StripeOptions): Client {
  const base = trimSlash(options.baseUrl || "https://api.stripe.com");
  let client: Promise<Stripe> | null = null;
  const toBase: typeof fetch = async (input, init) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    return withError(await boundFetch(base + pathname + search, init));
  };
  return () =>
    (client ??= import("stripe").then(
      ({ default: Sdk }) =>
        new Sdk(options.apiKey ?? "", {
          apiVersion: "2026-10-28.endive",
          httpClient: Sdk.createFetchHttpClient(toBase),
          maxNetworkRetries: 0,
          telemetry: false,
        }),
    ));
}

/** The SDK takes any JSON without `error` for a success, whatever its status: a proxy's 502 would pass for a coupon. */
async function withError(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  const { status } = response;
  const headers = new Headers(response.headers);
  // The body has been decoded already.
  headers.delete("content-encoding");
  headers.delete("content-length");
  if (StripeError.safeParse(parsed(text)).success) return new Response(text, { status, headers });
  return new Response(JSON.stringify({ error: { type: "api_error", message: "" } }), { status, headers });
}

const StripeError = z.object({ error: z.looseObject({ type: z.string() }) });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface StripeFailure {
  readonly statusCode: number;
  readonly message: string;
  readonly code: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

function failureOf(error: unknown): StripeFailure | null {
  if (!(error instanceof Error) || !("statusCode" in error) || typeof error.statusCode !== "number")
    return null;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const headers = "headers" in error && typeof error.headers === "object" ? error.headers : null;
  return { statusCode: error.statusCode, message: error.message, code, headers: { ...headers } };
}

function readRefusal(error: unknown): Refusal | null {
  const failure = failureOf(error);
  if (!failure) return null;
  const header = (name: string): string | null => {
    const value = failure.headers[name];
    return typeof value === "string" ? value : null;
  };
  const plain = { status: failure.statusCode, detail: failure.message, header };
  // Another request with our key is still being worked on: its outcome is open.
  return failure.code === "idempotency_key_in_use" ? { ...plain, kind: "unavailable" } : plain;
}

/**
 * The vendor answers a repeated key with the first answer, a 500 included, for a day. A second key gets out of that
 * without making the object twice, because its id or code is then taken.
 */
async function withFreshKeyAfterReplayedOutage<T>(
  key: string,
  create: (key: string) => Promise<T>,
): Promise<T> {
  try {
    return await create(key);
  } catch (error) {
    const failure = failureOf(error);
    const replayed = failure?.headers["idempotent-replayed"] === "true";
    if (!failure || failure.statusCode < 500 || !replayed) throw error;
    return create(`${key}:again`);
  }
}

// ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Stripe's times are in seconds. */
const seconds = (ms: number): number => Math.floor(ms / 1_000);

const dashboard = (livemode: boolean, path: string): string =>
  `https://dashboard.stripe.com/${livemode ? "" : "test/"}${path}`;

const couponId = (key: string): string => `sb_${sha256("stripe-coupon", key).slice(0, 24)}`;

const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** `STAY-` and ten characters that are not mistaken for one another when read aloud. */
export function promotionCodeOf(key: string): string {
  const bytes = Buffer.from(sha256("stripe-promotion-code", key), "hex").subarray(0, 10);
  return `STAY-${[...bytes].map((byte) => letters.charAt(byte % 32)).join("")}`;
}

/** Read out of what the SDK returns, because it returns whatever came. */
const Coupon = z.object({ id: z.string(), livemode: z.boolean() });
const PromotionCode = Coupon.extend({ code: z.string() });

function coupon(attempt: Attempt, client: Client): ActionExecutor {
  const refOf = (made: Stripe.Coupon): ActionRef => {
    const { id, livemode } = Coupon.parse(made);
    return { id, url: dashboard(livemode, `coupons/${id}`) };
  };
  const find = (key: string, call: Call) =>
    attempt(call, "read", async () => {
      try {
        return refOf(await (await client()).coupons.retrieve(couponId(key)));
      } catch (error) {
        if (failureOf(error)?.statusCode === 404) return null;
        throw error;
      }
    });
  return {
    repeat: "vendor-key",
    settleMs: 2_000,
    lookup: (_input, key, call) => find(key, call),
    execute(input, key, call) {
      const { percentOff, durationInMonths, name, redeemBy } = actionKinds["stripe.coupon"].parse(input);
      const create = attempt(call, "write", async () => {
        const { coupons } = await client();
        return withFreshKeyAfterReplayedOutage(key, async (idempotencyKey) =>
          refOf(
            await coupons.create(
              {
                id: couponId(key),
                name,
                percent_off: percentOff,
                duration: "repeating",
                duration_in_months: durationInMonths,
                redeem_by: seconds(redeemBy),
              },
              { idempotencyKey },
            ),
          ),
        );
      });
      return orExisting(create, () => find(key, call));
    },
  };
}

function promotionCode(attempt: Attempt, client: Client): ActionExecutor {
  const refOf = (made: Stripe.PromotionCode): ActionRef => {
    const { id, code, livemode } = PromotionCode.parse(made);
    return { id, code, url: dashboard(livemode, `promotion_codes/${id}`) };
  };
  const find = (key: string, customer: string, call: Call) =>
    attempt(call, "read", async () => {
      const { data } = await (await client()).promotionCodes.list({ code: promotionCodeOf(key), limit: 10 });
      const ours = data.find((item) => idOf(item.customer) === customer);
      return ours ? refOf(ours) : null;
    });
  return {
    repeat: "vendor-key",
    settleMs: 2_000,
    lookup: (input, key, call) => find(key, actionKinds["stripe.promotion_code"].parse(input).customer, call),
    execute(input, key, call) {
      const { coupon: couponOf, customer, expiresAt } = actionKinds["stripe.promotion_code"].parse(input);
      const create = attempt(call, "write", async () => {
        const { promotionCodes } = await client();
        return withFreshKeyAfterReplayedOutage(key, async (idempotencyKey) =>
          refOf(
            await promotionCodes.create(
              {
                promotion: { type: "coupon", coupon: couponOf },
                code: promotionCodeOf(key),
                customer,
                max_redemptions: 1,
                expires_at: seconds(expiresAt),
              },
              { idempotencyKey },
            ),
          ),
        );
      });
      return orExisting(create, () => find(key, customer, call));
    },
  };
}

const idOf = (value: string | { id: string } | null): string | null =>
  value !== null && typeof value === "object" ? value.id : value;

// ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

const ms = (time: number | null | undefined): number | null => (time == null ? null : time * 1_000);

const reads = (attempt: Attempt, client: Client, call: Call): StripeReads => ({
  subscription: (id) =>
    attempt(call, "read", async () => {
      const { subscriptions } = await client();
      return toSubscription(await subscriptions.retrieve(id, { expand: ["items.data.price.product"] }));
    }),
  history: (customer) =>
    attempt(
      call,
      "read",
      async () => {
        const api = await client();
        const [who, invoices, charges] = await Promise.all([
          api.customers.retrieve(customer),
          api.invoices.list({ customer, limit: 100 }),
          api.charges.list({ customer, limit: 100 }),
        ]);
        return toHistory(who, invoices.data, charges.data);
      },
      3,
    ),
});

function toSubscription(found: Stripe.Subscription): StripeSubscription {
  const items = found.items.data;
  const price = items[0]?.price;
  const product = typeof price?.product === "object" && "name" in price.product ? price.product.name : null;
  const ends = items.map((item) => item.current_period_end).filter((end) => typeof end === "number");
  return {
    id: found.id,
    customer: idOf(found.customer) ?? "",
    status: found.status,
    livemode: found.livemode,
    cancelAtPeriodEnd: found.cancel_at_period_end,
    cancelAt: ms(found.cancel_at),
    canceledAt: ms(found.canceled_at),
    currentPeriodEnd: ends.length === 0 ? null : Math.max(...ends) * 1_000,
    startedAt: found.start_date * 1_000,
    feedback: found.cancellation_details?.feedback ?? null,
    comment: found.cancellation_details?.comment ?? null,
    reason: found.cancellation_details?.reason ?? null,
    plan: {
      name: price?.nickname ?? product ?? price?.id ?? "",
      amount: items.reduce((sum, item) => sum + (item.price.unit_amount ?? 0) * (item.quantity ?? 1), 0),
      currency: found.currency,
      interval: price?.recurring?.interval ?? "",
    },
    hasDiscount: found.discounts.length > 0 || items.some((item) => item.discounts.length > 0),
    hasSchedule: found.schedule !== null,
  };
}

function toHistory(
  who: Stripe.Customer | Stripe.DeletedCustomer,
  invoices: readonly Stripe.Invoice[],
  charges: readonly Stripe.Charge[],
): StripeHistory {
  const customer = who.deleted
    ? { email: null, name: "", createdAt: 0, deleted: true, hasDiscount: false, delinquent: false }
    : {
        email: who.email,
        name: who.name ?? "",
        createdAt: who.created * 1_000,
        deleted: false,
        hasDiscount: (who.discount ?? null) !== null,
        delinquent: who.delinquent ?? false,
      };
  return {
    customer: { id: who.id, ...customer },
    invoices: invoices.map((invoice) => ({
      id: invoice.id ?? "",
      status: invoice.status ?? "",
      amountPaid: invoice.amount_paid,
      currency: invoice.currency,
      createdAt: invoice.created * 1_000,
      hadDiscount: (invoice.total_discount_amounts ?? []).some(({ amount }) => amount > 0),
    })),
    disputes: charges.filter((charge) => charge.disputed).length,
    refunds: charges.filter((charge) => charge.amount_refunded > 0).length,
    failedCharges: charges.filter((charge) => charge.status === "failed").length,
  };
}
