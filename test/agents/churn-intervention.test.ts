import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { churnIntervention } from "../../agents/churn-intervention/agent.ts";
import { Decision, interventions, reasons } from "../../agents/churn-intervention/decision.ts";
import { sentence } from "../../agents/churn-intervention/letters.ts";
import { triggerOf } from "../../agents/churn-intervention/trigger.ts";
import type {
  HubspotContact,
  Readers,
  StripeHistory,
  StripeSubscription,
  ZendeskTicket,
} from "../../src/domain/readers.ts";
import { carriedOut, noon, play } from "../support/agent-kit.ts";
import { cancelled, day, history, subscription } from "./cancellation.ts";
import { sharedFile, sharedFiles, sharedNote, sharedPresent } from "../support/shared.ts";

const contact: HubspotContact = {
  id: "501",
  email: "lena@fjord.example",
  name: "Lena Holm",
  company: "Fjord",
  lifecycleStage: "customer",
};
const ticket: ZendeskTicket = {
  id: "77",
  subject: "Import stuck",
  description: "Third time I ask.",
  status: "open",
  priority: "high",
  satisfaction: "bad",
  createdAt: noon - 20 * day,
  updatedAt: noon - day,
};
const policy = {
  tutorials: {
    exports: { title: "Export as CSV", url: "https://docs.acme.example/exports", keywords: ["csv"] },
  },
};
const decision: Decision = {
  reasoning: "They name the budget.",
  reason: "too_expensive",
  evidence: ["sub_1:feedback", "in_1"],
  intervention: "discount_email",
  discountPercent: 15,
  tutorial: null,
  acknowledgement: "Thank you for telling us that the budget got tighter.",
  talkingPoints: "Budget was cut.",
  confidence: 0.9,
};
interface World {
  readonly subscription?: Partial<StripeSubscription>;
  readonly history?: Partial<StripeHistory>;
  readonly customer?: Partial<StripeHistory["customer"]>;
  readonly tickets?: readonly ZendeskTicket[];
  readonly contact?: HubspotContact | null;
}
const readers = (world: World = {}): Pick<Readers, "stripe" | "zendesk" | "hubspot"> => ({
  stripe: {
    subscription: () => Promise.resolve({ ...subscription, ...world.subscription }),
    history: () =>
      Promise.resolve({ ...history, ...world.history, customer: { ...history.customer, ...world.customer } }),
  },
  zendesk: {
    ticketsOf: () => Promise.resolve([...(world.tickets ?? [])]),
    openTicketByTag: () => Promise.resolve(null),
  },
  hubspot: { contactByEmail: () => Promise.resolve(world.contact === undefined ? contact : world.contact) },
});
const intervene = (decided?: Partial<Decision>, world: World = {}, more: object = {}) =>
  play(churnIntervention, {
    payload: cancelled,
    read: readers(world),
    policy: { ...policy, ...more },
    ...(decided === undefined ? {} : { decision: { ...decision, ...decided } }),
  });
const kinds = (played: Awaited<ReturnType<typeof intervene>>) =>
  played.outcome.actions.map(({ kind }) => kind);

