import { createHmac } from "node:crypto";
import { isIP } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { parseNetwork, plainAddress, shippedAddressLists } from "../../src/domain/network.ts";
import { createAddressBook } from "../../src/http/doors.ts";
import type { Door } from "../../src/http/doors.ts";
import { createIngest } from "../../src/http/ingest.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createSources } from "../../src/sources/index.ts";
import { memoryInbox } from "../support/memory-inbox.ts";

const secret = "secret-of-the-test";
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(door: Door, server: { requireHttps?: boolean; trustProxy?: string[] } = {}) {
  const inbox = memoryInbox();
  const deps = { clock: systemClock, log: silentLog };
  const sources = createSources([{ type: "github", name: "github", secrets: [secret] }], deps);
  const ingest = createIngest({
    ...deps,
    ...server,
    sources,
    inbox,
    metrics: createMetrics(),
    doors: (name) => (name === "github" ? door : undefined),
  });
  const { port } = await ingest.listen({ host: "127.0.0.1", port: 0 });
  stops.push(() => ingest.close(0));
  let count = 0;
  return {
    inbox,
    async send(headers: Record<string, string> = {}, body = `{"n":${(count += 1)}}`, signedBy = secret) {
      const answer = await fetch(`http://127.0.0.1:${port}/webhooks/github`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "X-GitHub-Event": "ping",
          "X-GitHub-Delivery": `d-${count}`,
          "X-Hub-Signature-256": `sha256=${createHmac("sha256", signedBy).update(body).digest("hex")}`,
          ...headers,
        },
        body,
      });
      const json = (await answer.json()) as { status?: string; error?: { code: string } };
      return [answer.status, json.error?.code ?? json.status];
    },
  };
}

const book = createAddressBook({ ...shippedAddressLists, office: ["192.0.2.0/28", "2001:db8:1::/48"] });
const allowing = (...entries: string[]): Door => ({ allows: (address) => book.holds(entries, address) });

describe("an address book", () => {
  it.each([
    ["192.0.2.15", ["office"], true],
    ["192.0.2.16", ["office"], false],
    ["::ffff:192.0.2.15", ["office"], true],
    ["::ffff:c000:020f", ["office"], true],
    ["0:0:0:0:0:ffff:192.0.2.15", ["office"], true],
    ["::192.0.2.15", ["office"], false],
    ["64:ff9b::192.0.2.15", ["office"], false],
    ["2001:db8:1::5", ["office"], true],
    ["2001:0db8:0001:ffff::5", ["office"], true],
    ["2001:db8:2::5", ["office"], false],
    ["54.187.205.235", ["stripe"], true],
    ["54.187.205.236", ["stripe"], false],
    ["140.82.127.255", ["github"], true],
    ["140.82.128.0", ["github"], false],
    ["2a0a:a447::1", ["github"], true],
    ["35.25.0.1", ["linear"], false],
    ["34.38.87.206", ["linear"], true],
    ["10.255.0.1", ["stripe", "10.0.0.0/8"], true],
    ["11.0.0.0", ["stripe", "10.0.0.0/8"], false],
    ["10.1.2.3", ["::ffff:10.0.0.0/104"], true],
    ["11.1.2.3", ["::ffff:10.0.0.0/104"], false],
    ["203.0.113.9", ["0.0.0.0/0"], true],
    ["2001:db8::1", ["0.0.0.0/0"], false],
    ["203.0.113.9", ["::/0"], true],
    ["203.0.113.9", ["no-such-list"], false],
    ["unknown", ["0.0.0.0/0", "::/0"], false],
    ["", ["0.0.0.0/0", "::/0"], false],
  ] as [string, string[], boolean][])("%s is in %j: %s", (address, entries, held) => {
    expect(book.holds(entries, address)).toBe(held);
  });

  it("replaces a list whole, or not at all", () => {
    const own = createAddressBook({ github: ["192.0.2.1"] });
    own.replace("github", ["192.0.2.2", "2001:db8::/32"]);
    expect(own.holds(["github"], "192.0.2.1")).toBe(false);
    expect(own.holds(["github"], "2001:db8::9")).toBe(true);
    expect(() => own.replace("github", ["192.0.2.3", "nonsense"])).toThrow(
      /github: "nonsense" is no address/,
    );
    expect(own.holds(["github"], "192.0.2.2")).toBe(true);
    expect(own.holds(["github"], "192.0.2.3")).toBe(false);
  });

  it("takes for an address what the system takes for one, zones aside", () => {
    const near = fc
      .array(fc.constantFrom("0", "1", "25", "255", "256", "ffff", ":", "::", ".", "g", "01", "a"), {
        maxLength: 12,
      })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), near), (text) => {
        expect([text, parseNetwork(text) !== null]).toEqual([text, isIP(text) !== 0]);
      }),
      { numRuns: 5_000 },
    );
  });

  it("ships lists of networks only", () => {
    for (const entry of Object.values(shippedAddressLists).flat()) expect(parseNetwork(entry)).not.toBeNull();
  });

  it("reads addresses as proxies and sockets write them", () => {
    expect(
      [
        "[2001:db8::1]:443",
        "192.0.2.7:1234",
        "fe80::1%eth0",
        "::FFFF:192.0.2.7",
        "::ffff:7f00:1",
        "::1",
        "x",
      ].map(plainAddress),
    ).toEqual(["2001:db8::1", "192.0.2.7", "fe80::1", "192.0.2.7", "127.0.0.1", "::1", "x"]);
  });
});

