import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SlackSandbox } from "../../src/sandbox/slack.ts";
import { startSlack } from "../../src/sandbox/slack.ts";

let slack: SlackSandbox;
beforeEach(async () => {
  slack = await startSlack({ now: () => 1_800_000_000_000 });
});
afterEach(() => slack.close());

interface Answer {
  ok: boolean;
  error?: string;
  ts: string;
  channel: string;
  messages: { text: string; metadata?: unknown }[];
  has_more: boolean;
  response_metadata?: { next_cursor: string };
  user: { id: string };
}
async function call(method: string, fields: object, as: "json" | "form" | "query" = "json"): Promise<Answer> {
  const form = new URLSearchParams(fields as Record<string, string>);
  const url = `${slack.url}/api/${method}${as === "query" ? `?${form.toString()}` : ""}`;
  const authorization = "Bearer xoxb-secret";
  const sent =
    as === "json"
      ? { body: JSON.stringify(fields), headers: { authorization, "content-type": "application/json" } }
      : { body: form, headers: { authorization } };
  const response = await fetch(
    url,
    as === "query" ? { headers: { authorization } } : { method: "POST", ...sent },
  );
  return (await response.json()) as Answer;
}
const metadata = { event_type: "signalbox", event_payload: { k: "k1" } };

describe("Slack's stand-in", () => {
  it.each(["json", "form"] as const)(
    "takes a message as %s, and gives its metadata back when asked",
    async (as) => {
      const fields = {
        channel: "#signalbox",
        text: "Hello",
        metadata: as === "json" ? metadata : JSON.stringify(metadata),
      };
      const { channel } = await call("chat.postMessage", fields, as);
      const plain = await call("conversations.history", { channel }, "query");
      expect(plain.messages[0]).not.toHaveProperty("metadata");
      const full = await call("conversations.history", { channel, include_all_metadata: "true" }, "query");
      expect(full.messages).toMatchObject([{ text: "Hello", metadata }]);
      expect(slack.state.effects).toMatchObject([{ kind: "message", target: "#signalbox", key: "k1" }]);
    },
  );

  it("updates a message in place, without a second effect", async () => {
    const { channel, ts } = await call("chat.postMessage", { channel: "signalbox", text: "First" });
    expect((await call("chat.update", { channel, ts, text: "Second" })).ts).toBe(ts);
    expect(slack.state.messages.map(({ text }) => text)).toEqual(["Second"]);
    expect(slack.state.effects).toHaveLength(1);
  });

  it("gives each message a time stamp of its own, and pages the history, the newest first", async () => {
    const stamps = [];
    for (const text of ["1", "2", "3"])
      stamps.push((await call("chat.postMessage", { channel: "#signalbox", text })).ts);
    expect(new Set(stamps).size).toBe(3);
    const channel = "C0000000001";
    const first = await call("conversations.history", { channel, limit: "2" }, "query");
    const cursor = first.response_metadata?.next_cursor ?? "";
    const second = await call("conversations.history", { channel, limit: "2", cursor }, "query");
    expect([...first.messages, ...second.messages].map(({ text }) => text)).toEqual(["3", "2", "1"]);
    const late = await call("conversations.history", { channel, oldest: stamps[1] }, "query");
    expect(late.messages.map(({ text }) => text)).toEqual(["3"]);
  });

  it.each([
    ["chat.postMessage", { channel: "#none", text: "Hi" }, "channel_not_found"],
    ["chat.postMessage", { channel: "#signalbox" }, "no_text"],
    [
      "chat.postMessage",
      { channel: "#signalbox", text: "Hi", metadata: { event_type: "x" } },
      "invalid_metadata_format",
    ],
    ["chat.update", { channel: "#signalbox", ts: "1.0", text: "Hi" }, "message_not_found"],
    ["chat.dance", {}, "unknown_method"],
  ])("answers %s with %j: %s", async (method, fields, error) => {
    expect(await call(method, fields)).toMatchObject({ ok: false, error });
    expect(slack.state.messages).toEqual([]);
  });

  it("finds people by address", async () => {
    const { id } = slack.addUser({ name: "Ada", email: "ada@example.com" });
    expect((await call("users.lookupByEmail", { email: "ADA@example.com" }, "query")).user.id).toBe(id);
    expect(await call("users.lookupByEmail", { email: "eve@example.com" }, "query")).toMatchObject({
      error: "users_not_found",
    });
  });

  it("limits the rate with 429 and Retry-After, and wants a token", async () => {
    slack.limitRate({ retryAfter: 3 });
    const headers = { authorization: "Bearer xoxb" };
    const limited = await fetch(`${slack.url}/api/auth.test`, { headers });
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "3"]);
    expect(await (await fetch(`${slack.url}/api/auth.test`)).json()).toEqual({
      ok: false,
      error: "not_authed",
    });
  });
});
