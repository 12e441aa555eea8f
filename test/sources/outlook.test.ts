import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Source, Watch } from "../../src/domain/source.ts";
import { silentLog } from "../../src/observability/log.ts";
import { startGraph } from "../../src/sandbox/graph.ts";
import type { GraphSandbox } from "../../src/sandbox/graph.ts";
import { graphNotification } from "../../src/sandbox/senders.ts";
import { outlook } from "../../src/sources/outlook.ts";
import type { OutlookOptions } from "../../src/sources/outlook.ts";
import { sourceContract } from "../contracts/source.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { startEcho } from "../support/graph-echo.ts";
import type { Echo } from "../support/graph-echo.ts";
import { rawRequest } from "../support/raw-request.ts";
import { sharedFile, sharedNote, sharedPresent } from "../support/shared.ts";

const now = 1_700_000_000_000;
const never = new AbortController().signal;
const secrets = ["first-client-state", "second-client-state"];
const dayMs = 86_400_000;

let graph: GraphSandbox;
let echo: Echo;
let clock: ManualClock;
beforeAll(async () => {
  echo = await startEcho();
});
afterAll(() => echo.close());
beforeEach(async () => {
  clock = manualClock(now);
  graph = await startGraph({ now: () => clock.now() });
});
afterEach(() => graph.close());

const open = (options: Partial<OutlookOptions> = {}, watchOf?: () => Promise<Watch | null>): Source =>
  outlook(
    {
      name: "mail",
      account: "support@example.com",
      secrets,
      credentials: graph.credentials(),
      baseUrl: graph.baseUrl,
      tokenUrl: graph.tokenUrl,
      publicUrl: echo.url,
      ...options,
    },
    { clock, log: silentLog, ...(watchOf ? { watchOf } : {}) },
  );
const change = (etag = "1", subscriptionId = "sub-1") => ({
  subscriptionId,
  changeType: "created",
  resource: "Users/u/Messages/m",
  resourceData: { "@odata.etag": etag, id: "m" },
});
const posted = (items: readonly object[], clientState = "first-client-state", receivedAt = now) =>
  rawRequest({}, graphNotification({ clientState, items }).body, receivedAt);

let contractSource: Source | null = null;
sourceContract("outlook", {
  source: () => (contractSource ??= open()),
  credentialHeader: null,
  // `clientState` proves who sent it, not what: such a body only wakes our own cursor.
  coversBody: false,
  bearer: { bodySecret: "first-client-state" },
  hasSecrets: true,
  tolerance: null,
  signed: ({ by }) =>
    posted([change()], { first: secrets[0], second: secrets[1], stranger: "a-stranger" }[by] ?? ""),
});