describe("a source with an allow-list", () => {
  it("takes a signed request from an address in it, and refuses the same from any other with 403", async () => {
    const inside = await start(allowing("127.0.0.0/8"));
    expect(await inside.send()).toEqual([200, "accepted"]);
    const outside = await start(allowing("github", "stripe"));
    expect(await outside.send()).toEqual([403, "address_not_allowed"]);
    expect(outside.inbox.stored).toEqual([]);
  });

  it("still asks for the signature", async () => {
    const { send } = await start(allowing("127.0.0.1"));
    expect(await send({}, "{}", "another secret")).toEqual([401, "signature_mismatch"]);
  });

  it("believes no header of a sender that is no trusted proxy", async () => {
    const { send } = await start(allowing("office"));
    for (const header of [
      "X-Forwarded-For",
      "Forwarded",
      "X-Real-IP",
      "CF-Connecting-IP",
      "True-Client-IP",
    ]) {
      const value = header === "Forwarded" ? "for=192.0.2.1" : "192.0.2.1";
      expect(await send({ [header]: value })).toEqual([403, "address_not_allowed"]);
    }
  });

  it("takes the far end of a chain for the sender when all of it is trusted", async () => {
    const { send } = await start(allowing("10.0.0.7"), { trustProxy: ["127.0.0.1", "10.0.0.0/8"] });
    expect(await send({ "X-Forwarded-For": "10.0.0.7, 10.1.1.1" })).toEqual([200, "accepted"]);
    expect(await send({ "X-Forwarded-For": "10.1.1.1, 10.0.0.7" })).toEqual([403, "address_not_allowed"]);
  });

  it("sees through a chain of trusted proxies, and only as far as it is trusted", async () => {
    const { send } = await start(allowing("office"), { trustProxy: ["127.0.0.1", "10.0.0.0/8"] });
    const via = (chain: string) => send({ "X-Forwarded-For": chain });
    expect(await via("192.0.2.1")).toEqual([200, "accepted"]);
    expect(await via("192.0.2.1, 10.1.1.1, 10.2.2.2")).toEqual([200, "accepted"]);
    expect(await via("::ffff:192.0.2.1, 10.1.1.1")).toEqual([200, "accepted"]);
    expect(await via("[2001:db8:1::7]:4711, 10.1.1.1")).toEqual([200, "accepted"]);
    // What the sender itself put in front of the chain.
    expect(await via("192.0.2.1, 198.51.100.9, 10.1.1.1")).toEqual([403, "address_not_allowed"]);
    expect(await via("192.0.2.1, unknown")).toEqual([403, "address_not_allowed"]);
    expect(await via("")).toEqual([403, "address_not_allowed"]);
    expect(await send({ Forwarded: "for=192.0.2.1;proto=https" })).toEqual([403, "address_not_allowed"]);
    expect(await send({ Forwarded: "for=192.0.2.1", "X-Forwarded-For": "198.51.100.9" })).toEqual([
      403,
      "address_not_allowed",
    ]);
  });

  it("refuses before it looks at size or signature", async () => {
    const { send } = await start({ ...allowing("office"), maxBody: 1_000 });
    expect(await send({}, "x".repeat(2_000), "another secret")).toEqual([403, "address_not_allowed"]);
  });
});

describe("HTTPS, asked for by one source", () => {
  const proxied = { trustProxy: ["127.0.0.1"] };

  it("is refused where the server does not ask for it, and the other way round", async () => {
    expect(await (await start({ requireHttps: true }, proxied)).send()).toEqual([403, "https_required"]);
    const excepted = await start({ requireHttps: false }, { ...proxied, requireHttps: true });
    expect(await excepted.send()).toEqual([200, "accepted"]);
    const silent = await start({ requireHttps: undefined }, { ...proxied, requireHttps: true });
    expect(await silent.send()).toEqual([403, "https_required"]);
  });

  it("counts only by X-Forwarded-Proto of a trusted proxy, and only when every hop says so", async () => {
    const { send } = await start({ requireHttps: true }, proxied);
    expect(await send({ "X-Forwarded-Proto": "https" })).toEqual([200, "accepted"]);
    expect(await send({ "X-Forwarded-Proto": "HTTPS, https" })).toEqual([200, "accepted"]);
    for (const headers of [
      { "X-Forwarded-Proto": "http" },
      { "X-Forwarded-Proto": "https, http" },
      { "X-Forwarded-Proto": "http, https" },
      { "X-Forwarded-Proto": "," },
      { "X-Forwarded-Proto": "https://" },
      { Forwarded: "proto=https" },
      { "X-Forwarded-Ssl": "on" },
      { "X-Forwarded-Scheme": "https" },
      { "X-Forwarded-Proto": "http", Forwarded: "proto=https" },
    ] as Record<string, string>[])
      expect([headers, ...(await send(headers))]).toEqual([headers, 403, "https_required"]);
    const direct = await start({ requireHttps: true });
    expect(await direct.send({ "X-Forwarded-Proto": "https" })).toEqual([403, "https_required"]);
  });
});

describe("a body limit of one source", () => {
  it("holds in place of the source's own, to the byte, announced or not", async () => {
    const { send } = await start({ maxBody: 1_000 });
    const of = (bytes: number) => `{"a":"${"b".repeat(bytes - 8)}"}`;
    expect(await send({}, of(1_000))).toEqual([200, "accepted"]);
    expect(await send({}, of(1_001))).toEqual([413, "too_large"]);
    const wider = await start({ maxBody: 30_000_000 });
    expect(await wider.send({}, of(26_000_000))).toEqual([200, "accepted"]);
  });
});
