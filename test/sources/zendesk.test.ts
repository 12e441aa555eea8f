import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/domain/json.ts";
import { signZendesk } from "../../src/sandbox/senders.ts";
import { zendesk } from "../../src/sources/zendesk.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedFiles, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const secrets = {
  first: "c2VjcmV0LWN1cnJlbnQ=",
  second: "secret-previous",
  stranger: "secret-of-someone-else",
};
const source = zendesk({ name: "desk", secrets: [secrets.first, secrets.second] });
const event = {
  id: "2b24ef10-19d8-4740-93cf-dd98ec24bcc1",
  type: "zen:event-type:ticket.created",
  time: "2026-01-02T14:00:01.123456789Z",
  detail: { id: "5158" },
};
const body = JSON.stringify(event);
const invocation = "8231937f-0dd6-4a0b-a1ff-6c17a2a92bd9";
const iso = (at: number) => new Date(at).toISOString().replace(".000Z", "Z");
const headersOf = (text = body, by = secrets.first, at = now) =>
  signZendesk({ secret: by, payload: text, timestamp: iso(at), invocation }).headers;
const request = (text = body, changes: Record<string, string> = {}) =>
  rawRequest({ ...headersOf(text), ...changes }, text, now);
const identified = (text: string, changes: Record<string, string> = {}) =>
  source.identify(request(text, changes))[0];

sourceContract("zendesk", {
  source: () => source,
  credentialHeader: "x-zendesk-webhook-signature",
  coversBody: true,
  hasSecrets: true,
  takesEmptyBody: true,
  tolerance: { pastMs: 300_000, futureMs: 300_000 },
  signed: ({ by, signedAt }) => rawRequest(headersOf(body, secrets[by], signedAt), body, now),
});

tamperingContract("a request of Zendesk", {
  source: () => source,
  now,
  signed: (at) => ({ headers: headersOf(body, secrets.first, at), body }),
  covered: ["x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"],
  toleranceMs: 300_000,
});

describe("Zendesk's signature", () => {
  it("is made with the secret's text, not with what it might mean as base64", () => {
    const decoded = createHmac("sha256", Buffer.from(secrets.first, "base64"))
      .update(`${iso(now)}${body}`)
      .digest("base64");
    expect(() => source.verify(request(body, { "x-zendesk-webhook-signature": decoded }))).toThrow(
      expect.objectContaining({ status: 401, code: "signature_mismatch" }),
    );
  });

  it("covers an empty body", () => {
    expect(source.verify(request(""))).toEqual({ secretIndex: 0 });
    expect(() => source.verify({ ...request(""), body: Buffer.from("{}") })).toThrow(
      expect.objectContaining({ code: "signature_mismatch" }),
    );
  });

  it("may have parts of a second in its time", () => {
    const timestamp = "2023-11-14T22:13:20.123Z";
    const { headers } = signZendesk({ secret: secrets.first, payload: body, timestamp });
    expect(source.verify(rawRequest(headers, body, now))).toEqual({ secretIndex: 0 });
  });

  it.each([
    "",
    "1700000000",
    "2023-11-14T22:13:20",
    "2023-11-14 22:13:20Z",
    "2023-11-14T22:13:20+00:00",
    "2023-99-14T22:13:20Z",
  ])("does not count with the time %j", (timestamp) => {
    const { headers } = signZendesk({ secret: secrets.first, payload: body, timestamp });
    expect(() => source.verify(rawRequest(headers, body, now))).toThrow(
      expect.objectContaining({ status: 401, code: "signature_malformed" }),
    );
  });

  it("is accepted in one spelling of base64 only", () => {
    const { "x-zendesk-webhook-signature": signature = "" } = headersOf();
    const last = signature.at(-2) ?? "";
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Its last two bits are not part of the 32 bytes.
    const twin = `${signature.slice(0, -2)}${alphabet[alphabet.indexOf(last) + 1] ?? ""}=`;
    expect(Buffer.from(twin, "base64").equals(Buffer.from(signature, "base64"))).toBe(true);
    for (const other of [twin, signature.slice(0, -1), ` ${signature}`, `${signature}=`]) {
      expect(() => source.verify(request(body, { "x-zendesk-webhook-signature": other }))).toThrow(
        expect.objectContaining({ status: 401, code: "signature_malformed" }),
      );
    }
  });
});

describe("a Zendesk event", () => {
  it("has its type without the prefix, and is known by its invocation and by its own id", () => {
    expect(identified(body)).toMatchObject({
      providerId: invocation,
      type: "ticket.created",
      occurredAt: Date.parse("2026-01-02T14:00:01.123Z"),
      dedupeKeys: [`id:${invocation}`, `event:${event.id}`],
      payload: event,
    });
    const replayed = identified(body, { "x-zendesk-webhook-invocation-id": "fresh" });
    expect(replayed?.dedupeKeys).toContain(`event:${event.id}`);
  });

  it("has its own id where there is none of an invocation; without both it is known by what was signed", () => {
    expect(identified(body, { "x-zendesk-webhook-invocation-id": "" })?.providerId).toBe(event.id);
    const text = '{"ticket":1}';
    const hash = sha256(iso(now), Buffer.from(text));
    expect(identified(text, { "x-zendesk-webhook-invocation-id": "" })).toMatchObject({
      providerId: hash,
      dedupeKeys: [`id:${hash}`, `signed:${hash}`],
    });
    expect(identified(text)?.dedupeKeys).toContain(`signed:${hash}`);
    expect(() => identified(text, { "x-zendesk-webhook-invocation-id": "two words" })).toThrow(
      expect.objectContaining({ status: 400, code: "malformed_event" }),
    );
  });

  it("of a trigger has the type `webhook` unless its body names one", () => {
    expect(identified('{"event":"ticket.updated","id":123}')?.type).toBe("webhook");
    expect(identified('{"type":"incident"}')?.type).toBe("incident");
    expect(identified('{"type":7}')?.type).toBe("webhook");
    expect(identified('{"type":"zen:event-type:"}')?.type).toBe("webhook");
  });

  it("of a trigger is not known by the `id` in its body, which is a ticket's: by what was signed", () => {
    const text = '{"id":"5158"}';
    const key = `signed:${sha256(iso(now), Buffer.from(text))}`;
    expect(identified(text)?.dedupeKeys).toEqual([`id:${invocation}`, key]);
    const later = signZendesk({ secret: secrets.first, payload: text, timestamp: iso(now + 1_000) }).headers;
    expect(source.identify(rawRequest(later, text, now))[0]?.dedupeKeys).not.toContain(key);
  });

  it("may have an empty body, which is kept as {}", () => {
    const empty = identified("");
    expect(empty).toMatchObject({ providerId: invocation, type: "webhook", payload: {} });
    expect(empty?.body.toString()).toBe("{}");
  });
});

describe.skipIf(!sharedPresent)(`Zendesk's samples beside the repository${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, headers, body: text, now: seconds } of signatureVectors("zendesk")) {
      const given = zendesk({ name: "z", secrets: ["", secret] });
      expect(given.verify(rawRequest(headers, text, seconds * 1_000))).toEqual({ secretIndex: 1 });
    }
  });

  it.each(sharedFiles("specs/zendesk/payloads"))("%s is identified", (file) => {
    const text = sharedFile(`specs/zendesk/payloads/${file}`);
    expect(source.verify(request(text))).toEqual({ secretIndex: 0 });
    expect(identified(text)?.type).toBe(file.replace(/\.json$/, ""));
  });
});
