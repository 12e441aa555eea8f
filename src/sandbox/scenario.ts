/**
 * The world of the demo: pull requests, cancellations and mails, with the webhooks that announce them. All names are
 * made up. `seed` fills a fresh sandbox once; the builders give what the vendors would send.
 */
import type { GithubSandbox } from "./github.ts";
import type { SeedPullRequest } from "./github.ts";
import { pullRequest, repository, user } from "./github-shapes.ts";
import type { HubspotSandbox } from "./hubspot.ts";
import type { LinearSandbox } from "./linear.ts";
import { identifierOf } from "./linear-types.ts";
import { customers } from "./scenario-customers.ts";
import type { ScenarioCustomer } from "./scenario-customers.ts";
import { mails } from "./scenario-mails.ts";
import { roundOf } from "./scenario-rounds.ts";
import type { ScenarioRound } from "./scenario-rounds.ts";
import { issues, pullRequests } from "./scenario-pulls.ts";
import type { StripeSandbox } from "./stripe.ts";
import type { StripeObject } from "./stripe-shapes.ts";
import type { ZendeskSandbox } from "./zendesk.ts";

export { roundOf } from "./scenario-rounds.ts";
export type { ScenarioRound } from "./scenario-rounds.ts";

export const scenario = { pullRequests, issues, customers, mails } as const;

const day = 86_400;

/** The part of a sandbox that is seeded; `Sandbox` is one. */
export interface ScenarioVendors {
  readonly github: GithubSandbox;
  readonly linear: LinearSandbox;
  readonly stripe: StripeSandbox;
  readonly zendesk: ZendeskSandbox;
  readonly hubspot: HubspotSandbox;
}

/** What the vendors know before anything happens. `now` in milliseconds. */
export const seed = (vendors: ScenarioVendors, now: number): void => seedRound(vendors, roundOf(0), now);

/** Adds a round's world. What is there already stays as it is: a sandbox that was kept may be seeded again. */
export function seedRound(vendors: ScenarioVendors, round: ScenarioRound, now: number): void {
  const { github, linear, stripe, zendesk, hubspot } = vendors;
  for (const pull of round.pullRequests) if (!pullIn(github, pull)) github.addPullRequest(pull);
  const known = new Set(linear.state.issues.map((issue) => identifierOf(linear.state, issue)));
  for (const issue of round.issues) if (!known.has(issue.identifier)) linear.addIssue(issue);
  for (const customer of round.customers) {
    seedCustomer(stripe, customer, Math.floor(now / 1_000));
    seedTickets(zendesk, customer, now);
    seedContact(hubspot, customer);
  }
}

// A sandbox that was killed in the middle of this has some of it: each piece is looked for on its own.

function seedCustomer(stripe: StripeSandbox, customer: ScenarioCustomer, now: number): void {
  const { id, name, email, plan } = customer;
  if (!stripe.state.customers.some((known) => known.id === id))
    stripe.addCustomer({ id, name, email, created: now - customer.tenureDays * day });
  if (!stripe.state.subscriptions.some((known) => known.id === customer.subscription)) {
    // The stand-in's period runs from `created`: it ends ten days from now.
    stripe.addSubscription(
      {
        id: customer.subscription,
        customer: id,
        created: now - 20 * day,
        start_date: now - customer.tenureDays * day,
        ...cancellation(customer, now),
      },
      { amount: plan.amount, productName: plan.name },
    );
  }
  const invoices = stripe.state.invoices.filter((known) => known.customer === id).length;
  for (let month = invoices; month < customer.paidInvoices; month += 1) {
    const created = now - (20 + month * 30) * day;
    const paid = { amount_due: plan.amount, amount_paid: plan.amount, total: plan.amount };
    stripe.addInvoice({ customer: id, created, ...paid });
  }
  seedCharges(stripe, customer, now);
}

