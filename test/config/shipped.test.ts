import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { renderFaults } from "../../src/config/faults.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { LoadResult } from "../../src/config/load.ts";
import type { Variables } from "../../src/config/variables.ts";
import { agents, good } from "./bench.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

async function shipped(env: Variables): Promise<Extract<LoadResult, { ok: true }>> {
  const result = await loadConfig({ cwd: root, env, agents, now: 0, checkExpression: () => null });
  if (!result.ok) throw new Error(renderFaults(result.faults));
  return result;
}

const complete: Variables = {
  PUBLIC_URL: "https://hooks.acme.example",
  STRIPE_WEBHOOK_SECRET: "a",
  GITHUB_WEBHOOK_SECRET: "b",
  PUBSUB_SERVICE_ACCOUNT: "push@acme.iam.gserviceaccount.com",
  GMAIL_CREDENTIALS: "{}",
  ANTHROPIC_API_KEY: "c",
  OPENAI_API_KEY: "d",
  OPENAI_BASE_URL: "http://127.0.0.1:4010/v1",
  HUBSPOT_TOKEN: "e",
  ZENDESK_EMAIL: "agent@acme.example",
  ZENDESK_TOKEN: "f",
  LINEAR_API_KEY: "g",
  GITHUB_APP_ID: "123",
  GITHUB_PRIVATE_KEY: "-----BEGIN KEY-----\\nabc\\n-----END KEY-----\\n",
  GITHUB_API_URL: "http://127.0.0.1:4011/",
  STRIPE_API_KEY: "h",
  SLACK_BOT_TOKEN: "i",
  SMTP_URL: "smtp://localhost:1025",
};

describe("the configuration that comes with Signalbox", () => {
  it("says which sources are not healed for want of credentials, and takes the ones that are set", async () => {
    const received = { STRIPE_WEBHOOK_SECRET: "a", GITHUB_WEBHOOK_SECRET: "b" };
    const said = (await shipped(received)).warnings.map(({ message }) => message);
    expect(said).toContain(
      "gaps of source stripe are not healed: STRIPE_API_KEY is not set; what can't be delivered to it is lost",
    );
    expect(said).toContain(
      "gaps of source github are not healed: GITHUB_APP_ID, GITHUB_PRIVATE_KEY are not set; what can't be delivered to it is lost",
    );
    const { config } = await shipped(complete);
    expect(config.sources["stripe"]).toMatchObject({ healing: { apiKey: "h" } });
    expect(config.sources["github"]).toMatchObject({ healing: { appId: "123" } });
    expect(config.healing).toEqual({ every: 900_000, reach: 259_200_000 });
  });

  it("starts in an empty environment, and says what each part lacks", async () => {
    const { warnings, idle, config } = await shipped({});
    expect([...idle.sources]).toEqual(["stripe", "github", "inbox"]);
    expect([...idle.destinations]).toEqual([
      "hubspot",
      "zendesk",
      "linear",
      "github",
      "stripe",
      "slack",
      "email",
    ]);
    expect([...idle.models]).toEqual(["main", "fallback"]);
    expect(config.server.port).toBe(8080);
    expect(warnings.map(({ message }) => message)).toMatchInlineSnapshot(`
      [
        "source stripe is inactive: STRIPE_WEBHOOK_SECRET is not set; its requests are answered 503",
        "source github is inactive: GITHUB_WEBHOOK_SECRET is not set; its requests are answered 503",
        "source inbox is inactive: PUBSUB_SERVICE_ACCOUNT, GMAIL_CREDENTIALS are not set; its requests are answered 503",
        "model main is not used: ANTHROPIC_API_KEY is not set; the rules decide",
        "model fallback is not used: OPENAI_API_KEY is not set; the rules decide",
        "destination hubspot is dry-run: HUBSPOT_TOKEN is not set; its actions are recorded, never sent",
        "destination zendesk is dry-run: ZENDESK_EMAIL, ZENDESK_TOKEN are not set; its actions are recorded, never sent",
        "destination linear is dry-run: LINEAR_API_KEY is not set; its actions are recorded, never sent",
        "destination github is dry-run: GITHUB_APP_ID, GITHUB_PRIVATE_KEY are not set; its actions are recorded, never sent",
        "destination stripe is dry-run: STRIPE_API_KEY is not set; its actions are recorded, never sent",
        "destination slack is dry-run: SLACK_BOT_TOKEN is not set; its actions are recorded, never sent; alerts to it are only logged",
        "destination email is dry-run: SMTP_URL is not set; its actions are recorded, never sent",
      ]
    `);
  });

  it("has nothing to warn of when everything is set", async () => {
    const { warnings, idle, config } = await shipped(complete);
    expect(warnings).toEqual([]);
    expect([idle.sources.size, idle.destinations.size, idle.models.size]).toEqual([0, 0, 0]);
    expect(config.sources["stripe"]).toEqual({
      type: "stripe",
      secrets: ["a", ""],
      healing: { apiKey: "h", baseUrl: undefined },
    });
    expect(config.sources["inbox"]).toMatchObject({ audience: "https://hooks.acme.example/webhooks/inbox" });
    expect(config.models["fallback"]).toMatchObject({
      apiKey: "d",
      baseUrl: "http://127.0.0.1:4010/v1",
      timeout: 60_000,
    });
    expect(config.models["main"]?.baseUrl).toBeUndefined();
    expect(config.destinations.github).toMatchObject({
      appId: "123",
      privateKey: "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
      baseUrl: "http://127.0.0.1:4011",
    });
    expect(config.destinations.hubspot?.baseUrl).toBeUndefined();
  });

  it("names every default that it shows as the program has it", async () => {
    const { config } = await shipped({});
    const bare = await loadBare();
    for (const section of ["worker", "breakers", "limits", "retention", "healing"] as const)
      expect(config[section]).toEqual(bare[section]);
    expect(config.alerts.on).toEqual(bare.alerts.on);
    expect({ ...config.server, publicUrl: "" }).toEqual(bare.server);
  });
});