describe("the clientState of a notification", () => {
  const codeOf = async (source: Source, body: string): Promise<string> => {
    try {
      await source.verify(rawRequest({}, body, now));
      return "verified";
    } catch (error) {
      expect(error).toMatchObject({ name: "Rejection", status: 401, cause: undefined });
      expect((error as Error).message).not.toContain("client-state");
      return (error as { code: string }).code;
    }
  };

  it("is refused when any one character of it was changed, and when it is missing, empty or doubled", async () => {
    const source = open();
    const secret = secrets[0] ?? "";
    for (let at = 0; at < secret.length; at += 1) {
      const changed =
        secret.slice(0, at) + String.fromCharCode(secret.charCodeAt(at) ^ 1) + secret.slice(at + 1);
      expect(await codeOf(source, posted([change()], changed).body.toString())).toBe("client_state_mismatch");
    }
    expect(await codeOf(source, JSON.stringify({ value: [change()] }))).toBe("client_state_missing");
    expect(await codeOf(source, posted([change()], "").body.toString())).toBe("client_state_mismatch");
    expect(await codeOf(source, posted([change()], secret + secret).body.toString())).toBe(
      "client_state_mismatch",
    );
    for (const clientState of [null, 1, [secret], { [secret]: secret }]) {
      const value = [{ ...change(), clientState }];
      expect(await codeOf(source, JSON.stringify({ value }))).toBe("client_state_missing");
    }
  });

  it("is refused once its secret has expired, judged by the time of receipt", async () => {
    const source = open({ secrets: [{ value: "first-client-state", expires: now + 1 }] });
    await expect(source.verify(posted([change()]))).resolves.toMatchObject({ secretIndex: 0 });
    await expect(source.verify(posted([change()], "first-client-state", now + 1))).rejects.toMatchObject({
      code: "client_state_mismatch",
    });
  });

  it("lets no item in that names another subscription than the one we hold, once we hold one", async () => {
    const held = { id: "sub-1", of: "", expiresAt: now + 1, renewAt: now };
    const source = open({}, () => Promise.resolve(held));
    const both = posted([change("1", "sub-2"), change("2")]);
    expect(await source.verify(both)).toEqual({ secretIndex: 0, foreign: 1 });
    expect(source.identify(both).map(({ payload }) => payload)).toEqual([change("2")]);
    await expect(source.verify(posted([change("1", "sub-2")]))).rejects.toMatchObject({
      code: "client_state_mismatch",
    });
  });

  it("is counted, item by item, where it is not ours", async () => {
    const value = [
      { ...change("1"), clientState: "first-client-state" },
      { ...change("2"), clientState: "another" },
      7,
      { ...change("3"), clientState: "second-client-state" },
    ];
    const request = rawRequest({}, JSON.stringify({ value }), now);
    const source = open();
    expect(await source.verify(request)).toEqual({ secretIndex: 0, foreign: 2 });
    expect(source.identify(request)).toHaveLength(2);
  });

  it("is not kept with the event", () => {
    const [event] = open().identify(posted([change()]));
    expect(event?.payload).toEqual(change());
    expect(event?.body.toString()).not.toContain("client-state");
  });
});

describe("a notification of Graph", () => {
  const keysOf = (item: object, receivedAt = now) =>
    open().identify(posted([item], "first-client-state", receivedAt))[0]?.dedupeKeys;

  it("is one event per item, each a wake-up of the configured mailbox", () => {
    const events = open().identify(posted([change("1"), change("2")]));
    expect(events.map(({ type, notification }) => [type, notification?.mailbox])).toEqual([
      ["created", "support@example.com"],
      ["created", "support@example.com"],
    ]);
    expect(events[0]?.dedupeKeys).not.toEqual(events[1]?.dedupeKeys);
  });

  it("is known again by its subscription, resource, type and etag, whenever it comes", () => {
    expect(keysOf(change(), now + 4 * 3_600_000)).toEqual(keysOf(change()));
    expect(keysOf({ ...change(), changeType: "updated" })).not.toEqual(keysOf(change()));
    expect(keysOf({ ...change(), resource: "other" })).not.toEqual(keysOf(change()));
    expect(keysOf(change("1", "sub-2"))).not.toEqual(keysOf(change()));
  });

  it("about notifications is one thing within a minute, and a new one later", () => {
    const missed = { subscriptionId: "sub-1", lifecycleEvent: "missed" };
    expect(keysOf(missed, now + 1_000)).toEqual(keysOf(missed));
    expect(keysOf(missed, now + 3_600_000)).not.toEqual(keysOf(missed));
  });

  it("is acknowledged with 202", () => {
    expect(open().acknowledgement?.([])).toEqual({ status: 202, empty: false });
  });

  it.skipIf(!sharedPresent).each([
    ["message.created", ["created"]],
    ["batch.two-subscriptions", ["created", "created"]],
    ["lifecycle.missed", ["missed"]],
    ["lifecycle.reauthorizationRequired", ["reauthorizationRequired"]],
    ["lifecycle.subscriptionRemoved", ["subscriptionRemoved"]],
  ])(`of the sample %s is verified and identified${sharedNote}`, async (file, types) => {
    const request = rawRequest({}, sharedFile(`specs/graph/payloads/${file}.json`), now);
    const source = open({ secrets: ["secretClientState"] });
    await expect(source.verify(request)).resolves.toEqual({ secretIndex: 0, foreign: 0 });
    expect(source.identify(request).map(({ type }) => type)).toEqual(types);
  });

  it.skipIf(!sharedPresent)(`of the sample with a wrong clientState is refused${sharedNote}`, async () => {
    const request = rawRequest({}, sharedFile("specs/graph/payloads/wrong-client-state.json"), now);
    await expect(open({ secrets: ["secretClientState"] }).verify(request)).rejects.toMatchObject({
      status: 401,
    });
  });
});

