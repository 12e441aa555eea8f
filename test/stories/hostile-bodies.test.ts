/**
 * What an authentic sender may put into a body: through the receiver's socket, into the real journal, for every source
 * whose signature covers the body. (Gmail's and Outlook's does not: their bodies can do no more than wake a cursor.)
 */
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants, deflateRawSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sourceCredentials } from "../../src/config/schema.ts";
import type { Source } from "../../src/domain/source.ts";
import { createIngest } from "../../src/http/ingest.ts";
import type { Ingest } from "../../src/http/ingest.ts";
import { createInbox } from "../../src/inbox/accept.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import type { JournalParts } from "../../src/journal/journal.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { createEmbeddedQueue } from "../../src/queue/embedded.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { custom } from "../../src/sources/custom.ts";
import { github } from "../../src/sources/github.ts";
import { hubspot } from "../../src/sources/hubspot.ts";
import { linear } from "../../src/sources/linear.ts";
import { shopify } from "../../src/sources/shopify.ts";
import { slack } from "../../src/sources/slack.ts";
import { standardWebhooks } from "../../src/sources/standard-webhooks.ts";
import { stripe } from "../../src/sources/stripe.ts";
import { zendesk } from "../../src/sources/zendesk.ts";
import { openBeside } from "../support/beside.ts";

const secret = Buffer.from("secret-of-the-test").toString("base64");
const publicUrl = "https://hooks.acme.example";
let serial = 0;

