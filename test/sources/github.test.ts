import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { Webhooks } from "@octokit/webhooks";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { silentLog } from "../../src/observability/log.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { sha256 } from "../../src/domain/json.ts";
import { signGithub } from "../../src/sandbox/senders.ts";
import { github } from "../../src/sources/github.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedFiles, sharedNote, sharedPresent, signatureVectors } from "../support/shared.ts";

const now = 1_700_000_000_000;
const secrets = { first: "secret-current", second: "secret-previous", stranger: "secret-of-someone-else" };
const deps = { clock: systemClock, log: silentLog };
const source = github({ name: "github", secrets: [secrets.first, secrets.second] }, deps);
const delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const sign = (secret: string, text: string) =>
  `sha256=${createHmac("sha256", secret).update(text).digest("hex")}`;
const request = (text: string, headers: Record<string, string> = {}) =>
  rawRequest(
    {
      "X-Hub-Signature-256": sign(secrets.first, text),
      "X-GitHub-Delivery": delivery,
      "X-GitHub-Event": "pull_request",
      "Content-Type": "application/json",
      ...headers,
    },
    text,
    now,
  );
const body = JSON.stringify({ action: "opened", pull_request: { updated_at: "2026-01-02T03:04:05Z" } });

sourceContract("github", {
  source: () => source,
  credentialHeader: "x-hub-signature-256",
  coversBody: true,
  hasSecrets: true,
  tolerance: null,
  signed: ({ by }) => request(body, { "X-Hub-Signature-256": sign(secrets[by], body) }),
});

tamperingContract("a request of GitHub", {
  source: () => source,
  now,
  signed: () => ({ headers: request(body).headers, body }),
  covered: ["x-hub-signature-256"],
  toleranceMs: null,
});

describe("the X-Hub-Signature-256 header", () => {
  it("is not replaced by the SHA-1 header, however right that is", () => {
    const sha1 = `sha1=${createHmac("sha1", secrets.first).update(body).digest("hex")}`;
    const { "x-hub-signature-256": _, ...headers } = request(body).headers;
    expect(() => source.verify(rawRequest({ ...headers, "x-hub-signature": sha1 }, body, now))).toThrow(
      expect.objectContaining({ code: "signature_missing" }),
    );
    expect(() => source.verify(request(body, { "X-Hub-Signature-256": sha1 }))).toThrow(
      expect.objectContaining({ code: "signature_malformed" }),
    );
  });

  it("is accepted in one spelling only", () => {
    const upper = sign(secrets.first, body).slice(7).toUpperCase();
    for (const header of [
      `sha256=${upper}`,
      sign(secrets.first, body).slice(7),
      ` ${sign(secrets.first, body)}`,
    ]) {
      expect(() => source.verify(request(body, { "X-Hub-Signature-256": header }))).toThrow(
        expect.objectContaining({ status: 401, code: "signature_malformed" }),
      );
    }
  });
});

