import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { sha256 } from "../../src/domain/json.ts";
import { createIngest } from "../../src/http/ingest.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { signCustom } from "../../src/sandbox/senders.ts";
import { custom } from "../../src/sources/custom.ts";
import type { CustomOptions } from "../../src/sources/custom.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { memoryInbox } from "../support/memory-inbox.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

type Scheme = Omit<CustomOptions, "name" | "secrets">;

const now = 1_700_000_000_000;
const seconds = now / 1_000;
const secrets = { first: "secret-current", second: "secret-previous", stranger: "secret-of-someone-else" };
const sourceOf = (scheme: Scheme = {}) =>
  custom({ name: "shop", secrets: [secrets.first, secrets.second], ...scheme });
const body = JSON.stringify({ type: "order.created", order: 1001 });

interface Sent {
  by?: string;
  id?: string | null;
  timestamp?: number | string;
  text?: string;
  event?: string;
}
const headersOf = (
  scheme: Scheme,
  { by = secrets.first, id = "evt-1", timestamp = seconds, text = body, event }: Sent = {},
) =>
  signCustom({ secret: by, payload: text, id, timestamp, scheme, ...(event === undefined ? {} : { event }) })
    .headers;
const request = (scheme: Scheme = {}, sent: Sent = {}) =>
  rawRequest(headersOf(scheme, sent), sent.text ?? body, now);
const bare = { signature: { construction: "{body}" } };
const refusal = (code: string, status = 401) => expect.objectContaining({ status, code }) as unknown;

const schemes: readonly [title: string, scheme: Scheme, covered: readonly string[]][] = [
  ["as it comes", {}, ["x-signature", "x-event-id", "x-timestamp"]],
  [
    "in base64, with headers and a construction of its own",
    {
      signature: {
        header: "Acme-Auth",
        prefix: "v1:",
        encoding: "base64",
        construction: "acme:{timestamp}{body}#{id}",
      },
      idHeader: "Acme-Id",
      timestampHeader: "Acme-Time",
      tolerance: 60_000,
    },
    ["acme-auth", "acme-id", "acme-time"],
  ],
  ["over the bare body", bare, ["x-signature"]],
];

for (const [title, scheme, covered] of schemes) {
  const credentialHeader = covered[0] ?? "";
  const timed = covered.length > 1;
  const tolerance = scheme.tolerance ?? 300_000;
  sourceContract(`custom, ${title},`, {
    source: () => sourceOf(scheme),
    credentialHeader,
    coversBody: true,
    hasSecrets: true,
    tolerance: timed ? { pastMs: tolerance, futureMs: tolerance } : null,
    signed: ({ by, signedAt }) => request(scheme, { by: secrets[by], timestamp: signedAt / 1_000 }),
  });
  tamperingContract(`a request of a custom sender, ${title},`, {
    source: () => sourceOf(scheme),
    now,
    signed: (at) => ({ headers: headersOf(scheme, { timestamp: at / 1_000 }), body }),
    covered,
    toleranceMs: timed ? tolerance : null,
  });
}

