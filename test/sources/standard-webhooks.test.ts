import { createHmac, generateKeyPairSync } from "node:crypto";
import { Webhook } from "standardwebhooks";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/resilience/clock.ts";
import { signStandardWebhooks } from "../../src/sandbox/senders.ts";
import { standardWebhooks } from "../../src/sources/standard-webhooks.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const seconds = now / 1000;

const secretOf = (letter: string) => `whsec_${Buffer.from(letter.repeat(24)).toString("base64")}`;
const pairOf = () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  return {
    public: `whpk_${raw.toString("base64")}`,
    private: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  };
};
const secrets = { first: secretOf("a"), second: secretOf("b"), stranger: secretOf("c") };
const pairs = { first: pairOf(), second: pairOf(), stranger: pairOf() };
const shared = standardWebhooks({ name: "std", secrets: [secrets.first, secrets.second] });
const asymmetric = standardWebhooks({ name: "std", secrets: [pairs.first.public, pairs.second.public] });

const event = { type: "contact.created", timestamp: "2022-11-03T20:26:10.344522Z", data: { id: "1f81eb52" } };
const body = JSON.stringify(event);
const signed = (
  secret: string | readonly string[],
  timestamp = seconds,
  family: "webhook" | "svix" = "webhook",
) => signStandardWebhooks({ secret, payload: body, timestamp, id: "msg_1", family });
const request = (changes: Record<string, string> = {}, text = body) =>
  rawRequest({ ...signed(secrets.first).headers, ...changes }, text, now);
const v1 = (id = "msg_1", at: string | number = seconds, text = body, secret = secrets.first) =>
  `v1,${createHmac("sha256", Buffer.from(secret.slice(6), "base64"))
    .update(`${id}.${at}.${text}`)
    .digest("base64")}`;