describe("a GitHub event", () => {
  it("is known by its delivery and by its body, since the delivery is not signed", () => {
    const [event] = source.identify(request(body));
    expect(event).toMatchObject({
      providerId: delivery,
      type: "pull_request.opened",
      occurredAt: Date.parse("2026-01-02T03:04:05Z"),
      dedupeKeys: [`id:${delivery}`, `body:${sha256(Buffer.from(body))}`],
    });
    const [replayed] = source.identify(request(body, { "X-GitHub-Delivery": "fresh" }));
    expect(replayed?.dedupeKeys).toContain(event?.dedupeKeys[1]);
  });

  it("has the event's name alone as type where there is no usable action", () => {
    const typeOf = (value: unknown) => source.identify(request(JSON.stringify(value)))[0]?.type;
    expect(typeOf({})).toBe("pull_request");
    expect(typeOf({ action: 7 })).toBe("pull_request");
    expect(typeOf({ action: "a\u0000b" })).toBe("pull_request");
    expect(typeOf({ action: "deploy prod" })).toBe("pull_request.deploy prod");
  });

  it.each(["X-GitHub-Delivery", "X-GitHub-Event"])("is malformed without %s", (name) => {
    expect(() => source.identify(request(body, { [name]: "" }))).toThrow(
      expect.objectContaining({
        status: 400,
        code: "malformed_event",
        message: expect.stringContaining(name) as string,
      }),
    );
  });

  it("may come as a form, which is verified as sent and kept as the JSON in it", () => {
    const event = { action: "opened", text: "a+b & c=d – ü" };
    const form = `payload=${encodeURIComponent(JSON.stringify(event)).replaceAll("%20", "+")}`;
    const sent = request(form, { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" });
    expect(source.verify(sent)).toEqual({ secretIndex: 0 });
    const [read] = source.identify(sent);
    expect(read?.payload).toEqual(event);
    expect(JSON.parse(read?.body.toString("utf8") ?? "")).toEqual(event);
    expect(read?.dedupeKeys).toEqual(source.identify(request(JSON.stringify(event)))[0]?.dedupeKeys);
  });

  it.each(["", "other=1", "payload={}&payload={}", "payload=%ff", "payload=%", "payload=ü"])(
    "is malformed as the form %j",
    (form) => {
      const sent = request(form, { "Content-Type": "application/x-www-form-urlencoded" });
      expect(() => source.identify(sent)).toThrow(
        expect.objectContaining({ status: 400, code: "malformed_form" }),
      );
    },
  );

  it("takes the time of a push from GitHub, not from the author of its commit", () => {
    const push = {
      head_commit: { timestamp: "2099-01-01T00:00:00Z" },
      repository: { pushed_at: 1_700_000_000 },
    };
    expect(source.identify(request(JSON.stringify(push)))[0]?.occurredAt).toBe(1_700_000_000_000);
  });

  it("has no time where GitHub names none", () => {
    expect(source.identify(request('{"zen":"Keep it logically awesome."}'))[0]?.occurredAt).toBeNull();
  });
});

describe("GitHub's own library", () => {
  const theirs = new Webhooks({ secret: secrets.first });
  const accepts = (text: string, headers: Record<string, string>) => {
    try {
      return source.verify(rawRequest(headers, text, now)) !== undefined;
    } catch (error) {
      expect(error).toMatchObject({ name: "Rejection", status: 401 });
      return false;
    }
  };
  /** What its middleware does: without the header there is nothing to verify. */
  const theyAccept = async (text: string, signature: string) =>
    signature !== "" && (await theirs.verify(text, signature));
  const texts = fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1 }),
    fc.json(),
    fc.constantFrom(body, `${body} `, "payload=%7B%7D"),
  );

  it("signs what is accepted here", async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(accepts(text, { "X-Hub-Signature-256": await theirs.sign(text) })).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("accepts what we take for signed", async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(await theyAccept(text, sign(secrets.first, text))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("refuses nothing that is accepted here, and accepts nothing that is refused", async () => {
    const one = new Webhooks({ secret: secrets.stranger });
    const spoilt: ((right: string, text: string) => string | Promise<string>)[] = [
      (right) => right,
      (_, text) => theirs.sign(`${text} `),
      (_, text) => one.sign(text),
      (right) => right.slice("sha256=".length),
      (right) => right.replace("sha256=", "sha1="),
      (right) => right.replace("sha256=", "SHA256="),
      (right) => right.toUpperCase(),
      (right) => right.slice(0, -1),
      (right) => `${right}0`,
      (right) => ` ${right}`,
      (right) => `${right},${right}`,
      (_, text) => `sha1=${createHmac("sha1", secrets.first).update(text).digest("hex")}`,
      () => "",
      () => "sha256=",
    ];
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom(...spoilt), async (text, spoil) => {
        const signature = await spoil(await theirs.sign(text), text);
        expect(accepts(text, { "X-Hub-Signature-256": signature })).toBe(await theyAccept(text, signature));
      }),
      { numRuns: 500 },
    );
  });

  it("knows the SHA-1 header no more than we do", async () => {
    const sha1 = `sha1=${createHmac("sha1", secrets.first).update(body).digest("hex")}`;
    expect(await theyAccept(body, sha1)).toBe(false);
    expect(accepts(body, { "X-Hub-Signature": sha1 })).toBe(false);
  });

  it("verifies and reads what the sandbox sends, as we do", async () => {
    const sent = signGithub({ secret: secrets.first, event: "issues", payload: { action: "opened", n: 1 } });
    const { headers } = rawRequest(sent.headers, sent.body, now);
    const heard = new Promise((resolve) => theirs.on("issues.opened", ({ payload }) => resolve(payload)));
    await theirs.verifyAndReceive({
      id: headers["x-github-delivery"] ?? "",
      name: headers["x-github-event"] ?? "",
      payload: sent.body,
      signature: headers["x-hub-signature-256"] ?? "",
    });
    const [event] = source.identify(rawRequest(sent.headers, sent.body, now));
    expect([event?.type, event?.payload]).toEqual(["issues.opened", await heard]);
  });
});

interface Webhook {
  name: string;
  examples: Record<string, unknown>[];
}
const webhooks = createRequire(import.meta.url)(
  "@octokit/webhooks-examples/api.github.com/index.json",
) as Webhook[];
const samples = webhooks.flatMap(({ name, examples }) =>
  examples.map((example, at) => ({ name, at, example })),
);

describe("GitHub's own samples", () => {
  it("are many", () => {
    expect(samples.length).toBeGreaterThan(200);
  });

  it.each(samples)("$name $at is verified and identified", ({ name, example }) => {
    const text = JSON.stringify(example);
    const sent = request(text, { "X-GitHub-Event": name, "X-Hub-Signature-256": sign(secrets.second, text) });
    expect(source.verify(sent)).toEqual({ secretIndex: 1 });
    const [event] = source.identify(sent);
    const action = example["action"];
    expect(event?.type).toBe(typeof action === "string" ? `${name}.${action}` : name);
    expect(event?.payload).toEqual(example);
  });

  it("of pull requests and pushes have a time", () => {
    const timed = samples.filter(({ name }) => /^(pull_request|pull_request_review|push)$/.test(name));
    for (const { name, example } of timed) {
      const [event] = source.identify(request(JSON.stringify(example), { "X-GitHub-Event": name }));
      if (example["deleted"] !== true)
        expect(event?.occurredAt, name).toBeGreaterThan(Date.parse("2019-01-01"));
    }
  });
});

describe.skipIf(!sharedPresent)(`GitHub's samples beside the repository${sharedNote}`, () => {
  it("are verified by the published vector", () => {
    for (const { secret, headers, body: text } of signatureVectors("github")) {
      expect(
        github({ name: "g", secrets: ["", secret] }, deps).verify(rawRequest(headers, text, now)),
      ).toEqual({
        secretIndex: 1,
      });
    }
  });

  it.each(sharedFiles("specs/github/payloads"))("%s is identified", (file) => {
    const [name = ""] = file.split(".");
    const text = sharedFile(`specs/github/payloads/${file}`);
    const { action } = JSON.parse(text) as { action?: string };
    const [event] = source.identify(request(text, { "X-GitHub-Event": name }));
    expect(event?.type).toBe(action === undefined ? name : `${name}.${action}`);
  });
});