function seedCharges(stripe: StripeSandbox, { id, plan, ...customer }: ScenarioCustomer, now: number): void {
  const known = (status: string) =>
    stripe.state.charges.filter((charge) => charge.customer === id && charge.status === status).length;
  for (let month = known("succeeded"); month < customer.paidInvoices; month += 1) {
    const created = now - (20 + month * 30) * day;
    stripe.addCharge({ customer: id, created, amount: plan.amount, status: "succeeded" });
  }
  for (let failed = known("failed"); failed < customer.failedCharges; failed += 1) {
    const created = now - (failed + 1) * day;
    stripe.addCharge({ customer: id, created, amount: plan.amount, status: "failed", paid: false });
  }
}

function seedTickets(zendesk: ZendeskSandbox, customer: ScenarioCustomer, now: number): void {
  const requester = zendesk.state.users.find(({ email }) => email === customer.email)?.id;
  const known = zendesk.state.tickets.filter((ticket) => ticket.requester === requester);
  for (const { description, ageDays, satisfaction, ...ticket } of customer.tickets) {
    if (known.some(({ subject }) => subject === ticket.subject)) continue;
    zendesk.addTicket({
      ...ticket,
      requester: { email: customer.email, name: customer.name },
      body: description,
      createdAt: now - ageDays * day * 1_000,
      ...(satisfaction === null ? {} : { satisfaction }),
    });
  }
}

function seedContact(hubspot: HubspotSandbox, { company, email, name }: ScenarioCustomer): void {
  if (company === null) return;
  if (hubspot.state.objects.some(({ properties }) => properties["email"] === email)) return;
  const [firstname = "", lastname = ""] = name.split(" ");
  hubspot.addObject("contacts", { email, firstname, lastname, company, lifecyclestage: "customer" });
}

const cancellation = (customer: ScenarioCustomer, now: number) => ({
  cancellation_details: {
    comment: customer.comment,
    feedback: customer.feedback,
    feedback_option: null,
    reason: customer.reason,
  },
  ...(customer.leaves === "scheduled"
    ? { cancel_at_period_end: true, canceled_at: now }
    : { status: "canceled", canceled_at: now, ended_at: now }),
});

const pullIn = (github: GithubSandbox, { owner, repo, number }: SeedPullRequest) =>
  github.state.pulls.find((one) => one.owner === owner && one.repo === repo && one.number === number);

/** The body of a `pull_request` webhook about a seeded pull request. */
export function githubEvent(github: GithubSandbox, pull: SeedPullRequest, action: string): object {
  const record = pullIn(github, pull);
  if (!record) throw new Error(`The sandbox has no pull request ${pull.owner}/${pull.repo}#${pull.number}.`);
  return {
    action,
    number: record.number,
    pull_request: pullRequest(github.url, record, { issue: 0, review: 0 }),
    repository: repository(github.url, record.owner, record.repo, record.createdAt),
    sender: user(github.url, record.author, record.authorType),
    ...(action === "synchronize"
      ? { before: record.earlierHeads.at(-1) ?? record.baseSha, after: record.headSha }
      : {}),
  };
}

/** The event by which Stripe says that a seeded customer leaves: the same one, however often it is asked for. */
export function stripeEvent(stripe: StripeSandbox, customer: ScenarioCustomer): StripeObject {
  const object = stripe.state.subscriptions.find(({ id }) => id === customer.subscription);
  if (!object) throw new Error(`The sandbox has no subscription ${customer.subscription}.`);
  const id = `evt_${customer.subscription.replace(/^sub_/, "")}`;
  const earlier = stripe.state.events.find((event) => event.id === id);
  if (earlier) return earlier;
  return customer.leaves === "ended"
    ? stripe.addEvent({ id, type: "customer.subscription.deleted", object })
    : stripe.addEvent({
        id,
        type: "customer.subscription.updated",
        object,
        previous: {
          cancel_at_period_end: false,
          canceled_at: null,
          cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
        },
      });
}
