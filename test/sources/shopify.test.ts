import { createHmac } from "node:crypto";
import { ApiVersion, ShopifyEventsHeader, ShopifyHeader, shopifyApi } from "@shopify/shopify-api";
import { HashFormat, createSHA256HMAC } from "@shopify/shopify-api/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/domain/json.ts";
import { signShopify } from "../../src/sandbox/senders.ts";
import { shopify } from "../../src/sources/shopify.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedFiles, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const secrets = { first: "secret-current", second: "secret-previous", stranger: "secret-of-someone-else" };
const source = shopify({ name: "shop", secrets: [secrets.first, secrets.second] });
const triggeredAt = "2026-01-02T09:00:00.123456789Z";
const body = JSON.stringify({ id: 820982911946154508n.toString(), updated_at: "2026-01-02T03:59:58-05:00" });
const sign = (text: string, by = secrets.first) => createHmac("sha256", by).update(text).digest("base64");
const headersOf = (text = body, family: "webhooks" | "events" = "webhooks") =>
  signShopify({
    secret: secrets.first,
    topic: "orders/create",
    shop: "acme.myshopify.com",
    webhookId: "b1234-eefd-4c9e",
    eventId: "98880550-7158",
    payload: text,
    triggeredAt,
    family,
  }).headers;
const request = (text = body, changes: Record<string, string> = {}) =>
  rawRequest({ ...headersOf(text), ...changes }, text, now);

for (const family of ["webhooks", "events"] as const) {
  const prefix = family === "events" ? "shopify-" : "x-shopify-";
  sourceContract(`shopify (${family})`, {
    source: () => source,
    credentialHeader: `${prefix}hmac-sha256`,
    coversBody: true,
    hasSecrets: true,
    tolerance: null,
    signed: ({ by }) =>
      rawRequest(
        { ...headersOf(body, family), [`${prefix}hmac-sha256`]: sign(body, secrets[by]) },
        body,
        now,
      ),
  });

  tamperingContract(`a request of Shopify's ${family}`, {
    source: () => source,
    now,
    signed: () => ({ headers: headersOf(body, family), body }),
    covered: [`${prefix}hmac-sha256`],
    toleranceMs: null,
  });
}

describe("the X-Shopify-Hmac-Sha256 header", () => {
  it.each([
    ["base64url", (text: string) => text.replaceAll("+", "-").replaceAll("/", "_")],
    ["no padding", (text: string) => text.replace(/=$/, "")],
    ["a last character that says the same bytes", (text: string) => `${text.slice(0, 42)}${text[42] ?? ""}`],
    ["hex", (text: string) => Buffer.from(text, "base64").toString("hex")],
    ["a space before it", (text: string) => ` ${text}`],
  ])("is accepted in one spelling only, not as %s", (_, spelt) => {
    // A digest that has all of + / = in it.
    const text = Array.from({ length: 500 }, (__, at) => `{"n":${at}}`).find((one) =>
      /[+].*[/]|[/].*[+]/.test(sign(one)),
    );
    expect(text).toBeDefined();
    expect(() => source.verify(request(text, { "x-shopify-hmac-sha256": spelt(sign(text ?? "")) }))).toThrow(
      expect.objectContaining({ status: 401, code: "signature_malformed" }),
    );
  });

  it("has one last character for its bytes", () => {
    const digest = sign(body);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const same = alphabet
      .split("")
      .filter((last) =>
        Buffer.from(`${digest.slice(0, 42)}${last}=`, "base64").equals(Buffer.from(digest, "base64")),
      );
    expect(same.length).toBeGreaterThan(1);
    const accepted = same.filter((last) => {
      try {
        const sent = request(body, { "x-shopify-hmac-sha256": `${digest.slice(0, 42)}${last}=` });
        return source.verify(sent) !== undefined;
      } catch {
        return false;
      }
    });
    expect(accepted).toEqual([digest[42]]);
  });
});