const digest = (encoding: "hex" | "base64", ...parts: (string | Buffer)[]): string => {
  const hmac = createHmac("sha256", secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest(encoding);
};

interface Case {
  readonly source: Source;
  sign(body: Buffer, nowMs: number): Record<string, string>;
  /** A body that is an event, with `inside` as further members of its object, commas and all. */
  valid(inside: string): string;
}

const deps = { clock: systemClock, log: silentLog };
const named = (type: string) => ({ name: type, secrets: [secret] });
const cases: Readonly<Record<string, Case>> = {
  stripe: {
    source: stripe(named("stripe"), deps),
    sign: (body, now) => {
      const time = Math.floor(now / 1000);
      return { "Stripe-Signature": `t=${time},v1=${digest("hex", `${time}.`, body)}` };
    },
    valid: (inside) => `{${inside}"id":"evt_${(serial += 1)}","type":"customer.updated","created":1}`,
  },
  github: {
    source: github(named("github"), deps),
    sign: (body) => ({
      "X-GitHub-Event": "ping",
      "X-GitHub-Delivery": `d-${(serial += 1)}`,
      "X-Hub-Signature-256": `sha256=${digest("hex", body)}`,
    }),
    valid: (inside) => `{${inside}"zen":"${(serial += 1)}"}`,
  },
  shopify: {
    source: shopify(named("shopify")),
    sign: (body) => ({
      "X-Shopify-Topic": "orders/create",
      "X-Shopify-Shop-Domain": "acme.myshopify.com",
      "X-Shopify-Webhook-Id": `w-${(serial += 1)}`,
      "X-Shopify-Event-Id": `e-${serial}`,
      "X-Shopify-Triggered-At": new Date(0).toISOString(),
      "X-Shopify-Hmac-Sha256": digest("base64", body),
    }),
    valid: (inside) => `{${inside}"id":${(serial += 1)}}`,
  },
  slack: {
    source: slack(named("slack")),
    sign: (body, now) => {
      const time = String(Math.floor(now / 1000));
      return {
        "X-Slack-Request-Timestamp": time,
        "X-Slack-Signature": `v0=${digest("hex", `v0:${time}:`, body)}`,
      };
    },
    valid: (inside) =>
      `{${inside}"type":"event_callback","event_id":"Ev${(serial += 1)}","event_time":1,"event":{"type":"message"}}`,
  },
  "standard-webhooks": {
    source: standardWebhooks({ name: "standard-webhooks", secrets: [`whsec_${secret}`] }),
    sign: (body, now) => {
      const time = Math.floor(now / 1000);
      const id = `msg_${(serial += 1)}`;
      const hmac = createHmac("sha256", Buffer.from(secret, "base64")).update(`${id}.${time}.`).update(body);
      return {
        "Webhook-Id": id,
        "Webhook-Timestamp": String(time),
        "Webhook-Signature": `v1,${hmac.digest("base64")}`,
      };
    },
    valid: (inside) => `{${inside}"type":"user.created","n":${(serial += 1)}}`,
  },
  hubspot: {
    source: hubspot({ ...named("hubspot"), publicUrl }),
    sign: (body, now) => ({
      "X-HubSpot-Request-Timestamp": String(now),
      "X-HubSpot-Signature-v3": digest("base64", `POST${publicUrl}/webhooks/hubspot`, body, String(now)),
    }),
    valid: (inside) =>
      `[{${inside}"eventId":${(serial += 1)},"subscriptionId":1,"portalId":2,"occurredAt":3,"subscriptionType":"contact.creation","objectId":4}]`,
  },
  zendesk: {
    source: zendesk(named("zendesk")),
    sign: (body, now) => {
      const time = new Date(now).toISOString();
      return {
        "X-Zendesk-Webhook-Invocation-Id": `i-${(serial += 1)}`,
        "X-Zendesk-Webhook-Signature-Timestamp": time,
        "X-Zendesk-Webhook-Signature": digest("base64", time, body),
      };
    },
    valid: (inside) => `{${inside}"type":"zen:event-type:ticket.created","id":"z${(serial += 1)}"}`,
  },
  linear: {
    source: linear(named("linear")),
    sign: (body) => ({
      "Linear-Event": "Issue",
      "Linear-Delivery": `l-${(serial += 1)}`,
      "Linear-Signature": digest("hex", body),
    }),
    valid: (inside) =>
      `{${inside}"action":"create","type":"Issue","n":${(serial += 1)},"webhookTimestamp":${systemClock.now()}}`,
  },
  custom: {
    source: custom(named("custom")),
    sign: (body, now) => {
      const id = `c-${(serial += 1)}`;
      const time = String(Math.floor(now / 1000));
      return {
        "X-Event-ID": id,
        "X-Timestamp": time,
        "X-Signature": `sha256=${digest("hex", `${id}.${time}.`, body)}`,
      };
    },
    valid: (inside) => `{${inside}"type":"order.created","n":${(serial += 1)}}`,
  },
};

let folder = "";
let store: JournalParts;
let ingest: Ingest;
let port = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-hostile-"));
  const clock = systemClock;
  store = openSqliteJournal({ folder, clock });
  const inbox = createInbox({
    journal: store.journal,
    queue: createEmbeddedQueue(store.journal, clock, silentLog),
    table: () => ({ routes: [], configHash: "c", promptHash: () => null }),
    clock,
    ids: createIds(clock),
    log: silentLog,
  });
  const sources = new Map(Object.values(cases).map(({ source }) => [source.name, source]));
  ingest = createIngest({ sources, inbox, metrics: createMetrics(), log: silentLog, clock });
  port = (await ingest.listen({ host: "127.0.0.1", port: 0 })).port;
});
afterAll(async () => {
  await ingest.close(0);
  await store.journal.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answered {
  readonly status: number;
  readonly json: { event?: string; error?: { code: string; message: string } };
}

function send(type: string, body: Buffer, extra: Record<string, string> = {}): Promise<Answered> {
  const headers = {
    "Content-Type": "application/json",
    ...cases[type]?.sign(body, systemClock.now()),
    ...extra,
  };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { port, host: "127.0.0.1", path: `/webhooks/${type}`, method: "POST", headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({
            status: response.statusCode ?? 0,
            json: text.startsWith("{") ? (JSON.parse(text) as Answered["json"]) : {},
          });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** The bytes of the newest malformed delivery. */
function keptBytes(): Buffer {
  const db = openBeside(join(folder, "journal.db"));
  try {
    const row = db.get("SELECT body FROM deliveries WHERE result = 'malformed' ORDER BY rowid DESC LIMIT 1");
    return Buffer.from(row?.["body"] instanceof Uint8Array ? row["body"] : []);
  } finally {
    db.close();
  }
}

const events = async (): Promise<number> =>
  (await store.reads.sourceActivity()).reduce((sum, row) => sum + row.events, 0);

const unreadable: readonly [what: string, body: Buffer][] = [
  ["no JSON", Buffer.from("hello there")],
  ["half of a document", Buffer.from('{"id":"evt_1","type":"x"')],
  ["two documents", Buffer.from('{"id":"a"}{"id":"b"}')],
  ["invalid UTF-8 in a string", Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ["an overlong UTF-8 sequence", Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])],
  ["a surrogate in UTF-8", Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
  ["UTF-16", Buffer.from('{"id":"evt_1","type":"x"}', "utf16le")],
  ["a million brackets", Buffer.from("[".repeat(999_000))],
  ["a million members, one in the other", Buffer.from('{"a":'.repeat(150_000))],
  ["nested and closed", Buffer.from(`{"a":${"[".repeat(5_000)}${"]".repeat(5_000)}}`)],
  ["NUL bytes", Buffer.alloc(100)],
  ["every byte there is", Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
  ["a number where an object should be", Buffer.from("1e999")],
  ["a gzip file without saying so", gzipSync(Buffer.from("{}"))],
];

const odd: readonly [what: string, inside: string][] = [
  ["__proto__", '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},'],
  ["a key that is there twice", '"a":1,"a":{"b":2},"a":[3],'],
  ["numbers beyond all bounds", `"a":1e999,"b":-1e999,"c":${"9".repeat(5_000)},"d":0.${"1".repeat(5_000)},`],
  ["lone surrogates, escaped", '"a":"\\ud800","\\udfff":1,'],
  ["escaped control characters and NUL", '"a":"\\u0000\\u0007\\u001b[31m","\\u0000":1,'],
  [
    "texts that look like SQL, templates and markup",
    `"a":"'); DROP TABLE events; --","b":"\${jndi:x}{{7*7}}<script>",`,
  ],
  ["toString and friends", '"toString":null,"hasOwnProperty":1,"valueOf":"x","then":{"a":1},"toJSON":1,'],
  ["fifty thousand keys", `${Array.from({ length: 50_000 }, (_, at) => `"k${at}":0`).join(",")},`],
  ["a text of half a megabyte", `"a":"${"ü".repeat(250_000)}",`],
  ["sixty levels", `"a":${"[".repeat(60)}${"]".repeat(60)},`],
];

/** Small, and fifty megabytes once unpacked. */
const zeros = Buffer.alloc(50_000_000);
const bombs = {
  gzip: gzipSync(zeros),
  deflate: deflateRawSync(zeros),
  br: brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
};

describe("the list of cases", () => {
  it("holds every source whose signature covers the body", () => {
    const types = Object.keys(sourceCredentials).filter((type) => type !== "gmail" && type !== "outlook");
    expect(Object.keys(cases)).toEqual(expect.arrayContaining(types));
  });
});

describe.each(Object.keys(cases))("a signed body for %s", (type) => {
  const valid = (inside = "") => Buffer.from(cases[type]?.valid(inside) ?? "");

  it("is stored byte for byte", async () => {
    const body = Buffer.concat([Buffer.from(" \r\n\t"), valid('"ü":"\\u00fc\\/ 1.0",'), Buffer.from("\n\n")]);
    const answer = await send(type, body);
    expect(answer.status).toBe(200);
    const stored = Buffer.from((await store.reads.event(answer.json.event ?? ""))?.body ?? []);
    // HubSpot's is a list: each of its items is kept as it stands there.
    expect(stored.toString()).toBe(
      type === "hubspot"
        ? body.subarray(body.indexOf("{"), body.lastIndexOf("}") + 1).toString()
        : body.toString(),
    );
    expect((await store.reads.event(answer.json.event ?? ""))?.bodyHash).toBe(
      createHash("sha256").update(stored).digest("hex"),
    );
  });

  it.each(unreadable)("that is %s is kept as it came, and answered 400", async (_, body) => {
    const before = await events();
    const answer = await send(type, body);
    expect([answer.status, answer.json.error?.code]).toEqual([400, expect.stringMatching(/^malformed_/)]);
    expect(answer.json.error?.message).not.toMatch(/position|token|hello|evt_1/i);
    expect(keptBytes().equals(body)).toBe(true);
    expect(await events()).toBe(before);
  });

  it.each(odd)("with %s does no harm", async (_, inside) => {
    const body = valid(inside);
    const answer = await send(type, body);
    expect([200, 400]).toContain(answer.status);
    if (answer.status === 400) expect(keptBytes().equals(body)).toBe(true);
    else {
      const event = await store.reads.event(answer.json.event ?? "");
      expect(body.includes(Buffer.from(event?.body ?? []))).toBe(true);
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect((await send(type, valid())).status).toBe(200);
  });

  it("is not unpacked, whatever its label says", async () => {
    const before = await events();
    for (const [encoding, body] of [
      ["gzip", bombs.gzip],
      ["deflate", bombs.deflate],
      ["br", bombs.br],
      ["GZIP", gzipSync(valid())],
      ["identity, gzip", gzipSync(valid())],
      ["x-whatever", valid()],
      ["", valid()],
    ] as const) {
      const answer = await send(type, body, { "Content-Encoding": encoding });
      expect([encoding, answer.status]).toEqual([encoding, 415]);
    }
    expect(await events()).toBe(before);
  });
});