async function loadBare() {
  const { Config } = await import("../../src/config/schema.ts");
  return Config.parse({ version: 1 });
}

describe("the example of the contract", () => {
  const example = `version: 1
server:   { port: 8080, adminPort: 8090, publicUrl: "\${PUBLIC_URL:-}", requireHttps: false, trustProxy: [] }
sources:
  stripe: { type: stripe, secrets: ["\${STRIPE_WEBHOOK_SECRET}", "\${STRIPE_WEBHOOK_SECRET_OLD:-}"] }
  github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] }
  inbox:  { type: gmail, account: support@example.com, audience: "\${PUBLIC_URL}/webhooks/inbox",
            pushServiceAccount: "\${PUBSUB_SERVICE_ACCOUNT}", credentials: "\${GMAIL_CREDENTIALS}" }
models:
  main:     { provider: anthropic, model: "\${MAIN_MODEL:-claude-sonnet-4-5}", timeout: 60s }
  fallback: { provider: openai, model: "\${FALLBACK_MODEL:-gpt-4o}", timeout: 60s }
routes:
  - name: review-pull-requests
    source: github
    events: [pull_request.opened, pull_request.synchronize, pull_request.ready_for_review]
    match: { pull_request: { draft: false } }          # field patterns; or if: a CEL expression
    agent: pr-review
    mode: auto                                          # auto | review | dry-run
    concurrency: { key: "payload.repository.full_name + '#' + string(payload.pull_request.number)", limit: 1, supersede: true }
  - { name: triage-mail, source: inbox, events: [message.received], agent: email-triage, mode: review }
  - { name: save-customers, source: stripe, agent: churn-intervention, mode: review,
      events: [customer.subscription.updated, customer.subscription.deleted] }
destinations:
  hubspot: { token: "\${HUBSPOT_TOKEN}" }
  zendesk: { subdomain: acme, email: "\${ZENDESK_EMAIL}", token: "\${ZENDESK_TOKEN}" }
  linear:  { apiKey: "\${LINEAR_API_KEY}" }
  github:  { appId: "\${GITHUB_APP_ID}", privateKey: "\${GITHUB_PRIVATE_KEY}" }   # or token
  stripe:  { apiKey: "\${STRIPE_API_KEY}" }
  slack:   { token: "\${SLACK_BOT_TOKEN}", channel: "#signalbox" }
  email:   { smtpUrl: "\${SMTP_URL}", from: "Acme <hello@acme.example>" }
alerts:   { to: [slack], on: [dead-letter, breaker-open, source-silent, fallback-rate] }
retention: { events: 30d }
`;

  it("loads in an empty environment and in a full one", async () => {
    const none = await good(example);
    expect([none.idle.sources.size, none.idle.destinations.size, none.idle.models.size]).toEqual([3, 7, 2]);
    const full = await good(example, { env: complete });
    expect(full.warnings).toEqual([]);
    expect(full.config.routes[0]?.concurrency).toEqual({
      key: "payload.repository.full_name + '#' + string(payload.pull_request.number)",
      limit: 1,
      supersede: true,
    });
  });
});
