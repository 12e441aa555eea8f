import { describe, expect, it } from "vitest";
import { startSlack } from "../../src/sandbox/slack.ts";
import { json, startScript } from "../support/http-script.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { freeTurns } from "../support/turns.ts";
import { slack } from "../../src/destinations/slack.ts";
import {
  anyCall,
  contractClock,
  destinationEffectContract,
  destinationFaultContract,
  executorOf,
  faultOf,
} from "../contracts/destination.ts";
import { inputOf, inputsOf } from "./inputs.ts";

const token = "xoxb-0123456789-abcdefghij";
const deps = { clock: contractClock, turns: freeTurns };

destinationFaultContract("slack", {
  connect: (baseUrl) => slack({ baseUrl, token, channel: "#signalbox" }, deps),
  incomplete: [slack({ token }, deps), slack({ channel: "#signalbox" }, deps)],
  secrets: [token],
  inputs: inputsOf("slack"),
});

destinationEffectContract("slack", {
  kinds: ["slack.message", "slack.review"],
  connect: (baseUrl) => slack({ baseUrl, token, channel: "#signalbox" }, deps),
  async start() {
    const sandbox = await startSlack({ now: contractClock.now, file: null });
    return {
      url: sandbox.url,
      effects: () => sandbox.state.effects.length,
      input: inputOf,
      loseAnswer: () => sandbox.faults.drop({ after: "effect", when: (call) => call.method === "POST" }),
      close: () => sandbox.close(),
    };
  },
});

