/** Gathers what an intervention stands on: the subscription, its payments, the tickets, the contact. Judges nothing. */
import type {
  AgentKit,
  HubspotContact,
  Plain,
  StripeHistory,
  StripeSubscription,
} from "../../src/agent-kit.ts";
import type { Policy } from "./policy.ts";
import { redact } from "./redaction.ts";
import type { Trigger } from "./trigger.ts";

export type TicketFacts = {
  /** `tkt_` and Zendesk's id. */
  readonly id: string;
  readonly subject: string;
  readonly description: string;
  readonly open: boolean;
  readonly satisfaction: string | null;
  readonly createdAt: number;
};

export type Facts = {
  readonly change: "scheduled" | "ended";
  /** Its comment is redacted. */
  readonly subscription: Plain<StripeSubscription>;
  readonly history: Plain<StripeHistory>;
  /** Redacted, newest first. */
  readonly tickets: readonly TicketFacts[];
  readonly contact: Plain<HubspotContact> | null;
};

const open = new Set(["new", "open", "pending", "hold"]);

/** Null without Stripe credentials. Throws ServiceError. */
export async function gather(
  kit: AgentKit<Policy>,
  trigger: Trigger & { readonly change: "scheduled" | "ended" },
): Promise<Facts | null> {
  const { stripe, zendesk, hubspot } = kit.read;
  if (!stripe) return null;
  const subscription = await stripe.subscription(trigger.subscription);
  const history = await stripe.history(subscription.customer);
  const email = history.customer.email;
  const tickets = zendesk && email ? await zendesk.ticketsOf(email) : [];
  const contact = hubspot && email ? await hubspot.contactByEmail(email) : null;
  return {
    change: trigger.change,
    subscription: {
      ...subscription,
      plan: { ...subscription.plan },
      comment: subscription.comment === null ? null : redact(subscription.comment).slice(0, 2_000),
    },
    history: {
      ...history,
      customer: { ...history.customer },
      invoices: history.invoices.map((invoice) => ({ ...invoice })),
    },
    tickets: tickets.slice(0, 10).map((ticket) => ({
      id: `tkt_${ticket.id}`,
      subject: redact(ticket.subject).slice(0, 200),
      description: redact(ticket.description).slice(0, 800),
      open: open.has(ticket.status),
      satisfaction: ticket.satisfaction,
      createdAt: ticket.createdAt,
    })),
    contact: contact ? { ...contact } : null,
  };
}

export const feedbackId = (facts: Facts): string => `${facts.subscription.id}:feedback`;
export const commentId = (facts: Facts): string => `${facts.subscription.id}:comment`;

/** The ids that a decision may cite. */
export const evidenceIds = (facts: Facts): string[] => [
  ...(facts.subscription.feedback === null ? [] : [feedbackId(facts)]),
  ...(facts.subscription.comment === null ? [] : [commentId(facts)]),
  ...facts.history.invoices.map((invoice) => invoice.id),
  ...facts.tickets.map((ticket) => ticket.id),
];
