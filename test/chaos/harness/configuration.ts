/** The configuration of the service under test: every source, every destination, the shipped agents. */
import type { Sandbox } from "../../../src/sandbox/index.ts";

export const secrets = {
  github: "chaos-github-secret",
  stripe: "whsec_chaos-stripe-secret",
  outlook: "chaos-client-state",
  shop: "chaos-shop-secret",
  partner: `whsec_${Buffer.from("chaos-partner-secret-of-32-bytes").toString("base64")}`,
  chat: "chaos-slack-secret",
  store: "chaos-shopify-secret",
  crm: "chaos-hubspot-secret",
  desk: "chaos-zendesk-secret",
  issues: "chaos-linear-secret",
} as const;

export const pushAccount = "push@chaos-project.iam.gserviceaccount.com";
export const publicPath = (source: string): string => `/webhooks/${source}`;

/** `publicUrl` stays the same over all restarts; `retention` short, so that content is erased while it all goes on. */
export const configurationText = (publicUrl: string, retention: string): string => `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0, publicUrl: "${publicUrl}" }
sources:
  github: { type: github, secrets: ["\${GITHUB_SECRET}"] }
  stripe:
    type: stripe
    secrets: ["\${STRIPE_SECRET}"]
    healing: { apiKey: "\${TOKEN}", baseUrl: "\${STRIPE_API_URL}" }
  inbox:
    type: gmail
    account: support@example.com
    audience: "${publicUrl}${publicPath("inbox")}"
    pushServiceAccount: ${pushAccount}
    credentials: "\${GMAIL_CREDENTIALS}"
    baseUrl: "\${GMAIL_API_URL}"
    keySetUrl: "\${GOOGLE_KEY_SET_URL}"
  outlook:
    type: outlook
    account: support@example.com
    secrets: ["\${OUTLOOK_SECRET}"]
    credentials: "\${OUTLOOK_CREDENTIALS}"
    baseUrl: "\${GRAPH_URL}"
    tokenUrl: "\${GRAPH_TOKEN_URL}"
  shop: { type: custom, secrets: ["\${SHOP_SECRET}"] }
  partner: { type: standard-webhooks, secrets: ["\${PARTNER_SECRET}"] }
  chat: { type: slack, secrets: ["\${CHAT_SECRET}"] }
  store: { type: shopify, secrets: ["\${STORE_SECRET}"] }
  crm: { type: hubspot, secrets: ["\${CRM_SECRET}"] }
  desk: { type: zendesk, secrets: ["\${DESK_SECRET}"] }
  issues: { type: linear, secrets: ["\${ISSUES_SECRET}"] }
routes:
  - name: review
    source: github
    events: ["pull_request.*"]
    match: { pull_request: { draft: { $ne: true } } }
    agent: pr-review
    mode: auto
    concurrency: { key: "payload.repository.full_name + '#' + string(payload.pull_request.number)" }
  - { name: shop, source: shop, events: ["pull_request.*"], agent: pr-review, mode: dry-run }
  - { name: partner, source: partner, events: ["pull_request.*"], agent: pr-review, mode: auto }
  - { name: triage, source: inbox, events: [message.received], agent: email-triage, mode: auto }
  - { name: triage-held, source: outlook, events: [message.received], agent: email-triage, mode: review }
  - name: save
    source: stripe
    events: ["customer.subscription.*"]
    agent: churn-intervention
    mode: auto
    concurrency: { key: payload.data.object.customer }
models:
  main: { provider: anthropic, model: claude-sonnet-5-5, timeout: 10s }
  fallback: { provider: openai, model: gpt-4o, timeout: 10s }
destinations:
  hubspot: { token: "\${TOKEN}", baseUrl: "\${HUBSPOT_API_URL}" }
  zendesk: { subdomain: acme, email: agent@example.com, token: "\${TOKEN}", baseUrl: "\${ZENDESK_API_URL}",
             rateLimit: 700/1m }
  linear: { apiKey: "\${TOKEN}", baseUrl: "\${LINEAR_API_URL}" }
  github: { token: "\${TOKEN}", baseUrl: "\${GITHUB_API_URL}" }
  stripe: { apiKey: "\${TOKEN}", baseUrl: "\${STRIPE_API_URL}" }
  slack: { token: "\${TOKEN}", channel: "#signalbox", baseUrl: "\${SLACK_API_URL}" }
  email: { smtpUrl: "\${SMTP_URL}", from: "Acme <hello@acme.example>" }
alerts: { to: [slack] }
breakers: { failures: 5, openFor: 1s }
healing: { every: 1m }
retention: { events: ${retention} }
worker: { concurrency: 12 }
`;

export const environmentFor = (sandbox: Sandbox): Record<string, string> => ({
  GITHUB_SECRET: secrets.github,
  STRIPE_SECRET: secrets.stripe,
  OUTLOOK_SECRET: secrets.outlook,
  SHOP_SECRET: secrets.shop,
  PARTNER_SECRET: secrets.partner,
  CHAT_SECRET: secrets.chat,
  STORE_SECRET: secrets.store,
  CRM_SECRET: secrets.crm,
  DESK_SECRET: secrets.desk,
  ISSUES_SECRET: secrets.issues,
  TOKEN: "chaos-token",
  GMAIL_CREDENTIALS: sandbox.google.credentials(),
  GMAIL_API_URL: sandbox.google.url,
  GOOGLE_KEY_SET_URL: sandbox.google.jwksUrl,
  OUTLOOK_CREDENTIALS: sandbox.graph.credentials(),
  GRAPH_URL: sandbox.graph.baseUrl,
  GRAPH_TOKEN_URL: sandbox.graph.tokenUrl,
  HUBSPOT_API_URL: sandbox.hubspot.url,
  ZENDESK_API_URL: sandbox.zendesk.url,
  LINEAR_API_URL: sandbox.linear.url,
  GITHUB_API_URL: sandbox.github.url,
  STRIPE_API_URL: sandbox.stripe.url,
  SLACK_API_URL: sandbox.slack.url,
  SMTP_URL: sandbox.smtp.url,
  ANTHROPIC_API_KEY: "chaos",
  ANTHROPIC_BASE_URL: sandbox.anthropic.baseUrl,
  OPENAI_API_KEY: "chaos",
  OPENAI_BASE_URL: sandbox.openai.baseUrl,
});
