/** Stripe's objects with all the fields that are always there. A seed names what matters; the rest is what a plain account has. */
import type { Json, JsonObject } from "../domain/json.ts";
import type { Effect } from "./stand.ts";

/** An object as the API shows it. */
export type StripeObject = { [field: string]: Json } & { id: string; object: string; created: number };

export const kinds = [
  "customers",
  "subscriptions",
  "invoices",
  "charges",
  "disputes",
  "refunds",
  "coupons",
  "promotionCodes",
  "products",
  "discounts",
  "events",
] as const;
export type Kind = (typeof kinds)[number];

export type StripeState = { [K in Kind]: StripeObject[] } & {
  nextId: number;
  /** First answer by idempotency key. */
  idempotent: { [key: string]: { parameters: string; status: number; json: Json } };
  effects: Effect[];
};

const nulls = (names: string): { [field: string]: Json } =>
  Object.fromEntries(names.split(" ").map((name) => [name, null]));

export const customer = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls("address default_source description email name phone shipping test_clock discount"),
  balance: 0,
  currency: "usd",
  delinquent: false,
  invoice_prefix: "SANDBOX",
  invoice_settings: nulls("custom_fields default_payment_method footer rendering_options"),
  livemode: false,
  metadata: {},
  next_invoice_sequence: 1,
  preferred_locales: [],
  tax_exempt: "none",
  ...given,
  id,
  object: "customer",
  created,
});

export const product = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls(
    "default_price description package_dimensions shippable statement_descriptor tax_code unit_label url",
  ),
  active: true,
  images: [],
  livemode: false,
  marketing_features: [],
  metadata: {},
  name: "Pro",
  type: "service",
  updated: created,
  ...given,
  id,
  object: "product",
  created,
});

export interface Plan {
  readonly amount: number;
  readonly currency: string;
  readonly interval: "day" | "week" | "month" | "year";
  readonly product: string;
}

const price = (id: string, created: number, plan: Plan) => ({
  ...nulls("custom_unit_amount lookup_key nickname tiers_mode transform_quantity"),
  id,
  object: "price",
  active: true,
  billing_scheme: "per_unit",
  created,
  currency: plan.currency,
  livemode: false,
  metadata: {},
  product: plan.product,
  recurring: {
    interval: plan.interval,
    interval_count: 1,
    meter: null,
    trial_period_days: null,
    usage_type: "licensed",
  },
  tax_behavior: "unspecified",
  type: "recurring",
  unit_amount: plan.amount,
  unit_amount_decimal: String(plan.amount),
});

const planOf = (id: string, created: number, plan: Plan) => ({
  ...nulls("meter nickname tiers_mode transform_usage trial_period_days"),
  id,
  object: "plan",
  active: true,
  amount: plan.amount,
  amount_decimal: String(plan.amount),
  billing_scheme: "per_unit",
  created,
  currency: plan.currency,
  interval: plan.interval,
  interval_count: 1,
  livemode: false,
  metadata: {},
  product: plan.product,
  usage_type: "licensed",
});

const periodDays: Readonly<Record<Plan["interval"], number>> = { day: 1, week: 7, month: 30, year: 365 };

export function subscription(id: string, created: number, plan: Plan, given: JsonObject): StripeObject {
  const end = created + periodDays[plan.interval] * 86_400;
  const priceId = `price_${id.slice(4)}`;
  const item = {
    ...nulls("billing_thresholds current_trial tax_rates"),
    id: `si_${id.slice(4)}`,
    object: "subscription_item",
    created,
    current_period_start: created,
    current_period_end: end,
    discounts: [],
    metadata: {},
    plan: planOf(priceId, created, plan),
    price: price(priceId, created, plan),
    quantity: 1,
    subscription: id,
  };
  return {
    ...nulls(
      "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at canceled_at customer_account days_until_due default_payment_method default_source description ended_at latest_invoice managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection payment_settings pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock transfer_data trial_end trial_settings trial_start",
    ),
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: created,
    billing_mode: { flexible: null, type: "classic" },
    billing_schedules: [],
    cancel_at_period_end: false,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
    collection_method: "charge_automatically",
    currency: plan.currency,
    customer: "",
    discounts: [],
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: "self" },
    },
    items: {
      object: "list",
      data: [item],
      has_more: false,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    livemode: false,
    metadata: {},
    start_date: created,
    status: "active",
    ...given,
    id,
    object: "subscription",
    created,
  };
}