describe("the construction", () => {
  it("must hold the body", () => {
    expect(() => sourceOf({ signature: { construction: "{id}.{timestamp}" } })).toThrow(
      /must cover \{body\}/,
    );
  });

  it("is told to whom it does not fit, and so is the header that it lacks", () => {
    const { "x-event-id": _, ...headers } = request().headers;
    expect(() => sourceOf().verify({ ...request(), headers })).toThrow(refusal("id_missing"));
    expect(() => sourceOf().verify(request({}, { by: secrets.stranger }))).toThrow(
      /\{id\}\.\{timestamp\}\.\{body\}/,
    );
  });

  it.each(["a b", 'a"', "a{", "a]", "ü", "a\\", "x".repeat(201)])("does not take %j for an id", (id) => {
    expect(() => sourceOf().verify(request({}, { id }))).toThrow(refusal("id_malformed"));
  });

  it("can be taken apart in one way only, also where an id has dots and numbers in it", () => {
    const sent = request({}, { id: `a.${seconds}.1`, text: '{"a":".1","b":1.5}' });
    const whole = `a.${seconds}.1.${seconds}.{"a":".1","b":1.5}`;
    const dots = [...whole.matchAll(/\./g)].map(({ index }) => index);
    const taken = dots.flatMap((first) =>
      dots
        .filter((second) => second > first)
        .filter((second) => {
          const headers = {
            ...sent.headers,
            "x-event-id": whole.slice(0, first),
            "x-timestamp": whole.slice(first + 1, second),
          };
          try {
            const split = { ...sent, headers, body: Buffer.from(whole.slice(second + 1)) };
            void sourceOf().verify(split);
            sourceOf().identify(split);
            return true;
          } catch {
            return false;
          }
        })
        .map((second) => whole.slice(second + 1)),
    );
    expect(taken).toEqual(['{"a":".1","b":1.5}']);
  });

  it("covers neither an id nor a time that it leaves out", () => {
    const source = sourceOf(bare);
    expect(source.verify(request(bare, { id: "other", timestamp: "long ago" }))).toEqual({ secretIndex: 0 });
  });
});

describe("the signed time", () => {
  it.each([
    ["seconds", String(seconds)],
    ["milliseconds", String(now + 999)],
    ["ISO 8601", "2023-11-14T22:13:20Z"],
    ["ISO 8601 with parts of a second and another zone", "2023-11-14T23:13:20.5+01:00"],
  ])("may be in %s", (_, timestamp) => {
    const sent = request({}, { timestamp });
    expect(sourceOf().verify(sent)).toEqual({ secretIndex: 0 });
    const [event] = sourceOf().identify(sent);
    expect(Math.abs((event?.occurredAt ?? 0) - now)).toBeLessThan(1_000);
  });

  it.each([
    "",
    "soon",
    "-1700000000",
    "1.7e9",
    "1700000000.5",
    "0x6553f100",
    "2023-11-14",
    "170000000000000",
  ])("is not %j", (timestamp) => {
    expect(() => sourceOf().verify(request({}, { timestamp }))).toThrow(
      refusal(timestamp === "" ? "timestamp_missing" : "timestamp_malformed"),
    );
  });
});

describe("a custom event", () => {
  it("is known by its id alone where that is signed", () => {
    expect(sourceOf().identify(request())[0]).toMatchObject({
      providerId: "evt-1",
      type: "order.created",
      occurredAt: now,
      dedupeKeys: ["id:evt-1"],
    });
  });

  it("is also known by what is signed where the id is not", () => {
    const timed = { signature: { construction: "{timestamp}.{body}" } };
    const bytes = Buffer.from(body);
    expect(sourceOf(timed).identify(request(timed))[0]?.dedupeKeys).toEqual([
      "id:evt-1",
      `signed:${sha256(String(seconds), bytes)}`,
    ]);
    expect(sourceOf(bare).identify(request(bare))[0]?.dedupeKeys).toEqual([
      "id:evt-1",
      `body:${sha256(bytes)}`,
    ]);
  });

  it("is known by that alone where there is no id, and malformed where the id can't be stored", () => {
    const hash = sha256(Buffer.from(body));
    expect(sourceOf(bare).identify(request(bare, { id: null }))[0]).toMatchObject({
      providerId: hash,
      dedupeKeys: [`body:${hash}`],
    });
    expect(() => sourceOf(bare).identify(request(bare, { id: "a b" }))).toThrow(
      refusal("malformed_event", 400),
    );
  });

  it("has the type that its body or a header names, and is a `webhook` where there is none", () => {
    const typeOf = (scheme: Scheme, value: unknown, event?: string) =>
      sourceOf(scheme).identify(
        request(scheme, { text: JSON.stringify(value), ...(event === undefined ? {} : { event }) }),
      )[0]?.type;
    expect(typeOf({ typeField: "data.kind" }, { type: "a", data: { kind: "b" } })).toBe("b");
    expect(typeOf({ typeHeader: "X-Kind" }, { type: "a" }, "c")).toBe("c");
    expect(typeOf({ typeHeader: "X-Kind" }, { type: "a" })).toBe("webhook");
    for (const value of [{}, { type: 7 }, { type: "" }, { type: "a\u0000" }, { type: { kind: "b" } }]) {
      expect(typeOf({}, value)).toBe("webhook");
    }
    expect(typeOf({ typeField: "constructor.name" }, {})).toBe("webhook");
    expect(typeOf({ typeField: "data.kind" }, { data: ["b"] })).toBe("webhook");
  });

  it("keeps the headers that say what it is, unless they are named like a credential", () => {
    expect(sourceOf({ typeHeader: "X-Kind" }).keptHeaders).toEqual([
      "content-type",
      "user-agent",
      "x-event-id",
      "x-timestamp",
      "x-kind",
    ]);
    expect(sourceOf({ idHeader: "X-Secret-Token" }).keptHeaders).not.toContain("x-secret-token");
  });
});

