import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../src/observability/log.ts";
import { gmail } from "../../src/sources/gmail.ts";
import type { GmailOptions } from "../../src/sources/gmail.ts";
import type { Source } from "../../src/domain/source.ts";
import { sourceContract } from "../contracts/source.ts";
import { tamperingContract } from "../contracts/tampering.ts";
import { manualClock } from "../support/clock.ts";
import { startGoogle } from "../support/google-stand-in.ts";
import type { GoogleStandIn } from "../support/google-stand-in.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedNote, sharedPresent } from "../support/shared.ts";

const now = 1_700_000_000_000;
const seconds = now / 1000;
const audience = "https://signalbox.example/webhooks/inbox";
const pusher = "push@project.iam.gserviceaccount.com";
const claims = {
  iss: "https://accounts.google.com",
  aud: audience,
  email: pusher,
  email_verified: true,
  iat: seconds - 10,
  exp: seconds + 3_590,
  sub: "1",
};
const push = (historyId: unknown, messageId = "2070443601311540") =>
  JSON.stringify({
    message: {
      data: Buffer.from(JSON.stringify({ emailAddress: "someone@example.com", historyId })).toString(
        "base64",
      ),
      messageId,
      publishTime: "2026-01-02T14:00:00.123Z",
    },
    subscription: "projects/p/subscriptions/s",
  });

let google: GoogleStandIn;
let verifier: Source;
const open = (options: Partial<GmailOptions> = {}, clock = manualClock(now)): Source =>
  gmail(
    {
      name: "inbox",
      account: "support@example.com",
      audience,
      pushServiceAccount: pusher,
      credentials: google.token,
      baseUrl: google.url,
      ...options,
    },
    { clock, log: silentLog },
  );
const pushed = (token: string | undefined, body = push(1001), receivedAt = now) =>
  rawRequest(token === undefined ? {} : { Authorization: `Bearer ${token}` }, body, receivedAt);

beforeAll(async () => {
  google = await startGoogle();
  verifier = open();
});
afterAll(() => google.close());
beforeEach(() => {
  Object.assign(google, {
    messages: [],
    historyId: "1000",
    oldest: "0",
    pageSize: 100,
    token: "token-0",
    fault: () => null,
  });
  google.requests.length = 0;
  google.posted.length = 0;
});
afterEach(() => {
  google.fault = () => null;
});

sourceContract("gmail", {
  source: () => verifier,
  credentialHeader: "authorization",
  // The token proves who sent it, not what: see the promise that such a body only wakes our own cursor.
  coversBody: false,
  bearer: { bodySecret: null },
  hasSecrets: false,
  tolerance: null,
  signed: async ({ by }) =>
    pushed(by === "stranger" ? await google.strangerToken(claims) : await google.pushToken(claims)),
});

tamperingContract("a push of Pub/Sub", {
  source: () => verifier,
  now,
  signed: async (at) => {
    const token = await google.pushToken({ ...claims, iat: at / 1000 - 10, exp: at / 1000 + 3_590 });
    return { headers: { authorization: `Bearer ${token}` }, body: push(1001) };
  },
  covered: ["authorization"],
  coversBody: false,
  // The scheme's name has no case.
  same: (was, changed) => changed.replace(/^bearer /i, "Bearer ") === was,
  toleranceMs: null,
});