const codeOf = (source: typeof shared, sent: ReturnType<typeof rawRequest>): unknown => {
  try {
    return source.verify(sent);
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

for (const [title, source, keyOf, family] of [
  ["standard webhooks, v1", shared, (by: keyof typeof secrets) => secrets[by], "webhook"],
  ["standard webhooks, v1a", asymmetric, (by: keyof typeof pairs) => pairs[by].private, "webhook"],
  ["standard webhooks of Svix", shared, (by: keyof typeof secrets) => secrets[by], "svix"],
] as const) {
  sourceContract(title, {
    source: () => source,
    credentialHeader: `${family}-signature`,
    coversBody: true,
    hasSecrets: true,
    tolerance: { pastMs: 300_000, futureMs: 300_000 },
    signed: ({ by, signedAt }) => rawRequest(signed(keyOf(by), signedAt / 1000, family).headers, body, now),
  });

  tamperingContract(title, {
    source: () => source,
    now,
    signed: (at) =>
      signStandardWebhooks({
        secret: keyOf("first"),
        payload: body,
        timestamp: at / 1000,
        id: `msg_${at}`,
        family,
      }),
    covered: [`${family}-id`, `${family}-timestamp`, `${family}-signature`],
    toleranceMs: 300_000,
  });
}

describe("the Webhook-Signature header", () => {
  it("may hold several signatures, of which one must match, in any order and of any version", () => {
    const [bad, good, other] = [v1("msg_2"), v1(), `v2,${Buffer.alloc(10).toString("base64")}`];
    expect(shared.verify(request({ "webhook-signature": `${bad} ${good}` }))).toEqual({ secretIndex: 0 });
    expect(shared.verify(request({ "webhook-signature": `${other} ${good} ${bad}` }))).toEqual({
      secretIndex: 0,
    });
    expect(codeOf(shared, request({ "webhook-signature": `${bad} ${bad}` }))).toBe("signature_mismatch");
  });

  it("is checked against both kinds of keys, each under its own version", () => {
    const both = standardWebhooks({ name: "std", secrets: ["", secrets.first, pairs.first.public] });
    const rotated = signed([pairs.first.private, secrets.stranger]);
    expect(both.verify(rawRequest(rotated.headers, body, now))).toEqual({ secretIndex: 2 });
    expect(both.verify(request())).toEqual({ secretIndex: 1 });
    // What one key made is nothing to the other, under whichever name.
    const v1a = signed(pairs.first.private).headers["webhook-signature"] ?? "";
    expect(codeOf(both, request({ "webhook-signature": v1a.replace("v1a,", "v1,") }))).toBe(
      "signature_malformed",
    );
    expect(codeOf(both, request({ "webhook-signature": v1().replace("v1,", "v1a,") }))).toBe(
      "signature_malformed",
    );
    expect(codeOf(shared, request({ "webhook-signature": v1a }))).toBe("signature_mismatch");
  });

  it("never takes the public key, which anyone may know, for a shared secret", () => {
    const forged = v1("msg_1", seconds, body, pairs.first.public.replace("whpk_", "whsec_"));
    expect(codeOf(asymmetric, request({ "webhook-signature": forged }))).toBe("signature_mismatch");
  });

  it.each([
    ["no version", v1().slice(3)],
    ["a version alone", "v1,"],
    ["only versions that we do not know", `v9,${v1().slice(3)}`],
    ["base64url", v1("msg_1", seconds, body).replace(/.$/, "_")],
    ["no padding", v1().replace(/=$/, "")],
    ["commas between", `${v1()},${v1()}`],
    ["two spaces", `${v1()}  ${v1()}`],
    ["a tab", `${v1()}\t${v1()}`],
    ["more signatures than any rotation needs", Array.from({ length: 17 }, () => v1()).join(" ")],
  ])("is malformed with %s", (_, signature) => {
    expect(codeOf(shared, request({ "webhook-signature": signature }))).toBe("signature_malformed");
  });
});

describe("the id and the time of a standard webhook", () => {
  it.each([
    ["no id", { "webhook-id": "" }],
    ["an id with a dot", { "webhook-id": "msg.1", "webhook-signature": v1("msg.1") }],
    ["an id with a space", { "webhook-id": "msg 1", "webhook-signature": v1("msg 1") }],
    ["no time", { "webhook-timestamp": "", "webhook-signature": v1("msg_1", "") }],
    ["a time that is no number", { "webhook-timestamp": "now", "webhook-signature": v1("msg_1", "now") }],
    ["a time with a fraction", { "webhook-timestamp": "1.5", "webhook-signature": v1("msg_1", "1.5") }],
  ])("are malformed with %s, however rightly signed", (_, changes) => {
    expect(codeOf(shared, request(changes))).toBe("signature_malformed");
  });

  it("cannot be moved into one another under the same signature", () => {
    // msg_1 . 1700000000 . 1700000000.{…}   read as   msg_1.1700000000 . 1700000000 . {…}
    const inner = `${seconds}.${body}`;
    const signature = v1("msg_1", seconds, inner);
    expect(codeOf(shared, request({ "webhook-signature": signature }, inner))).toEqual({ secretIndex: 0 });
    const moved = { "webhook-id": `msg_1.${seconds}`, "webhook-signature": signature };
    expect(codeOf(shared, request(moved))).toBe("signature_malformed");
  });

  it("are read from the headers that the signature stands beside", () => {
    const svix = signed(secrets.first, seconds, "svix").headers;
    const sent = rawRequest({ ...svix, "webhook-id": "msg_other", "webhook-timestamp": "1" }, body, now);
    expect(shared.verify(sent)).toEqual({ secretIndex: 0 });
    expect(shared.identify(sent)[0]?.providerId).toBe("msg_1");
    const mixed = { "webhook-id": "", "svix-id": "msg_1" };
    expect(codeOf(shared, request(mixed))).toBe("signature_malformed");
  });

  it("are named as too old only to a sender whose secret is right", () => {
    const old = (secret: string) => rawRequest(signed(secret, seconds - 301).headers, body, now);
    expect(codeOf(shared, old(secrets.first))).toBe("timestamp_out_of_tolerance");
    expect(codeOf(shared, old(secrets.stranger))).toBe("signature_mismatch");
    expect(codeOf(asymmetric, old(pairs.first.private))).toBe("timestamp_out_of_tolerance");
  });
});

describe("secrets of a standard-webhooks source", () => {
  it("may lack their prefix", () => {
    const bare = standardWebhooks({ name: "std", secrets: [secrets.first.replace("whsec_", "")] });
    expect(bare.verify(request())).toEqual({ secretIndex: 0 });
  });

  it.each([
    ["nothing", ""],
    ["a prefix alone", "whsec_"],
    ["no base64", "whsec_not base64!"],
    ["a public key that is too short", `whpk_${Buffer.alloc(31, 1).toString("base64")}`],
    ["a public key's prefix alone", "whpk_"],
  ])("leave the source inactive when there is %s, and match nothing", (_, secret) => {
    const source = standardWebhooks({ name: "std", secrets: [secret] });
    expect(source.active).toBe(false);
    const empty = createHmac("sha256", "").update(`msg_1.${seconds}.${body}`).digest("base64");
    expect(codeOf(source, request({ "webhook-signature": `v1,${empty}` }))).toBe("signature_mismatch");
  });

  it("are not used once they have expired, judged by the time of receipt", () => {
    for (const [value, by] of [
      [secrets.first, secrets.first],
      [pairs.first.public, pairs.first.private],
    ] as const) {
      const source = standardWebhooks({ name: "std", secrets: [{ value, expires: now + 1 }] });
      expect(codeOf(source, rawRequest(signed(by).headers, body, now))).toEqual({ secretIndex: 0 });
      expect(codeOf(source, rawRequest(signed(by).headers, body, now + 1))).toBe("signature_mismatch");
    }
  });
});

describe("an event of a standard webhook", () => {
  it("is known by its id, which is signed", () => {
    expect(shared.identify(request())).toEqual([
      {
        providerId: "msg_1",
        type: "contact.created",
        occurredAt: Date.parse("2022-11-03T20:26:10.344Z"),
        dedupeKeys: ["id:msg_1"],
        body: Buffer.from(body),
        payload: event,
      },
    ]);
  });

  it("may have no type, which the standard only recommends, but no unusable one", () => {
    expect(shared.identify(request({}, "{}"))[0]).toMatchObject({ type: "webhook", occurredAt: null });
    for (const type of [7, "", "a b", null]) {
      expect(() => shared.identify(request({}, JSON.stringify({ type })))).toThrow(
        expect.objectContaining({ status: 400, code: "malformed_event" }),
      );
    }
  });
});

describe("the standard's own library", () => {
  const theirs = new Webhook(secrets.first);
  const at = systemClock.now();
  const isAccepted = (text: string, headers: Record<string, string>): boolean => {
    try {
      return theirs.verify(text, headers) !== undefined;
    } catch {
      return false;
    }
  };

  it("signs what is accepted here", () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.stringMatching(/^[\w-]{1,50}$/),
        fc.integer({ min: -200, max: 200 }),
        (text, id, age) => {
          const time = Math.floor(at / 1000) - age;
          const headers = {
            "webhook-id": id,
            "webhook-timestamp": String(time),
            "webhook-signature": theirs.sign(id, new Date(time * 1000), text),
          };
          expect(shared.verify(rawRequest(headers, text, at))).toEqual({ secretIndex: 0 });
        },
      ),
    );
  });

  it("accepts what the sandbox signs, and refuses nothing that is accepted here", () => {
    fc.assert(
      fc.property(
        // Its clock is the machine's: ages are kept away from the edge.
        fc.oneof(fc.integer({ min: -280, max: 280 }), fc.constantFrom(-400, 400)),
        fc.constantFrom(secrets.first, secrets.first, secrets.stranger),
        fc.constantFrom(body, body, "{}"),
        fc.constantFrom("msg_1", "msg_1", "msg_2"),
        (age, secret, text, id) => {
          const sent = signStandardWebhooks({
            secret,
            payload: body,
            timestamp: Math.floor(at / 1000) - age,
            id: "msg_1",
          });
          const headers = { ...sent.headers, "webhook-id": id };
          const ours = (): unknown => shared.verify(rawRequest(headers, text, at));
          if (isAccepted(text, headers)) expect(ours()).toEqual({ secretIndex: 0 });
          else expect(ours).toThrow(expect.objectContaining({ status: 401 }));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe.skipIf(!sharedPresent)(`samples of Standard Webhooks${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, now: received, headers, body: text } of signatureVectors("standard-webhooks")) {
      const source = standardWebhooks({ name: "s", secrets: [secret] });
      const sent = rawRequest(headers, text, received * 1000);
      expect(source.verify(sent)).toEqual({ secretIndex: 0 });
      expect(source.identify(sent)[0]?.providerId).toBe(headers["webhook-id"]);
    }
  });

  it("contact.created.json is identified", () => {
    const text = sharedFile("specs/standard-webhooks/payloads/contact.created.json");
    expect(shared.identify(request({}, text))[0]).toMatchObject({
      type: "contact.created",
      occurredAt: Date.parse("2022-11-03T20:26:10.344Z"),
    });
  });
});
