import { describe, expect, it } from "vitest";
import { startSlack } from "../../src/sandbox/slack.ts";
import { json, startScript } from "../support/http-script.ts";
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
  kinds: ["slack.message"],
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