describe("the token of a push", () => {
  const codeOf = async (token: string, receivedAt = now): Promise<string> => {
    try {
      await verifier.verify(pushed(token, push(1), receivedAt));
      return "verified";
    } catch (error) {
      expect(error).toMatchObject({ name: "Rejection", status: 401, cause: undefined });
      expect((error as Error).message).not.toMatch(/eyJ|push@/);
      return (error as { code: string }).code;
    }
  };

  it("may be issued under either of Google's names", async () => {
    expect(await codeOf(await google.pushToken({ ...claims, iss: "accounts.google.com" }))).toBe("verified");
  });

  it.each([
    ["another audience", { aud: "https://other.example" }],
    ["another issuer", { iss: "https://accounts.example.com" }],
    ["another account", { email: "other@project.iam.gserviceaccount.com" }],
    ["the account in another spelling", { email: pusher.toUpperCase() }],
    ["an account that is not verified", { email_verified: false }],
    ["an account whose verification is no boolean", { email_verified: "true" }],
    ["no account", { email: undefined }],
    ["no end", { exp: undefined }],
    ["no beginning", { iat: undefined }],
    ["a beginning in the future", { iat: seconds + 60 }],
    ["a validity in the future", { nbf: seconds + 60 }],
  ])("is refused with %s", async (_, changed) => {
    expect(await codeOf(await google.pushToken({ ...claims, ...changed }))).toBe("token_invalid");
  });

  it("is judged by the time of receipt, not by the time it is looked at", async () => {
    const token = await google.pushToken(claims);
    expect(await codeOf(token, (claims.exp + 20) * 1000)).toBe("verified");
    expect(await codeOf(token, (claims.exp + 31) * 1000)).toBe("token_expired");
  });

  it("is refused when it is signed with another algorithm, or not at all", async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const certs = await (await fetch(`${google.url}/oauth2/v3/certs`)).text();
    const none = `${part({ alg: "none" })}.${part(claims)}`;
    expect(await codeOf(`${none}.`)).toBe("token_malformed");
    expect(await codeOf(`${none}.AAAA`)).toBe("token_invalid");
    const symmetric = `${part({ alg: "HS256", kid: "kid-1" })}.${part(claims)}`;
    const mac = createHmac("sha256", certs).update(symmetric).digest("base64url");
    expect(await codeOf(`${symmetric}.${mac}`)).toBe("token_invalid");
  });

  it("is accepted in one spelling only: the spare bits at its end must be zero", async () => {
    const token = await google.pushToken(claims);
    const spelled = `${token.slice(0, -1)}${String.fromCharCode(token.charCodeAt(token.length - 1) + 1)}`;
    const bytesOf = (text: string) => Buffer.from(text.split(".")[2] ?? "", "base64url");
    expect(bytesOf(spelled)).toEqual(bytesOf(token));
    expect(await codeOf(spelled)).toBe("token_malformed");
  });

  it("is refused when none of Google's keys has its name", async () => {
    expect(await codeOf(await google.pushToken(claims, { kid: "kid-2" }))).toBe("token_invalid");
  });

  it.each([
    ["fails", () => ({ status: 500 })],
    ["is no key set", () => ({ status: 200, body: { keys: "none" } })],
  ])("can't be judged while the key set %s: 503, and the sender comes back", async (_, fault) => {
    google.fault = fault;
    const token = await google.pushToken(claims);
    const unavailable = { name: "Rejection", status: 503, code: "keys_unavailable", retryAfterSeconds: 10 };
    const source = open();
    await expect(source.verify(pushed(token))).rejects.toMatchObject(unavailable);
    google.fault = () => null;
    await expect(source.verify(pushed(token))).resolves.toEqual({ secretIndex: null });
    await expect(open({ keySetUrl: "http://127.0.0.1:1/certs" }).verify(pushed(token))).rejects.toMatchObject(
      unavailable,
    );
  });

  it("is judged by keys that were fetched before, while the key set fails", async () => {
    google.fault = () => ({ status: 500 });
    expect(await codeOf(await google.pushToken(claims))).toBe("verified");
  });

  it.skipIf(!sharedPresent)(`fits the published vector${sharedNote}`, async () => {
    const vectors = JSON.parse(sharedFile("specs/vectors/signatures.json")) as {
      provider: string;
      now: number;
      jwks: unknown;
      headers: Record<string, string>;
      audience?: string;
      email?: string;
    }[];
    const vector = vectors.find(({ provider }) => provider === "gmail-pubsub");
    if (!vector) throw new Error("the vector is missing");
    const payload = JSON.parse(
      Buffer.from(vector.headers["Authorization"]?.split(".")[1] ?? "", "base64url").toString(),
    ) as { aud: string; email: string };
    google.fault = (called) => (called.includes("/certs") ? { status: 200, body: vector.jwks } : null);
    const source = open({ audience: payload.aud, pushServiceAccount: payload.email });
    await expect(source.verify(rawRequest(vector.headers, push(1), vector.now * 1000))).resolves.toEqual({
      secretIndex: null,
    });
  });
});

