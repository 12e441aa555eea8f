import { createHmac } from "node:crypto";
import fc from "fast-check";
import Stripe from "stripe";
import { describe, expect, it } from "vitest";
import { silentLog } from "../../src/observability/log.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { stripe } from "../../src/sources/stripe.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedFiles, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const seconds = now / 1000;
const secrets = { first: "whsec_current", second: "whsec_previous", stranger: "whsec_of_someone_else" };
const deps = { clock: systemClock, log: silentLog };
const source = stripe({ name: "stripe", secrets: [secrets.first, secrets.second] }, deps);
const body = JSON.stringify({
  id: "evt_1",
  object: "event",
  type: "invoice.paid",
  created: 1_699_999_990,
  data: {},
});
const mac = (secret: string, text: string, t: number | string = seconds) =>
  createHmac("sha256", secret).update(`${t}.${text}`).digest("hex");
const request = (header: string, text = body, receivedAt = now) =>
  rawRequest({ "stripe-signature": header }, text, receivedAt);

sourceContract("stripe", {
  source: () => source,
  credentialHeader: "stripe-signature",
  coversBody: true,
  hasSecrets: true,
  tolerance: { pastMs: 300_000, futureMs: 300_000 },
  signed: ({ by, signedAt }) => {
    const t = signedAt / 1000;
    return request(`t=${t},v1=${mac(secrets[by], body, t)}`);
  },
});

tamperingContract("a request of Stripe", {
  source: () => source,
  now,
  signed: (at) => ({
    headers: { "stripe-signature": `t=${at / 1000},v1=${mac(secrets.first, body, at / 1000)}` },
    body,
  }),
  covered: ["stripe-signature"],
  // One v1 per secret: whatever stands beside the right one takes nothing from it.
  same: (_, changed) => {
    const parts = changed.split(",").map((part) => part.trim());
    const times = parts.filter((part) => part.startsWith("t="));
    return times.join() === `t=${seconds}` && parts.includes(`v1=${mac(secrets.first, body)}`);
  },
  toleranceMs: 300_000,
});

describe("the Stripe-Signature header", () => {
  it("may hold several v1, of which one must match, and other schemes that are passed over", () => {
    const good = mac(secrets.first, body);
    const bad = mac(secrets.stranger, body);
    expect(source.verify(request(`t=${seconds},v1=${bad},v1=${good}`))).toEqual({ secretIndex: 0 });
    expect(
      source.verify(request(`t=${seconds}, v1=${bad}, v1=${mac(secrets.second, body)}, v0=${bad}`)),
    ).toEqual({ secretIndex: 1 });
  });

  it.each([
    ["a v0 alone", `t=${seconds},v0=${mac(secrets.first, body)}`],
    ["no time", `v1=${mac(secrets.first, body)}`],
    ["two times", `t=${seconds},t=${seconds + 1},v1=${mac(secrets.first, body)}`],
    ["a time that is no number", `t=now,v1=${mac(secrets.first, body, "now")}`],
    ["upper-case hex", `t=${seconds},v1=${mac(secrets.first, body).toUpperCase()}`],
    ["a digest that is too short", `t=${seconds},v1=${mac(secrets.first, body).slice(0, 62)}`],
    ["nothing of the kind", "Bearer token"],
  ])("is malformed with %s", (_, header) => {
    expect(() => source.verify(request(header))).toThrow(
      expect.objectContaining({ status: 401, code: "signature_malformed" }),
    );
  });

  it("is named as too old only to a sender whose secret is right", () => {
    const old = seconds - 301;
    expect(() => source.verify(request(`t=${old},v1=${mac(secrets.first, body, old)}`))).toThrow(
      expect.objectContaining({ code: "timestamp_out_of_tolerance" }),
    );
    expect(() => source.verify(request(`t=${old},v1=${mac(secrets.stranger, body, old)}`))).toThrow(
      expect.objectContaining({ code: "signature_mismatch" }),
    );
  });

  it("fits what Stripe's own library signs", () => {
    const header = Stripe.webhooks.generateTestHeaderString({
      payload: body,
      secret: secrets.second,
      timestamp: seconds,
    });
    expect(source.verify(request(header))).toEqual({ secretIndex: 1 });
  });
});

