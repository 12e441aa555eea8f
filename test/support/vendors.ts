/**
 * The other side: each vendor's webhook as its own documentation describes it, made and signed here without a line of
 * src/, so that a mistake which the sources and the sandbox share does not pass for an agreement.
 */
import { createHmac, generateKeyPairSync, sign } from "node:crypto";

export interface Vendor {
  /** The name of the source, as in the commented signalbox.yaml. */
  readonly name: string;
  /** Its entry under `sources:`, as the documentation writes it. */
  readonly source: string;
  /** What its variables are set to. */
  readonly env: Readonly<Record<string, string>>;
  /** The type of event that `body` is of. */
  readonly type: string;
  /** Events in one body. */
  readonly events: number;
  /** A capture is refused for its age. */
  readonly signsTime: boolean;
  /** The signature covers the body. */
  readonly signsBody: boolean;
  /** What a stored event is acknowledged with. */
  readonly accepted: number;
  /** A body of number `n`, sent at `at` (milliseconds since the epoch). */
  body(n: number, at: number): string;
  /** Its headers. `n` numbers the delivery. */
  headers(body: Buffer, n: number, at: number): Record<string, string>;
}

const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };
const mac = (key: string | Buffer, encoding: "hex" | "base64", ...parts: (string | Buffer)[]): string => {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest(encoding);
};
const seconds = (at: number): string => String(Math.floor(at / 1000));
const usual = { events: 1, signsTime: true, signsBody: true, accepted: 200 };

/** https://docs.stripe.com/webhooks#verify-manually */
const stripe: Vendor = {
  ...usual,
  name: "stripe",
  source: `{ type: stripe, secrets: ["\${STRIPE_WEBHOOK_SECRET}"] }`,
  env: { STRIPE_WEBHOOK_SECRET: "whsec_walk" },
  type: "customer.subscription.deleted",
  body: (n, at) =>
    JSON.stringify(
      {
        id: `evt_1Walk${n}`,
        object: "event",
        api_version: "2026-10-28.endive",
        created: Number(seconds(at)),
        data: { object: { id: `sub_${n}`, object: "subscription", customer: `cus_${n}` } },
        livemode: false,
        type: "customer.subscription.deleted",
      },
      null,
      2,
    ),
  headers: (body, _, at) => ({
    ...json,
    "Stripe-Signature": `t=${seconds(at)},v1=${mac("whsec_walk", "hex", `${seconds(at)}.`, body)},v0=${"0".repeat(64)}`,
  }),
};

/** https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries */
const github: Vendor = {
  ...usual,
  name: "github",
  source: `{ type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] }`,
  env: { GITHUB_WEBHOOK_SECRET: "It's a Secret to Everybody" },
  type: "issues.opened",
  signsTime: false,
  body: (n) => JSON.stringify({ action: "opened", issue: { number: n, title: "Grüße 🎈" } }),
  headers: (body, n) => ({
    ...json,
    "X-GitHub-Event": "issues",
    "X-GitHub-Delivery": `72d3162e-cc78-11e3-81ab-4c9367dc0${String(n).padStart(3, "0")}`,
    "X-GitHub-Hook-ID": "292430182",
    "X-Hub-Signature": `sha1=${createHmac("sha1", "It's a Secret to Everybody").update(body).digest("hex")}`,
    "X-Hub-Signature-256": `sha256=${mac("It's a Secret to Everybody", "hex", body)}`,
  }),
};