describe("a notification of Gmail", () => {
  it("names the configured mailbox, whatever address it carries", () => {
    const [event] = open().identify(pushed(undefined, push(1001)));
    expect(event).toMatchObject({
      type: "notification",
      providerId: "2070443601311540",
      occurredAt: Date.parse("2026-01-02T14:00:00.123Z"),
      dedupeKeys: ["id:2070443601311540", "history:1001"],
      notification: { mailbox: "support@example.com" },
    });
  });

  it("keeps every digit of its history id, as number or as text", () => {
    const keyOf = (data: string) =>
      open().identify(
        pushed(
          undefined,
          JSON.stringify({ message: { messageId: "1", data: Buffer.from(data).toString("base64") } }),
        ),
      )[0]?.dedupeKeys[1];
    expect(keyOf('{"historyId":"18446744073709551615"}')).toBe("history:18446744073709551615");
    expect(keyOf('{"emailAddress":"a@example.com","historyId": 18446744073709551615}')).toBe(
      "history:18446744073709551615",
    );
    expect(keyOf('{"historyId":9007199254740993}')).toBe("history:9007199254740993");
  });

  it.each([
    ["no message", {}],
    ["no message id", { message: { data: Buffer.from('{"historyId":1}').toString("base64") } }],
    ["no data", { message: { messageId: "1" } }],
    ["no history id", { message: { messageId: "1", data: Buffer.from("{}").toString("base64") } }],
    [
      "a negative history id",
      { message: { messageId: "1", data: Buffer.from('{"historyId":-1}').toString("base64") } },
    ],
    [
      "a history id in words",
      { message: { messageId: "1", data: Buffer.from('{"historyId":"many"}').toString("base64") } },
    ],
  ])("is malformed with %s", (_, body) => {
    expect(() => open().identify(pushed(undefined, JSON.stringify(body)))).toThrow(
      expect.objectContaining({ status: 400, code: "malformed_event" }),
    );
  });

  it.skipIf(!sharedPresent).each(["push", "push.redelivery", "push.string-history-id"])(
    `of the sample %s is identified${sharedNote}`,
    (file) => {
      const [event] = open().identify(pushed(undefined, sharedFile(`specs/gmail/payloads/${file}.json`)));
      expect(event?.dedupeKeys[1]).toMatch(/^history:987654321[01]$/);
    },
  );
});

describe("a gmail source", () => {
  it.each(["account", "audience", "pushServiceAccount"])("is inactive without %s", (field) => {
    expect(open({ [field]: "" }).active).toBe(false);
  });
});

const never = new AbortController().signal;
const expand = (source: Source, cursor: string | null) => {
  if (!source.expand) throw new Error("a gmail source expands");
  return source.expand(cursor, never);
};
const idsOf = (expansion: { items: readonly { providerId: string }[] }) =>
  expansion.items.map(({ providerId }) => providerId);

