/**
 * Every kind of outward action, and the shape of its input. Agents plan in these shapes, destinations carry them out,
 * an edit by a reviewer passes them again. Nothing outside this list can be done.
 */
import { z } from "zod";

const repository = {
  owner: z.string().min(1),
  repo: z.string().min(1),
  /** The App installation that may act on the repository; looked up where it is missing. */
  installationId: z.number().int().nullable().default(null),
};
const line = z.number().int().positive();
const shortText = z.string().min(1).max(1_000);
const longText = z.string().min(1).max(60_000);
const id = z.string().min(1).max(200);
const email = z.email().max(320);

/** A notice of held actions. `buttons` is the hash that they approve; null leaves them out. */
const reviewNotice = z.strictObject({
  title: z.string().min(1).max(150),
  about: z.array(z.string().min(1).max(1_000)).max(10),
  held: z
    .array(
      z.strictObject({
        action: id,
        text: z.string().min(1).max(500),
        buttons: z.string().max(100).nullable(),
        /** What became of it meanwhile. */
        state: z.string().max(200).nullable(),
      }),
    )
    .min(1)
    .max(20),
  /** Where it is decided: an address, or what to type. */
  where: z.strictObject({ url: z.url().nullable(), text: shortText }),
});
export type ReviewNotice = z.output<typeof reviewNotice>;

export const actionKinds = {
  /** One review with inline comments, always of event COMMENT: an agent never approves and never blocks. */
  "github.review": z.strictObject({
    ...repository,
    number: z.number().int().positive(),
    commitId: z.string().min(7),
    body: longText,
    comments: z
      .array(
        z.strictObject({
          path: z.string().min(1),
          side: z.enum(["LEFT", "RIGHT"]),
          startLine: line.nullable(),
          line,
          body: longText,
        }),
      )
      .max(30),
  }),
  /** A comment on the conversation of an issue or pull request; edited in place when it exists. */
  "github.comment": z.strictObject({
    ...repository,
    number: z.number().int().positive(),
    body: longText,
  }),
  "github.labels": z.strictObject({
    ...repository,
    number: z.number().int().positive(),
    labels: z.array(z.string().min(1).max(50)).min(1).max(10),
  }),
  /** A comment on an issue. */
  "linear.comment": z.strictObject({ issueId: id, body: longText }),
  /** Links a URL to an issue; the same URL on the same issue updates the link. */
  "linear.attachment": z.strictObject({
    issueId: id,
    url: z.url(),
    title: shortText,
    subtitle: z.string().max(1_000),
  }),
  /** Moves an issue to a state. */
  "linear.state": z.strictObject({ issueId: id, stateId: id }),
  /** Creates the contact, or updates the one with this address. */
  "hubspot.contact": z.strictObject({
    email,
    properties: z.partialRecord(
      z.enum(["firstname", "lastname", "company", "phone", "website", "lifecyclestage", "hs_lead_status"]),
      z.string().max(500),
    ),
  }),
  "hubspot.note": z.strictObject({
    contactId: id,
    body: longText,
    at: z.number().int(),
  }),
  "hubspot.task": z.strictObject({
    contactId: id.nullable(),
    subject: shortText,
    body: z.string().max(60_000),
    dueAt: z.number().int(),
    priority: z.enum(["LOW", "MEDIUM", "HIGH"]),
  }),
  "zendesk.ticket": z.strictObject({
    requester: z.strictObject({ email, name: z.string().max(200) }),
    subject: shortText,
    body: longText,
    priority: z.enum(["low", "normal", "high", "urgent"]),
    tags: z.array(z.string().regex(/^[a-z0-9_-]{1,60}$/)).max(20),
  }),
  "zendesk.comment": z.strictObject({
    ticketId: id,
    body: longText,
    public: z.boolean(),
  }),
  "stripe.coupon": z.strictObject({
    percentOff: z.number().positive().max(100),
    durationInMonths: z.number().int().positive().max(36),
    name: z.string().min(1).max(40),
    redeemBy: z.number().int(),
  }),
  /** A single-use code that only this customer can redeem. */
  "stripe.promotion_code": z.strictObject({
    coupon: id,
    customer: id,
    expiresAt: z.number().int(),
  }),
  "slack.message": z.strictObject({ text: z.string().min(1).max(3_000) }),
  /** Tells of held actions; its buttons come back as events. */
  "slack.review": reviewNotice,
  /** Answers the press of a button at the address that came with it: to one person, or by changing the notice. */
  "slack.answer": z.strictObject({ url: z.url(), text: shortText, notice: reviewNotice.nullable() }),
  "email.send": z.strictObject({
    to: email,
    subject: shortText,
    text: longText,
  }),
} as const;

export type ActionKind = keyof typeof actionKinds;
export type ActionInput<K extends ActionKind> = z.output<(typeof actionKinds)[K]>;

export const isActionKind = (kind: string): kind is ActionKind => Object.hasOwn(actionKinds, kind);

export const destinationNames = [
  "hubspot",
  "zendesk",
  "linear",
  "github",
  "stripe",
  "slack",
  "email",
] as const;
export type DestinationName = (typeof destinationNames)[number];

export const isDestination = (name: string): name is DestinationName =>
  (destinationNames as readonly string[]).includes(name);

/** `github.review` → `github`: a kind belongs to the destination that it names. */
export const destinationOf = (kind: ActionKind): DestinationName =>
  destinationNames.find((name) => kind.startsWith(`${name}.`)) ?? "slack";
