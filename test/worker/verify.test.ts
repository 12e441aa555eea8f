import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/domain/json.ts";
import type { HealedItem, RawRequest, Source } from "../../src/domain/source.ts";
import { silentLog } from "../../src/observability/log.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { signHubspot } from "../../src/sandbox/senders.ts";
import { custom } from "../../src/sources/custom.ts";
import { github } from "../../src/sources/github.ts";
import { gmail } from "../../src/sources/gmail.ts";
import { createSources } from "../../src/sources/index.ts";
import { hubspot } from "../../src/sources/hubspot.ts";
import { rawRequest } from "../support/raw-request.ts";
import { openStored } from "../support/stored.ts";

const now = 1_700_000_000_000;
const deps = { clock: systemClock, log: silentLog };
const hookWith = (...secrets: string[]): Source => github({ name: "github", secrets }, deps);
const hook = hookWith("secret-new", "secret-old");
const publicUrl = "https://hooks.acme.example";
const crm = hubspot({ name: "crm", secrets: ["client-secret"], publicUrl });

let count = 0;
const pull = (secret = "secret-new", form = false): RawRequest => {
  const json = JSON.stringify({ action: "opened", number: (count += 1), text: "a text long enough to flip" });
  const body = form ? new URLSearchParams({ payload: json }).toString() : json;
  return rawRequest(
    {
      "X-Hub-Signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
      "X-GitHub-Event": "pull_request",
      "X-GitHub-Delivery": `delivery-${count}`,
      ...(form ? { "Content-Type": "application/x-www-form-urlencoded" } : {}),
    },
    body,
    now,
  );
};
const changes = (ids: readonly number[], path = "/webhooks/crm?portal=1"): RawRequest => {
  const payload = JSON.stringify(
    ids.map((eventId) => ({ eventId, subscriptionType: "contact.creation", occurredAt: 1_564_113_600_000 })),
  );
  const { headers } = signHubspot({
    secret: "client-secret",
    url: publicUrl + path,
    payload,
    timestampMs: now,
  });
  return { ...rawRequest(headers, payload, now), url: path };
};
const first = <T>(items: readonly T[]): T => {
  const [item] = items;
  if (item === undefined) throw new Error("there is none");
  return item;
};

describe("verifying a stored event again", () => {
  it("knows no event of another id", async () => {
    expect(await openStored().verify("evt_none", hook)).toBeNull();
  });

  it("tells a changed byte from a secret that was removed", async () => {
    const on = openStored();
    const { event } = first(await on.receive(hook, pull("secret-old")));
    expect(await on.verify(event, hook)).toEqual({ result: "verified", secretIndex: 1 });
    expect(await on.verify(event, hookWith("secret-new"))).toEqual({
      result: "impossible",
      reason: "no secret of its source fits: the one that signed it was removed since",
    });
    expect(await on.verify(event, hookWith(""))).toMatchObject({
      reason: expect.stringContaining("no secret of its source fits"),
    });
    expect(await on.verify(event)).toMatchObject({ reason: expect.stringContaining("not configured") });
    on.flip("events", "body", "true");
    for (const source of [hook, hookWith("secret-new")])
      expect(await on.verify(event, source)).toEqual({
        result: "failed",
        reason: "its stored bytes are not those that were received: their hash is another one",
      });
  });

  it("judges by the time of receipt: a secret that has expired since still fits", async () => {
    const on = openStored();
    const secrets = [{ value: "secret-new", expires: now + 1_000 }];
    const expiring = createSources([{ type: "github", name: "github", secrets }], {
      clock: on.clock,
      log: silentLog,
    }).get("github");
    if (!expiring) throw new Error("the source was not made");
    const { event } = first(await on.receive(expiring, pull()));
    await on.clock.advance(400 * 86_400_000);
    // By then nothing new is taken under it.
    expect(expiring.active).toBe(false);
    expect(await on.verify(event, expiring)).toEqual({ result: "verified", secretIndex: 0 });
  });

  it("says when the source is configured otherwise than when it came", async () => {
    const on = openStored();
    const { event } = first(await on.receive(hook, pull()));
    const renamed = custom({ name: "github", secrets: ["secret-new"], signature: { header: "X-Mine" } });
    expect(await on.verify(event, renamed)).toEqual({
      result: "impossible",
      reason: "its source is configured otherwise than when it came (signature_missing)",
    });
  });

  it("finds each event of a batch in the request that was signed, which is kept once", async () => {
    const on = openStored();
    const accepted = await on.receive(crm, changes([1, 2, 3]));
    for (const { event } of accepted)
      expect(await on.verify(event, crm)).toEqual({ result: "verified", secretIndex: 0 });
    expect(on.change("UPDATE signed_requests SET id = id")).toBe(1);
    expect(on.change("UPDATE events SET evidence = evidence WHERE evidence IS NOT NULL")).toBe(0);
    // Another body, with a hash that fits it: it was in no request.
    const body = Buffer.from('{"eventId":9}');
    const { bodyHash } = (await on.journal.receipt(accepted[0]?.event ?? ""))?.event ?? {};
    expect(bodyHash).toMatch(/^[0-9a-f]{64}$/);
    on.change(
      "UPDATE events SET body = ?, body_hash = ? WHERE body_hash = ?",
      body,
      sha256(body),
      bodyHash ?? "",
    );
    expect(await on.verify(accepted[0]?.event ?? "", crm)).toEqual({
      result: "failed",
      reason: "its stored bytes are not part of the request that was signed",
    });
    on.flip("signed_requests", "body", "true");
    for (const { event } of accepted) expect(await on.verify(event, crm)).toMatchObject({ result: "failed" });
  });

  it("keeps a request whose event has a form of its own", async () => {
    const on = openStored();
    const request = pull("secret-new", true);
    const { event } = first(await on.receive(hook, request));
    const receipt = await on.journal.receipt(event);
    expect(Buffer.from(receipt?.signed?.body ?? [])).toEqual(request.body);
    expect(receipt?.event.body).not.toEqual(request.body);
    expect(await on.verify(event, hook)).toEqual({ result: "verified", secretIndex: 0 });
  });

  it("keeps no request that brought nothing new", async () => {
    const on = openStored();
    await on.receive(crm, changes([1, 2]));
    await on.receive(crm, changes([2, 1]));
    expect(on.change("UPDATE signed_requests SET id = id")).toBe(1);
    const third = await on.receive(crm, changes([2, 3]));
    expect(third.map(({ duplicate }) => duplicate)).toEqual([true, false]);
    expect(on.change("UPDATE signed_requests SET id = id")).toBe(2);
    for (const { event } of third) expect(await on.verify(event, crm)).toMatchObject({ result: "verified" });
  });

  it("erases a request with the first of its events", async () => {
    const on = openStored({ route: { source: "crm", agent: "pr-review" } });
    const accepted = await on.receive(crm, changes([1, 2]));
    // One is still worked on, so its content stays; what it was signed with held the other's content too.
    await on.journal.cancel(accepted[0]?.runs[0] ?? "", "done with it");
    expect(await on.journal.eraseContent(now + 1, 10)).toBe(1);
    expect(on.change("UPDATE signed_requests SET id = id")).toBe(0);
    expect(await on.verify(accepted[1]?.event ?? "", crm)).toMatchObject({
      result: "impossible",
      reason: expect.stringContaining("retention erased its request"),
    });
  });

  it("says why there is nothing to check what was not received, or came before signatures were kept", async () => {
    const on = openStored();
    const request = pull();
    const healed: HealedItem[] = hook.identify(request).map((item) => ({ item, headers: {} }));
    await on.inbox.acceptHealed("github", healed, { value: "2026-01-01T00:00:00Z", expected: 0 });
    await on.inbox.acceptExpansion("inbox", hook.identify(pull()), { value: "1", expected: 0 });
    await on.receive(hook, pull());
    on.change("UPDATE events SET evidence = NULL");
    const inbox = gmail(
      { name: "inbox", account: "a@b.example", audience: "x", pushServiceAccount: "p", credentials: "c" },
      deps,
    );
    const { items } = await on.reads.events({ limit: 9 });
    const verdicts = await Promise.all(items.map(({ id }) => on.verify(id, hook, inbox)));
    expect(verdicts.toReversed()).toEqual(
      [
        "it was read from the provider's record, where nothing is signed",
        "it was read from the provider, not received: nothing was signed",
        "its signature isn't kept: it came before signatures were, or retention erased its request",
      ].map((reason) => ({ result: "impossible", reason })),
    );
    // Whatever cannot be verified again is still held against its hash.
    on.flip("events", "body", `id = '${items[0]?.id ?? ""}'`);
    expect(await on.verify(items[0]?.id ?? "", hook)).toMatchObject({ result: "failed" });
  });
});

