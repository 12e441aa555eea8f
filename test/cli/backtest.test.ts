import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emailTriage } from "../../agents/email-triage/agent.ts";
import { backtest } from "../../src/cli/backtest.ts";
import type { BacktestOptions } from "../../src/cli/backtest.ts";
import type { Backtest } from "../../src/cli/backtest-report.ts";
import { evaluate } from "../../src/cli/eval.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { contextIn } from "../support/cli-context.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line } from "../support/line.ts";
import { messageWith, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import { temporaryFolder } from "../support/program.ts";

const config = (enabled: boolean) => `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
models: { main: { provider: anthropic, model: claude-sonnet-5-5, apiKey: "\${MODEL_KEY:-}" } }
sources: { github: { type: github, secrets: ["\${GITHUB_SECRET}"] } }
routes: [{ name: all, source: github, events: ["message.*"], agent: email-triage, mode: review, enabled: ${enabled} }]
`;
const mail = (subject: string, snippet: string) => ({
  messageId: `<${subject.length}@mail.example>`,
  from: { name: "Robin Field", address: "robin@stranger.example" },
  subject,
  snippet,
});
/** As the service works with it: with the policy of its prompt file. */
const agent: AgentDefinition = {
  ...(emailTriage as AgentDefinition),
  flow: (kit) => emailTriage.flow({ ...kit, policy: emailTriage.policy.parse({}) }),
};

let place: { folder: string; remove(): void };
let line: Line;
let server: ModelServer;
const zendesk = recordingExecutor();
const at = (...names: string[]) => join(place.folder, ...names);

beforeAll(async () => {
  place = temporaryFolder();
  server = await startModelServer();
  mkdirSync(at("data"));
  writeFileSync(at("signalbox.yaml"), config(true));
  line = openLine({ agent, mode: "review", executors: { "zendesk.ticket": zendesk } }, undefined, at("data"));
  line.start();
  for (const [subject, text] of [
    ["Export", "The export shows an error."],
    ["Pricing", "What is the pricing for 20 seats?"],
    ["Odd", "Nothing that any rule knows."],
  ] as const) {
    const run = await line.receive(mail(subject, text), { type: "message.received" });
    await line.until(run, "awaiting_review");
  }
});
afterAll(async () => {
  await line.close(true);
  await server.close();
  place.remove();
});

const contextFor = ({
  key = "",
  json = true,
  agrees,
}: { key?: string; json?: boolean; agrees?: boolean } = {}) =>
  contextIn(place.folder, {
    json,
    env: {
      MODEL_KEY: key,
      GITHUB_SECRET: "a-secret-of-some-length",
      ANTHROPIC_BASE_URL: server.url,
      SIGNALBOX_DATA_DIR: "data",
    },
    ...(agrees === undefined ? {} : { agrees }),
  });
async function run(options: Partial<BacktestOptions> = {}, how: Parameters<typeof contextFor>[0] = {}) {
  const { context, output } = contextFor(how);
  await backtest(context, { since: "2020-01-01", limit: "200", ...options });
  return output();
}
const found = async (...given: Parameters<typeof run>) =>
  JSON.parse((await run(...given)).stdout) as Backtest;

const shipped = readFileSync(join("prompts", "email-triage.yaml"), "utf8");
const lead = {
  reason: "Asks for prices.",
  category: "lead",
  urgency: "normal",
  priority: 45,
  sentiment: "neutral",
  language: "en",
  personName: null,
  company: null,
  summary: "Asks for prices.",
  confidence: 0.9,
};
/** What the rules take for a bug becomes billing. */
const edited = shipped
  .replace("[main, fallback]", "[main]")
  .replace(
    /^rules: \[\]$/m,
    "rules: [{ name: exports, if: 'facts.message.subject == \"Export\"', output: { category: billing } }]",
  );

describe("backtest, beside a service that runs", () => {
  test("changes nothing where nothing was edited, and neither acts nor stores anything", async () => {
    const before = {
      effects: zendesk.attempts(),
      events: (await line.reads.events({ limit: 50 })).items.length,
    };
    const result = await found();
    expect(result).toMatchObject({
      events: 3,
      more: false,
      by: "rules",
      notPlayed: [],
      routes: [],
      usage: null,
    });
    expect(result.played.flatMap(({ decision, actions }) => [...decision, ...actions])).toEqual([]);
    expect((await run({}, { json: false })).stdout).toContain("nothing would change.");
    expect({
      effects: zendesk.attempts(),
      events: (await line.reads.events({ limit: 50 })).items.length,
    }).toEqual(before);
  });

  test("shows which decisions and actions an edited prompt would change", async () => {
    writeFileSync(at("edited.yaml"), edited);
    const { played } = await found({ prompt: "edited.yaml" });
    const changed = played.filter(({ decision }) => decision.length > 0);
    expect(changed.map(({ decision, actions }) => ({ decision, actions }))).toEqual([
      {
        decision: [{ field: "category", before: "bug", now: "billing" }],
        actions: [{ name: "ticket", kind: "zendesk.ticket", change: "changed" }],
      },
    ]);
    const { stdout } = await run({ prompt: "edited.yaml" }, { json: false });
    expect(stdout).toContain(
      "3 events, 3 runs played again by the rules: 1 decision and the actions of 1 run",
    );
    expect(stdout).toContain("category: bug → billing");
    expect(stdout).toContain("~ zendesk.ticket (ticket)");
  });

  test("shows which events other routes would give to an agent, or no longer", async () => {
    writeFileSync(at("other.yaml"), config(false));
    const { context, output } = contextFor();
    await backtest({ ...context, configFile: "other.yaml" }, { since: "2020-01-01", limit: "200" });
    const { routes } = JSON.parse(output().stdout) as Backtest;
    expect(routes.map(({ agent: name, change }) => `${name} ${change}`)).toEqual(
      Array.from({ length: 3 }, () => "email-triage would not start"),
    );
  });

  test("takes the newest events up to the limit, and those of the time asked for", async () => {
    expect(await found({ limit: "2" })).toMatchObject({ events: 2, more: true });
    expect(await found({ until: "2020-01-02" })).toMatchObject({ events: 0, played: [] });
    await expect(run({ since: "yesterday" })).rejects.toMatchObject({ exitCode: 2 });
    await expect(run({ limit: "all" })).rejects.toMatchObject({ exitCode: 2 });
  });

  test("says how many calls and what they may cost before a model is asked, and asks nobody without a yes", async () => {
    const key = "sk-test-key-0123456789";
    await expect(run({}, { key })).rejects.toMatchObject({ exitCode: 2 });
    await expect(run({}, { key, agrees: false })).rejects.toThrow("no model was asked");
    expect(server.requests).toEqual([]);
    const message = messageWith(lead, { input_tokens: 1_000, output_tokens: 100 });
    server.replies.push(...[1, 2, 3].map(() => server.json(message)));
    const { context, output } = contextFor({ key });
    await backtest(context, { since: "2020-01-01", limit: "200", yes: true });
    const { stdout, stderr } = output();
    expect(stderr).toMatch(/3 runs, 3 calls of a model: at most \$\d\.\d\d/);
    const result = JSON.parse(stdout) as Backtest;
    expect(result).toMatchObject({ by: "model", usage: { costUsd: expect.closeTo(0.009, 9) as number } });
    const [pricing] = result.played.filter(({ decision }) => decision.length === 0);
    expect(pricing?.decidedBy).toEqual({ before: "rules", now: "model" });
    expect(
      result.played.filter(({ actions }) => actions.some(({ change }) => change === "added")),
    ).toHaveLength(2);
  });

  test("a faulty prompt is told with its line, an unknown agent as usage", async () => {
    writeFileSync(at("faulty.yaml"), shipped.replace("maxOutputTokens: 1024", "maxOutputTokens: many"));
    await expect(run({ prompt: "faulty.yaml" })).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/faulty\.yaml:\d+/) as string,
    });
    await expect(run({ prompt: "none.yaml" })).rejects.toMatchObject({ exitCode: 2 });
    await expect(run({ agent: "nobody" })).rejects.toMatchObject({ exitCode: 2 });
    await expect(run({ agent: "pr-review", prompt: "edited.yaml" })).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe("cases from reviews", () => {
  const fromReviews = async (json = false) => {
    const { context, output } = contextFor({ json });
    await evaluate(context, undefined, { failures: "5", fromReviews: "cases", since: "2020-01-01" });
    return output();
  };
  const decideAs = (deed: "action.approve" | "action.reject", object: string, more: object) =>
    line.journal.recordDeed(`aud_${object.slice(4)}`, {
      by: "cli",
      address: null,
      deed,
      object,
      reason: null,
      details: null,
      ...more,
    });

  test("without a correction there are none", async () => {
    expect((await fromReviews()).stderr).toContain("No reviewer edited or rejected anything");
  });

  test("hold the facts and what the reviewer made of it, and are never overwritten", async () => {
    const held = (await line.reads.actions({ limit: 50, status: "awaiting_review" })).items;
    const bySubject = (word: string) =>
      held.find(({ kind, input }) => kind === "zendesk.ticket" && JSON.stringify(input).includes(word));
    const [wrong, rejected] = [bySubject("Export"), bySubject("Odd")];
    if (wrong === undefined || rejected === undefined) throw new Error("nothing is held");
    await line.journal.approve(
      wrong.id,
      wrong.hash,
      { ...wrong.input, subject: "Export of reports fails" },
      "cli",
    );
    await decideAs("action.approve", wrong.id, { details: { edited: true } });
    await line.journal.reject(rejected.id, "this is spam", "cli");
    await decideAs("action.reject", rejected.id, { reason: "this is spam" });

    const { stdout, stderr } = await fromReviews();
    expect(stdout.match(/^wrote/gm)).toHaveLength(2);
    expect(stderr.replace(/\s+/g, " ")).toContain("names, addresses and texts of people");
    const files = readdirSync(at("cases", "email-triage")).filter((name) => name.startsWith("review-"));
    const texts = files.map((name) => readFileSync(at("cases", "email-triage", name), "utf8"));
    expect(statSync(at("cases", "email-triage", files[0] ?? "")).mode & 0o077).toBe(0);
    const edit = texts.find((text) => text.includes("edited zendesk.ticket"));
    expect(edit).toMatch(
      /does:\s+- zendesk\.ticket\n\s+says:\s+- Export of reports fails\n\s+saysNot:|says:\s+- Export of reports fails/,
    );
    expect(edit).toContain("#   category: bug");
    expect(texts.find((text) => text.includes("this is spam"))).toMatch(/doesNot:\s+- zendesk\.ticket/);

    writeFileSync(at("cases", "email-triage", files[0] ?? ""), "cases: [] # mine\n");
    const again = JSON.parse((await fromReviews(true)).stdout) as { written: string[]; kept: string[] };
    expect(again).toMatchObject({ written: [], kept: [expect.anything(), expect.anything()] });
    writeFileSync(at("cases", "email-triage", files[0] ?? ""), texts[0] ?? "");
  });

  test("can be evaluated at once: the rules still fail what was corrected", async () => {
    const { context, output } = contextFor({ json: false });
    const code = await evaluate(context, "email-triage", { failures: "all", cases: "cases", with: "rules" });
    expect(code).toBe(0);
    expect(output().stdout).toMatch(/email-triage +rules +2 +0\.0 %/);
    expect(output().stdout.replace(/\s+/g, " ")).toContain('"Export of reports fails" is said nowhere');
    expect(output().stdout).toContain("zendesk.ticket is planned");
  });
});