describe("slack", () => {
  const connect = (baseUrl: string) =>
    executorOf(slack({ baseUrl, token, channel: "#signalbox" }, deps), "slack.message");

  it.each([
    ["ratelimited", { kind: "rate-limited", effect: "none" }],
    ["invalid_auth", { kind: "unauthorized", effect: "none" }],
    ["channel_not_found", { kind: "unauthorized", effect: "none" }],
    ["internal_error", { kind: "unavailable", effect: "unknown" }],
    ["msg_too_long", { kind: "invalid", effect: "none" }],
  ])("takes a 200 with the error %s for what it is", async (error, fault) => {
    const server = await startScript(json(200, { ok: false, error }));
    const message = connect(server.url);
    expect(await faultOf(message.execute(inputOf("slack.message"), "k", anyCall()))).toMatchObject(fault);
    await server.close();
  });

  it("rings nobody's phone with a text from outside", async () => {
    const server = await startScript(json(200, { ok: true, ts: "1.2", channel: "C0123456" }));
    const text = "<!channel> <@U123> see <https://x.example|this>";
    expect(await connect(server.url).execute({ text }, "k", anyCall())).toEqual({
      id: "1.2",
      channel: "C0123456",
    });
    expect(JSON.parse(server.seen[0]?.body ?? "")).toMatchObject({
      channel: "#signalbox",
      text: "&lt;!channel> &lt;@U123> see <https://x.example|this>",
      metadata: { event_payload: { key: "k" } },
    });
    await server.close();
  });

  it("shows a notice in Block Kit: to the letter, with buttons for what can be decided, and a link of ours", async () => {
    const server = await startScript(json(200, { ok: true, ts: "1.2", channel: "C0123456" }));
    const notice = executorOf(
      slack({ baseUrl: server.url, token, channel: "#signalbox" }, deps),
      "slack.review",
    );
    await notice.execute(inputOf("slack.review"), "k", anyCall());
    const sent = JSON.parse(server.seen[0]?.body ?? "") as { text: string; blocks: unknown };
    expect(sent).toMatchObject({ channel: "#signalbox", metadata: { event_payload: { key: "k" } } });
    expect(sent.text).toContain("Open a ticket &lt;!channel&gt; &amp; more");
    const plain = (text: string) => ({ type: "plain_text", text, emoji: false });
    const value = `act_1 ${"ab".repeat(32)}`;
    expect(sent.blocks).toEqual([
      { type: "header", text: plain("2 actions of email-triage wait for a person") },
      { type: "section", text: plain("1. Open a ticket <!channel> & more") },
      {
        type: "actions",
        block_id: "act_1",
        elements: [
          expect.objectContaining({ action_id: "signalbox.approve", value, text: plain("Approve") }),
          expect.objectContaining({ action_id: "signalbox.reject", value, text: plain("Reject") }),
        ],
      },
      { type: "section", text: plain("2. Add a note") },
      { type: "context", elements: [{ type: "mrkdwn", text: "rejected by <@U024BE7LH>" }] },
      { type: "section", text: plain("For: inbox, message received\nDecided by: rules") },
      {
        type: "section",
        text: { type: "mrkdwn", text: "<https://signalbox.acme.example/#/runs/run_1|Open the review>" },
      },
    ]);
    await server.close();
  });

  describe("the answer to the press of a button", () => {
    const answering = (baseUrl?: string) =>
      executorOf(slack({ baseUrl, token, channel: "#signalbox" }, deps), "slack.answer");
    const press = (url: string, over: JsonObject = {}) => ({
      url,
      text: "Done <@U1>",
      notice: null,
      ...over,
    });

    it("goes to one person, or takes the place of the notice, and carries no token", async () => {
      const server = await startScript((_request, response) => void response.writeHead(200).end("ok"));
      const url = `${server.url}/response/1`;
      expect(await answering(server.url).execute(press(url), "k", anyCall())).toEqual({ answered: "yes" });
      await answering(server.url).execute(press(url, { notice: inputOf("slack.review") }), "k", anyCall());
      const [one, all] = server.seen.map(({ body }) => JSON.parse(body) as JsonObject);
      expect(one).toEqual({
        response_type: "ephemeral",
        replace_original: false,
        text: "Done &lt;@U1&gt;",
      });
      expect(all).toMatchObject({ replace_original: true, blocks: expect.any(Array) });
      expect(server.seen[0]?.headers["authorization"]).toBeUndefined();
      await server.close();
    });

    it.each([
      "http://169.254.169.254/latest/meta-data",
      "https://hooks.slack.com.evil.example/x",
      "https://hooks.slack.com@evil.example/x",
      "http://hooks.slack.com/x",
      "https://slack.com/api/chat.delete",
      "file:///etc/passwd",
    ])("goes nowhere but to Slack: not to %s", async (url) => {
      const fault = await faultOf(answering().execute(press(url), "k", anyCall()));
      expect(fault).toMatchObject({ kind: "invalid", effect: "none" });
      expect(fault.message).not.toContain(url);
    });

    it("follows no redirect, takes an outage for one, and waits for nobody when it comes too late", async () => {
      const server = await startScript((_request, response) => {
        response.writeHead(302, { location: "http://169.254.169.254/" }).end();
      });
      const answer = () => answering(server.url).execute(press(`${server.url}/r`), "k", anyCall());
      expect(await faultOf(answer())).toMatchObject({ kind: "invalid", status: 302 });
      expect(server.seen).toHaveLength(1);
      server.run(json(500, { ok: false }));
      expect(await faultOf(answer())).toMatchObject({ kind: "unavailable", effect: "unknown" });
      server.run(json(404, { ok: false, error: "expired_url" }));
      expect(await answer()).toEqual({ answered: "too late" });
      await server.close();
    });
  });

  it("finds its message on a later page, and asks for the channel's id once", async () => {
    const theirs = {
      ts: "9.0",
      metadata: { event_type: "signalbox_action", event_payload: { key: "other" } },
    };
    const ours = { ts: "1.2", metadata: { event_type: "signalbox_action", event_payload: { key: "k" } } };
    const server = await startScript((request, response) => {
      const url = new URL(request.url, "http://slack.example");
      const more = { response_metadata: { next_cursor: "two" } };
      const channels = [{ id: "C0123456", name: "signalbox" }];
      if (url.pathname === "/conversations.list") json(200, { ok: true, channels })(request, response);
      else if (url.searchParams.get("cursor") === "two")
        json(200, { ok: true, messages: [ours] })(request, response);
      else json(200, { ok: true, messages: [theirs], ...more })(request, response);
    });
    const message = connect(server.url);
    const weekAgo = 1_700_000_000_000;
    const find = (key: string) => message.lookup?.(inputOf("slack.message"), key, anyCall(weekAgo));
    expect(await find("k")).toEqual({ id: "1.2", channel: "C0123456" });
    // From an hour before the request left, however long ago that is.
    const asked = server.seen.filter(({ url }) => url.startsWith("/conversations.history"));
    expect(new URL(asked[0]?.url ?? "", server.url).searchParams.get("oldest")).toBe("1699996400.000000");
    expect(await find("nobody's")).toBeNull();
    expect(server.seen.filter(({ url }) => url.startsWith("/conversations.list"))).toHaveLength(1);
    await server.close();
  });
});