describe("over the receiver's socket", () => {
  const receiver = async (scheme: Scheme) => {
    const inbox = memoryInbox();
    const ingest = createIngest({
      sources: new Map([["shop", sourceOf(scheme)]]),
      inbox,
      metrics: createMetrics(),
      log: silentLog,
      clock: systemClock,
    });
    const { port } = await ingest.listen({ host: "127.0.0.1", port: 0 });
    onTestFinished(() => ingest.close(0));
    return { inbox, url: `http://127.0.0.1:${port}/webhooks/shop` };
  };

  it("the same bare body under a fresh id is a duplicate", async () => {
    const { url } = await receiver(bare);
    const send = async (id: string) =>
      (await (await fetch(url, { method: "POST", headers: headersOf(bare, { id }), body })).json()) as {
        status: string;
        event: string;
      };
    const first = await send("evt-1");
    expect(first.status).toBe("accepted");
    expect(await send("evt-2")).toMatchObject({ status: "duplicate", event: first.event });
  });

  const examples = readFileSync(new URL("../../docs/custom-source.md", import.meta.url), "utf8");
  const example = (heading: string) =>
    new RegExp(`## ${heading}\\n\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(examples)?.[1] ?? "";
  const run = async (program: string, args: readonly string[], url: string) =>
    promisify(execFile)(program, args, {
      env: { PATH: process.env["PATH"], SIGNALBOX_URL: url, SHOP_WEBHOOK_SECRET: secrets.first },
    });

  it("the Node.js example of docs/custom-source.md is accepted", async () => {
    const { url, inbox } = await receiver({});
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", example("Node\\.js")], url);
    expect(stdout).toMatch(/^200 \{"status":"accepted"/);
    expect(inbox.stored[0]?.items[0]).toMatchObject({ type: "order.created", payload: { order: 1001 } });
  });

  it("the Python example of docs/custom-source.md is accepted, where there is a Python", async ({ skip }) => {
    const { url, inbox } = await receiver({});
    const python = await run("python3", ["--version"], url).catch(() => null);
    if (python === null) skip("there is no python3 on this computer");
    const { stdout } = await run("python3", ["-c", example("Python")], url);
    expect(stdout).toMatch(/^200 \{"status":"accepted"/);
    expect(inbox.stored[0]?.items[0]).toMatchObject({ type: "order.created", payload: { order: 1001 } });
  });
});

describe.skipIf(!sharedPresent)(`The generic vector beside the repository${sharedNote}`, () => {
  it("is accepted with its own construction, and with no other", () => {
    for (const { secret, headers, body: text, now: at } of signatureVectors("generic")) {
      const given = (construction?: string) =>
        custom({ name: "c", secrets: ["", secret], signature: { construction } });
      const sent = rawRequest(headers, text, at * 1_000);
      expect(given("{timestamp}.{body}").verify(sent)).toEqual({ secretIndex: 1 });
      expect(given("{timestamp}.{body}").identify(sent)[0]).toMatchObject({
        providerId: headers["X-Event-ID"],
        type: "order.created",
      });
      expect(() => given().verify(sent)).toThrow(refusal("signature_mismatch"));
    }
  });
});