describe("a replay", () => {
  const route = { source: "github", agent: "pr-review" };

  it.each([{}, { key: Buffer.alloc(32, 3) }])(
    "runs no event again whose bytes changed, and says which and why; its count says so too (%o)",
    async (options) => {
      const on = openStored({ route, ...options });
      const events: string[] = [];
      for (const secret of ["secret-new", "secret-old", "secret-new"])
        events.push(first(await on.receive(hook, pull(secret))).event);
      const [kept = "", rotated = "", damaged = ""] = events;
      on.flip("events", "body", `id = '${damaged}'`);
      on.published.length = 0;
      const today = hookWith("secret-new");
      const expected = {
        events: 3,
        count: 2,
        verified: 1,
        unverified: [
          { reason: "no secret of its source fits: the one that signed it was removed since", events: 1 },
        ],
        refused: [
          { event: damaged, reason: expect.stringMatching(/not those that were received|was changed/) },
        ],
      };
      expect(await on.replay({ source: "github" }, true, today)).toEqual({
        ...expected,
        runs: [],
        cost: { usd: null, actions: {} },
        replay: null,
      });
      expect(on.published).toEqual([]);
      const replayed = await on.replay({ source: "github" }, false, today);
      expect(replayed).toMatchObject(expected);
      expect(on.published).toEqual(replayed.runs);
      const runs = await Promise.all(replayed.runs.map((run) => on.reads.run(run)));
      expect(new Set(runs.map((found) => found?.run.event))).toEqual(new Set([kept, rotated]));
    },
  );

  it("of one event or run is refused as well", async () => {
    const on = openStored({ route });
    const { event, runs } = first(await on.receive(hook, pull()));
    on.flip("events", "body", "true");
    for (const filter of [{ event }, { run: first(runs) }])
      expect(await on.replay(filter, false, hook)).toMatchObject({
        count: 0,
        runs: [],
        refused: [{ event }],
      });
    expect((await on.reads.runs({ limit: 9 })).items).toHaveLength(1);
  });

  it("lets requests in between two events", async () => {
    const on = openStored({ route });
    for (let sent = 0; sent < 20; sent += 1) await on.receive(hook, pull());
    let turns = 0;
    let over = false;
    const count = (): void => {
      turns += 1;
      if (!over) setImmediate(count);
    };
    setImmediate(count);
    await on.replay({ source: "github" }, true, hook);
    over = true;
    expect(turns).toBeGreaterThanOrEqual(20);
  });
});