describe("Stripe's own library", () => {
  const theirs = (text: string, header: string): boolean => {
    try {
      return (
        Stripe.webhooks.signature?.verifyHeader(text, header, secrets.first, 300, undefined, now) ?? false
      );
    } catch (error) {
      expect(error).toBeInstanceOf(Stripe.errors.StripeSignatureVerificationError);
      return false;
    }
  };
  const ours = (text: string, header: string): boolean => {
    try {
      return source.verify(request(header, text)) !== undefined;
    } catch (error) {
      expect(error).toMatchObject({ name: "Rejection", status: 401 });
      return false;
    }
  };
  const texts = fc.oneof(fc.string({ unit: "grapheme", minLength: 1 }), fc.json(), fc.constant(body));
  const ages = fc.oneof(fc.integer({ min: -600, max: 600 }), fc.constantFrom(300, 301, -300, -301));

  it("signs what is accepted here, for as long as it accepts that itself", () => {
    fc.assert(
      fc.property(texts, ages, (payload, age) => {
        const timestamp = seconds - age;
        const header = Stripe.webhooks.generateTestHeaderString({
          payload,
          secret: secrets.first,
          timestamp,
        });
        // It has no bound on times ahead; here they are refused as far as those behind.
        expect(ours(payload, header)).toBe(theirs(payload, header) && age >= -300);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses nothing that is accepted here, and accepts nothing that is refused", () => {
    const signatures = fc.constantFrom<((text: string, t: number) => string)[]>(
      (text, t) => `v1=${mac(secrets.first, text, t)}`,
      (text, t) => `v0=${mac(secrets.first, text, t)}`,
      (text, t) => `v1=${mac(secrets.stranger, text, t)}`,
      (text, t) => `v1=${mac(secrets.first, `${text} `, t)}`,
      (text, t) => `v1=${mac(secrets.first, text, t + 1)}`,
      (text, t) => `v1=${mac(secrets.first, text, t).toUpperCase()}`,
      (text, t) => `v1=${mac(secrets.first, text, t).slice(1)}`,
      (text, t) => `V1=${mac(secrets.first, text, t)}`,
      // Not an empty one: that breaks its comparison, whatever stands beside it.
      () => "v1=x",
      () => "",
    );
    fc.assert(
      fc.property(
        texts,
        fc.integer({ min: 0, max: 320 }),
        fc.array(signatures, { maxLength: 4 }),
        fc.boolean(),
        fc.nat(4),
        (text, age, parts, timed, place) => {
          const t = seconds - age;
          const header = parts.map((part) => part(text, t));
          if (timed) header.splice(place, 0, `t=${t}`);
          expect(ours(text, header.join(","))).toBe(theirs(text, header.join(",")));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("secrets of a stripe source", () => {
  it("are dropped when empty, and then match nothing", () => {
    const half = stripe({ name: "stripe", secrets: ["", "  ", secrets.first] }, deps);
    expect(half.active).toBe(true);
    expect(half.verify(request(`t=${seconds},v1=${mac(secrets.first, body)}`))).toEqual({ secretIndex: 2 });
    for (const empty of ["", "  "]) {
      expect(() => half.verify(request(`t=${seconds},v1=${mac(empty, body)}`))).toThrow(
        expect.objectContaining({ code: "signature_mismatch" }),
      );
    }
  });

  it("leave the source inactive when there is none", () => {
    expect(stripe({ name: "stripe", secrets: [] }, deps).active).toBe(false);
    expect(stripe({ name: "stripe", secrets: ["", " "] }, deps).active).toBe(false);
  });
});

describe("a Stripe event", () => {
  it("is known by its id, in Stripe's words and time", () => {
    expect(source.identify(request("", body))).toEqual([
      {
        providerId: "evt_1",
        type: "invoice.paid",
        occurredAt: 1_699_999_990_000,
        dedupeKeys: ["id:evt_1"],
        body: Buffer.from(body),
        payload: JSON.parse(body),
      },
    ]);
  });

  it.each([
    ["without an id", { type: "invoice.paid" }],
    ["without a type", { id: "evt_1" }],
    ["with an id that is no text", { id: 7, type: "invoice.paid" }],
    ["with an id that no database keeps", { id: "evt_\u0000", type: "invoice.paid" }],
    ["with an endless type", { id: "evt_1", type: "a".repeat(201) }],
  ])("is malformed %s", (_, event) => {
    expect(() => source.identify(request("", JSON.stringify(event)))).toThrow(
      expect.objectContaining({ status: 400, code: "malformed_event" }),
    );
  });

  it("may hold the names of prototypes, which change nothing but itself", () => {
    const hostile =
      '{"id":"evt_1","type":"a","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"id":"evt_2"}';
    const [event] = source.identify(request("", hostile));
    expect(event?.providerId).toBe("evt_2");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe.skipIf(!sharedPresent)(`Stripe's samples${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, now: at, headers, body: text } of signatureVectors("stripe")) {
      expect(
        stripe({ name: "s", secrets: [secret] }, deps).verify(rawRequest(headers, text, at * 1000)),
      ).toEqual({
        secretIndex: 0,
      });
    }
  });

  it.each(sharedFiles("specs/stripe/events"))("%s is verified and identified", (file) => {
    const text = sharedFile(`specs/stripe/events/${file}`);
    const at = request(`t=${seconds},v1=${mac(secrets.first, text)}`, text);
    expect(source.verify(at)).toEqual({ secretIndex: 0 });
    const [event] = source.identify(at);
    expect(event?.type).toBe(file.replace(/\.json$/, ""));
    expect(event?.occurredAt).toBe((JSON.parse(text) as { created: number }).created * 1000);
  });
});
