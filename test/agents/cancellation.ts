/** A paying customer, and what Stripe announces and knows when she cancels. */
import type { StripeHistory, StripeSubscription } from "../../src/domain/readers.ts";
import { noon } from "../support/agent-kit.ts";

export const day = 86_400_000;

export const cancelled = {
  type: "customer.subscription.updated",
  data: {
    object: { id: "sub_1", customer: "cus_1", cancel_at_period_end: true },
    previous_attributes: { cancel_at_period_end: false },
  },
};

export const subscription: StripeSubscription = {
  id: "sub_1",
  customer: "cus_1",
  status: "active",
  livemode: true,
  cancelAtPeriodEnd: true,
  cancelAt: null,
  canceledAt: null,
  currentPeriodEnd: noon + 10 * day,
  startedAt: noon - 400 * day,
  feedback: "too_expensive",
  comment: "Our budget was cut.",
  reason: "cancellation_requested",
  plan: { name: "Team", amount: 4_900, currency: "usd", interval: "month" },
  hasDiscount: false,
  hasSchedule: false,
};

export const history: StripeHistory = {
  customer: {
    id: "cus_1",
    email: "lena@fjord.example",
    name: "Lena Holm",
    createdAt: noon - 400 * day,
    deleted: false,
    hasDiscount: false,
    delinquent: false,
  },
  invoices: [1, 2, 3].map((number) => ({
    id: `in_${number}`,
    status: "paid",
    amountPaid: 4_900,
    currency: "usd",
    createdAt: noon - number * 30 * day,
    hadDiscount: false,
  })),
  disputes: 0,
  refunds: 0,
  failedCharges: 0,
};
