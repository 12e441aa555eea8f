import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { evaluate } from "../../src/cli/eval.ts";
import type { EvalOptions } from "../../src/cli/eval.ts";
import { Failure } from "../../src/cli/failure.ts";
import { contextIn } from "../support/cli-context.ts";
import { messageWith, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import { temporaryFolder } from "../support/program.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
models:
  main: { provider: anthropic, model: claude-sonnet-5-5, apiKey: "\${MODEL_KEY:-}" }
sources: {}
`;
const defaults = `agent: email-triage
label: category
thresholds: { rules: 0.6, model: 0.6 }
now: "2026-11-25T09:00:00Z"
type: message.received
payload: { messageId: <a@mail.example>, from: { name: Robin, address: robin@stranger.example } }
`;
const cases = `tags: [small]
cases:
  - id: pricing
    payload: { subject: Pricing for 25 seats, snippet: What is the pricing? }
    expect: { category: lead, urgency: [normal, high] }
    does: [hubspot.contact]
  - id: broken-export
    tags: [hard]
    payload: { subject: Export, snippet: The export shows an error. }
    expect: { category: bug }
    doesNot: [hubspot.*]
  - id: lead-without-the-words
    tags: [hard]
    payload: { subject: Hello, snippet: Whom do we talk to about rolling this out to our team? }
    expect: { category: lead }
`;
const lead = {
  reason: "Asks for prices.",
  category: "lead",
  urgency: "normal",
  priority: 50,
  sentiment: "neutral",
  language: "en",
  personName: null,
  company: null,
  summary: "Wants to know, write to dana@secret.example.",
  confidence: 0.9,
};

let server: ModelServer;
let place: { folder: string; remove(): void };
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(() => {
  place = temporaryFolder();
  const folder = join(place.folder, "prompts", "evals", "email-triage");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(place.folder, "signalbox.yaml"), config);
  writeFileSync(join(folder, "defaults.yaml"), defaults);
  writeFileSync(join(folder, "some.yaml"), cases);
  server.requests.length = 0;
  server.replies.length = 0;
});
afterEach(() => place.remove());

const at = (...names: string[]) => join(place.folder, ...names);
/** Every model answers that it is a lead. */
function answering(count: number): void {
  const message = messageWith(lead, { input_tokens: 1_000, output_tokens: 100 });
  server.replies.push(...Array.from({ length: count }, () => server.json(message)));
}
async function run(options: Partial<EvalOptions> = {}, { key = "", json = false } = {}) {
  const { context, output } = contextIn(place.folder, {
    json,
    env: { MODEL_KEY: key, ANTHROPIC_BASE_URL: server.url },
  });
  const code = await evaluate(context, "email-triage", { failures: "5", ...options });
  return { code, ...output() };
}
const failure = async (...given: Parameters<typeof run>): Promise<Failure> => {
  try {
    await run(...given);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
};
interface Shown {
  results: {
    by: string;
    accuracy: number;
    macroF1: number;
    costUsd: number;
    decidedByModel: number;
    comparison: { accuracy: { difference: number }; broken: string[]; mended: string[] } | null;
    answers: { id: string; holds: boolean; faults: string[]; decidedBy: string }[];
  }[];
  agreement: { agreement: number }[];
}
const shown = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as Shown;

describe("eval with rules", () => {
  test("scores the cases beside the configuration, by class and tag, and names what does not hold", async () => {
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/email-triage +rules +3 +66\.7 %/);
    expect(stdout).toMatch(/^lead +100\.0 % +50\.0 % +66\.7 % +2$/m);
    expect(stdout).toContain("hard 50.0 % of 2");
    expect(stdout).toContain('lead-without-the-words: category: "support", not "lead"');
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(server.requests).toEqual([]);
  });

  test("ends with 100 below the threshold, of the cases or of the option, and writes JUnit all the same", async () => {
    const { code } = await run({ threshold: "0.7", junit: join("out", "eval.xml") });
    expect(code).toBe(100);
    const xml = readFileSync(at("out", "eval.xml"), "utf8");
    expect(xml).toContain('<testsuite name="email-triage (rules)" tests="3" failures="1"');
    expect(xml).toContain("category: &quot;support&quot;, not &quot;lead&quot;");
    expect((await run({ threshold: "0.66" })).code).toBe(0);
    expect((await run({ tag: "hard" })).code).toBe(100);
  });

  test("compares with saved results: what was mended and what was broken, with an interval", async () => {
    await run({ saveBaseline: "base.json" });
    const file = at("prompts", "evals", "email-triage", "some.yaml");
    writeFileSync(
      file,
      cases.replace("rolling this out to our team?", "a demo?").replace("shows an error", "is odd"),
    );
    const [result] = shown(await run({ baseline: "base.json", threshold: "0" }, { json: true })).results;
    expect(result?.comparison).toMatchObject({
      cases: 3,
      accuracy: { difference: 0 },
      broken: ["broken-export"],
      mended: ["lead-without-the-words"],
    });
    const { stdout } = await run({ baseline: "base.json", threshold: "0" });
    expect(stdout.replace(/\s+/g, " ")).toMatch(
      /against the baseline, 3 cases: accuracy \+0\.0 points .* may be chance/,
    );
    const same = readFileSync(at("base.json"), "utf8");
    writeFileSync(at("base.json"), same.replaceAll("email-triage", "pr-review"));
    expect((await failure({ baseline: "base.json", threshold: "0" })).message).toContain(
      "none of these cases",
    );
    writeFileSync(at("base.json"), "{}");
    expect((await failure({ baseline: "base.json" })).message).toContain("no baseline");
  });
});

describe("eval with a model", () => {
  test("asks it for each case, and says what it cost and how often both decide alike", async () => {
    answering(3);
    const told = await run({}, { key: "sk-test-key-0123456789", json: true });
    expect(told.stderr).toMatch(/^3 calls of a model: at most \$0\.\d\d\.$/m);
    const { results, agreement } = shown(told);
    expect(results.map(({ by, accuracy }) => [by, accuracy])).toEqual([
      ["rules", 2 / 3],
      ["model", 2 / 3],
    ]);
    expect(results[1]).toMatchObject({ decidedByModel: 3, costUsd: expect.closeTo(3 * 0.003, 9) as number });
    expect(agreement).toEqual([{ agent: "email-triage", agreement: 1 / 3 }]);
  });

  test("records answers and gives them again without a key, without a credential or an address in the records", async () => {
    answering(3);
    await run({ with: "model", record: "records" }, { key: "sk-test-key-0123456789" });
    const records = readdirSync(at("records")).map((name) => readFileSync(at("records", name), "utf8"));
    expect(records).toHaveLength(3);
    expect(records.join("")).not.toMatch(/sk-test-key|dana@secret|robin@stranger/);

    const replayed = shown(await run({ with: "model", replay: "records" }, { json: true }));
    expect(replayed.results[0]).toMatchObject({ accuracy: 2 / 3, decidedByModel: 3 });
    expect(server.requests).toHaveLength(3);

    const file = at("prompts", "evals", "email-triage", "some.yaml");
    writeFileSync(file, cases.replace("What is the pricing?", "What is the price?"));
    const stale = await failure({ with: "model", replay: "records" });
    expect(stale.message).toContain("1 request to a model is not recorded");
    expect((await failure({ with: "model", replay: "nowhere" })).message).toContain("no recorded answers");
  });

  test("goes on where it was broken off: what a model answered is not asked again, what fell to the rules is", async () => {
    answering(2);
    const key = { key: "sk-test-key-0123456789", json: true };
    const first = shown(await run({ with: "model" }, key));
    expect(first.results[0]?.decidedByModel).toBe(2);
    const asked = server.requests.length;
    answering(1);
    const second = shown(await run({ with: "model", resume: true }, key));
    expect(second.results[0]?.decidedByModel).toBe(3);
    expect(server.requests.length).toBe(asked + 1);
  });

  test("ends with 130 when it is broken off, while a model is silent, and says how to go on", async () => {
    server.replies.push(server.stall, server.stall, server.stall);
    const stalled = server.stalled();
    const ended = failure({ with: "model" }, { key: "sk-test-key-0123456789" });
    await stalled;
    process.emit("SIGINT");
    expect(await ended).toMatchObject({ exitCode: 130, hint: expect.stringContaining("--resume") as string });
  });

  test("without a key it says what to do", async () => {
    const { message, hint } = await failure({ with: "model" });
    expect(message).toContain("no model can be asked for email-triage");
    expect(hint).toContain("--replay");
  });
});

describe("faults of cases", () => {
  const broken = async (text: string, name = "some.yaml") => {
    writeFileSync(at("prompts", "evals", "email-triage", name), text);
    const { message, exitCode } = await failure();
    expect(exitCode).toBe(3);
    return message.replace(/\s+/g, " ");
  };

  test.each([
    ["category: bug", "category: bugg", /some\.yaml:10:\d+ +"bugg" can't be decided[\s\S]*did you mean: bug/],
    [
      "category: bug",
      "categroy: bug",
      /some\.yaml:10:\d+ +the decision has no field "categroy"[\s\S]*category/,
    ],
    ["category: bug", "confidence: high", /some\.yaml:10:\d+ +this is number/],
    ["id: broken-export", "id: pricing", /some\.yaml:7:\d+ +the id "pricing" is taken by .*some\.yaml:3/],
    [
      "doesNot: [hubspot.*]",
      "doesNot: [hubspt.contact]",
      /some\.yaml:11:\d+ +email-triage never plans "hubspt\.contact"/,
    ],
    [
      "doesNot: [hubspot.*]",
      "doesnt: [x]",
      /some\.yaml:11:\d+ +unknown key "doesnt"[\s\S]*did you mean: does/,
    ],
    ["    expect: { category: lead }\n", "", /some\.yaml:12:\d+ +"lead-without-the-words" expects nothing/],
    ["cases:", "cases: [", /some\.yaml:/],
  ])("%j written as %j is told with its line", async (right, wrong, told) => {
    expect(await broken(cases.replace(right, wrong))).toMatch(told);
  });

  test("all faults are told at once, also those of a case that has several", async () => {
    const message = await broken(
      cases
        .replace("id: pricing", "id: The Pricing")
        .replace("category: lead, urgency", "categry: lead, urgency")
        .replace("category: bug", "category: bugg"),
    );
    expect(message).toContain("takes small letters, digits and hyphens");
    expect(message).toContain('the decision has no field "categry"');
    expect(message).toContain('"bugg" can\'t be decided');
    expect(message).toContain("The cases have 3 faults");
  });

  test("a misspelt fact is one that no rule would ever see", async () => {
    const folder = at("prompts", "evals", "email-triage");
    writeFileSync(
      join(folder, "defaults.yaml"),
      `${defaults}facts: { message: { subject: "", text: "" } }\n`,
    );
    const text =
      "cases:\n  - id: one\n    facts: { message: { subjct: Hello } }\n    expect: { category: bug }\n";
    expect(await broken(text)).toMatch(/some\.yaml:3:\d+ +there is no fact "subjct" here[\s\S]*subject/);
  });

  test("defaults that name no field, or are missing, are told", async () => {
    expect(await broken(defaults.replace("label: category", "label: kind"), "defaults.yaml")).toMatch(
      /defaults\.yaml:2:\d+ +it names no field of the decision/,
    );
  });

  test("an unknown agent, a tag that no case has and a bad threshold are usage", async () => {
    const { context } = contextIn(place.folder, { env: {} });
    await expect(evaluate(context, "email-triag", { failures: "5" })).rejects.toMatchObject({
      exitCode: 2,
      hint: "Did you mean email-triage?",
    });
    expect((await failure({ tag: "none" })).exitCode).toBe(2);
    expect((await failure({ threshold: "80" })).exitCode).toBe(2);
    expect(existsSync(at(".signalbox"))).toBe(false);
  });
});
