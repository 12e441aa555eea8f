import { createHmac } from "node:crypto";
import { isValidSlackRequest } from "@slack/bolt/dist/receivers/verify-request.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIngest } from "../../src/http/ingest.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { deliver, signSlack } from "../../src/sandbox/senders.ts";
import type { Signed } from "../../src/sandbox/senders.ts";
import { slack } from "../../src/sources/slack.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { manualClock } from "../support/clock.ts";
import { memoryInbox } from "../support/memory-inbox.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const seconds = now / 1000;
const secrets = { first: "secret-current", second: "secret-previous", stranger: "secret-of-someone-else" };
const source = slack({ name: "slack", secrets: [secrets.first, secrets.second] });
const mention = {
  type: "event_callback",
  event_id: "Ev123ABC456",
  event_time: 1_699_999_990,
  event: { type: "app_mention", text: "status?", channel: "C1" },
};
const click = {
  type: "block_actions",
  trigger_id: "123.456.abc",
  container: { type: "message", message_ts: "1548261231.000200", channel_id: "C1" },
  actions: [{ action_id: "approve", action_ts: "1699999995.840180", value: "apr_1" }],
};
const command = {
  command: "/deploy",
  text: "prod & 100% ü",
  user_id: "U1",
  trigger_id: "398738663015.47445629121.803a0bc8",
};
const asRequest = ({ headers, body }: Signed) => rawRequest(headers, body, now);
const signed = (
  payload: unknown,
  form?: "interaction" | "command",
  by: string = secrets.first,
  timestamp = seconds,
) => signSlack({ secret: by, payload, timestamp, ...(form ? { form } : {}) });
const identified = (payload: unknown, form?: "interaction" | "command") =>
  source.identify(asRequest(signed(payload, form)))[0];

sourceContract("slack", {
  source: () => source,
  credentialHeader: "x-slack-signature",
  coversBody: true,
  hasSecrets: true,
  tolerance: { pastMs: 300_000, futureMs: 300_000 },
  signed: ({ by, signedAt }) => asRequest(signed(mention, undefined, secrets[by], signedAt / 1000)),
});

it("knows the press of a button of ours, which is carried out by a run of the system, from every other click", () => {
  const clicked = (over: object) =>
    identified({ ...click, actions: [{ ...click.actions[0], ...over }] }, "interaction");
  const value = `act_018f-1 ${"0a".repeat(32)}`;
  expect(clicked({ action_id: "signalbox.approve", value })?.press).toEqual({ about: "act_018f-1" });
  expect(clicked({ action_id: "signalbox.reject", value: "anything" })?.press).toEqual({ about: "unknown" });
  for (const action_id of ["approve", "signalbox.approve2", "signalbox"])
    expect(clicked({ action_id, value })).not.toHaveProperty("press");
});

const kinds = [
  ["an event of Slack's", mention, undefined],
  ["a click in Slack", click, "interaction"],
  ["a slash command", command, "command"],
] as const;
for (const [title, payload, form] of kinds) {
  tamperingContract(title, {
    source: () => source,
    now,
    signed: (at) => signed(payload, form, secrets.first, at / 1000),
    covered: ["x-slack-signature", "x-slack-request-timestamp"],
    toleranceMs: 300_000,
  });
}

