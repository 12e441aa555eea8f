import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/domain/json.ts";
import { signLinear } from "../../src/sandbox/senders.ts";
import { linear } from "../../src/sources/linear.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedFiles, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const secrets = { first: "lin_wh_current", second: "lin_wh_previous", stranger: "lin_wh_of_someone_else" };
const source = linear({ name: "linear", secrets: [secrets.first, secrets.second] });
const delivery = "234d1a4e-b617-4388-90fe-adc3633d6b72";
const issue = { action: "create", type: "Issue", createdAt: "2026-01-02T14:00:00.000Z", data: { id: "i-1" } };
const bodyAt = (at: number, payload: object = issue) => JSON.stringify({ ...payload, webhookTimestamp: at });
const body = bodyAt(now);
const headersOf = (text = body, by = secrets.first, event = "Issue") =>
  signLinear({ secret: by, event, payload: text, delivery }).headers;
const request = (text = body, changes: Record<string, string> = {}) =>
  rawRequest({ ...headersOf(text), ...changes }, text, now);
const identified = (text: string, changes: Record<string, string> = {}) =>
  source.identify(request(text, changes))[0];

sourceContract("linear", {
  source: () => source,
  credentialHeader: "linear-signature",
  coversBody: true,
  hasSecrets: true,
  tolerance: { pastMs: 60_000, futureMs: 60_000 },
  signed: ({ by, signedAt }) => rawRequest(headersOf(bodyAt(signedAt), secrets[by]), bodyAt(signedAt), now),
});

tamperingContract("a request of Linear", {
  source: () => source,
  now,
  signed: (at) => ({ headers: headersOf(bodyAt(at)), body: bodyAt(at) }),
  covered: ["linear-signature"],
  toleranceMs: 60_000,
});

describe("Linear's signed time", () => {
  it("is the body's; a header can't make an old request young", () => {
    const text = bodyAt(now - 61_000);
    expect(() => source.verify(request(text, { "Linear-Timestamp": String(now) }))).toThrow(
      expect.objectContaining({ status: 401, code: "timestamp_out_of_tolerance" }),
    );
  });

  it.each([
    {},
    { webhookTimestamp: null },
    { webhookTimestamp: "1700000000000" },
    { webhookTimestamp: 1.7e300 },
  ])("is missing in %j, whatever the header says", (fields) => {
    const text = JSON.stringify({ ...issue, ...fields });
    expect(() => source.verify(request(text, { "Linear-Timestamp": String(now) }))).toThrow(
      expect.objectContaining({ status: 401, code: "timestamp_missing" }),
    );
  });

  it("is not looked for before the signature is right", () => {
    expect(() => source.verify(rawRequest(headersOf("{}", secrets.stranger), "{}", now))).toThrow(
      expect.objectContaining({ status: 401, code: "signature_mismatch" }),
    );
  });

  it.each(["not json", "[]", '{"a":'])("is not asked of %j, which is kept as malformed", (text) => {
    expect(source.verify(request(text))).toEqual({ secretIndex: 0 });
    expect(() => source.identify(request(text))).toThrow(
      expect.objectContaining({ status: 400, code: "malformed_json" }),
    );
  });
});

describe("a Linear event", () => {
  it("is known by its delivery and by its body, since the delivery is not signed", () => {
    expect(identified(body)).toMatchObject({
      providerId: delivery,
      type: "Issue.create",
      occurredAt: Date.parse(issue.createdAt),
      dedupeKeys: [`id:${delivery}`, `body:${sha256(Buffer.from(body))}`],
    });
    expect(identified(body, { "Linear-Delivery": "fresh" })?.dedupeKeys[1]).toBe(
      identified(body)?.dedupeKeys[1],
    );
    // Linear stamps each attempt anew, under the same delivery.
    expect(identified(bodyAt(now + 1))?.dedupeKeys[0]).toBe(`id:${delivery}`);
  });

  it("has the type that is signed, or the header's where the body names none", () => {
    expect(identified(body, { "Linear-Event": "Project" })?.type).toBe("Issue.create");
    expect(identified('{"action":"set"}', { "Linear-Event": "IssueSLA" })?.type).toBe("IssueSLA.set");
    expect(identified('{"type":"Issue"}')?.type).toBe("Issue");
    expect(identified('{"type":"Issue","action":"a\\u0000b"}')?.type).toBe("Issue");
  });

  it.each([
    ["Linear-Delivery", body],
    ["Linear-Event", "{}"],
  ])("is malformed without %s", (name, text) => {
    expect(() => identified(text, { [name]: "" })).toThrow(
      expect.objectContaining({ status: 400, message: expect.stringContaining(name) as string }),
    );
  });

  it("has the time of sending where Linear names no other", () => {
    expect(identified(bodyAt(now, { type: "Issue", action: "create" }))?.occurredAt).toBe(now);
  });
});

describe("Linear's own verifier", () => {
  const at = Date.now();
  const theirs = (text: string, signature: string) =>
    new LinearWebhookClient(secrets.first).verify(Buffer.from(text), signature);
  const ours = (text: string, signature: string) =>
    source.verify(rawRequest({ "linear-signature": signature }, text, at));
  const signatureOf = (text: string, by = secrets.first) => headersOf(text, by)["linear-signature"] ?? "";
  const fresh = bodyAt(at);

  it("accepts what we accept", () => {
    expect(theirs(fresh, signatureOf(fresh))).toBe(true);
    expect(ours(fresh, signatureOf(fresh))).toEqual({ secretIndex: 0 });
  });

  it.each([
    ["another body", bodyAt(at, { ...issue, action: "remove" }), signatureOf(fresh)],
    ["another secret", fresh, signatureOf(fresh, secrets.stranger)],
    ["an upper-case signature", fresh, signatureOf(fresh).toUpperCase()],
    ["a signature that was cut", fresh, signatureOf(fresh).slice(1)],
    ["a time long past", bodyAt(at - 120_000), signatureOf(bodyAt(at - 120_000))],
    ["a time far ahead", bodyAt(at + 120_000), signatureOf(bodyAt(at + 120_000))],
    ["no time", JSON.stringify(issue), signatureOf(JSON.stringify(issue))],
    ["a time that is a text", '{"webhookTimestamp":"now"}', signatureOf('{"webhookTimestamp":"now"}')],
  ])("refuses %s, and so do we", (_, text, signature) => {
    expect(() => theirs(text, signature)).toThrow(/webhook (signature|timestamp)/);
    expect(() => ours(text, signature)).toThrow(expect.objectContaining({ status: 401 }));
  });
});

describe.skipIf(!sharedPresent)(`Linear's samples beside the repository${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, headers, body: text, now: seconds } of signatureVectors("linear")) {
      const given = linear({ name: "l", secrets: ["", secret] });
      const sent = rawRequest(headers, text, seconds * 1_000);
      expect(given.verify(sent)).toEqual({ secretIndex: 1 });
      expect(given.identify(sent)[0]?.type).toBe("Comment.create");
    }
  });

  it.each(sharedFiles("specs/linear/payloads"))("%s is verified and identified", (file) => {
    const text = sharedFile(`specs/linear/payloads/${file}`);
    const { webhookTimestamp } = JSON.parse(text) as { webhookTimestamp: number };
    const sent = { ...request(text), receivedAt: webhookTimestamp };
    expect(source.verify(sent)).toEqual({ secretIndex: 0 });
    expect(source.identify(sent)[0]?.type).toBe(file.replace(/\.json$/, ""));
  });
});