describe("a refusal", () => {
  it.each([
    ["webhooks", "X-Shopify-Hmac-Sha256"],
    ["events", "Shopify-Hmac-Sha256"],
  ] as const)("names the header of %s that was looked at", (family, name) => {
    const headers = headersOf(body, family);
    for (const signature of [sign(body, secrets.stranger), "short"]) {
      const sent = rawRequest({ ...headers, [name.toLowerCase()]: signature }, body, now);
      expect(() => source.verify(sent)).toThrow(
        expect.objectContaining({ message: expect.stringMatching(new RegExp(`^${name} `)) as string }),
      );
    }
  });
});

describe("a Shopify event", () => {
  it("is known by shop, topic and webhook, and by its body, since none of them is signed", () => {
    expect(source.identify(request())).toEqual([
      {
        providerId: "b1234-eefd-4c9e",
        type: "orders/create",
        occurredAt: Date.parse("2026-01-02T09:00:00.123Z"),
        dedupeKeys: [
          "id:acme.myshopify.com orders/create b1234-eefd-4c9e",
          `body:orders/create ${sha256(body)}`,
        ],
        body: Buffer.from(body),
        payload: JSON.parse(body),
      },
    ]);
  });

  it("is the same under a fresh id, and under another shop's name, since whoever captured it can change both", () => {
    const [first] = source.identify(request());
    for (const shop of ["ACME.myshopify.com", "other.myshopify.com"]) {
      const replayed = { "x-shopify-webhook-id": "fresh", "x-shopify-shop-domain": shop };
      const [again] = source.identify(request(body, replayed));
      expect(again?.dedupeKeys).toContain(first?.dedupeKeys[1]);
    }
  });

  it("is the same in another spelling of the shop", () => {
    const [first] = source.identify(request());
    const [again] = source.identify(request(body, { "x-shopify-shop-domain": "ACME.myshopify.com" }));
    expect(again?.dedupeKeys).toEqual(first?.dedupeKeys);
  });

  it("is another one under another topic, though the body is the same", () => {
    const [created] = source.identify(request());
    const [paid] = source.identify(request(body, { "x-shopify-topic": "orders/paid" }));
    expect(paid?.dedupeKeys.filter((key) => created?.dedupeKeys.includes(key))).toEqual([]);
  });

  it("reads the newer headers as the older ones, and never a mixture of both", () => {
    const events = rawRequest(headersOf(body, "events"), body, now);
    expect(source.identify(events)).toEqual(source.identify(request()));
    const mixed = rawRequest(
      { ...headersOf(body, "events"), "shopify-topic": "", "x-shopify-topic": "a/b" },
      body,
      now,
    );
    expect(() => source.identify(mixed)).toThrow(
      expect.objectContaining({ status: 400, message: expect.stringContaining("Shopify-Topic") as string }),
    );
  });

  it.each(["X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-Webhook-Id"])(
    "is malformed without %s",
    (name) => {
      expect(() => source.identify(request(body, { [name.toLowerCase()]: "" }))).toThrow(
        expect.objectContaining({
          status: 400,
          code: "malformed_event",
          message: expect.stringContaining(name) as string,
        }),
      );
    },
  );

  it("has the time of its trigger, else of the last change, else none", () => {
    const timeOf = (text: string, at: string) =>
      source.identify(request(text, { "x-shopify-triggered-at": at }))[0]?.occurredAt;
    expect(timeOf(body, triggeredAt)).toBe(Date.parse("2026-01-02T09:00:00.123Z"));
    expect(timeOf(body, "")).toBe(Date.parse("2026-01-02T08:59:58Z"));
    expect(timeOf("{}", "soon")).toBeNull();
  });
});

// Without an adapter it does not start; this one speaks Request, which Node has.
await import("@shopify/shopify-api/adapters/web-api");

