import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import * as senders from "../../src/sandbox/senders.ts";
import { sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";
import type { SignatureVector } from "../support/shared.ts";

/** Each provider's sender over the inputs of its vector. */
const signers: Readonly<Record<string, (vector: SignatureVector) => senders.Signed>> = {
  github: ({ secret, body }) => senders.signGithub({ secret, event: "ping", payload: body }),
  slack: ({ secret, body, now }) => senders.signSlack({ secret, payload: body, timestamp: now }),
  "standard-webhooks": ({ secret, body, now, headers }) =>
    senders.signStandardWebhooks({
      secret,
      payload: body,
      timestamp: now,
      ...(headers["webhook-id"] ? { id: headers["webhook-id"] } : {}),
    }),
  "hubspot-v3": ({ secret, body, now, url }) =>
    senders.signHubspot({ secret, payload: body, url, timestampMs: now * 1_000 }),
  stripe: ({ secret, body, now }) => senders.signStripe({ secret, payload: body, timestamp: now }),
  shopify: ({ secret, body }) =>
    senders.signShopify({ secret, payload: body, topic: "orders/create", triggeredAt: "" }),
  zendesk: ({ secret, body, headers }) =>
    senders.signZendesk({
      secret,
      payload: body,
      timestamp: headers["X-Zendesk-Webhook-Signature-Timestamp"] ?? "",
    }),
  linear: ({ secret, body }) => senders.signLinear({ secret, event: "Comment", payload: body }),
  generic: ({ secret, body, now }) =>
    senders.signCustom({
      secret,
      payload: body,
      timestamp: now,
      id: "evt-1",
      scheme: { signature: { construction: "{timestamp}.{body}" } },
    }),
};

describe.skipIf(!sharedPresent)(`a sender${sharedNote}`, () => {
  const vectors = sharedPresent ? signatureVectors() : [];
  const known = vectors.filter(({ provider }) => provider in signers);

  it.each(known.map((vector) => [vector.provider, vector] as const))(
    "signs as %s does",
    (provider, vector) => {
      const signed = signers[provider]?.(vector);
      const signature = Object.entries(vector.headers).find(
        ([name]) => /sign|hmac/i.test(name) && !/timestamp/i.test(name),
      );
      expect(signature).toBeDefined();
      expect(signed?.headers[(signature?.[0] ?? "").toLowerCase()]).toBe(signature?.[1]);
      expect(signed?.body).toBe(vector.body);
    },
  );

  it("exists for every provider that has a vector", () => {
    expect(
      vectors.map(({ provider }) => provider).filter((one) => one !== "gmail-pubsub" && !(one in signers)),
    ).toEqual([]);
  });
});

describe("a delivery", () => {
  it("sends exactly what was signed, and reads the answer", async () => {
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        seen.push([request.headers["x-github-delivery"], Buffer.concat(chunks).toString("utf8")]);
        response
          .writeHead(seen.length === 1 ? 200 : 502)
          .end(seen.length === 1 ? '{"status":"accepted"}' : "Bad gateway");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/github`;
    const signed = senders.signGithub({
      secret: "s",
      event: "ping",
      payload: { zen: "Grüße" },
      delivery: "d1",
    });
    expect(await senders.deliver(url, signed)).toEqual({ status: 200, json: { status: "accepted" } });
    expect(await senders.deliver(url, signed)).toEqual({ status: 502, json: null });
    expect(seen[0]).toEqual(["d1", '{"zen":"Grüße"}']);
    await new Promise((resolve) => server.close(resolve));
  });

  it("of Graph carries the client state in each of its items", () => {
    const { body } = senders.graphNotification({
      clientState: "s",
      items: [{ subscriptionId: "1" }, { subscriptionId: "2" }],
    });
    expect(JSON.parse(body)).toEqual({
      value: [
        { subscriptionId: "1", clientState: "s" },
        { subscriptionId: "2", clientState: "s" },
      ],
    });
  });

  it("carries one signature for each secret of a rotation", () => {
    const { headers } = senders.signStripe({ secret: ["new", "old"], payload: {}, timestamp: 1 });
    expect(headers["stripe-signature"]).toMatch(/^t=1,v1=[0-9a-f]{64},v1=[0-9a-f]{64}$/);
  });
});