describe("the headers of a Slack request", () => {
  const body = JSON.stringify(mention);
  const mac = (t: string) => createHmac("sha256", secrets.first).update(`v0:${t}:${body}`).digest("hex");

  it.each([
    ["upper-case hex", `v0=${mac(String(seconds)).toUpperCase()}`, String(seconds)],
    ["another version", `v1=${mac(String(seconds))}`, String(seconds)],
    ["no version", mac(String(seconds)), String(seconds)],
    ["no time", `v0=${mac("")}`, ""],
    ["a time that is no number", `v0=${mac("now")}`, "now"],
    ["a time with a fraction", `v0=${mac("1700000000.5")}`, "1700000000.5"],
    ["a negative time", `v0=${mac("-5")}`, "-5"],
  ])("are malformed with %s, however rightly signed", (_, signature, timestamp) => {
    const headers = { "x-slack-signature": signature, "x-slack-request-timestamp": timestamp };
    expect(() => source.verify(rawRequest(headers, body, now))).toThrow(
      expect.objectContaining({ status: 401, code: "signature_malformed" }),
    );
  });

  it("are named as too old only to a sender whose secret is right", () => {
    const codeOf = (by: string) => {
      try {
        return source.verify(asRequest(signed(mention, undefined, by, seconds - 301)));
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    expect(codeOf(secrets.first)).toBe("timestamp_out_of_tolerance");
    expect(codeOf(secrets.stranger)).toBe("signature_mismatch");
  });
});

describe("an event of Slack's", () => {
  it("is known by its event_id, in Slack's words and time", () => {
    const body = JSON.stringify(mention);
    expect(identified(mention)).toEqual({
      providerId: "Ev123ABC456",
      type: "app_mention",
      occurredAt: 1_699_999_990_000,
      dedupeKeys: ["id:Ev123ABC456"],
      body: Buffer.from(body),
      payload: mention,
    });
  });

  it("is the same when Slack tries again, newly signed", () => {
    const again = signed(mention, undefined, secrets.first, seconds + 60);
    const retry = rawRequest({ ...again.headers, "X-Slack-Retry-Num": "1" }, again.body, now + 60_000);
    expect(source.verify(retry)).toEqual({ secretIndex: 0 });
    expect(source.identify(retry)[0]?.dedupeKeys).toEqual(identified(mention)?.dedupeKeys);
  });

  it("may be a notice without an id, which is known by its content", () => {
    const notice = { type: "app_rate_limited", team_id: "T1", minute_rate_limited: 1_518_467_820 };
    expect(identified(notice)).toMatchObject({ type: "app_rate_limited", occurredAt: null });
    expect(identified(notice)?.dedupeKeys).toEqual(identified(notice)?.dedupeKeys);
    expect(identified({ ...notice, minute_rate_limited: 1 })?.dedupeKeys).not.toEqual(
      identified(notice)?.dedupeKeys,
    );
  });

  it.each([
    ["without an event_id", { ...mention, event_id: undefined }],
    ["without an event", { ...mention, event: undefined }],
    ["without a type", { event_id: "Ev1" }],
    ["that asks for verification without a challenge", { type: "url_verification" }],
  ])("is malformed %s", (_, payload) => {
    expect(() => identified(payload)).toThrow(
      expect.objectContaining({ status: 400, code: "malformed_event" }),
    );
  });
});

describe("a click in Slack", () => {
  it("is known by message, action and time, and is kept as the JSON of its form", () => {
    expect(identified(click, "interaction")).toEqual({
      providerId: "1548261231.000200:approve:1699999995.840180",
      type: "block_actions",
      occurredAt: 1_699_999_995_840,
      dedupeKeys: ["id:1548261231.000200:approve:1699999995.840180"],
      body: Buffer.from(JSON.stringify(click)),
      payload: click,
    });
  });

  it("in a view is known by the view", () => {
    const inView = { ...click, container: { type: "view", view_id: "V1" } };
    expect(identified(inView, "interaction")?.providerId).toBe("V1:approve:1699999995.840180");
  });

  it("without any of these is known by its trigger, else by its content", () => {
    for (const actions of [undefined, [], [{}], [null], [{ action_id: "a b", action_ts: "1" }]]) {
      expect(identified({ ...click, actions }, "interaction")?.providerId).toBe("123.456.abc");
    }
    const bare = { type: "view_closed", view: { id: "V1" } };
    expect(identified(bare, "interaction")?.providerId).toMatch(/^[0-9a-f]{64}$/);
    expect(identified(bare, "interaction")?.dedupeKeys).not.toEqual(
      identified({ ...bare, view: { id: "V2" } }, "interaction")?.dedupeKeys,
    );
  });

  it("has the time that Slack signed where it names none itself", () => {
    const submitted = { type: "view_submission", trigger_id: "1.2.3", view: { id: "V1" } };
    expect(identified(submitted, "interaction")?.occurredAt).toBe(now);
  });
});

describe("a slash command", () => {
  it("is known by its trigger, and its fields are texts", () => {
    const event = identified(command, "command");
    expect(event).toMatchObject({
      providerId: command.trigger_id,
      type: "slash_command",
      occurredAt: now,
      payload: command,
    });
    expect(JSON.parse(event?.body.toString("utf8") ?? "")).toEqual(command);
  });

  it("may have a field that is named as a prototype's, which changes nothing but itself", () => {
    const event = identified("command=%2Fa&trigger_id=1&__proto__=polluted&constructor=x", "command");
    expect(event?.type).toBe("slash_command");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.getPrototypeOf(event?.payload)).toBe(Object.prototype);
  });
});

describe("a form from Slack", () => {
  it.each([
    ["", "malformed_form"],
    ["text=hello", "malformed_form"],
    ["payload=%7B%7D&payload=%7B%7D", "malformed_form"],
    ["payload=%ff", "malformed_form"],
    ["payload=%", "malformed_form"],
    ["payload=ü", "malformed_form"],
    ["payload=%7Bbroken", "malformed_json"],
    ["payload=%5B%5D", "malformed_json"],
    ["payload=%7B%7D", "malformed_event"],
    ["command=%2Fdeploy", "malformed_event"],
  ])("is refused as %j: %s", (body, code) => {
    expect(() => identified(body, "command")).toThrow(expect.objectContaining({ status: 400, code }));
  });
});

describe("through the receiver", () => {
  const post = async (sent: Signed) => {
    const inbox = memoryInbox();
    const ingest = createIngest({
      sources: new Map([["slack", source]]),
      inbox,
      metrics: createMetrics(),
      log: silentLog,
      clock: manualClock(now),
    });
    const { port } = await ingest.listen({ host: "127.0.0.1", port: 0 });
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/webhooks/slack`, {
        method: "POST",
        headers: sent.headers,
        body: sent.body,
      });
      const again = await deliver(`http://127.0.0.1:${port}/webhooks/slack`, sent);
      return {
        status: answer.status,
        type: answer.headers.get("content-type"),
        text: await answer.text(),
        again: again.status,
        stored: inbox.stored.length,
        malformed: inbox.malformed.length,
      };
    } finally {
      await ingest.close(0);
    }
  };
  const verification = { type: "url_verification", challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkv" };

  it("a signed url_verification is answered with its challenge, and nothing is stored", async () => {
    expect(await post(signed(verification))).toMatchObject({
      status: 200,
      type: "text/plain; charset=utf-8",
      text: verification.challenge,
      stored: 0,
    });
  });

  it("an unsigned, strangely signed or old url_verification is not answered", async () => {
    const { body, headers } = signed(verification);
    const bare = { body, headers: { "content-type": headers["content-type"] ?? "" } };
    for (const sent of [
      bare,
      signed(verification, undefined, secrets.stranger),
      signed(verification, undefined, secrets.first, seconds - 301),
    ]) {
      const answer = await post(sent);
      expect(answer.status).toBe(401);
      expect(answer.text).not.toContain(verification.challenge);
    }
  });

  it("a challenge that is no word is refused and kept, not sent back", async () => {
    const answer = await post(signed({ ...verification, challenge: "<script>\nalert(1)" }));
    expect(answer).toMatchObject({ status: 400, malformed: 2 });
    expect(answer.text).not.toContain("script");
  });

  it("an event that merely speaks of url_verification is stored", async () => {
    const talk = { ...mention, event: { type: "message", text: '{"type":"url_verification"}' } };
    expect(await post(signed(talk))).toMatchObject({ status: 200, again: 200, stored: 2 });
  });

  it("a check of the certificate is answered with nothing", async () => {
    expect(await post(signed("ssl_check=1&token=x", "command"))).toMatchObject({
      status: 200,
      text: "",
      stored: 0,
    });
    const withCommand = `ssl_check=1&${new URLSearchParams(command).toString()}`;
    expect(await post(signed(withCommand, "command"))).toMatchObject({ status: 200, stored: 2 });
  });

  it("a submitted dialog is answered with nothing: Slack would take our JSON for an instruction", async () => {
    const submitted = { type: "view_submission", trigger_id: "1.2.3", view: { id: "V1" } };
    expect(await post(signed(submitted, "interaction"))).toMatchObject({ status: 200, text: "", stored: 2 });
    const clicked = await post(signed(click, "interaction"));
    expect(JSON.parse(clicked.text)).toMatchObject({ status: "accepted" });
  });
});

describe("Slack's own verifier", () => {
  it("refuses nothing that is accepted here, and accepts what is refused only when it comes from the future", () => {
    const body = JSON.stringify(mention);
    const digest = (t: number, by: string) =>
      createHmac("sha256", by).update(`v0:${t}:${body}`).digest("hex");
    fc.assert(
      fc.property(
        fc.integer({ min: -400, max: 400 }),
        fc.constantFrom(0, 0, 0, 1, -1),
        fc.constantFrom(secrets.first, secrets.first, secrets.stranger),
        fc.constantFrom("v0=", "v0=", "v0=", "v1=", ""),
        fc.constantFrom(body, body, body, `${body} `),
        (age, moved, by, version, sent) => {
          const timestamp = seconds - age;
          const headers = {
            "x-slack-signature": version + digest(timestamp + moved, by),
            "x-slack-request-timestamp": String(timestamp),
          };
          const theirs = isValidSlackRequest({
            signingSecret: secrets.first,
            body: sent,
            headers: { ...headers, "x-slack-request-timestamp": timestamp },
            nowMilliseconds: now,
          });
          const ours = (): unknown => source.verify(rawRequest(headers, sent, now));
          if (theirs && age >= -300) expect(ours()).toEqual({ secretIndex: 0 });
          else expect(ours).toThrow(expect.objectContaining({ status: 401 }));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe.skipIf(!sharedPresent)(`Slack's samples${sharedNote}`, () => {
  it("are verified by the published vector, which is a slash command", () => {
    for (const { secret, now: at, headers, body } of signatureVectors("slack")) {
      const form = { ...headers, "content-type": "application/x-www-form-urlencoded" };
      const one = slack({ name: "s", secrets: [secret] });
      const sent = rawRequest(form, body, at * 1000);
      expect(one.verify(sent)).toEqual({ secretIndex: 0 });
      expect(one.identify(sent)[0]).toMatchObject({
        type: "slash_command",
        providerId: "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        payload: { command: "/webhook-collect", text: "" },
      });
    }
  });

  it.each([
    ["event_callback.app_mention.json", undefined, "app_mention", "Ev123ABC456"],
    ["block_actions.json", "interaction", "block_actions", "1548261231.000200:approve:1548426417.840180"],
    ["block_actions.form.txt", "command", "block_actions", "1548261231.000200:approve:1548426417.840180"],
  ] as const)("%s is verified and identified", (file, form, type, providerId) => {
    const sent = asRequest(signed(sharedFile(`specs/slack/payloads/${file}`).trim(), form));
    expect(source.verify(sent)).toEqual({ secretIndex: 0 });
    expect(source.identify(sent)[0]).toMatchObject({ type, providerId });
  });

  it("url_verification.json is answered", () => {
    const text = sharedFile("specs/slack/payloads/url_verification.json");
    expect(source.challenge?.(asRequest(signed(text)))?.body).toBe(
      (JSON.parse(text) as { challenge: string }).challenge,
    );
  });
});