describe("the handshake of Graph", () => {
  const asked = (query: string) => ({ ...rawRequest({}, "", now), query: new URLSearchParams(query) });

  it("gets its token back, decoded, as plain text", () => {
    expect(open().handshake?.(asked("validationToken=Validation%3a+Testing+%3Cb%3E%E2%82%AC"))).toEqual({
      status: 200,
      contentType: "text/plain; charset=utf-8",
      body: "Validation: Testing <b>€",
    });
    expect(open().handshake?.(asked("other=1"))).toBeNull();
  });

  it.each([
    "validationToken=",
    "validationToken=a&validationToken=b",
    "validationToken=a%0d%0ab",
    `validationToken=${"a".repeat(2_001)}`,
  ])("is refused when its token is no token", (query) => {
    expect(() => open().handshake?.(asked(query))).toThrow(
      expect.objectContaining({ status: 400, code: "malformed_handshake" }),
    );
  });
});

describe("an outlook source", () => {
  it.each([
    ["account", ""],
    ["credentials", " "],
    ["secrets", ["", ""]],
  ] as const)("is inactive without %s", (field, value) => {
    expect(open({ [field]: value }).active).toBe(false);
  });
});

const mail = (subject: string) =>
  graph.receive({ from: "Ada <ada@example.com>", to: "support@example.com", subject, text: "Hello" });
const expand = (source: Source, cursor: string | null, again = false) => {
  if (!source.expand) throw new Error("an outlook source expands");
  return source.expand(cursor, never, again);
};
const subjectsOf = (items: readonly { payload: unknown }[]) =>
  items.map(({ payload }) => (payload as { subject: string }).subject);

