/**
 * The real program is killed with SIGKILL again and again, each time at the moment when a vendor has received one of
 * its requests and before it is answered: so at every kind of step, with effects that took place and answers that never
 * came. What every sender was told 200 for has to be there in the end, and no vendor may have anything twice.
 */
import { afterEach, describe, expect, it } from "vitest";
import { scenesOf } from "../../src/cli/demo-scenes.ts";
import type { Scene, SceneStage } from "../../src/cli/demo-scenes.ts";
import { startSandbox } from "../../src/sandbox/index.ts";
import type { Sandbox } from "../../src/sandbox/index.ts";
import { startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const secrets = { githubSecret: "chaos-github-secret", stripeSecret: "whsec_chaos-stripe-secret" };
/** A kill at every so many requests: no divisor of what one run sends, so that the kills wander over the steps. */
const killEvery = 5;
const rounds = 2;

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources:
  github: { type: github, secrets: ["\${GITHUB_SECRET}"] }
  stripe: { type: stripe, secrets: ["\${STRIPE_SECRET}"] }
  inbox:
    type: gmail
    account: support@example.com
    audience: http://localhost:8080/webhooks/inbox
    pushServiceAccount: push@demo-project.iam.gserviceaccount.com
    credentials: \${GMAIL_CREDENTIALS}
    baseUrl: "\${GMAIL_API_URL}"
routes:
  - { name: review, source: github, events: ["pull_request.*"], agent: pr-review, mode: auto }
  - { name: triage, source: inbox, events: [message.received], agent: email-triage, mode: auto }
  - { name: save, source: stripe, events: ["customer.subscription.*"], agent: churn-intervention, mode: auto }
models:
  main: { provider: anthropic, model: claude-sonnet-5-5 }
  fallback: { provider: openai, model: gpt-4o }
destinations:
  hubspot: { token: "\${TOKEN}", baseUrl: "\${HUBSPOT_API_URL}" }
  zendesk: { subdomain: acme, email: agent@example.com, token: "\${TOKEN}", baseUrl: "\${ZENDESK_API_URL}" }
  linear: { apiKey: "\${TOKEN}", baseUrl: "\${LINEAR_API_URL}" }
  github: { token: "\${TOKEN}", baseUrl: "\${GITHUB_API_URL}" }
  stripe: { apiKey: "\${TOKEN}", baseUrl: "\${STRIPE_API_URL}" }
  slack: { token: "\${TOKEN}", channel: "#signalbox", baseUrl: "\${SLACK_API_URL}" }
  email: { smtpUrl: "\${SMTP_URL}", from: "Acme <hello@acme.example>" }
alerts: { to: [] }
breakers: { failures: 5, openFor: 1s }
`;

const environmentFor = (sandbox: Sandbox) => ({
  GITHUB_SECRET: secrets.githubSecret,
  STRIPE_SECRET: secrets.stripeSecret,
  TOKEN: "chaos-token",
  GMAIL_CREDENTIALS: sandbox.google.credentials(),
  GMAIL_API_URL: sandbox.google.url,
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

interface Row {
  readonly id: string;
  readonly status: string;
  readonly kind: string;
  readonly source: string;
  readonly providerId: string;
}

describe("kill -9 at every step", () => {
  let sandbox: Sandbox | undefined;
  let program: RunningProgram | undefined;
  const { folder, remove } = temporaryFolder();
  afterEach(async () => {
    await program?.kill();
    await sandbox?.close();
    remove();
  });

  async function all(path: string): Promise<Row[]> {
    const rows: Row[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const answer: Response = await fetch(
        `${program?.adminUrl}${path}?limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`,
        {
          headers: { Authorization: `Bearer ${program?.token}` },
        },
      );
      const page = (await answer.json()) as { items: Row[]; next: string | null };
      rows.push(...page.items);
      cursor = page.next;
    }
    return rows;
  }

  it("loses nothing that was acknowledged, and does nothing twice", async () => {
    const vendors = await startSandbox();
    sandbox = vendors;
    const start = () => startProgram({ config, env: environmentFor(vendors), folder });

    let requests = 0;
    let kills = 0;
    let dying: Promise<void> | null = null;
    const onRequest = ({ method }: { readonly method: string }): boolean => {
      if (method === "GET" || dying) return false;
      requests += 1;
      if (requests % killEvery === 0) {
        kills += 1;
        dying = program?.kill() ?? null;
      }
      return false;
    };
    for (const vendor of [
      vendors.github,
      vendors.linear,
      vendors.hubspot,
      vendors.zendesk,
      vendors.stripe,
      vendors.slack,
    ]) {
      vendor.faults.stall({ times: Number.POSITIVE_INFINITY, when: onRequest });
    }
    const revive = async () => {
      await dying;
      program = await start();
      dying = null;
    };

    program = await start();
    const stage: SceneStage = {
      sandbox: vendors,
      record: secrets,
      ingestUrl: () => program?.ingestUrl ?? "",
    };
    const acknowledged: { source: string; providerId: string }[] = [];
    /** As providers do: what is not acknowledged is sent again. */
    const deliver = async (scene: Scene) => {
      for (let attempt = 0; attempt < 20; attempt += 1) {
        if (dying) await revive();
        try {
          acknowledged.push(await scene.play(1));
          return;
        } catch (error) {
          if (!dying) throw error;
        }
      }
      throw new Error("an event was never acknowledged");
    };
    for (let round = 0; round < rounds; round += 1) {
      for (const scene of scenesOf(stage, round)) await deliver(scene);
    }

    const atRest = new Set(["succeeded", "cancelled", "rejected", "awaiting_review"]);
    for (let look = 0; look < 600; look += 1) {
      if (dying) await revive();
      const runs = await all("/api/runs").catch(() => null);
      if (runs?.every((run) => atRest.has(run.status))) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }

    const [events, runs, actions] = [
      await all("/api/events"),
      await all("/api/runs"),
      await all("/api/actions"),
    ];
    const stored = events.map((event) => `${event.source} ${event.providerId}`);
    expect(kills).toBeGreaterThan(8);
    expect(
      acknowledged
        .map((sent) => `${sent.source} ${sent.providerId}`)
        .filter((sent) => !stored.includes(sent)),
    ).toEqual([]);
    expect(new Set(stored).size).toBe(stored.length);
    expect(runs.filter((run) => !atRest.has(run.status))).toEqual([]);
    // Only a mail may be left to a person: SMTP can't be asked whether it took one. A HubSpot task of no contact
    // neither, but every task of the scenario has one.
    expect(
      actions
        .filter((action) => action.status === "uncertain")
        .every((action) => action.kind === "email.send"),
    ).toBe(true);
    expect(runs.filter((run) => run.status === "awaiting_review").length).toBeLessThanOrEqual(
      actions.filter((action) => action.status === "uncertain").length,
    );
    const keyed = vendors.effects().filter((effect) => effect.key !== undefined);
    const names = keyed.map((effect) => `${effect.vendor} ${effect.kind} ${effect.target} ${effect.key}`);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(keyed.length).toBeGreaterThan(20);
  }, 300_000);
});
