/** What the CLI reads of a journal on PostgreSQL by itself, beside the services: it must not change a thing in it. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emailTriage } from "../../agents/email-triage/agent.ts";
import { backtest } from "../../src/cli/backtest.ts";
import type { Backtest } from "../../src/cli/backtest-report.ts";
import { evaluate } from "../../src/cli/eval.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { openPostgresJournal } from "../../src/journal/postgres.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { contextIn } from "../support/cli-context.ts";
import type { ManualClock } from "../support/clock.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line } from "../support/line.ts";
import { postgresNote, postgresPresent } from "../support/postgres.ts";
import { temporaryFolder } from "../support/program.ts";
import { testDatabase } from "../support/test-database.ts";
import type { TestDatabase } from "../support/test-database.ts";

const config = `version: 1
sources: { github: { type: github, secrets: ["\${GITHUB_SECRET}"] } }
routes: [{ name: all, source: github, events: ["message.*"], agent: email-triage, mode: review }]
`;
/** As the service works with it: with the policy of its prompt file. */
const agent: AgentDefinition = {
  ...(emailTriage as AgentDefinition),
  flow: (kit) => emailTriage.flow({ ...kit, policy: emailTriage.policy.parse({}) }),
};
/** The database's time goes on by itself. */
const realTime: ManualClock = { ...systemClock, advance: () => pause(20), pending: () => 0 };

describe.skipIf(!postgresPresent)(`a journal on PostgreSQL, read by the CLI${postgresNote}`, () => {
  let database: TestDatabase;
  let line: Line;
  const place = temporaryFolder();
  const zendesk = recordingExecutor();
  beforeAll(async () => {
    database = await testDatabase();
    writeFileSync(join(place.folder, "signalbox.yaml"), config);
    const store = await openPostgresJournal({ url: database.url, clock: systemClock });
    line = openLine(
      { agent, mode: "review", executors: { "zendesk.ticket": zendesk }, store },
      realTime,
      place.folder,
    );
    line.start();
    for (const [subject, snippet] of [
      ["Export", "The export shows an error."],
      ["Pricing", "What is the pricing for 20 seats?"],
    ] as const) {
      const mail = {
        messageId: `<${subject}@mail.example>`,
        from: { name: "Robin Field", address: "robin@stranger.example" },
        subject,
        snippet,
      };
      const run = await line.receive(mail, { type: "message.received" });
      await line.until(run, "awaiting_review");
    }
  }, 120_000);
  afterAll(async () => {
    await line.close();
    place.remove();
  });

  const contextOn = (url: string) =>
    contextIn(place.folder, {
      json: true,
      env: { GITHUB_SECRET: "a-secret-of-some-length", DATABASE_URL: url, REDIS_URL: "redis://127.0.0.1:1" },
    });
  const tested = async (more: { prompt?: string } = {}): Promise<Backtest> => {
    const { context, output } = contextOn(database.url);
    await backtest(context, { since: "2020-01-01", limit: "200", ...more });
    return JSON.parse(output().stdout) as Backtest;
  };
  const stored = async () =>
    Promise.all(
      ["events", "runs", "steps", "actions", "attempts", "audit", "state"].map(
        async (table) => (await database.query(`SELECT count(*)::int AS n FROM ${table}`))[0]?.["n"],
      ),
    );

  it("is played again, and neither acted on nor added to", async () => {
    const before = await stored();
    expect(await tested()).toMatchObject({ events: 2, more: false, by: "rules", notPlayed: [] });
    const shipped = readFileSync(join("prompts", "email-triage.yaml"), "utf8");
    const rules = `rules: [{ name: exports, if: 'facts.message.subject == "Export"', output: { category: billing } }]`;
    writeFileSync(join(place.folder, "edited.yaml"), shipped.replace(/^rules: \[\]$/m, rules));
    const { played } = await tested({ prompt: "edited.yaml" });
    expect(played.flatMap(({ decision }) => decision)).toEqual([
      { field: "category", before: "bug", now: "billing" },
    ]);
    expect([await stored(), zendesk.attempts()]).toEqual([before, 0]);
  });

  it("gives cases from what its reviewers corrected", async () => {
    const held = (await line.reads.actions({ limit: 50, status: "awaiting_review" })).items;
    const ticket = held.find(
      ({ kind, input }) => kind === "zendesk.ticket" && JSON.stringify(input).includes("Export"),
    );
    if (ticket === undefined) throw new Error("nothing is held");
    await line.journal.reject(ticket.id, "this is spam", "cli");
    await line.journal.recordDeed("aud_1", {
      by: "cli",
      address: null,
      deed: "action.reject",
      object: ticket.id,
      reason: "this is spam",
      details: null,
    });
    const { context } = contextOn(database.url);
    await evaluate(context, undefined, { failures: "5", fromReviews: "cases", since: "2020-01-01" });
    const folder = join(place.folder, "cases", "email-triage");
    const [file = ""] = readdirSync(folder).filter((name) => name.startsWith("review-"));
    expect(readFileSync(join(folder, file), "utf8")).toMatch(/this is spam[^]*doesNot:\s+- zendesk\.ticket/);
  });

  it("is left as it is where it is of another version, or is none", async () => {
    const tables = (on: TestDatabase) =>
      on.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    const asked = (on: TestDatabase) =>
      backtest(contextOn(on.url).context, { since: "2020-01-01", limit: "200" });
    const empty = await testDatabase();
    await expect(asked(empty)).rejects.toThrow("nothing was stored there yet");
    expect(await tables(empty)).toEqual([]);

    await database.query("UPDATE signalbox_schema SET version = version - 1");
    await expect(asked(database)).rejects.toThrow(/of an earlier version: start the service of this version/);
    const [{ version } = {}] = await database.query("SELECT version FROM signalbox_schema");
    await database.query("UPDATE signalbox_schema SET version = version + 2");
    await expect(asked(database)).rejects.toThrow(/newer version/);
    await database.query("UPDATE signalbox_schema SET version = $1::bigint + 1", [version]);
  });
});
