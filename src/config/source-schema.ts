/** The shape of an entry under `sources:`, one per type of provider. */
import { z } from "zod";
import { checkCustomScheme, customScheme } from "./custom-scheme.ts";
import { githubHealing, stripeHealing } from "./healing.ts";
import { baseUrl, day, exactUrl, optionalText, optionalUrl, secret, size } from "./scalars.ts";

const datedSecret = z.strictObject({
  value: secret().describe("The secret itself, as ${NAME}."),
  added: day
    .optional()
    .describe("Since when it is in use: 2026-01-31. After 180 days doctor asks for a new one."),
  expires: day
    .optional()
    .describe("From when on it is not used any more: 2026-12-31 (00:00 UTC). Default: never."),
});

/** Empty entries stay in the list, so that every secret keeps its number; whoever uses them drops them. */
const signingSecrets = z
  .array(z.union([secret(), datedSecret]))
  .min(1, "needs at least one secret")
  .describe(
    "Signing secrets, as ${NAME}, or { value, added, expires }. Several while you rotate; empty ones are dropped. None left: inactive.",
  );

/** A shared secret, or the public key of a sender that signs with its private one. Empty is unset. */
const isStandardKey = (text: string): boolean => {
  const [, kind, base64 = ""] = /^(whsec_|whpk_|)([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  return kind === "whpk_" ? Buffer.from(base64, "base64").length === 32 : base64.length > 1;
};
const standardSecrets = signingSecrets.superRefine((entries, context) => {
  for (const [index, entry] of entries.entries()) {
    const isText = typeof entry === "string";
    const value = isText ? entry : entry.value;
    if (value.trim() === "" || isStandardKey(value)) continue;
    context.addIssue({
      code: "custom",
      path: isText ? [index] : [index, "value"],
      message:
        "must be `whsec_` and base64 (a shared secret), or `whpk_` and 32 bytes in base64 (a public key)",
    });
  }
});

/** What every source may ask of its senders beyond their signature. */
const reception = {
  allowFrom: z
    .array(z.string())
    .min(1, "needs at least one entry; leave it out to let everyone try")
    .optional()
    .describe(
      "Who may send: github, stripe, linear, a list of server.addressLists, addresses or networks (10.0.0.0/8). Default: everyone.",
    ),
  requireHttps: z
    .boolean()
    .optional()
    .describe("Refuse requests that did not come over HTTPS. Default: as under server."),
  maxBody: size.optional().describe("Longest body: 512KB, 25MB. Default 1MB; github 25MB."),
};

const sourceTypes = {
  stripe: z.strictObject({
    type: z.literal("stripe").describe("Stripe webhooks."),
    secrets: signingSecrets,
    healing: stripeHealing,
    ...reception,
  }),
  github: z.strictObject({
    type: z.literal("github").describe("GitHub webhooks, of a repository, an organisation or an App."),
    secrets: signingSecrets,
    healing: githubHealing,
    ...reception,
  }),
  gmail: z.strictObject({
    type: z.literal("gmail").describe("A Gmail mailbox, announced by Cloud Pub/Sub push."),
    account: z.string().describe("The mailbox, such as support@acme.example."),
    audience: z
      .string()
      .describe("The audience set on the push subscription; usually this source's public URL."),
    pushServiceAccount: z
      .string()
      .describe("E-mail address of the service account that Pub/Sub signs its pushes with. Unset: inactive."),
    credentials: secret().describe(
      "Google credentials that may read the mailbox, as ${NAME}. Unset: inactive.",
    ),
    topic: optionalText.describe(
      "Pub/Sub topic that Gmail is told to notify, renewed daily: projects/NAME/topics/NAME. Unset: the watch is yours to renew.",
    ),
    baseUrl,
    keySetUrl: optionalUrl.describe(
      "Where the keys are that Google signs pushes with. Default: Google's own.",
    ),
    jwksUrl: optionalUrl.describe("Another name for keySetUrl."),
    ...reception,
  }),
  outlook: z.strictObject({
    type: z.literal("outlook").describe("An Outlook mailbox, announced by Microsoft Graph."),
    account: z.string().describe("The mailbox, such as support@acme.example."),
    secrets: signingSecrets.describe(
      "Secrets of your choice, at most 128 characters each, that Graph sends along as clientState, as ${NAME}. New subscriptions take the first, all are accepted. None left: inactive.",
    ),
    credentials: secret().describe(
      "JSON with tenant, client_id and client_secret of an app that may read the mailbox (Mail.Read), as ${NAME}. Unset: inactive.",
    ),
    baseUrl: optionalUrl.describe(
      "Where Graph is, its version included. Default https://graph.microsoft.com/v1.0.",
    ),
    tokenUrl: optionalUrl.describe("Where access tokens are had. Default: Microsoft's, for the tenant."),
    ...reception,
  }),
  hubspot: z.strictObject({
    type: z.literal("hubspot").describe("HubSpot webhooks of an app, with version 3 of the signature."),
    secrets: signingSecrets,
    url: exactUrl.describe(
      "The target URL exactly as it stands in the app: HubSpot signs it. Default: server.publicUrl and the request's path and query.",
    ),
    ...reception,
  }),
  zendesk: z.strictObject({
    type: z.literal("zendesk").describe("Zendesk webhooks, subscribed to events or called by triggers."),
    secrets: signingSecrets,
    ...reception,
  }),
  linear: z.strictObject({
    type: z.literal("linear").describe("Linear webhooks."),
    secrets: signingSecrets,
    ...reception,
  }),
  shopify: z.strictObject({
    type: z.literal("shopify").describe("Shopify webhooks and Events, of an app or of one shop."),
    secrets: signingSecrets,
    ...reception,
  }),
  slack: z.strictObject({
    type: z.literal("slack").describe("A Slack app: events, clicks and dialogs, slash commands."),
    secrets: signingSecrets,
    ...reception,
  }),
  "standard-webhooks": z.strictObject({
    type: z
      .literal("standard-webhooks")
      .describe("Any sender of Standard Webhooks (webhook-* headers), Svix among them (svix-*)."),
    secrets: standardSecrets.describe(
      "Shared secrets (whsec_…) or the sender's public keys (whpk_…, ed25519), as ${NAME}, or { value, added, expires }. Several while you rotate; empty ones are dropped. None left: inactive.",
    ),
    ...reception,
  }),
  custom: z
    .strictObject({
      type: z
        .literal("custom")
        .describe("Your own code, n8n, Zapier: whatever signs with HMAC-SHA256. See docs/custom-source.md."),
      secrets: signingSecrets,
      ...customScheme,
      ...reception,
    })
    .superRefine(checkCustomScheme),
} as const;

/** The fields that must all be set for a source to be active. */
export const sourceCredentials: Readonly<Record<keyof typeof sourceTypes, readonly string[]>> = {
  stripe: ["secrets"],
  github: ["secrets"],
  gmail: ["pushServiceAccount", "credentials"],
  outlook: ["secrets", "credentials"],
  hubspot: ["secrets"],
  zendesk: ["secrets"],
  linear: ["secrets"],
  shopify: ["secrets"],
  slack: ["secrets"],
  "standard-webhooks": ["secrets"],
  custom: ["secrets"],
};

export const source = z.discriminatedUnion("type", [
  sourceTypes.stripe,
  sourceTypes.github,
  sourceTypes.gmail,
  sourceTypes.outlook,
  sourceTypes.hubspot,
  sourceTypes.zendesk,
  sourceTypes.linear,
  sourceTypes.shopify,
  sourceTypes.slack,
  sourceTypes["standard-webhooks"],
  sourceTypes.custom,
]);

export type SourceConfig = z.output<typeof source>;
