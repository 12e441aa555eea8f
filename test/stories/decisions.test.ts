import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packagePrompts } from "../../src/package.ts";
import { deliver, signCustom } from "../../src/sandbox/senders.ts";
import { messageWith, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import { startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources: { desk: { type: custom, secrets: ["\${DESK_SECRET}"], typeField: type } }
models: { main: { provider: anthropic, model: claude-sonnet-5-5 } }
routes: [{ name: mail, source: desk, events: [message.received], agent: email-triage, mode: auto }]
limits: { usdPerDay: 1 }
`;

interface Run {
  readonly id: string;
  readonly status: string;
  readonly decidedBy: string;
  readonly decidedWhy: string;
  readonly decision: { category: string };
  readonly checks: { name: string; passed: boolean; effect: string | null }[];
  readonly steps: { name: string; output: { prompt?: string } }[];
}

let server: ModelServer;
let program: RunningProgram;
beforeAll(async () => {
  server = await startModelServer();
  const { folder } = temporaryFolder();
  mkdirSync(join(folder, "prompts"));
  const rule =
    'rules: [{ name: bank, if: facts.message.from.address.endsWith("@bank.example"), output: { category: billing, confidence: 1 }, always: true }]';
  const shipped = readFileSync(join(packagePrompts, "email-triage.yaml"), "utf8");
  writeFileSync(
    join(folder, "prompts", "email-triage.yaml"),
    shipped
      .replace("models: [main, fallback]", "models: [main]")
      .replace("rules: []", rule)
      .replace("onViolation: clamp", "onViolation: review"),
  );
  program = await startProgram({
    folder,
    config,
    env: { DESK_SECRET: "desk-secret", ANTHROPIC_API_KEY: "key-1", ANTHROPIC_BASE_URL: server.url },
  });
});
afterAll(async () => {
  await program.kill();
  program.remove();
  await server.close();
});

const api = async <T>(path: string): Promise<T> => {
  const answer = await fetch(`${program.adminUrl}${path}`, {
    headers: { authorization: `Bearer ${program.token}` },
  });
  return (path === "/metrics" ? await answer.text() : await answer.json()) as T;
};

/** Sends a mail, and waits until its run is put down. */
async function mail(id: string, from: string): Promise<Run> {
  const payload = {
    type: "message.received",
    id,
    messageId: `<${id}@mail.example>`,
    from: { name: "Robin", address: from },
    subject: "Your invoice",
    snippet: "Could you look at the invoice of last month?",
  };
  const signed = signCustom({
    secret: "desk-secret",
    payload,
    timestamp: Math.floor(Date.now() / 1_000),
    id,
  });
  const { json } = await deliver(`${program.ingestUrl}/webhooks/desk`, signed);
  const { event } = json as { event: string };
  let run: Run | undefined;
  await expect
    .poll(
      async () => {
        const { items } = await api<{ items: Run[] }>(`/api/runs?event=${event}`);
        run = items[0];
        return run?.status;
      },
      { timeout: 60_000, interval: 100 },
    )
    .toMatch(/succeeded|awaiting_review/);
  return api<Run>(`/api/runs/${run?.id ?? ""}`);
}

const unsure = {
  reason: "Hard to say.",
  category: "billing",
  urgency: "normal",
  priority: 40,
  sentiment: "neutral",
  language: "en",
  personName: null,
  company: null,
  summary: "Asks about an invoice.",
  confidence: 0.3,
};

test("a rule before any model, rules in an outage, a doubtful answer held, and a cap: each says so", async () => {
  const ruled = await mail("m1", "accounts@bank.example");
  expect(ruled).toMatchObject({ status: "succeeded", decidedBy: "rules", decision: { category: "billing" } });
  expect(ruled.decidedWhy).toBe('no model has to be asked; rule "bank" of the prompt file holds');
  expect(server.requests).toHaveLength(0);

  // A page of HTML, twice.
  server.replies.push(server.html, server.html);
  const outage = await mail("m2", "robin@stranger.example");
  expect(outage.decidedWhy).toContain(
    "anthropic/claude-sonnet-5-5 (main) was unavailable (it answered something other than a completion; check its base URL)",
  );

  server.replies.push(
    // $0.995 at $10 per million.
    server.json(messageWith(unsure, { input_tokens: 0, output_tokens: 99_500 })),
  );
  const held = await mail("m3", "robin@stranger.example");
  expect(held).toMatchObject({ status: "awaiting_review", decidedBy: "model" });
  expect(held.checks).toContainEqual(
    expect.objectContaining({ name: "confidence", passed: false, effect: "held" }),
  );
  expect(held.steps.find(({ name }) => name === "decide")?.output.prompt).toMatch(/^[0-9a-f]{64}$/);
  const { stdout } = await program.cli("explain", held.id);
  expect(stdout.replace(/\s+/g, " ")).toContain(
    "The check of confidence failed (0.3 for billing: a person sorts it), held for a person.",
  );

  const asked = server.requests.length;
  const capped = await mail("m4", "robin@stranger.example");
  expect(capped).toMatchObject({ decidedBy: "rules" });
  expect(capped.decidedWhy).toMatch(/could cost \$0\.\d+, and \$0\.99\d* of \$1\.00 per day are spent/);
  expect(server.requests).toHaveLength(asked);
  expect(await api<string>("/metrics")).toContain(
    'signalbox_model_caps_total{agent="email-triage",cap="perDay",level="spent"} 1',
  );
  expect(program.stderr()).toContain('"alert":"spend-cap"');
}, 180_000);
