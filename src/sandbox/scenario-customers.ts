/** The demo's customers at Stripe, Zendesk and HubSpot, and how each of them leaves. Ages are in days before now. */
export interface ScenarioCustomer {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly subscription: string;
  readonly plan: { readonly name: string; readonly amount: number };
  readonly tenureDays: number;
  readonly paidInvoices: number;
  /** scheduled: cancels at the end of the period. ended: the subscription is gone. */
  readonly leaves: "scheduled" | "ended";
  readonly reason: "cancellation_requested" | "payment_failed";
  readonly feedback: string | null;
  readonly comment: string | null;
  readonly failedCharges: number;
  readonly tickets: readonly ScenarioTicket[];
  /** In the CRM, where they are known there. */
  readonly company: string | null;
}

export interface ScenarioTicket {
  readonly subject: string;
  readonly description: string;
  readonly status: "open" | "pending" | "solved";
  readonly priority: "low" | "normal" | "high" | "urgent";
  readonly satisfaction: "good" | "bad" | null;
  readonly ageDays: number;
}

export const customers: readonly ScenarioCustomer[] = [
  {
    id: "cus_DemoFjord",
    name: "Lena Holm",
    email: "lena.holm@fjord-studio.example",
    subscription: "sub_DemoFjord",
    plan: { name: "Team", amount: 4_900 },
    tenureDays: 430,
    paidInvoices: 14,
    leaves: "scheduled",
    reason: "cancellation_requested",
    feedback: "too_expensive",
    comment:
      "We like it a lot, but our tools budget was cut in half and this is simply too expensive for us now.",
    failedCharges: 0,
    tickets: [
      {
        subject: "How do I add a colleague?",
        description: "I could not find it at first, thanks for the quick help.",
        status: "solved",
        priority: "low",
        satisfaction: "good",
        ageDays: 120,
      },
    ],
    company: "Fjord Studio",
  },
  {
    id: "cus_DemoKestrel",
    name: "Amir Haddad",
    email: "amir@kestrel-media.example",
    subscription: "sub_DemoKestrel",
    plan: { name: "Business", amount: 14_900 },
    tenureDays: 260,
    paidInvoices: 8,
    leaves: "scheduled",
    reason: "cancellation_requested",
    feedback: "customer_service",
    comment: "I waited three weeks for support on our import and nobody answered.",
    failedCharges: 0,
    tickets: [
      {
        subject: "Import stops at 40 percent",
        description:
          "This is the third time I ask. The import of our archive stops at 40 percent every night.",
        status: "open",
        priority: "high",
        satisfaction: "bad",
        ageDays: 22,
      },
    ],
    company: "Kestrel Media",
  },
  {
    id: "cus_DemoMarlow",
    name: "Sofia Marlow",
    email: "sofia@marlow-events.example",
    subscription: "sub_DemoMarlow",
    plan: { name: "Team", amount: 4_900 },
    tenureDays: 150,
    paidInvoices: 5,
    leaves: "scheduled",
    reason: "cancellation_requested",
    feedback: "missing_features",
    comment: "There is no way to export our monthly reports as CSV for the accountant.",
    failedCharges: 0,
    tickets: [],
    company: null,
  },
  {
    id: "cus_DemoOrchard",
    name: "Peter Nowak",
    email: "peter@orchard-bikes.example",
    subscription: "sub_DemoOrchard",
    plan: { name: "Starter", amount: 1_900 },
    tenureDays: 95,
    paidInvoices: 2,
    leaves: "ended",
    reason: "payment_failed",
    feedback: null,
    comment: null,
    failedCharges: 4,
    tickets: [],
    company: null,
  },
];
