import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createIngest } from "../../src/http/ingest.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { deliver, graphNotification } from "../../src/sandbox/senders.ts";
import { createSources } from "../../src/sources/index.ts";
import { changes } from "../contracts/tampering.ts";
import { memoryInbox } from "../support/memory-inbox.ts";

const secret = "client-state-of-the-test";
let stop = () => Promise.resolve();
afterEach(() => stop());

async function start() {
  const metrics = createMetrics();
  const inbox = memoryInbox();
  const deps = { clock: systemClock, log: silentLog };
  const options = { account: "support@example.com", credentials: "{}", publicUrl: "https://hooks.example" };
  const held = { id: "ours", of: "", expiresAt: 1, renewAt: 1 };
  const sources = createSources(
    [
      { type: "outlook", name: "mail", secrets: [secret], ...options },
      { type: "outlook", name: "unset", secrets: [""], ...options },
      { type: "github", name: "github", secrets: [secret] },
    ],
    { ...deps, watchOf: () => Promise.resolve(held) },
  );
  const ingest = createIngest({ sources, inbox, metrics, ...deps });
  const { port } = await ingest.listen({ host: "127.0.0.1", port: 0 });
  stop = () => ingest.close(0);
  const counted = async (result: string) =>
    (await metrics.eventsReceived.get()).values.find(
      ({ labels }) => labels.source === "mail" && labels.result === result,
    )?.value ?? 0;
  return { inbox, counted, url: `http://127.0.0.1:${port}/webhooks` };
}
const item = (id: string, subscriptionId = "ours") => ({
  subscriptionId,
  changeType: "created",
  resource: `Users/u/Messages/${id}`,
  resourceData: { id },
});

describe("Graph at the ingest port", () => {
  it.each(["POST", "GET"])("gets its validation token back, asked for with %s", async (method) => {
    const { url, counted, inbox } = await start();
    const answer = await fetch(`${url}/mail?validationToken=a%20b%2Bc`, { method });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await answer.text()).toBe("a b+c");
    expect([await counted("handshake"), inbox.stored]).toEqual([1, []]);
  });

  it("gets no token back from another source, from one without secrets, or without asking for it", async () => {
    const { url } = await start();
    const statusOf = async (path: string, method: string) => (await fetch(url + path, { method })).status;
    expect(await statusOf("/github?validationToken=a", "POST")).toBe(401);
    expect(await statusOf("/github?validationToken=a", "GET")).toBe(405);
    expect(await statusOf("/unset?validationToken=a", "POST")).toBe(503);
    expect(await statusOf("/nowhere?validationToken=a", "POST")).toBe(404);
    expect(await statusOf("/mail", "GET")).toBe(405);
    expect(await statusOf("/mail?validationToken=a", "PUT")).toBe(405);
    expect(await statusOf(`/mail?validationToken=${"a".repeat(2_001)}`, "POST")).toBe(400);
  });

  it("is answered 202 with an event per item, and again as a duplicate", async () => {
    const { url, inbox } = await start();
    const signed = graphNotification({ clientState: secret, items: [item("1"), item("2")] });
    const first = await deliver(`${url}/mail`, signed);
    expect(first).toMatchObject({ status: 202, json: { status: "accepted" } });
    expect((first.json as { events: string[] }).events).toHaveLength(2);
    expect(await deliver(`${url}/mail`, signed)).toMatchObject({
      status: 202,
      json: { ...(first.json as object), status: "duplicate", runs: 0 },
    });
    expect(JSON.stringify(inbox.stored.map(({ items }) => items))).not.toContain(secret);
  });

  it("is answered 202 though some items are foreign, which are counted; 401 when all are", async () => {
    const { url, counted, inbox } = await start();
    const items = [item("1"), item("2", "theirs")];
    const mixed = await deliver(`${url}/mail`, graphNotification({ clientState: secret, items }));
    expect([mixed.status, (mixed.json as { events: string[] }).events.length]).toEqual([202, 1]);
    expect(await counted("foreign")).toBe(1);
    const theirs = graphNotification({ clientState: secret, items: [item("3", "theirs")] });
    expect((await deliver(`${url}/mail`, theirs)).status).toBe(401);
    const stranger = graphNotification({ clientState: "another", items: [item("4")] });
    expect((await deliver(`${url}/mail`, stranger)).status).toBe(401);
    expect(inbox.stored).toHaveLength(1);
  });

  it("is refused when the clientState was flipped, cut, reordered or repeated in any place", async () => {
    const { url, inbox } = await start();
    await fc.assert(
      fc.asyncProperty(changes, async (change) => {
        const clientState = change(Buffer.from(secret, "latin1")).toString("latin1");
        fc.pre(clientState !== secret);
        const sent = graphNotification({ clientState, items: [item("1")] });
        // 429 once this address has had its share of 401.
        expect([401, 429]).toContain((await deliver(`${url}/mail`, sent)).status);
      }),
      { numRuns: 200 },
    );
    expect(inbox.stored).toEqual([]);
  });

  it("is answered 2xx only with the clientState in it, and never 5xx, however its bytes were bent", async () => {
    const { url, inbox } = await start();
    const { body } = graphNotification({ clientState: secret, items: [item("1"), item("2")] });
    await fc.assert(
      fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 3 }), async (steps) => {
        const changed = steps.reduce<Buffer>((bytes, change) => change(bytes), Buffer.from(body));
        const before = inbox.stored.length;
        const { status } = await fetch(`${url}/mail`, { method: "POST", body: new Uint8Array(changed) });
        expect([202, 400, 401, 429]).toContain(status);
        if (status === 202) expect(changed.includes(JSON.stringify(secret))).toBe(true);
        else expect(inbox.stored.length).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});
