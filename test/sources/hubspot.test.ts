import { Signature } from "@hubspot/api-client";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { signHubspot } from "../../src/sandbox/senders.ts";
import { hubspot } from "../../src/sources/hubspot.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const secrets = { first: "secret-current", second: "secret-previous", stranger: "secret-of-someone-else" };
const publicUrl = "https://hooks.acme.example";
const source = hubspot({ name: "crm", secrets: [secrets.first, secrets.second], publicUrl });
const event = {
  eventId: 1,
  subscriptionId: 12_345,
  portalId: 62_515,
  occurredAt: 1_564_113_600_000,
  subscriptionType: "contact.creation",
  attemptNumber: 0,
  objectId: 123,
};
const body = JSON.stringify([event]);

interface Sent {
  by?: string;
  text?: string;
  at?: number;
  /** What HubSpot was given, and signs. */
  target?: string;
  /** What arrives here. */
  path?: string;
}
const request = ({
  by = secrets.first,
  text = body,
  at = now,
  path = "/webhooks/test",
  target,
}: Sent = {}) => {
  const url = target ?? publicUrl + path;
  const { headers } = signHubspot({ secret: by, url, payload: text, timestampMs: at });
  return { ...rawRequest(headers, text, now), url: path };
};
const identified = (text: string) => source.identify(request({ text }));
const mismatch = expect.objectContaining({ status: 401, code: "signature_mismatch" }) as unknown;
const malformed = expect.objectContaining({ status: 401, code: "signature_malformed" }) as unknown;

sourceContract("hubspot", {
  source: () => source,
  credentialHeader: "x-hubspot-signature-v3",
  coversBody: true,
  hasSecrets: true,
  tolerance: { pastMs: 300_000, futureMs: 300_000 },
  signed: ({ by, signedAt }) => request({ by: secrets[by], at: signedAt }),
});

tamperingContract("a request of HubSpot", {
  source: () => source,
  now,
  signed: (at) =>
    signHubspot({ secret: secrets.first, url: `${publicUrl}/webhooks/bent`, payload: body, timestampMs: at }),
  covered: ["x-hubspot-signature-v3", "x-hubspot-request-timestamp"],
  toleranceMs: 300_000,
});