describe("churn-intervention", () => {
  it("offers a discount by a single-use code, mailed to the Stripe customer's address, and notes every check", async () => {
    const { outcome } = await intervene({});
    const inputs = carriedOut(churnIntervention, outcome.actions);
    expect([...inputs.keys()]).toEqual(["coupon", "code", "offer", "note"]);
    expect(inputs.get("coupon")).toMatchObject({
      percentOff: 15,
      durationInMonths: 3,
      redeemBy: noon + 14 * day,
    });
    expect(inputs.get("code")).toMatchObject({ coupon: "coupon-id", customer: "cus_1" });
    expect(inputs.get("offer")).toMatchObject({
      to: "lena@fjord.example",
      text: expect.stringMatching(
        /Hello Lena,[^]*budget got tighter[^]*15% off Team for 3 months[^]*\ncode-code\n/,
      ) as string,
    });
    const note = (inputs.get("note") as { body: string }).body;
    for (const name of [
      "mode",
      "payment",
      "trial",
      "disputes",
      "refunds",
      "evidence",
      "active discount",
      "schedule",
      "paid invoices",
      "tenure",
      "cool-down",
      "yearly plan",
    ])
      expect(note).toContain(`${name} passed`);
    expect(outcome.actions.map(({ subject }) => subject)).toEqual(Array(4).fill("sub_1:2026-12-04"));
  });

  it("lets no edit give more than the policy", () => {
    const passes = (percentOff: number, durationInMonths = 3) =>
      churnIntervention.passes?.(
        { kind: "stripe.coupon", input: { percentOff, durationInMonths, name: "Stay" } },
        churnIntervention.policy.parse(policy) as never,
      );
    expect([passes(20), passes(5, 1)]).toEqual([null, null]);
    expect(passes(21)).toBe("at most 20% may be given");
    expect(passes(20, 4)).toBe("for at most 3 months");
  });

  it("asks a colleague to call where a ticket stayed open, in HubSpot and Slack", async () => {
    const { outcome } = await intervene(
      { reason: "poor_support", intervention: "check_in_call", evidence: ["tkt_77"] },
      { tickets: [ticket], contact: null },
    );
    const inputs = carriedOut(churnIntervention, outcome.actions);
    expect([...inputs.keys()]).toEqual(["contact", "call", "notice", "note"]);
    expect(inputs.get("contact")).toEqual({
      email: "lena@fjord.example",
      properties: { firstname: "Lena", lastname: "Holm" },
    });
    expect(inputs.get("call")).toMatchObject({
      contactId: "contact-id",
      priority: "HIGH",
      dueAt: noon + day,
    });
  });

  it("mails the guide of the policy for a feature that exists", async () => {
    const { outcome } = await intervene({
      reason: "missing_feature",
      intervention: "feature_tutorial",
      tutorial: "exports",
    });
    const inputs = carriedOut(churnIntervention, outcome.actions);
    expect(inputs.get("tutorial")).toMatchObject({
      to: "lena@fjord.example",
      text: expect.stringContaining("https://docs.acme.example/exports") as string,
    });
  });

  it.each<[string, World, Partial<Decision>]>([
    ["an active discount on the subscription", { subscription: { hasDiscount: true } }, {}],
    ["an active discount on the customer", { customer: { hasDiscount: true } }, {}],
    ["a schedule", { subscription: { hasSchedule: true } }, {}],
    ["fewer than two paid invoices", { history: { invoices: history.invoices.slice(0, 1) } }, {}],
    ["a dispute", { history: { disputes: 1 } }, {}],
    ["a refund", { history: { refunds: 1 } }, {}],
    ["a disputed payment as Stripe's reason", { subscription: { reason: "payment_disputed" } }, {}],
    ["a yearly plan", { subscription: { plan: { ...subscription.plan, interval: "year" } } }, {}],
    ["a young subscription", { subscription: { startedAt: noon - 5 * day } }, {}],
    [
      "a discount not long ago",
      { history: { invoices: history.invoices.map((invoice) => ({ ...invoice, hadDiscount: true })) } },
      {},
    ],
    ["no cited evidence and a refund", { history: { refunds: 1 } }, { evidence: [] }],
    ["poor support as the reason", {}, { reason: "poor_support" }],
    ["no address at Stripe", { customer: { email: null } }, {}],
  ])("gives the case to a person instead of a discount for %s", async (_, world, decided) => {
    const played = await intervene(decided, world);
    expect(kinds(played)).toContain("hubspot.task");
    expect(kinds(played)).not.toContain("email.send");
    expect(kinds(played)).not.toContain("stripe.coupon");
    expect(played.outcome.summary).toContain("a person decides because of");
    expect(played.held).toBe(false);
    carriedOut(churnIntervention, played.outcome.actions);
  });

  it.each<[string, string, Partial<Decision>]>([
    ["nothing is cited", "evidence", { evidence: [] }],
    ["what is cited is not among the facts", "evidence", { evidence: ["in_1", "tkt_999"] }],
    ["the confidence is low", "confidence", { confidence: 0.2 }],
    ["more than the cap was asked", "cap", { discountPercent: 80 }],
  ])(
    "holds an offer for a person where %s, within the cap; or does not make it",
    async (_, name, decided) => {
      const held = await intervene(decided);
      expect(kinds(held)).toContain("email.send");
      expect(held.held).toBe(true);
      expect(held.checks).toContainEqual(expect.objectContaining({ name, passed: false, effect: "held" }));
      expect(carriedOut(churnIntervention, held.outcome.actions).get("coupon")).toMatchObject({
        percentOff: expect.toSatisfy((percent: number) => percent <= 20) as number,
      });
      const clamped = await intervene(decided, {}, { onViolation: "clamp" });
      expect(clamped.held).toBe(false);
      expect(clamped.checks).toContainEqual(
        expect.objectContaining({ name, passed: false, effect: "clamped" }),
      );
      if (name !== "cap") expect(kinds(clamped)).not.toContain("email.send");
    },
  );

  it.each<[string, World, object]>([
    ["a failed payment", { subscription: { reason: "payment_failed", status: "canceled" } }, {}],
    ["an overdue subscription", { subscription: { status: "past_due" } }, {}],
    ["a trial", { subscription: { status: "trialing" } }, {}],
    ["a deleted customer", { customer: { deleted: true } }, {}],
    [
      "test mode where the policy excludes it",
      { subscription: { livemode: false } },
      { allowTestMode: false },
    ],
  ])("does nothing at all for %s, and says why", async (_, world, more) => {
    const played = await intervene({}, world, more);
    expect(played.outcome.actions).toEqual([]);
    expect(played.outcome.summary).toContain("Nothing is done");
  });

  it("never mails a customer on the word of rules, unless the policy says so", async () => {
    const careful = await intervene();
    expect(careful.decided?.decision).toMatchObject({
      intervention: "discount_email",
      reason: "too_expensive",
    });
    expect(kinds(careful)).toEqual(["hubspot.task", "slack.message", "hubspot.note"]);
    expect(kinds(await intervene(undefined, {}, { rulesMaySend: true }))).toContain("email.send");
  });

  it.each<[string, World, Partial<Decision>]>([
    [
      "what they wrote over what they clicked",
      { subscription: { feedback: "unused", comment: "Far too expensive" } },
      { reason: "too_expensive" },
    ],
    [
      "an open ticket where nothing else is said",
      { subscription: { feedback: null, comment: null }, tickets: [ticket] },
      { reason: "poor_support", intervention: "check_in_call", evidence: ["tkt_77"] },
    ],
    [
      "a feature that exists",
      { subscription: { feedback: "missing_features", comment: "No CSV anywhere" } },
      { reason: "missing_feature", intervention: "feature_tutorial", tutorial: "exports" },
    ],
    [
      "an option that Stripe may add",
      { subscription: { feedback: "brand_new_option", comment: null } },
      { reason: "other", intervention: "none" },
    ],
  ])("rules see %s", async (_, world, expected) => {
    expect((await intervene(undefined, world)).decided?.decision).toMatchObject(expected);
  });

  it.each([
    [
      "false to true of cancel_at_period_end",
      true,
      { cancel_at_period_end: true },
      { cancel_at_period_end: false },
      "scheduled",
    ],
    ["cancel_at being set", true, { cancel_at: 1_800_000_000 }, { cancel_at: null }, "scheduled"],
    [
      "true to false",
      true,
      { cancel_at_period_end: false, cancel_at: null },
      { cancel_at_period_end: true },
      "recovered",
    ],
    ["cancel_at being unset", true, { cancel_at: null }, { cancel_at: 1_800_000_000 }, "recovered"],
    ["another plan", true, { cancel_at_period_end: false }, { items: {} }, "other"],
    ["the end", false, { cancel_at_period_end: false }, undefined, "ended"],
  ])("reads %s", (_, updated, now, before, change) => {
    const payload = {
      type: updated ? "customer.subscription.updated" : "customer.subscription.deleted",
      data: { object: { id: "sub_1", customer: { id: "cus_1" }, ...now }, previous_attributes: before },
    };
    expect(triggerOf(payload)).toMatchObject({ change, customer: "cus_1" });
  });

  it("leaves a customer alone who changed their mind before or after the decision", async () => {
    const stays = { subscription: { cancelAtPeriodEnd: false } };
    expect((await intervene({}, stays)).outcome).toEqual({
      actions: [],
      summary: "Nothing to do: the customer stays after all.",
    });
    const played = await intervene({});
    expect(await played.stillApplies()).toBeNull();
    expect(await played.stillApplies(readers(stays))).toBe("the customer stays after all");
  });

  it("shows the model neither the customer's name nor their address", async () => {
    const { variables } = await intervene(
      {},
      { subscription: { comment: "Write to lena@fjord.example, card 4242424242424242" } },
    );
    expect(JSON.stringify(variables)).not.toMatch(/lena@|Holm|4242424242424242/);
    expect(variables?.["comment"]).toContain("sub_1:comment");
  });
});

