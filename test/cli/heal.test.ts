import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/resilience/clock.ts";
import { startStripe } from "../../src/sandbox/stripe.ts";
import type { StripeSandbox } from "../../src/sandbox/stripe.ts";
import { runProgram, startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources:
  stripe: { type: stripe, secrets: ["\${SECRET}"], healing: { apiKey: "\${STRIPE_API_KEY}", baseUrl: "\${STRIPE_API_URL}" } }
  other: { type: stripe, secrets: ["\${SECRET}"], healing: { apiKey: "\${STRIPE_API_KEY}", baseUrl: "\${DOWN_URL}" } }
  bare: { type: stripe, secrets: ["\${SECRET}"] }
  github: { type: github, secrets: ["\${SECRET}"], healing: { appId: 7, privateKey: "\${PRIVATE_KEY:-}" } }
  hook: { type: github, secrets: ["\${SECRET}"] }
  chat: { type: slack, secrets: ["\${SECRET}"] }
  off: { type: stripe, secrets: ["\${UNSET:-}"] }
routes:
  - { name: cancellations, source: stripe, events: [customer.subscription.deleted], agent: churn-intervention, mode: dry-run }
  - { name: others, source: other, events: [customer.subscription.deleted], agent: churn-intervention, mode: dry-run }
`;

let stripe: StripeSandbox;
let down: StripeSandbox;
let program: RunningProgram;
const plain = (text: string) => text.replaceAll(/\s+/g, " ");

beforeAll(async () => {
  stripe = await startStripe({ now: systemClock.now });
  down = await startStripe({ now: systemClock.now });
  down.faults.down();
  program = await startProgram({
    config,
    env: {
      SECRET: "whsec_test",
      STRIPE_API_KEY: "rk_test",
      STRIPE_API_URL: stripe.url,
      DOWN_URL: down.url,
    },
  });
  // The service heals at its start; what comes after that is for these tests to heal.
  await vi.waitFor(async () => {
    const answer = await fetch(`${program.adminUrl}/api/sources`, {
      headers: { authorization: `Bearer ${program.token}` },
    });
    const { items } = (await answer.json()) as { items: { name: string; healedUntil: string | null }[] };
    if (!items.find(({ name }) => name === "stripe")?.healedUntil) throw new Error("not healed yet");
  });
});
afterAll(async () => {
  await program.stop();
  program.remove();
  await Promise.all([stripe.close(), down.close()]);
});

describe("heal", () => {
  test("fetches what did not arrive, and says how much of it was new", async () => {
    const object = { id: "sub_1", customer: "cus_1", status: "canceled" };
    stripe.addEvent({ id: "evt_missed", type: "customer.subscription.deleted", object });
    const healed = async () => {
      const { code, stdout, stderr } = await program.cli("heal", "stripe", "--since", "1h", "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.parse(stdout) as { items: object[] };
    };
    const counts = { source: "stripe", read: 1, restarted: 0 };
    expect((await healed()).items).toEqual([{ ...counts, new: 1, known: 0 }]);
    expect((await healed()).items).toEqual([{ ...counts, new: 0, known: 1 }]);
  });

  test("without a source asks all that can be healed, names the ones that failed, and ends with 1", async () => {
    const { code, stdout } = await program.cli("heal", "--json");
    expect(code).toBe(1);
    const { items, skipped } = JSON.parse(stdout) as {
      items: { source: string; error?: string }[];
      skipped: { source: string; reason: string }[];
    };
    expect(items.map(({ source, error }) => [source, error === undefined])).toEqual([
      ["stripe", true],
      ["other", false],
    ]);
    expect(Object.fromEntries(skipped.map(({ source, reason }) => [source, reason]))).toEqual({
      bare: "it lacks `healing.apiKey`",
      github: "it lacks `healing.privateKey`",
      hook: "it lacks `healing.appId` and `healing.privateKey`, or `healing.token` and `healing.hook`",
      chat: "providers of type slack keep no record to read it from",
      off: "it is inactive",
    });
    const shown = await program.cli("heal");
    expect(plain(shown.stdout)).toContain("SOURCE READ NEW KNOWN stripe");
    expect(plain(shown.stderr)).toContain("bare is left out: it lacks `healing.apiKey`");
  });

  test.each([
    ["bare", 1, "source bare can't be healed: it lacks `healing.apiKey`"],
    ["github", 1, "source github can't be healed: it lacks `healing.privateKey`"],
    ["chat", 1, "source chat can't be healed: providers of type slack keep no record"],
    ["off", 1, "source off can't be healed: it is inactive"],
    ["nobody", 2, "the service has no source nobody There are: stripe, other, bare"],
  ])("of %s ends with %i and says why", async (source, expected, why) => {
    const { code, stdout, stderr } = await program.cli("heal", source);
    expect({ code, stdout }).toEqual({ code: expected, stdout: "" });
    expect(plain(stderr)).toContain(why);
  });

  test("refuses a time that is none", async () => {
    const { code, stderr } = await program.cli("heal", "stripe", "--since", "yesterday");
    expect(code).toBe(2);
    expect(plain(stderr)).toContain("since: must be a time with its zone");
  });

  test("needs a service that runs", async () => {
    const { folder, remove } = temporaryFolder();
    const { code, stderr } = await runProgram(["heal"], { cwd: folder });
    remove();
    expect(code).toBe(1);
    expect(plain(stderr)).toContain("no service runs on the data folder");
  });

  test("the API refuses what can't be healed with the same words", async () => {
    const answer = await fetch(`${program.adminUrl}/api/sources/bare/heal`, {
      method: "POST",
      headers: { authorization: `Bearer ${program.token}` },
    });
    expect(answer.status).toBe(409);
    expect(await answer.text()).toContain("source bare can't be healed: it lacks `healing.apiKey`");
  });
});

describe("what is missed without `healing:`", () => {
  const loss = "source hook has no `healing:`: GitHub never repeats a delivery that failed, so it is lost";

  test("is noted by check, and nothing of an inactive source or of one with a warning", async () => {
    const { code, stdout } = await program.cli("check", "--json");
    expect(code).toBe(0);
    const { notes } = JSON.parse(stdout) as { notes: { message: string; fix: string }[] };
    expect(notes.map(({ message }) => message)).toEqual([
      "source bare has no `healing:`: Stripe tries for three days, and what it then gives up on is lost",
      loss,
    ]);
    expect(notes[0]?.fix).toBe("To have it fetched, set `healing.apiKey` of the source.");
    expect(plain((await program.cli("check")).stderr)).toContain(`note: ${loss}.`);
  });

  test("is noted by doctor, as neither fault nor warning", async () => {
    const { code, stdout } = await program.cli("doctor", "--json");
    expect(code).toBe(0);
    const { findings } = JSON.parse(stdout) as { findings: { status: string; message: string }[] };
    expect(findings.find(({ message }) => message === loss)?.status).toBe("note");
  });
});

describe("a handshake that is sent by hand", () => {
  test("shows the provider's own words that it is answered with", async () => {
    const body = { type: "url_verification", challenge: "3eZbrw1aB", token: "t" };
    writeFileSync(join(program.folder, "hello.json"), JSON.stringify(body));
    const { code, stdout } = await program.cli("send", "hello.json", "--source", "chat");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "answered  3eZbrw1aB\n" });
    const json = await program.cli("send", "hello.json", "--source", "chat", "--json");
    expect(JSON.parse(json.stdout)).toEqual({ status: "answered", text: "3eZbrw1aB" });
  });
});
