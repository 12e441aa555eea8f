import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGithub } from "../../src/sandbox/github.ts";
import type { GithubSandbox, SeedPullRequest } from "../../src/sandbox/github.ts";
import { githubEvent, scenario } from "../../src/sandbox/scenario.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { startProgram } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";
import { openBeside } from "../support/beside.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0 }
sources:
  github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] }
  stripe: { type: stripe, secrets: ["\${STRIPE_WEBHOOK_SECRET}"] }
  inbox: { type: gmail, account: a@example.com, audience: x, pushServiceAccount: "\${PUSH}", credentials: "\${CREDENTIALS}" }
reviews: { to: [] }
routes:
  - name: reviews
    source: github
    events: [pull_request.opened]
    match: { pull_request: { draft: false } }
    agent: pr-review
    mode: review
  - name: closings
    source: github
    events: [pull_request.closed]
    agent: pr-review
  - name: cancellations
    source: stripe
    events: ["customer.subscription.*"]
    if: payload.livemode
    agent: churn-intervention
destinations:
  github: { token: "\${GITHUB_TOKEN}", baseUrl: "\${GITHUB_API_URL}" }
`;

interface Answer {
  readonly status: string;
  readonly event: string;
  readonly runs: number;
}
interface Row {
  readonly id: string;
  readonly status: string;
  readonly type: string;
  readonly hash: string;
  readonly kind: string;
}
interface Rows {
  readonly items: readonly Row[];
  readonly next: string | null;
}

let github: GithubSandbox;
let program: RunningProgram;

const cli = async (...args: string[]) => {
  const finished = await program.cli(...args);
  if (finished.code !== 0)
    throw new Error(`${args.join(" ")} ended with ${finished.code}: ${finished.stderr}`);
  return finished.stdout;
};
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await cli(...args, "--json")) as T;
const unwrapped = (text: string) => text.replace(/\s+/g, " ");
const sendBody = (name: string, body: object) => {
  writeFileSync(join(program.folder, `${name}.json`), JSON.stringify(body));
  return json<Answer>("send", `${name}.json`, "--source", "github");
};
function pullNamed(index: number): SeedPullRequest {
  const pull = scenario.pullRequests[index];
  if (!pull) throw new Error("the scenario has no such pull request");
  return pull;
}
const sendPull = (index: number, changes: object = {}) =>
  sendBody(`pull-${index}`, { ...githubEvent(github, pullNamed(index), "opened"), ...changes });

/** Asks the service until a run of this event, or just the one with this id, has the status. */
async function untilRun(event: string, status: string, id?: string): Promise<Row> {
  for (;;) {
    const answer = await fetch(`${program.adminUrl}/api/events/${event}`, {
      headers: { authorization: `Bearer ${program.token}` },
    });
    const run = ((await answer.json()) as { runs: Row[] }).runs.find(
      (one) => one.status === status && (id ?? one.id) === one.id,
    );
    if (run) return run;
  }
}

beforeAll(async () => {
  github = await startGithub({ now: systemClock.now });
  for (const pull of scenario.pullRequests) github.addPullRequest(pull);
  program = await startProgram({
    config,
    env: {
      GITHUB_WEBHOOK_SECRET: "github-secret",
      STRIPE_WEBHOOK_SECRET: "whsec_test",
      GITHUB_TOKEN: "a-token",
      GITHUB_API_URL: github.url,
    },
  });
});
afterAll(async () => {
  await program.stop();
  program.remove();
  await github.close();
});

describe("sending", () => {
  test("a file is signed as GitHub does, accepted, and a duplicate the second time", async () => {
    const first = await sendPull(1);
    expect(first).toMatchObject({ status: "accepted", runs: 1 });
    const again = await json<Answer>("send", "pull-1.json", "--source", "github");
    expect(again).toMatchObject({ status: "duplicate", event: first.event, runs: 0 });
  });

  test("a file is signed as Stripe does", async () => {
    const file = join(program.folder, "stripe.json");
    writeFileSync(file, '{"id":"evt_s1","type":"invoice.paid","created":1700000000}');
    expect(await json<Answer>("send", "stripe.json", "--source", "stripe")).toMatchObject({
      status: "accepted",
      runs: 0,
    });
    expect(await json<Answer>("send", "stripe.json", "--source", "stripe")).toMatchObject({
      status: "duplicate",
    });
  });

  test("the event of a GitHub body that does not show it has to be named", async () => {
    writeFileSync(join(program.folder, "odd.json"), '{"odd":true}');
    expect(await program.cli("send", "odd.json", "--source", "github")).toMatchObject({
      code: 2,
      stdout: "",
    });
    const sent = await json<Answer>("send", "odd.json", "--source", "github", "--event", "odd");
    expect((await json<Row>("events", "show", sent.event)).type).toBe("odd");
  });

  test("a refusal ends with 1 and gives its reason", async () => {
    writeFileSync(join(program.folder, "no-json.txt"), "hello");
    const { code, stderr } = await program.cli("send", "no-json.txt", "--source", "stripe");
    expect(code).toBe(1);
    expect(stderr).toContain("refused with 400");
  });

  test("a Gmail push can't be made here, and the program says why", async () => {
    const { code, stderr } = await program.cli("trigger", "inbox.message.received");
    expect(code).toBe(1);
    expect(stderr.replaceAll(/\s+/g, " ")).toContain("only Google can sign one that the service accepts");
  });

  test("trigger sends each example as an event of its own, and lists them for an unknown name", async () => {
    for (const name of ["github.pull_request.closed", "stripe.customer.subscription.deleted"]) {
      const first = await json<Answer>("trigger", name);
      const second = await json<Answer>("trigger", name);
      expect([first.status, second.status]).toEqual(["accepted", "accepted"]);
      expect((await json<Row>("events", "show", first.event)).type).toBe(name.slice(name.indexOf(".") + 1));
    }
    const { code, stderr } = await program.cli("trigger", "github.star.created");
    expect(code).toBe(2);
    expect(stderr).toContain("github.pull_request.opened");
  });
});

describe("reading", () => {
  test("events list is newest first, pages with a cursor, and fits 80 columns", async () => {
    const all = await json<Rows>("events", "list");
    const page = await json<Rows>("events", "list", "--limit", "1");
    expect(page.items[0]?.id).toBe(all.items[0]?.id);
    const next = await json<Rows>("events", "list", "--limit", "1", "--cursor", page.next ?? "");
    expect(next.items[0]?.id).toBe(all.items[1]?.id);
    const table = await cli("events", "list");
    expect(table).toContain(all.items[0]?.id);
    expect(Math.max(...table.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("a filter that the API refuses ends with 2 and the allowed values", async () => {
    const { code, stderr } = await program.cli("runs", "list", "--status", "done");
    expect(code).toBe(2);
    expect(stderr).toContain("awaiting_review");
  });

  test("tail prints each new event as one line of JSON, and Ctrl-C ends it with 130", async () => {
    const main = "dist/src/main.js";
    const env = { PATH: process.env["PATH"] ?? "" };
    const tail = spawn(process.execPath, [join(process.cwd(), main), "events", "tail", "--json"], {
      cwd: program.folder,
      env,
    });
    await once(tail.stderr, "data");
    const line = once(tail.stdout, "data");
    const sent = await json<Answer>("trigger", "stripe.customer.subscription.updated");
    const [bytes] = (await line) as [Buffer];
    expect((JSON.parse(bytes.toString("utf8")) as Row).id).toBe(sent.event);
    tail.kill("SIGINT");
    expect(await once(tail, "close")).toEqual([130, null]);
  });

  test("tail tells a person of each status of a run once, however many steps it has", async () => {
    const main = join("dist", "src", "main.js");
    const tail = spawn(process.execPath, [join(process.cwd(), main), "runs", "tail"], {
      cwd: program.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    tail.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(tail.stderr, "data");
    const sent = await sendPull(1, { number: 1_001 });
    const run = await untilRun(sent.event, "awaiting_review");
    while (!text.includes("awaiting_review")) await once(tail.stdout, "data");
    tail.kill("SIGINT");
    await once(tail, "close");
    const statuses = [...text.matchAll(/pr-review {2}(\w+)\n +(run_\S+)/g)].flatMap(([, status, id]) =>
      id === run.id ? [status] : [],
    );
    expect(statuses).toEqual([...new Set(statuses)]);
    expect(statuses).toContain("running");
  });

  test("explain says which route took an event, and why another did not", async () => {
    const sent = await json<Answer>("trigger", "stripe.customer.subscription.deleted");
    const unrouted = (await cli("explain", sent.event)).replace(/\s+/g, " ");
    expect(unrouted).toContain("No route matched");
    expect(unrouted).toContain("its condition is false: payload.livemode");
    const draft = await sendPull(3);
    expect((await cli("explain", draft.event)).replace(/\s+/g, " ")).toContain(
      "The route reviews does not match: pull_request.draft is true, which is not false.",
    );
  });

  test("doctor sees that the service runs and is ready", async () => {
    const report = await json<{ findings: { check: string; status: string }[] }>("doctor");
    expect(report.findings.find((one) => one.check === "service")?.status).toBe("ok");
    expect(report.findings.find((one) => one.check === "journal")?.status).toBe("ok");
  });
});

describe("deciding", () => {
  test("an action is approved by the hash that was read, and then carried out", async () => {
    const sent = await sendPull(0);
    const run = await untilRun(sent.event, "awaiting_review");
    const held = (await json<Rows>("review", "list")).items.filter((one) => one.status === "awaiting_review");
    const mine = (await json<{ actions: Row[] }>("runs", "show", run.id)).actions;
    expect(held.map((one) => one.id)).toEqual(expect.arrayContaining(mine.map((one) => one.id)));
    const [first] = mine;
    expect(first).toBeDefined();

    const read = async (path: string) =>
      (
        await fetch(`${program.adminUrl}${path}`, { headers: { authorization: `Bearer ${program.token}` } })
      ).text();
    const metrics = await read("/metrics");
    expect(metrics).toContain(`\nsignalbox_reviews_pending ${held.length}\n`);
    expect(metrics).toMatch(/\nsignalbox_queue_depth\{state="awaiting_review"\} [1-9]\n/);
    expect(metrics).toContain('\nsignalbox_breaker_state{service="github"} 0\n');
    expect(await read("/api/breakers")).toContain('{"service":"github","state":"closed","failures":0,');

    const blind = await program.cli("review", "approve", first?.id ?? "");
    expect(blind.code).toBe(2);
    expect(blind.stderr).toContain("--hash");
    const stale = await program.cli("review", "approve", first?.id ?? "", "--hash", "0".repeat(40));
    expect(stale.code).toBe(1);
    expect(github.state.effects).toEqual([]);

    for (const action of mine) await cli("review", "approve", action.id, "--hash", action.hash);
    await untilRun(sent.event, "succeeded");
    expect(github.state.effects.length).toBeGreaterThan(0);
    const told = await cli("explain", run.id);
    expect(told).toContain("The rules decided");
    expect(told).toContain("was done");
    expect(await cli("explain", first?.id ?? "")).toContain("was done");
  });

  test("a rejected action is not carried out, and its reason is kept", async () => {
    const before = github.state.effects.length;
    const sent = await sendPull(2);
    const run = await untilRun(sent.event, "awaiting_review");
    const { actions } = await json<{ actions: Row[] }>("runs", "show", run.id);
    const unseen = await fetch(`${program.adminUrl}/api/actions/${actions[0]?.id}/reject`, {
      method: "POST",
      headers: { Authorization: `Bearer ${program.token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ hash: "0".repeat(40) }),
    });
    expect(unseen.status).toBe(409);
    for (const action of actions) {
      if (action.status !== "awaiting_review") continue;
      // Rejecting one skips those that build on it.
      await program.cli("review", "reject", action.id, "--reason", "not today");
    }
    await untilRun(sent.event, "rejected");
    expect(github.state.effects.length).toBe(before);
    expect(await cli("explain", run.id)).toContain("not today");
  });

  test("a dead letter is listed with its reason, and run again by its id", async () => {
    // The vendor does not know it: no retry will change that.
    github.addPullRequest({ ...pullNamed(0), number: 999 });
    const body = githubEvent(github, { ...pullNamed(0), number: 999 }, "opened");
    github.state.pulls.pop();
    const sent = await sendBody("gone", body);
    const dead = await untilRun(sent.event, "dead");
    const table = await cli("dead-letters", "list");
    expect(table).toContain(dead.id);
    expect(await cli("dead-letters", "list", "--cause", "no such cause")).toBe("");
    const shown = await cli("dead-letters", "show", dead.id);
    expect(shown).toContain("attempt 1  dead at gather");
    expect(shown).toContain(`deliveries`);
    expect(await json("dead-letters", "show", dead.id)).toMatchObject({
      history: [{ number: 1, end: "dead" }],
      event: { id: sent.event },
    });
    expect(await cli("explain", dead.id)).toContain("Attempt 1 dead at gather");
    const counted = await json<{ count: number; runs: string[] }>(
      "dead-letters",
      "replay",
      "--all",
      "--dry-run",
    );
    expect(counted).toMatchObject({ count: 1, runs: [] });
    const replayed = await json<{ runs: string[] }>("dead-letters", "replay", dead.id);
    expect(replayed.runs).toHaveLength(1);
    expect(replayed.runs[0]).not.toBe(dead.id);
    expect(await cli("dead-letters", "list")).not.toContain(dead.id);
    expect(unwrapped(await cli("explain", dead.id))).toContain("It was run again as run_");
    // A further copy of what never completed asks for another try.
    await untilRun(sent.event, "dead", replayed.runs[0]);
    expect(await sendBody("gone", body)).toMatchObject({ status: "duplicate", event: sent.event, runs: 1 });
    const copied = unwrapped(await cli("explain", sent.event));
    expect(copied).toContain("; 1 more copy of it came.");
    expect(copied).toContain("this is restart 2 of the event");
  });

  test("dead letters are discarded with a reason, one or all of a cause, and the audit says who did so", async () => {
    const letters = async () => (await json<Rows>("dead-letters", "list")).items.map(({ id }) => id);
    let [again = ""] = await letters();
    while (again === "") [again = ""] = await letters();
    expect((await program.cli("dead-letters", "discard", again)).code).toBe(2);
    expect((await program.cli("dead-letters", "discard", "--reason", "x")).code).toBe(2);
    const none = ["dead-letters", "discard", "--cause", "no such cause", "--reason", "spam"];
    expect(await json(...none)).toEqual({ count: 0, dryRun: true });
    expect(await json("dead-letters", "discard", again, "--reason", "it is gone")).toEqual({
      count: 1,
      dryRun: false,
    });
    expect(await letters()).toEqual([]);
    expect(await cli("runs", "show", again)).toContain("by cli: it is gone");
    const twice = await program.cli("dead-letters", "discard", again, "--reason", "it is gone");
    expect([twice.code, unwrapped(twice.stderr)]).toEqual([
      1,
      expect.stringContaining("no dead letter any more"),
    ]);
    const { items } = await json<{ items: object[] }>("audit", "list", "--object", again);
    expect(items).toMatchObject([{ by: "cli", deed: "dead-letter.discard", reason: "it is gone" }]);
    expect(await cli("audit", "list", "--deed", "replay.start")).toContain("replay.start");
  });

  test("a paced replay is a job that can be watched and cancelled", async () => {
    const sent = await sendPull(1, { paced: true });
    await untilRun(sent.event, "awaiting_review");
    const started = await json<{ replay: Row; runs: string[] }>("replay", "--since", "1h", "--rate", "1/h");
    expect(started).toMatchObject({ runs: [], replay: { status: "running", by: "cli" } });
    const { id } = started.replay;
    expect(await cli("replay", "list")).toContain(id);
    expect(await cli("replay", "show", id)).toContain("1/h");
    expect(await cli("replay", "cancel", id)).toContain("cancelled");
    const refused = await program.cli("replay", "cancel", id);
    expect([refused.code, unwrapped(refused.stderr)]).toEqual([
      1,
      expect.stringContaining("only a running one"),
    ]);
    expect(await cli("replay", "resume", id)).toContain("running");
    await cli("replay", "cancel", id);
    expect((await program.cli("replay", "show", "run_1")).code).toBe(2);
  });

  test("a person is forgotten, and their event is still known", async () => {
    const address = "grace@forget.example";
    const payload = { id: "evt_grace", type: "invoice.paid", created: 1_700_000_000, email: address };
    writeFileSync(join(program.folder, "grace.json"), JSON.stringify(payload));
    const { event } = await json<Answer>("send", "grace.json", "--source", "stripe");
    expect((await program.cli("forget", "grace")).code).toBe(2);
    expect(await cli("forget", address, "--dry-run")).toBe("1 event would be erased.\n");
    expect(await cli("forget", address)).toContain("1 event erased");
    expect(JSON.stringify(await json("events", "show", event))).not.toContain(address);
    expect(await cli("forget", address)).toBe(`Nothing that is at rest here names ${address}.\n`);
    expect(await json("send", "grace.json", "--source", "stripe")).toMatchObject({
      status: "duplicate",
      event,
    });
    const { items } = await json<{ items: { deed: string }[] }>("audit", "list");
    expect(items[0]).toMatchObject({ deed: "forget" });
  });

  test("verify says under which secret an event is still what was signed, and fails where it is not", async () => {
    const { event } = await sendPull(1, { toVerify: true });
    await untilRun(event, "awaiting_review");
    expect(await cli("verify", event)).toBe(`${event}  verified, under secret 0 (0 = first)\n`);
    expect(await json<object>("verify", event)).toEqual({
      event,
      result: "verified",
      secretIndex: 0,
      reason: null,
    });
    const changed = openBeside(join(program.folder, ".signalbox", "journal.db"));
    changed.run("UPDATE events SET body = CAST(body || ' ' AS BLOB) WHERE id = ?", event);
    changed.close();
    const refused = await program.cli("verify", event);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(unwrapped(refused.stderr)).toContain(
      "was changed: its stored bytes are not those that were received",
    );
    const inJson = await program.cli("verify", event, "--json");
    expect(inJson.code).toBe(1);
    expect(JSON.parse(inJson.stdout)).toMatchObject({ event, result: "failed" });
    const replay = await program.cli("replay", "--event", event, "--dry-run");
    expect(replay.stdout).toContain("1 event, 0 new runs: nothing to run again");
    expect(unwrapped(replay.stderr)).toContain(`${event} is not run again`);
    expect((await program.cli("verify", "run_1")).code).toBe(2);
  });

  test("replay counts with --dry-run and starts nothing, then runs an event again", async () => {
    const sent = await sendPull(1, { repeated: true });
    await untilRun(sent.event, "awaiting_review");
    const counted = await json<{ events: number; count: number }>(
      "replay",
      "--event",
      sent.event,
      "--dry-run",
    );
    expect(counted).toMatchObject({ events: 1, count: 1 });
    expect((await json<{ runs: Row[] }>("events", "show", sent.event)).runs).toHaveLength(1);
    await cli("replay", "--event", sent.event);
    expect((await json<{ runs: Row[] }>("events", "show", sent.event)).runs).toHaveLength(2);
  });
});

test("no token and no secret is in anything that was logged", () => {
  const log = program.stderr();
  for (const secret of [program.token, "github-secret", "whsec_test", "a-token"])
    expect(log).not.toContain(secret);
  expect(readFileSync(join(program.folder, ".signalbox", "server.json"), "utf8")).not.toContain(
    program.token,
  );
});