describe("Shopify's own library", () => {
  const { webhooks } = shopifyApi({
    apiKey: "key",
    apiSecretKey: secrets.first,
    hostName: "acme.example",
    isEmbeddedApp: false,
    apiVersion: ApiVersion.July25,
    logger: { log: () => {} },
  });
  const validated = async (text: string, headers: Readonly<Record<string, string>>) => {
    const rawRequestOfTheirs = new Request("https://acme.example/webhooks", { method: "POST", headers });
    return webhooks.validate({ rawBody: text, rawRequest: rawRequestOfTheirs });
  };
  const accepts = (text: string, headers: Readonly<Record<string, string>>) => {
    try {
      const sent = rawRequest(headers, text, now);
      return source.verify(sent) !== undefined && source.identify(sent).length === 1;
    } catch {
      return false;
    }
  };

  it("signs what is accepted here", async () => {
    const theirs = await createSHA256HMAC(secrets.first, body, HashFormat.Base64);
    expect(source.verify(request(body, { "x-shopify-hmac-sha256": theirs }))).toEqual({ secretIndex: 0 });
  });

  it.each(["webhooks", "events"] as const)(
    "accepts what the sandbox sends as %s, as we do",
    async (family) => {
      const headers = headersOf(body, family);
      expect(await validated(body, headers)).toMatchObject({ valid: true, domain: "acme.myshopify.com" });
      expect(accepts(body, headers)).toBe(true);
    },
  );

  it("names the headers that are read and kept here, in both families", () => {
    const webhookHeaders = [
      ShopifyHeader.Topic,
      ShopifyHeader.Domain,
      ShopifyHeader.ApiVersion,
      ShopifyHeader.WebhookId,
      ShopifyHeader.EventId,
      ShopifyHeader.TriggeredAt,
      ShopifyHeader.SubTopic,
      ShopifyHeader.Name,
    ].map((name) => name.toLowerCase());
    const { Hmac: _, ...eventsHeaders } = ShopifyEventsHeader;
    expect(source.keptHeaders.filter((name) => name.includes("shopify-")).toSorted()).toEqual(
      [...webhookHeaders, ...Object.values(eventsHeaders)].toSorted(),
    );
    // What the sandbox sends bears these names too, and no other.
    for (const [family, names] of [
      ["webhooks", [...webhookHeaders, ShopifyHeader.Hmac.toLowerCase()]],
      ["events", Object.values(ShopifyEventsHeader)],
    ] as const) {
      const sent = Object.keys(headersOf(body, family)).map((name) => name.toLowerCase());
      expect(names).toEqual(expect.arrayContaining(sent.filter((name) => name.includes("shopify-"))));
    }
  });

  it.each(["webhooks", "events"] as const)("refuses nothing that is accepted here as %s", async (family) => {
    const prefix = family === "events" ? "shopify-" : "x-shopify-";
    const texts = fc.constantFrom(body, `${body} `, "{}", '{"id":1}');
    const signatures = fc.oneof(
      texts.map((text) => sign(text)),
      texts.map((text) => sign(text, secrets.stranger)),
      fc.constantFrom("", "sha256=", sign(body).slice(1)),
    );
    const left = fc.subarray([`${prefix}topic`, `${prefix}shop-domain`, `${prefix}webhook-id`]);
    await fc.assert(
      fc.asyncProperty(texts, signatures, left, async (text, signature, without) => {
        const headers: Record<string, string> = {
          ...headersOf(text, family),
          [`${prefix}hmac-sha256`]: signature,
        };
        for (const name of without) delete headers[name];
        const { valid } = await validated(text, headers);
        expect(accepts(text, headers)).toBe(valid);
      }),
      { numRuns: 200 },
    );
  });
});

describe.skipIf(!sharedPresent)(`Shopify's samples${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, headers, body: text } of signatureVectors("shopify")) {
      const one = shopify({ name: "s", secrets: ["", secret] });
      expect(one.verify(rawRequest(headers, text, now))).toEqual({ secretIndex: 1 });
      expect(one.identify(rawRequest(headers, text, now))[0]).toMatchObject({
        type: "orders/create",
        occurredAt: Date.parse("2026-01-02T09:00:00Z"),
      });
    }
  });

  it.each(sharedFiles("specs/shopify/payloads"))("%s is verified and identified", (file) => {
    const text = sharedFile(`specs/shopify/payloads/${file}`);
    const topic = file.replace(/\.json$/, "").replace(".", "/");
    const sent = request(text, { "x-shopify-topic": topic });
    expect(source.verify(sent)).toEqual({ secretIndex: 0 });
    expect(source.identify(sent)[0]).toMatchObject({ type: topic, payload: JSON.parse(text) as unknown });
  });
});