describe("reading the mailbox", () => {
  it("turns each new message after the cursor into an event, in order, over all pages", async () => {
    google.receive("old");
    for (const id of ["a", "b", "c"]) google.receive(id);
    google.pageSize = 2;
    const expansion = await expand(open(), "1001");
    expect(idsOf(expansion)).toEqual(["a", "b", "c"]);
    expect(expansion).toMatchObject({ cursor: "1004", rescanned: false });
    const query = new URLSearchParams(
      google.requests.find((called) => called.includes("history"))?.split("?")[1],
    );
    expect(query.get("historyTypes")).toBe("messageAdded");
  });

  it("gives an event with addresses, ids, all headers and the message as fetched", async () => {
    const headers = [
      "From: =?utf-8?q?Ad=C3=A1?= <ada@example.com>",
      "To: Support <support@example.com>, Team: bo@example.com, cy@example.com;",
      "Cc: dee@example.com",
      "Subject: =?utf-8?b?SMOpbGxv?=",
      "Message-ID: <m1@example.com>",
      "In-Reply-To: <m0@example.com>",
      "References: <a@example.com>",
      " <m0@example.com>",
      "Auto-Submitted: auto-replied",
    ].join("\r\n");
    google.receive("m1", { headers, body: "Body" });
    const [event] = (await expand(open(), "1000")).items;
    expect(event).toMatchObject({
      providerId: "m1",
      type: "message.received",
      occurredAt: 1_700_000_000_000,
      dedupeKeys: ["id:m1", "rfc822:<m1@example.com>"],
      payload: {
        id: "m1",
        threadId: "thread-m1",
        labelIds: ["INBOX", "UNREAD"],
        internalDate: 1_700_000_000_000,
        snippet: "Hello",
        from: { name: "Adá", address: "ada@example.com" },
        to: [
          { name: "Support", address: "support@example.com" },
          { name: "", address: "bo@example.com" },
          { name: "", address: "cy@example.com" },
        ],
        cc: [{ name: "", address: "dee@example.com" }],
        subject: "Héllo",
        messageId: "<m1@example.com>",
        inReplyTo: "<m0@example.com>",
        references: ["<a@example.com>", "<m0@example.com>"],
      },
    });
    const payload = event?.payload as { raw: string; headers: { name: string; value: string }[] };
    expect(Buffer.from(payload.raw, "base64url").toString()).toBe(`${headers}\r\n\r\nBody`);
    expect(payload.headers).toContainEqual({ name: "auto-submitted", value: "auto-replied" });
    expect(JSON.parse(event?.body.toString("utf8") ?? "")).toEqual(payload);
  });

  it("loses no message for its headers, however broken", async () => {
    google.receive("none", { headers: "" });
    google.receive("endless", { headers: `X: ${"a".repeat(3_000_000)}` });
    google.receive("long", { headers: `Message-ID: <${"a".repeat(300)}@example.com>` });
    const { items } = await expand(open(), "1000");
    expect(items.map(({ dedupeKeys }) => dedupeKeys[0])).toEqual(["id:none", "id:endless", "id:long"]);
    expect(items[2]?.dedupeKeys[1]).toMatch(/^rfc822:sha256:[0-9a-f]{64}$/);
  });

  it("leaves out drafts, sent mail, trash and spam, and what was deleted meanwhile", async () => {
    for (const label of ["DRAFT", "SENT", "TRASH", "SPAM"]) google.receive(label, { labelIds: [label] });
    google.receive("gone");
    google.receive("kept");
    google.fault = (called) => (called.includes("messages/gone") ? { status: 404 } : null);
    const expansion = await expand(open(), "1000");
    expect(idsOf(expansion)).toEqual(["kept"]);
    expect(expansion.cursor).toBe(google.historyId);
  });

  it("fetches a message once that several records name", async () => {
    google.receive("a");
    google.receive("a", { historyId: "1002" });
    expect(idsOf(await expand(open(), "1000"))).toEqual(["a"]);
  });

  it("never moves the cursor back, and compares it as the 64-bit number it is", async () => {
    google.historyId = "18446744073709551614";
    expect((await expand(open(), "18446744073709551615")).cursor).toBe("18446744073709551615");
    google.historyId = "999";
    expect((await expand(open(), "1000")).cursor).toBe("1000");
  });

  it("takes a large feed in parts, and moves the cursor no further than what it gives", async () => {
    for (let at = 0; at < 450; at += 1) google.receive(`m${at}`);
    const source = open();
    const ids: string[] = [];
    let cursor = "1000";
    for (let more = true; more;) {
      const part = await expand(source, cursor);
      expect(part.items.length).toBeLessThanOrEqual(208);
      ids.push(...idsOf(part));
      cursor = part.cursor;
      more = part.more ?? false;
      expect(cursor).toBe(String(1000 + ids.length));
    }
    expect(ids).toEqual(google.messages.map(({ id }) => id));
  });

  it("re-scans seven days when the cursor has expired, from a position noted before it lists", async () => {
    for (const id of ["a", "b"]) google.receive(id);
    google.oldest = "1001";
    google.fault = (called) => {
      if (called.includes("messages?") && google.messages.length === 2) google.receive("meanwhile");
      return null;
    };
    const expansion = await expand(open(), "1000");
    expect(expansion).toMatchObject({ cursor: "1002", rescanned: true });
    expect(idsOf(expansion)).toEqual(["a", "b", "meanwhile"]);
    const list = google.requests.find((called) => called.includes("messages?")) ?? "";
    expect(new URLSearchParams(list.split("?")[1]).get("q")).toBe("newer_than:7d");
  });

  it("does not go back behind an expired cursor, wherever Gmail says that the mailbox stands", async () => {
    Object.assign(google, { oldest: "3000", historyId: "1500" });
    expect(await expand(open(), "2000")).toMatchObject({ cursor: "2000", rescanned: true });
  });

  it("scans one day when it has no cursor yet, and seven when it holds none that Gmail could know", async () => {
    google.receive("a");
    expect(await expand(open(), null)).toMatchObject({ cursor: "1001", rescanned: true });
    expect(google.requests.some((called) => called.includes("newer_than%3A1d"))).toBe(true);
    expect(await expand(open(), "broken")).toMatchObject({ cursor: "1001", rescanned: true });
    expect(google.requests.some((called) => called.includes("newer_than%3A7d"))).toBe(true);
  });

  it("tells where it stands, which asks for no notifications", async () => {
    expect(await open({ topic: "projects/p/topics/t" }).currentCursor?.(never)).toBe("1000");
    expect(google.requests.some((called) => called.includes("watch"))).toBe(false);
  });

  it("keeps its watch alive where it has a topic, daily, however long Gmail lets it live", async () => {
    expect(open().keepAlive).toBeUndefined();
    const watch = await open({ topic: "projects/p/topics/t" }).keepAlive?.(null, never);
    expect(watch).toMatchObject({ id: null, expiresAt: now + 7 * 86_400_000, renewAt: now + 86_400_000 });
    expect(JSON.parse(google.posted.at(-1) ?? "")).toMatchObject({ topicName: "projects/p/topics/t" });
    const other = await open({ topic: "projects/p/topics/u" }).keepAlive?.(null, never);
    expect(other?.of).not.toBe(watch?.of);
  });

  it("renews a watch that lives for less than two days before half of its life", async () => {
    google.fault = (called) =>
      called.includes("/watch")
        ? { status: 200, body: { historyId: "1000", expiration: String(now + 7_200_000) } }
        : null;
    const watch = await open({ topic: "projects/p/topics/t" }).keepAlive?.(null, never);
    expect(watch).toMatchObject({ expiresAt: now + 7_200_000, renewAt: now + 3_600_000 });
  });
});