const hostile = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 120 }),
  fc.constantFrom(
    "Use {code} at https://evil.example now",
    "Here is 90% off for life",
    "write to thief@evil.example",
    "",
    "in_1",
    "sub_1:feedback",
    "exports",
  ),
);
const anyDecision: fc.Arbitrary<Decision> = fc.record({
  reasoning: hostile,
  reason: fc.constantFrom(...reasons),
  evidence: fc.oneof(
    fc.constant<string[]>(["in_1"]),
    fc.array(fc.oneof(fc.constantFrom("in_1", "sub_1:comment", "tkt_77"), hostile), { maxLength: 3 }),
  ),
  intervention: fc.constantFrom("discount_email" as const, ...interventions),
  discountPercent: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -5, max: 100 }),
  ),
  tutorial: fc.option(fc.oneof(fc.constant("exports"), hostile)),
  acknowledgement: hostile,
  talkingPoints: hostile,
  confidence: fc.oneof(fc.constant(0.9), fc.double({ noNaN: true, noDefaultInfinity: true })),
});
/** Where every guard holds. */
const fair: World = {
  subscription: { hasDiscount: false, hasSchedule: false, status: "active", startedAt: noon - 400 * day },
  history: { disputes: 0, refunds: 0, invoices: history.invoices },
};
const otherWorld: fc.Arbitrary<World> = fc.record({
  subscription: fc.record({
    hasDiscount: fc.boolean(),
    hasSchedule: fc.boolean(),
    status: fc.constantFrom("active", "active", "trialing", "past_due", "canceled"),
    reason: fc.constantFrom(null, "cancellation_requested", "payment_failed", "payment_disputed"),
    startedAt: fc.constantFrom(noon - 5 * day, noon - 400 * day),
  }),
  history: fc.record({
    disputes: fc.constantFrom(0, 0, 1),
    refunds: fc.constantFrom(0, 0, 1),
    invoices: fc.constantFrom([], history.invoices.slice(0, 1), history.invoices, history.invoices),
  }),
  customer: fc.record({
    name: hostile,
    email: fc.constantFrom("lena@fjord.example", "lena@fjord.example", null, "no address"),
  }),
  tickets: fc.constantFrom([], [ticket]),
  contact: fc.constantFrom(contact, null),
});