describe("the URL that HubSpot signs", () => {
  it("is the configured public one with the request's path and query, whatever Host says", () => {
    const sent = request({ path: "/webhooks/test?shop=1&b=2" });
    const headers = { ...sent.headers, host: "attacker.example", "x-forwarded-host": "attacker.example" };
    expect(source.verify({ ...sent, headers })).toEqual({ secretIndex: 0 });
    expect(() => source.verify({ ...sent, url: "/webhooks/test?shop=2&b=2" })).toThrow(mismatch);
    expect(() => source.verify({ ...sent, url: "/webhooks/test" })).toThrow(mismatch);
    const elsewhere = request({ target: "https://attacker.example/webhooks/test" });
    expect(() =>
      source.verify({ ...elsewhere, headers: { ...elsewhere.headers, host: "attacker.example" } }),
    ).toThrow(mismatch);
  });

  it("is the source's own `url` to the letter, where a proxy changes the path", () => {
    const url = "https://acme.example/in/hubspot/?a=1";
    const own = hubspot({ name: "crm", secrets: [secrets.first], publicUrl, url });
    expect(own.verify(request({ target: url }))).toEqual({ secretIndex: 0 });
    expect(() => own.verify(request())).toThrow(mismatch);
  });

  it("covers the method", () => {
    expect(() => source.verify({ ...request(), method: "PUT" })).toThrow(mismatch);
  });

  it("may be signed with the escapes decoded that HubSpot decodes, or as it was sent; with no others", () => {
    const path = "/webhooks/test?to=a%40b.c%3A8%2f%3F%21%24%27%28%29%2A%2C%3B&rest=%20%26%25";
    const decoded = "/webhooks/test?to=a@b.c:8/?!$'()*,;&rest=%20%26%25";
    expect(source.verify(request({ path, target: publicUrl + decoded }))).toEqual({ secretIndex: 0 });
    expect(source.verify(request({ path }))).toEqual({ secretIndex: 0 });
    expect(() => source.verify(request({ path, target: publicUrl + decodeURIComponent(path) }))).toThrow(
      mismatch,
    );
  });

  /** The table under "Validate the v3 request signature" in HubSpot's documentation, whole. */
  const decodedByHubspot: Readonly<Record<string, string>> = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
  };

  it("has those escapes decoded that HubSpot's documentation lists, one by one, and no other of all there are", () => {
    for (let byte = 0; byte < 256; byte += 1) {
      const escape = `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
      const path = `/webhooks/test?src=a${escape}b`;
      const listed = decodedByHubspot[escape];
      const signedUrl = `${publicUrl}/webhooks/test?src=a${listed ?? String.fromCharCode(byte)}b`;
      const sent = request({ path, target: signedUrl });
      if (listed === undefined) expect(() => source.verify(sent), escape).toThrow(mismatch);
      else expect(source.verify(sent), escape).toEqual({ secretIndex: 0 });
    }
  });

  it("is decoded once: what an escaped percent sign hides stays hidden", () => {
    const path = "/webhooks/test?src=%2540";
    expect(source.verify(request({ path }))).toEqual({ secretIndex: 0 });
    for (const signedUrl of ["/webhooks/test?src=%40", "/webhooks/test?src=@"])
      expect(() => source.verify(request({ path, target: publicUrl + signedUrl }))).toThrow(mismatch);
  });

  it("is decoded by the receiver: HubSpot's own package signs the URL that it is handed", () => {
    const options = { clientSecret: secrets.first, requestBody: body, timestamp: now, signature: "" };
    const path = "/webhooks/test?src=hs%3Aapp%2Fv3&x=%28a%29";
    const decoded = `${publicUrl}/webhooks/test?src=hs:app/v3&x=(a)`;
    const signature = Signature.getSignature("POST", "v3", { ...options, url: decoded });
    expect(signature).not.toBe(Signature.getSignature("POST", "v3", { ...options, url: publicUrl + path }));
    const headers = { "x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": String(now) };
    expect(source.verify({ ...rawRequest(headers, body, now), url: path })).toEqual({ secretIndex: 0 });
  });

  it("is no URL with characters that a URL does not have: they could be the start of the body", () => {
    expect(() => source.verify(request({ path: '/webhooks/test?[{"eventId":1' }))).toThrow(malformed);
  });

  it("leaves no way to move bytes over to the body or the time, which nothing separates from it", () => {
    const path = "/webhooks/test?a=1&b=22";
    const sent = request({ path });
    const whole = `${path}${body}${now}`;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: whole.length - 1 }),
        fc.integer({ min: 1, max: whole.length - 1 }),
        (one, two) => {
          const [first, second] = one < two ? [one, two] : [two, one];
          fc.pre(first !== path.length || second !== path.length + body.length);
          const moved = {
            ...sent,
            url: whole.slice(0, first),
            body: Buffer.from(whole.slice(first, second)),
            headers: { ...sent.headers, "x-hubspot-request-timestamp": whole.slice(second) },
          };
          expect(() => {
            void source.verify(moved);
            source.identify(moved);
          }).toThrow(expect.objectContaining({ name: "Rejection" }));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("HubSpot's signature", () => {
  it("is not replaced by version 1 or 2, however right they are", () => {
    const options = {
      clientSecret: secrets.first,
      requestBody: body,
      url: `${publicUrl}/webhooks/test`,
      signature: "",
    };
    for (const version of ["v1", "v2"]) {
      const signature = Signature.getSignature("POST", version, options);
      const old = { "x-hubspot-signature": signature, "x-hubspot-signature-version": version };
      expect(() => source.verify(rawRequest(old, body, now))).toThrow(
        expect.objectContaining({ status: 401, code: "signature_missing" }),
      );
      expect(() =>
        source.verify(rawRequest({ ...old, "x-hubspot-signature-v3": signature }, body, now)),
      ).toThrow(malformed);
    }
  });

  it.each(["", "1700000000", "17000000000000", "1700000000000.0", "+170000000000", "2023-11-14T22:13:20Z"])(
    "does not count with the time %j",
    (timestamp) => {
      const headers = { ...request().headers, "x-hubspot-request-timestamp": timestamp };
      expect(() => source.verify({ ...request(), headers })).toThrow(malformed);
    },
  );

  it("is what HubSpot's own package computes", () => {
    const url = `${publicUrl}/webhooks/test`;
    const signature = Signature.getSignature("POST", "v3", {
      clientSecret: secrets.second,
      requestBody: body,
      url,
      timestamp: now,
      signature: "",
    });
    const headers = { "x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": String(now) };
    expect(source.verify(rawRequest(headers, body, now))).toEqual({ secretIndex: 1 });
  });

  it("is accepted by HubSpot's own package when our sandbox makes it, and refused when bent", () => {
    const at = Date.now();
    const url = `${publicUrl}/webhooks/test`;
    const { headers } = signHubspot({ secret: secrets.first, url, payload: body, timestampMs: at });
    const isValid = (change: { requestBody?: string; url?: string; clientSecret?: string }) =>
      Signature.isValid({
        signatureVersion: "v3",
        clientSecret: secrets.first,
        requestBody: body,
        url,
        timestamp: at,
        signature: headers["x-hubspot-signature-v3"] ?? "",
        ...change,
      });
    expect(isValid({})).toBe(true);
    for (const change of [
      { requestBody: `${body} ` },
      { url: `${url}?` },
      { clientSecret: secrets.stranger },
    ]) {
      expect(isValid(change)).toBe(false);
    }
  });
});

describe("a request of HubSpot", () => {
  it("is one event per item, each with its own bytes", () => {
    const text = ` [ ${JSON.stringify(event)} ,\n{ "eventId" : 9007199254740993, "subscriptionType":"deal.propertyChange","a":["]}",{"b":"\\"{["}] } ]\n`;
    const events = identified(text);
    expect(events.map(({ body: bytes }) => bytes.toString())).toEqual([
      JSON.stringify(event),
      '{ "eventId" : 9007199254740993, "subscriptionType":"deal.propertyChange","a":["]}",{"b":"\\"{["}] }',
    ]);
    expect(events[0]).toMatchObject({
      providerId: "1",
      type: "contact.creation",
      occurredAt: 1_564_113_600_000,
      dedupeKeys: ["id:62515/12345/1/1564113600000"],
      payload: event,
    });
    expect(events[1]).toMatchObject({ type: "deal.propertyChange", occurredAt: null });
  });

  it("gives every item the bytes that it was parsed from", () => {
    const item = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 5 }), fc.nat(3), (items, indent) => {
        const list = items.map((fields) => ({ ...fields, eventId: 7, subscriptionType: "contact.creation" }));
        for (const { payload, body: bytes } of identified(JSON.stringify(list, null, indent))) {
          expect(JSON.parse(bytes.toString())).toEqual(payload);
        }
      }),
    );
  });

  it("is known again by account, subscription, event and time: not by the attempt", () => {
    const [first] = identified(body);
    const [again] = identified(JSON.stringify([{ ...event, attemptNumber: 3 }]));
    expect(again?.dedupeKeys).toEqual(first?.dedupeKeys);
    for (const change of [{ portalId: 2 }, { subscriptionId: 2 }, { eventId: 2 }, { occurredAt: 2 }]) {
      expect(identified(JSON.stringify([{ ...event, ...change }]))[0]?.dedupeKeys).not.toEqual(
        first?.dedupeKeys,
      );
    }
  });

  it.each([
    ["an empty list", "[]"],
    ["one event outside a list", JSON.stringify(event)],
    ["a list of lists", `[[${JSON.stringify(event)}]]`],
    ["a list with something else in it", `[${JSON.stringify(event)},null]`],
    ["an item without eventId", `[${JSON.stringify(event)},{"subscriptionType":"contact.creation"}]`],
    ["an item without subscriptionType", '[{"eventId":1}]'],
  ])("is malformed as a whole with %s", (_, text) => {
    expect(() => identified(text)).toThrow(expect.objectContaining({ status: 400 }));
  });
});

describe.skipIf(!sharedPresent)(`HubSpot's samples beside the repository${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, url, headers, body: text, now: seconds } of signatureVectors("hubspot-v3")) {
      const given = hubspot({ name: "h", secrets: ["", secret], url, publicUrl: "" });
      expect(given.verify(rawRequest(headers, text, seconds * 1_000))).toEqual({ secretIndex: 1 });
    }
  });

  it("batch.json is two events", () => {
    const text = sharedFile("specs/hubspot/payloads/batch.json");
    expect(identified(text).map(({ type, payload }) => ({ type, payload }))).toEqual(
      (JSON.parse(text) as { subscriptionType: string }[]).map((payload) => ({
        type: payload.subscriptionType,
        payload,
      })),
    );
  });
});