describe("faults while reading the mailbox", () => {
  const faultOf = async (source: Source, signal = never) => {
    try {
      await source.expand?.("1000", signal);
    } catch (error) {
      return error as {
        name: string;
        service: string;
        kind: string;
        message: string;
        retryAfterMs: number | null;
      };
    }
    throw new Error("read without a fault");
  };

  it.each([
    [{ status: 500 }, "unavailable"],
    [{ status: 503, headers: { "retry-after": "7" } }, "unavailable"],
    [{ status: 429 }, "rate-limited"],
    [{ status: 403, body: { error: { errors: [{ reason: "userRateLimitExceeded" }] } } }, "rate-limited"],
    [{ status: 403, body: { error: { errors: [{ reason: "insufficientPermissions" }] } } }, "unauthorized"],
    [{ status: 401 }, "unauthorized"],
    [{ status: 400 }, "invalid"],
    [{ status: 200, body: "text" }, "unavailable"],
    [{ status: 200, body: {} }, "unavailable"],
  ])("of the form %j are blamed as %s", async (answer, kind) => {
    google.fault = (called) => (called.includes("history") ? answer : null);
    const fault = await faultOf(open());
    expect(fault).toMatchObject({ name: "ServiceError", service: "source:inbox", kind });
    expect(fault.retryAfterMs).toBe(answer.status === 503 ? 7_000 : null);
    expect(fault.message).not.toMatch(/token-0|127\.0\.0\.1/);
  });

  it("that lead elsewhere are not followed: credentials go to nobody else", async () => {
    for (const [at, credentials] of [
      ["history", "token-0"],
      ["/token", JSON.stringify({ client_id: "i", client_secret: "s", refresh_token: "r" })],
    ] as const) {
      google.requests.length = 0;
      google.fault = (called) =>
        called.includes(at) ? { status: 307, headers: { location: `${google.url}/elsewhere` } } : null;
      expect(await faultOf(open({ credentials }))).toMatchObject({ kind: "unavailable" });
      expect(google.requests.filter((called) => called.includes("elsewhere"))).toEqual([]);
    }
  });

  it("that are no answer at all are blamed on the service", async () => {
    expect(await faultOf(open({ baseUrl: "http://127.0.0.1:1" }))).toMatchObject({ kind: "unavailable" });
    expect(await faultOf(open(), AbortSignal.abort(new Error("too late")))).toMatchObject({
      kind: "timeout",
    });
  });

  it.each(["", "{", '{"type":"authorized_user"}', '{"type":"external_account"}', "two words"])(
    "of credentials like %j are told without quoting them",
    async (credentials) => {
      const fault = await faultOf(open({ credentials }));
      expect(fault).toMatchObject({ name: "ServiceError", kind: "unauthorized" });
      expect(fault.message).toContain("credentials");
      if (credentials.length > 1) expect(fault.message).not.toContain(credentials);
    },
  );
});