export const invoice = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls(
    "account_country account_name account_tax_ids application automatically_finalizes_at billing_reason custom_fields customer customer_account customer_address customer_email customer_name customer_phone customer_shipping customer_tax_exempt default_payment_method default_source description due_date effective_at ending_balance footer from_invoice last_finalization_error latest_revision next_payment_attempt number on_behalf_of parent receipt_number rendering shipping_cost shipping_details statement_descriptor test_clock webhooks_delivered_at confirmation_secret",
  ),
  amount_due: 0,
  amount_overpaid: 0,
  amount_paid: 0,
  amount_remaining: 0,
  amount_shipping: 0,
  attempt_count: 1,
  attempted: true,
  automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
  collection_method: "charge_automatically",
  currency: "usd",
  default_tax_rates: [],
  discounts: [],
  issuer: { type: "self" },
  lines: { object: "list", data: [], has_more: false, url: `/v1/invoices/${id}/lines` },
  livemode: false,
  metadata: {},
  payment_settings: nulls("default_mandate payment_method_options payment_method_types"),
  period_end: created,
  period_start: created,
  post_payment_credit_notes_amount: 0,
  pre_payment_credit_notes_amount: 0,
  starting_balance: 0,
  status: "paid",
  status_transitions: { ...nulls("finalized_at marked_uncollectible_at voided_at"), paid_at: created },
  subtotal: 0,
  subtotal_excluding_tax: null,
  total: 0,
  total_discount_amounts: [],
  total_excluding_tax: null,
  total_pretax_credit_amounts: [],
  total_taxes: [],
  ...given,
  id,
  object: "invoice",
  created,
});

export const charge = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls(
    "application application_fee application_fee_amount balance_transaction calculated_statement_descriptor customer description failure_balance_transaction failure_code failure_message fraud_details on_behalf_of outcome payment_intent payment_method payment_method_details receipt_email receipt_number receipt_url review shipping source source_transfer statement_descriptor statement_descriptor_suffix transfer_data transfer_group",
  ),
  amount: 0,
  amount_captured: 0,
  amount_refunded: 0,
  billing_details: nulls("address email name phone tax_id"),
  captured: true,
  currency: "usd",
  disputed: false,
  livemode: false,
  metadata: {},
  paid: true,
  refunded: false,
  status: "succeeded",
  ...given,
  id,
  object: "charge",
  created,
});

const evidence =
  "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text";

export const dispute = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls("intended_submission_method payment_intent"),
  amount: 0,
  balance_transactions: [],
  charge: "",
  currency: "usd",
  enhanced_eligibility_types: [],
  evidence: { ...nulls(evidence), enhanced_evidence: {} },
  evidence_details: {
    due_by: null,
    enhanced_eligibility: {},
    has_evidence: false,
    past_due: false,
    submission_count: 0,
    submission_method: "not_submitted",
  },
  is_charge_refundable: false,
  livemode: false,
  metadata: {},
  reason: "fraudulent",
  status: "needs_response",
  ...given,
  id,
  object: "dispute",
  created,
});

export const refund = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls(
    "balance_transaction charge customer customer_account payment_intent payment_method reason receipt_number source_transfer_reversal transfer_reversal",
  ),
  amount: 0,
  currency: "usd",
  metadata: {},
  status: "succeeded",
  ...given,
  id,
  object: "refund",
  created,
});

export const coupon = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls("amount_off currency duration_in_months max_redemptions name percent_off redeem_by"),
  duration: "once",
  livemode: false,
  metadata: {},
  times_redeemed: 0,
  valid: true,
  ...given,
  id,
  object: "coupon",
  created,
});

export const promotionCode = (id: string, created: number, given: JsonObject): StripeObject => ({
  ...nulls("customer customer_account expires_at max_redemptions"),
  active: true,
  code: "",
  livemode: false,
  metadata: {},
  promotion: { coupon: null, type: "coupon" },
  restrictions: { first_time_transaction: false, minimum_amount: null, minimum_amount_currency: null },
  times_redeemed: 0,
  ...given,
  id,
  object: "promotion_code",
  created,
});

export const event = (id: string, created: number, given: JsonObject): StripeObject => ({
  api_version: "2026-10-28.endive",
  data: { object: {} },
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type: "customer.updated",
  ...given,
  id,
  object: "event",
  created,
});