const anyWorld = fc.oneof(fc.constant(fair), otherWorld);

describe("whatever a model decides about a cancellation", () => {
  it("no path exceeds the cap, skips a guard, chooses an address or a link, or plans what cannot be carried out", async () => {
    let offers = 0;
    await fc.assert(
      fc.asyncProperty(
        anyDecision,
        anyWorld,
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom("clamp", "review"),
        async (decided, world, maxPercent, onViolation) => {
          expect(Decision.safeParse(decided).success).toBe(true);
          const { outcome, held } = await intervene(decided, world, { maxPercent, onViolation });
          const inputs = carriedOut(churnIntervention, outcome.actions);
          const mail = [...inputs.entries()].find(([name]) => name === "offer" || name === "tutorial")?.[1];
          const coupon = inputs.get("coupon") as { percentOff: number } | undefined;
          if (coupon) {
            offers += 1;
            expect(coupon.percentOff).toBeLessThanOrEqual(maxPercent);
            expect(world.subscription).toMatchObject({
              hasDiscount: false,
              hasSchedule: false,
              startedAt: noon - 400 * day,
            });
            expect(world.history?.invoices).toHaveLength(3);
            expect(inputs.get("code")).toMatchObject({ customer: "cus_1", coupon: "coupon-id" });
          }
          if (mail) {
            const { to, text } = mail as { to: string; text: string };
            expect(to).toBe("lena@fjord.example");
            expect(text.replace("https://docs.acme.example/exports", "")).not.toMatch(/https?:|evil|@|90%/);
            expect(world.history).toMatchObject({ disputes: 0, refunds: 0 });
            const backed = decided.evidence.length > 0 && decided.confidence >= 0.6;
            expect(backed || held).toBe(true);
          }
          if (["trialing", "past_due"].includes(world.subscription?.status ?? ""))
            expect(inputs.size).toBe(0);
        },
      ),
      { numRuns: 600 },
    );
    // Otherwise nothing above was put to the test.
    expect(offers).toBeGreaterThan(5);
  });

  it.each([
    decision.acknowledgement,
    "We are sorry that your request has waited so long.",
    "Thank you for telling us so openly that the cost no longer fits your plans.",
    "We understand that it wasn't what you needed, and we're sorry.",
  ])("a plain sentence such as %j is", (text) => {
    expect(sentence(text, "the fixed one")).toBe(text);
  });

  it("the names of the policy's own features may stand in it", () => {
    const text = "We are sorry that you missed the CSV export.";
    expect(sentence(text, "the fixed one")).toBe("the fixed one");
    expect(sentence(text, "the fixed one", ["Export reports as CSV and PDF"])).toBe(text);
  });

  it.each([
    "You get 50% off",
    "See https://evil.example for more",
    "Visit evil.com please now",
    "We promise a refund to you",
    "Use {code} instead of it",
    "short",
    "You get ninety percent off for ever",
    "Neunzig Prozent Rabatt, versprochen",
    "Visit evil．com please now",
    "Write to the team at evil.xyz now",
    "You get \uFF19\uFF10 more of it for less",
    "This month is on the house",
  ])("its sentence %j is not put into a mail", (text) => {
    expect(sentence(text, "the fixed one")).toBe("the fixed one");
  });
});

describe.skipIf(!sharedPresent)(`on the vendor's sample events${sharedNote}`, () => {
  it("reads every subscription event", () => {
    const files = sharedFiles("specs/stripe/events").filter((name) =>
      name.startsWith("customer.subscription."),
    );
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const payload = JSON.parse(sharedFile(`specs/stripe/events/${file}`)) as unknown;
      expect(triggerOf(payload).subscription).toMatch(/^sub_/);
    }
  });
});