describe("reading the mailbox", () => {
  it("turns what came in since the cursor into events, over all pages, each as Gmail's would be", async () => {
    const source = open();
    const cursor = (await source.currentCursor?.(never)) ?? "";
    graph.limitPages(2);
    const ids = ["One", "Two", "Three", "Four", "Five"].map((subject) => mail(subject).id);
    const part = await expand(source, cursor);
    expect(subjectsOf(part.items)).toEqual(["One", "Two", "Three", "Four", "Five"]);
    expect(part).toMatchObject({ rescanned: false });
    expect(part.items[0]).toMatchObject({
      providerId: ids[0],
      type: "message.received",
      occurredAt: now,
      dedupeKeys: [`id:${ids[0]}`, "rfc822:<mail-1@sandbox.example>"],
      payload: {
        from: { name: "Ada", address: "ada@example.com" },
        labelIds: ["INBOX", "UNREAD"],
        snippet: "Hello",
        internalDate: now,
      },
    });
    const payload = part.items[0]?.payload as { raw: string } | undefined;
    expect(Buffer.from(payload?.raw ?? "", "base64url").toString()).toContain("Subject: One\r\n");
    expect((await expand(source, part.cursor)).items).toEqual([]);
    mail("Six");
    expect(subjectsOf((await expand(source, part.cursor)).items)).toEqual(["Six"]);
  });

  it("asks for ids that stay the same when a mail is moved", async () => {
    mail("One");
    await expand(open(), null);
    const asked = graph.requests.filter(({ path }) => path.includes("/messages/"));
    expect(asked).toHaveLength(2);
    for (const { headers } of asked) expect(headers["prefer"]).toContain('IdType="ImmutableId"');
  });

  it("leaves out what was deleted meanwhile", async () => {
    mail("Kept");
    const { id } = mail("Gone");
    graph.faults.fail({ status: 404, when: ({ path }) => path.includes(encodeURIComponent(id)) });
    expect(subjectsOf((await expand(open(), null)).items)).toEqual(["Kept"]);
  });

  it("takes a large feed in parts, and moves the cursor no further than what it gives", async () => {
    for (let at = 0; at < 430; at += 1) mail(`m${at}`);
    const source = open();
    const subjects: string[] = [];
    let cursor: string | null = null;
    for (let more = true; more;) {
      const part = await expand(source, cursor);
      expect(part.items.length).toBeLessThanOrEqual(200);
      subjects.push(...subjectsOf(part.items));
      cursor = part.cursor;
      more = part.more ?? false;
    }
    expect(subjects).toEqual(Array.from({ length: 430 }, (_, at) => `m${at}`));
  });

  it("scans a day when it has no cursor, and seven when Graph knows the cursor no more, and the same mail has the same keys", async () => {
    const source = open();
    mail("Old");
    await clock.advance(2 * dayMs);
    mail("New");
    const first = await expand(source, null);
    expect([subjectsOf(first.items), first.rescanned]).toEqual([["New"], true]);
    graph.expireDelta();
    const again = await expand(source, first.cursor);
    expect([subjectsOf(again.items), again.rescanned]).toEqual([["Old", "New"], true]);
    expect(again.items[1]?.dedupeKeys).toEqual(first.items[0]?.dedupeKeys);
    await clock.advance(6 * dayMs);
    graph.expireDelta();
    expect(subjectsOf((await expand(source, again.cursor)).items)).toEqual(["New"]);
  });

  it("keeps what it has read when the place is lost on the way, and finds it again afterwards", async () => {
    const source = open();
    graph.limitPages(1);
    for (const subject of ["One", "Two"]) mail(subject);
    graph.faults.fail({ status: 410, when: ({ query }) => query["$skiptoken"] !== undefined });
    const part = await expand(source, null);
    expect([subjectsOf(part.items), part.more]).toEqual([["One"], true]);
    expect(subjectsOf((await expand(source, part.cursor)).items)).toEqual(["Two"]);
  });

  it("reads a window again when it is told that notifications were missed", async () => {
    const source = open();
    mail("One");
    const { cursor } = await expand(source, null);
    const again = await expand(source, cursor, true);
    expect([subjectsOf(again.items), again.rescanned]).toEqual([["One"], true]);
  });

  it.each([
    (url: string) => url.replace(/:\/\/[^/]+/, "://127.0.0.1:1"),
    (url: string) => url.replace("://", "://user@"),
    (url: string) => url.replace("/v1.0/", "/elsewhere/"),
    (url: string) => url.replace("/v1.0/", "/v1.0/../elsewhere/"),
    () => "no link",
  ])("never follows a link out of its base: neither a stored one nor one that it is given", async (bend) => {
    const source = open();
    mail("One");
    const { cursor } = await expand(source, null);
    const before = graph.requests.length;
    expect((await expand(source, bend(cursor))).rescanned).toBe(true);
    expect(graph.requests.slice(before).every(({ path }) => path.startsWith("/v1.0/users/"))).toBe(true);
    graph.faults.fail({ status: 200, body: { value: [], "@odata.nextLink": bend(cursor) } });
    await expect(expand(source, cursor)).rejects.toMatchObject({ name: "ServiceError", kind: "invalid" });
  });
});

describe("faults while reading the mailbox", () => {
  it.each([
    [{ status: 500 }, "unavailable", null],
    [{ status: 503, retryAfter: 7 }, "unavailable", 7_000],
    [{ status: 429, retryAfter: 11 }, "rate-limited", 11_000],
    [{ status: 403 }, "unauthorized", null],
    [{ status: 404, body: { error: { code: "ErrorInvalidUser", message: "" } } }, "unauthorized", null],
    [{ status: 400 }, "invalid", null],
    [{ status: 200, body: "text" }, "unavailable", null],
  ])("of the form %j are blamed as %s", async (fault, kind, retryAfterMs) => {
    const source = open();
    const { cursor } = await expand(source, null);
    graph.faults.fail(fault);
    const error = await expand(source, cursor).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ServiceError", service: "source:mail", kind, retryAfterMs });
    expect((error as Error).message).not.toMatch(/support@|127\.0\.0\.1|eyJ0/);
  });

  it("are not made by a token that ended: a new one is had, once", async () => {
    const source = open();
    const { cursor } = await expand(source, null);
    graph.expireTokens();
    mail("One");
    expect(subjectsOf((await expand(source, cursor)).items)).toEqual(["One"]);
    graph.revoke();
    await expect(expand(source, cursor)).rejects.toMatchObject({ kind: "unauthorized" });
  });

  it.each(["text", "{}", '{"tenant":"sandbox","client_id":"a"}', "null"])(
    "of credentials are told without quoting them",
    async (credentials) => {
      await expect(expand(open({ credentials }), null)).rejects.toMatchObject({
        kind: "unauthorized",
        message: expect.stringMatching(/`credentials`.*`client_secret`/) as string,
      });
    },
  );
});