describe("access to the mailbox", () => {
  const user = JSON.stringify({
    type: "authorized_user",
    client_id: "id",
    client_secret: "client-secret",
    refresh_token: "refresh",
  });
  const grants = () => google.requests.filter((called) => called.includes("/token")).length;

  it("is had once with a refresh token, and again shortly before it ends", async () => {
    const clock = manualClock(now);
    const source = open({ credentials: user }, clock);
    await expand(source, "1000");
    await expand(source, "1000");
    expect(grants()).toBe(1);
    expect(Object.fromEntries(new URLSearchParams(google.posted[0]))).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "refresh",
    });
    await clock.advance(3_490_000);
    await expand(source, "1000");
    expect(grants()).toBe(2);
  });

  it("is had again, once, when it was withdrawn", async () => {
    const source = open({ credentials: user });
    await expand(source, "1000");
    google.token = "withdrawn";
    await expand(source, "1000");
    expect(grants()).toBe(2);
    google.fault = (called) => (called.includes("history") ? { status: 401 } : null);
    await expect(expand(source, "1000")).rejects.toMatchObject({ kind: "unauthorized" });
    expect(grants()).toBe(3);
  });

  it("is had with a service account that acts for the mailbox", async () => {
    const account = {
      type: "service_account",
      client_email: "svc@p.iam.gserviceaccount.com",
      private_key: google.privateKeyPem,
      private_key_id: "k1",
    };
    await expand(open({ credentials: JSON.stringify(account) }), "1000");
    const form = new URLSearchParams(google.posted[0]);
    expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const claims = JSON.parse(
      Buffer.from(form.get("assertion")?.split(".")[1] ?? "", "base64url").toString(),
    ) as object;
    expect(claims).toEqual({
      iss: account.client_email,
      sub: "support@example.com",
      aud: `${google.url}/token`,
      iat: seconds,
      exp: seconds + 3600,
      scope: "https://www.googleapis.com/auth/gmail.readonly",
    });
    await expect(
      expand(open({ credentials: JSON.stringify({ ...account, private_key: "none" }) }), "1000"),
    ).rejects.toMatchObject({ kind: "unauthorized" });
  });

  it("is refused for good when the grant was revoked, and may be had later when Google fails", async () => {
    google.fault = (called) =>
      called.includes("/token") ? { status: 400, body: { error: "invalid_grant" } } : null;
    await expect(expand(open({ credentials: user }), "1000")).rejects.toMatchObject({
      kind: "unauthorized",
      message: expect.stringContaining("invalid_grant") as string,
    });
    google.fault = (called) => (called.includes("/token") ? { status: 502 } : null);
    await expect(expand(open({ credentials: user }), "1000")).rejects.toMatchObject({ kind: "unavailable" });
  });
});
