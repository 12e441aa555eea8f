import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../../src/sandbox/index.ts";
import { startSandbox } from "../../src/sandbox/index.ts";
import type { SlackSandbox } from "../../src/sandbox/slack.ts";
import { startSlack } from "../../src/sandbox/slack.ts";

const headers = { authorization: "Bearer xoxb", "content-type": "application/json" };
const post = (slack: { url: string }, text = "Hello", signal?: AbortSignal) =>
  fetch(`${slack.url}/api/chat.postMessage`, {
    method: "POST",
    headers,
    body: JSON.stringify({ channel: "#signalbox", text }),
    ...(signal ? { signal } : {}),
  });

describe("a fault of a stand-in", () => {
  let slack: SlackSandbox;
  beforeEach(async () => {
    slack = await startSlack({ now: () => 1_800_000_000_000 });
  });
  afterEach(() => slack.close());

  it("fails as often as told, with the vendor's error and Retry-After, and then no more", async () => {
    slack.faults.fail({ status: 503, times: 2, retryAfter: 7 });
    const first = await post(slack);
    expect([first.status, first.headers.get("retry-after"), await first.json()]).toMatchObject([
      503,
      "7",
      { ok: false, error: "internal_error" },
    ]);
    expect([(await post(slack)).status, (await post(slack)).status]).toEqual([503, 200]);
    expect(slack.state.messages).toHaveLength(1);
  });

  it("meets only the requests that it is meant for", async () => {
    slack.faults.fail({ status: 500, when: (call) => call.raw.includes("bad") });
    expect([(await post(slack, "good")).status, (await post(slack, "bad")).status]).toEqual([200, 500]);
  });

  it("that drops after the effect leaves the effect; one that drops before leaves none", async () => {
    slack.faults.drop({ after: "effect" });
    slack.faults.drop({ after: "before" });
    await expect(post(slack, "done")).rejects.toThrow(/fetch failed|aborted/);
    await expect(post(slack, "not done")).rejects.toThrow(/fetch failed|aborted/);
    expect(slack.state.messages.map(({ text }) => text)).toEqual(["done"]);
    expect(slack.requests.map(({ status }) => status)).toEqual([null, null]);
  });

  it("that stalls takes the request and never answers it", async () => {
    slack.faults.stall();
    const controller = new AbortController();
    const stalled = post(slack, "lost", controller.signal);
    const seen = await slack.received((request) => request.path.endsWith("chat.postMessage"));
    expect(seen.body).toEqual({ channel: "#signalbox", text: "lost" });
    controller.abort();
    await expect(stalled).rejects.toThrow(/fetch failed|aborted/);
    expect([slack.state.messages, seen.status]).toEqual([[], null]);
  });

  it("that fails, stalls or garbles after the effect leaves the effect and hides it", async () => {
    slack.faults.fail({ status: 502, after: "effect" });
    slack.faults.garble();
    slack.faults.stall({ after: "effect" });
    const failed = await post(slack, "failed");
    const garbled = await post(slack, "garbled");
    expect([failed.status, garbled.status]).toEqual([502, 200]);
    await expect(garbled.json()).rejects.toThrow(SyntaxError);
    const controller = new AbortController();
    const stalled = post(slack, "stalled", controller.signal);
    while (slack.state.messages.length < 3) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await expect(stalled).rejects.toThrow(/fetch failed|aborted/);
    expect(slack.state.messages.map(({ text }) => text)).toEqual(["failed", "garbled", "stalled"]);
  });

  it("that takes the vendor down cuts open and new connections until it is up", async () => {
    slack.faults.stall();
    const open = post(slack);
    await slack.received();
    slack.faults.down();
    await expect(open).rejects.toThrow(/fetch failed|aborted/);
    await expect(post(slack)).rejects.toThrow(/fetch failed|aborted/);
    slack.faults.up();
    expect((await post(slack)).status).toBe(200);
  });

  it("is forgotten by clear", async () => {
    slack.faults.fail({ status: 500, times: Number.POSITIVE_INFINITY });
    expect((await post(slack)).status).toBe(500);
    slack.faults.clear();
    expect((await post(slack)).status).toBe(200);
  });
});

describe("the state of the sandbox", () => {
  const folders: string[] = [];
  const running: Sandbox[] = [];
  const start = async (persistTo: string) => {
    const sandbox = await startSandbox({ now: () => 1_800_000_000_000, persistTo });
    running.push(sandbox);
    return sandbox;
  };
  const folder = () => {
    const made = mkdtempSync(join(tmpdir(), "sandbox-"));
    folders.push(made);
    return made;
  };
  afterEach(async () => {
    await Promise.all(running.splice(0).map((sandbox) => sandbox.close()));
    folders.splice(0).forEach((made) => rmSync(made, { recursive: true, force: true }));
  });

  it("is in the file before the answer, so that a second process sees it while the first still runs", async () => {
    const place = folder();
    const first = await start(place);
    await post(first.slack, "kept");
    first.google.receive({ from: "a@example.com", to: "b@example.com", subject: "Hello", text: "Hi" });
    first.linear.addIssue({ identifier: "ENG-1", title: "Slow" });
    const token = first.google.mintPushToken({ audience: "a", email: "e@example.com" });
    const second = await start(place);
    expect(second.slack.state.messages.map(({ text }) => text)).toEqual(["kept"]);
    expect(second.google.state.messages).toHaveLength(1);
    expect(second.linear.state.issues.map(({ title }) => title)).toEqual(["Slow"]);
    expect(second.effects()).toEqual(first.effects());
    expect(second.google.mintPushToken({ audience: "a", email: "e@example.com" })).toBe(token);
  });

  it("leaves no half-written file beside the whole one", async () => {
    const place = folder();
    const { slack } = await start(place);
    await post(slack);
    expect(readdirSync(place).filter((name) => !name.endsWith(".json"))).toEqual([]);
  });

  it("says which file is damaged, and what to do", async () => {
    const place = folder();
    writeFileSync(join(place, "slack.json"), "{");
    await expect(startSlack({ now: () => 0, file: join(place, "slack.json") })).rejects.toThrow(
      /slack\.json cannot be read; delete it/,
    );
  });
});