describe("the subscription", () => {
  const keep = (source: Source, held: Watch | null) => {
    if (!source.keepAlive) throw new Error("an outlook source keeps its subscription");
    return source.keepAlive(held, never);
  };

  it("is made once its address gave the validation back, for a week at most, and is renewed before half of that", async () => {
    const watch = await keep(open(), null);
    const [made] = graph.state.subscriptions;
    expect(made).toMatchObject({
      id: watch.id,
      changeType: "created",
      clientState: "first-client-state",
      notificationUrl: `${echo.url}/webhooks/mail`,
      lifecycleNotificationUrl: `${echo.url}/webhooks/mail`,
      resource: "users/support@example.com/mailFolders('inbox')/messages",
    });
    expect(watch.expiresAt - now).toBeLessThanOrEqual(10_080 * 60_000);
    expect(watch.expiresAt - now).toBeGreaterThan(6.9 * dayMs);
    expect(watch.renewAt - now).toBeLessThan((watch.expiresAt - now) / 2);
    expect(watch.renewAt).toBeGreaterThan(now);
  });

  it("is extended while it is there, and made anew when it is gone", async () => {
    const source = open();
    const first = await keep(source, null);
    await clock.advance(3 * dayMs);
    const second = await keep(source, first);
    expect([second.id, second.expiresAt - first.expiresAt]).toEqual([first.id, 3 * dayMs]);
    graph.endSubscriptions();
    const third = await keep(source, second);
    expect(third.id).not.toBe(first.id);
    expect(graph.state.subscriptions.map(({ id }) => id)).toEqual([third.id]);
  });

  it("is replaced when the secret is, and the old one ended only when the new one is there", async () => {
    const first = await keep(open(), null);
    const order: string[] = [];
    graph.faults.stall({
      times: Number.POSITIVE_INFINITY,
      when: ({ method }) => {
        order.push(method);
        return false;
      },
    });
    const second = await keep(open({ secrets: ["third", ...secrets] }), first);
    expect(graph.state.subscriptions.map(({ id, clientState }) => [id, clientState])).toEqual([
      [second.id, "third"],
    ]);
    expect(order).toEqual(["POST", "POST", "GET", "DELETE"]);
  });

  it("leaves no orphan behind when a start died before it was noted, and touches no other's", async () => {
    await keep(open({ name: "other" }), null);
    await keep(open(), null);
    const kept = await keep(open(), null);
    const urls = graph.state.subscriptions.map(({ notificationUrl }) => notificationUrl);
    expect(urls).toEqual([`${echo.url}/webhooks/other`, `${echo.url}/webhooks/mail`]);
    expect(graph.state.subscriptions[1]?.id).toBe(kept.id);
  });

  it.each([
    [{ publicUrl: "" }, /server\.publicUrl/],
    [{ publicUrl: "http://127.0.0.1:1" }, /ValidationError.*server\.publicUrl/],
    [{ secrets: ["x".repeat(129)] }, /128 characters/],
    [{ secrets: [{ value: "old", expires: now }] }, /expired/],
  ])("that can't be made says what to do", async (options, message) => {
    await expect(keep(open(options), null)).rejects.toMatchObject({
      name: "ServiceError",
      kind: "invalid",
      message: expect.stringMatching(message) as string,
    });
  });

  it("announces mail in a way that is verified, and that only the held one is listened to", async () => {
    let held: Watch | null = null;
    const source = open({}, () => Promise.resolve(held));
    held = await keep(source, null);
    const [announced] = graph.announce([mail("One").id]);
    const request = rawRequest({}, announced?.signed.body ?? "", now);
    expect(announced?.url).toBe(`${echo.url}/webhooks/mail`);
    expect(await source.verify(request)).toEqual({ secretIndex: 0, foreign: 0 });
    held = { ...held, id: "another" };
    await expect(source.verify(request)).rejects.toMatchObject({ status: 401 });
  });
});