/** https://shopify.dev/docs/apps/build/webhooks/verify-deliveries, and …/build/events/… with the newer names */
const shopify = (family: "webhooks" | "events"): Vendor => {
  const prefix = family === "events" ? "shopify-" : "X-Shopify-";
  const [name, variable] =
    family === "events" ? ["store-events", "SHOPIFY_EVENTS_SECRET"] : ["store", "SHOPIFY_CLIENT_SECRET"];
  return {
    ...usual,
    name,
    source: `{ type: shopify, secrets: ["\${${variable}}"] }`,
    env: { [variable]: `shpss_${family}` },
    type: "orders/create",
    signsTime: false,
    body: (n) => JSON.stringify({ id: n, updated_at: "2026-01-02T03:59:58-05:00" }),
    headers: (body, n) => ({
      ...json,
      [`${prefix}Topic`]: "orders/create",
      [`${prefix}Shop-Domain`]: "acme.myshopify.com",
      [`${prefix}API-Version`]: "2026-07",
      [`${prefix}Webhook-Id`]: `b54557e4-bdd9-4b37-8a5f-${n}`,
      [`${prefix}Event-Id`]: `98880550-7158-44d4-b7cd-${n}`,
      [`${prefix}Triggered-At`]: "2026-01-02T09:00:00.123456789Z",
      [`${prefix}Hmac-Sha256`]: mac(`shpss_${family}`, "base64", body),
    }),
  };
};

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
const slackHeaders = (secret: string, body: Buffer, at: number): Record<string, string> => ({
  "X-Slack-Request-Timestamp": seconds(at),
  "X-Slack-Signature": `v0=${mac(secret, "hex", `v0:${seconds(at)}:`, body)}`,
});
const slack: Vendor = {
  ...usual,
  name: "chat",
  source: `{ type: slack, secrets: ["\${SLACK_SIGNING_SECRET}"] }`,
  env: { SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5" },
  type: "app_mention",
  body: (n, at) =>
    JSON.stringify({
      token: "z26uFbvR1xHJEdHE1OQiO6t8",
      team_id: "T123ABC456",
      api_app_id: "A123ABC456",
      event: { type: "app_mention", user: "U123ABC456", text: "hello", ts: `${seconds(at)}.000100` },
      type: "event_callback",
      event_id: `Ev123ABC${n}`,
      event_time: Number(seconds(at)),
    }),
  headers: (body, _, at) => ({ ...json, ...slackHeaders("8f742231b10e8888abcd99yyyzzz85a5", body, at) }),
};

/** A click: the same app and address, its JSON in the form field `payload`. https://docs.slack.dev/interactivity/handling-user-interaction */
const slackClick: Vendor = {
  ...slack,
  name: "clicks",
  source: `{ type: slack, secrets: ["\${SLACK_CLICKS_SECRET}"] }`,
  env: { SLACK_CLICKS_SECRET: "clicks-secret" },
  type: "block_actions",
  body: (n, at) =>
    `payload=${encodeURIComponent(
      JSON.stringify({
        type: "block_actions",
        trigger_id: `12321423423.333649436676.${n}`,
        container: { type: "message", message_ts: "1548261231.000200", channel_id: "CBR2V3XEX" },
        actions: [
          {
            action_id: `approve-${n}`,
            block_id: "b",
            value: "yes + no & more",
            type: "button",
            action_ts: `${seconds(at)}.5`,
          },
        ],
      }),
    )}`,
  headers: (body, _, at) => ({ ...form, ...slackHeaders("clicks-secret", body, at) }),
};

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const standard = (version: "v1" | "v1a"): Vendor => {
  const shared = Buffer.from("a shared secret of 24 b.");
  const pair = generateKeyPairSync("ed25519");
  const publicKey = Buffer.from(pair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const [name, variable, value] =
    version === "v1"
      ? ["partner", "PARTNER_WEBHOOK_SECRET", `whsec_${shared.toString("base64")}`]
      : ["partner-a", "PARTNER_PUBLIC_KEY", `whpk_${publicKey.toString("base64")}`];
  return {
    ...usual,
    name,
    source: `{ type: standard-webhooks, secrets: ["\${${variable}}"] }`,
    env: { [variable]: value },
    type: "contact.created",
    body: (n) => JSON.stringify({ type: "contact.created", timestamp: "2026-01-02T03:04:05Z", data: { n } }),
    headers: (body, n, at) => {
      const signed = Buffer.concat([Buffer.from(`msg_${n}.${seconds(at)}.`), body]);
      const signature =
        version === "v1"
          ? mac(shared, "base64", signed)
          : sign(null, signed, pair.privateKey).toString("base64");
      return {
        ...json,
        "webhook-id": `msg_${n}`,
        "webhook-timestamp": seconds(at),
        "webhook-signature": `v1,${Buffer.alloc(32).toString("base64")} ${version},${signature}`,
      };
    },
  };
};

/** What `server.publicUrl` has to be for HubSpot. */
export const publicUrl = "https://hooks.acme.example";

/** https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation */
const hubspot: Vendor = {
  ...usual,
  name: "crm",
  source: `{ type: hubspot, secrets: ["\${HUBSPOT_CLIENT_SECRET}"] }`,
  env: { HUBSPOT_CLIENT_SECRET: "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy" },
  type: "contact.creation",
  events: 3,
  body: (n, at) =>
    JSON.stringify(
      [1, 2, 3].map((part) => ({
        eventId: n * 10 + part,
        subscriptionId: 12_345,
        portalId: 62_515,
        occurredAt: at - (at % 1000),
        subscriptionType: "contact.creation",
        attemptNumber: 0,
        objectId: 123 + part,
        changeSource: "CRM",
        changeFlag: "NEW",
        appId: 54_321,
      })),
    ),
  headers: (body, _, at) => ({
    ...json,
    "X-HubSpot-Request-Timestamp": String(at),
    "X-HubSpot-Signature-Version": "v1",
    "X-HubSpot-Signature-v3": mac(
      "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
      "base64",
      `POST${publicUrl}/webhooks/crm`,
      body,
      String(at),
    ),
  }),
};

/** https://developer.zendesk.com/documentation/webhooks/verifying/ */
const zendesk: Vendor = {
  ...usual,
  name: "desk",
  source: `{ type: zendesk, secrets: ["\${ZENDESK_WEBHOOK_SECRET}"] }`,
  env: { ZENDESK_WEBHOOK_SECRET: "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==" },
  type: "ticket.created",
  body: (n) =>
    JSON.stringify({
      account_id: 22_129_848,
      id: `cbe4028c-7239-495d-b020-${n}`,
      type: "zen:event-type:ticket.created",
      subject: `zen:ticket:${n}`,
      time: "2026-01-02T03:04:05.123Z",
      zendesk_event_version: "2022-11-06",
      event: {},
      detail: { id: String(n), status: "OPEN" },
    }),
  headers: (body, n, at) => {
    const time = `${new Date(at).toISOString().slice(0, 19)}Z`;
    return {
      ...json,
      "X-Zendesk-Webhook-Id": "01GDXWTNYTQZ0AH6ZYCSD2Z6Y5",
      "X-Zendesk-Webhook-Invocation-Id": `01K-${n}`,
      "X-Zendesk-Webhook-Signature-Timestamp": time,
      "X-Zendesk-Webhook-Signature": mac(
        "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
        "base64",
        time,
        body,
      ),
    };
  },
};

/** https://linear.app/developers/webhooks#securing-webhooks */
const linear: Vendor = {
  ...usual,
  name: "issues",
  source: `{ type: linear, secrets: ["\${LINEAR_WEBHOOK_SECRET}"] }`,
  env: { LINEAR_WEBHOOK_SECRET: "lin_wh_walk" },
  type: "Issue.create",
  body: (n, at) =>
    JSON.stringify({
      action: "create",
      type: "Issue",
      createdAt: "2026-01-02T03:04:05.123Z",
      data: { id: `2174add1-f7c8-44e3-bbf3-${n}`, title: "Crash" },
      url: "https://linear.app/acme/issue/ENG-1",
      webhookTimestamp: at,
      webhookId: "000042e3-d123-4980-b49f-8e140eef9329",
    }),
  headers: (body, n) => ({
    ...json,
    "Linear-Delivery": `234d1a4e-b617-4388-90fe-${n}`,
    "Linear-Event": "Issue",
    "Linear-Signature": mac("lin_wh_walk", "hex", body),
  }),
};

/** docs/custom-source.md, "Send events from your own code" */
const custom: Vendor = {
  ...usual,
  name: "shop",
  source: `{ type: custom, secrets: ["\${SHOP_WEBHOOK_SECRET}"] }`,
  env: { SHOP_WEBHOOK_SECRET: "6c0d" },
  type: "order.created",
  body: (n) => JSON.stringify({ type: "order.created", order: n }),
  headers: (body, n, at) => ({
    "X-Event-ID": `order-${n}`,
    "X-Timestamp": seconds(at),
    "X-Signature": `sha256=${mac("6c0d", "hex", `order-${n}.${seconds(at)}.`, body)}`,
  }),
};

/** docs/custom-source.md, "A sender that signs otherwise": the bare body, as many a sender does */
const bare: Vendor = {
  ...usual,
  name: "legacy",
  source: `{ type: custom, secrets: ["\${LEGACY_WEBHOOK_SECRET}"], idHeader: X-Acme-Delivery, typeHeader: X-Acme-Topic,
            signature: { header: X-Acme-Hmac, prefix: "", encoding: hex, construction: "{body}" } }`,
  env: { LEGACY_WEBHOOK_SECRET: "legacy" },
  type: "stock.low",
  signsTime: false,
  body: (n) => JSON.stringify({ article: n }),
  headers: (body, n) => ({
    ...json,
    "X-Acme-Delivery": `d-${n}`,
    "X-Acme-Topic": "stock.low",
    "X-Acme-Hmac": mac("legacy", "hex", body),
  }),
};

/** https://learn.microsoft.com/graph/change-notifications-delivery-webhooks: two items in one POST, `clientState` in each */
const outlook: Vendor = {
  ...usual,
  name: "outlook",
  source: `{ type: outlook, account: support@example.com, secrets: ["\${OUTLOOK_CLIENT_STATE}"],
            credentials: "\${OUTLOOK_CREDENTIALS}", baseUrl: "\${GRAPH_URL}/v1.0", tokenUrl: "\${GRAPH_URL}/token" }`,
  env: {
    OUTLOOK_CLIENT_STATE: "SecretClientState",
    OUTLOOK_CREDENTIALS: '{"tenant":"t","client_id":"c","client_secret":"s"}',
  },
  type: "created",
  events: 2,
  signsTime: false,
  signsBody: false,
  accepted: 202,
  body: (n) =>
    JSON.stringify({
      value: [1, 2].map((part) => ({
        subscriptionId: "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        subscriptionExpirationDateTime: "2026-11-20T18:23:45.9356913Z",
        clientState: "SecretClientState",
        changeType: "created",
        resource: `Users/u/Messages/${n}${part}`,
        tenantId: "84bd8158-6d4d-4958-8b9f-9d6445542f95",
        resourceData: {
          "@odata.type": "#Microsoft.Graph.Message",
          "@odata.id": `Users/u/Messages/${n}${part}`,
          "@odata.etag": `W/"${n}${part}"`,
          id: `${n}${part}`,
        },
      })),
    }),
  headers: () => json,
};

/** https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions; the token is `token`'s to make */
export const gmail = (token: string): Vendor => ({
  ...usual,
  name: "inbox",
  source: `{ type: gmail, account: support@example.com, audience: ${publicUrl}/webhooks/inbox,
            pushServiceAccount: "\${PUBSUB_SERVICE_ACCOUNT}", credentials: "\${GMAIL_CREDENTIALS}",
            baseUrl: "\${GOOGLE_URL}", keySetUrl: "\${GOOGLE_URL}/oauth2/v3/certs" }`,
  env: { PUBSUB_SERVICE_ACCOUNT: "push@acme.iam.gserviceaccount.com", GMAIL_CREDENTIALS: "token-0" },
  type: "notification",
  signsTime: false,
  signsBody: false,
  body: (n) =>
    JSON.stringify({
      message: {
        data: Buffer.from(`{"emailAddress":"support@example.com","historyId":${n}}`).toString("base64"),
        messageId: `20704436013115${n}`,
        message_id: `20704436013115${n}`,
        publishTime: "2026-01-02T14:00:00.123Z",
        publish_time: "2026-01-02T14:00:00.123Z",
      },
      subscription: "projects/acme/subscriptions/gmail",
    }),
  headers: () => ({ ...json, Authorization: `Bearer ${token}` }),
});

/** All that need nothing of their own started. */
export const vendors: readonly Vendor[] = [
  stripe,
  github,
  shopify("webhooks"),
  shopify("events"),
  slack,
  slackClick,
  standard("v1"),
  standard("v1a"),
  hubspot,
  zendesk,
  linear,
  custom,
  bare,
  outlook,
];
