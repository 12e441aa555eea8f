import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Inbox } from "../../src/domain/ports.ts";
import type { Source } from "../../src/domain/source.ts";
import { createInbox } from "../../src/inbox/accept.ts";
import { fitsGlob } from "../../src/inbox/patterns.ts";
import { compileRoute } from "../../src/inbox/routing.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { createEmbeddedQueue } from "../../src/queue/embedded.ts";
import { defaultBreaker } from "../../src/resilience/breaker.ts";
import { createGuard } from "../../src/resilience/guard.ts";
import { createIds } from "../../src/resilience/ids.ts";
import { startGithub } from "../../src/sandbox/github.ts";
import type { GithubSandbox } from "../../src/sandbox/github.ts";
import { startStripe } from "../../src/sandbox/stripe.ts";
import type { StripeSandbox } from "../../src/sandbox/stripe.ts";
import { signGithub, signStripe } from "../../src/sandbox/senders.ts";
import { createSources } from "../../src/sources/index.ts";
import { createHealing } from "../../src/worker/healing.ts";
import { lastAlive, startSweeper } from "../../src/worker/sweeper.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { rawRequest } from "../support/raw-request.ts";

const minute = 60_000;
const hour = 60 * minute;
const privateKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs1", format: "pem" })
  .toString();
const secret = "whsec_test";
const routes = [
  { source: "github", events: ["pull_request.*"] },
  { source: "stripe", events: ["customer.subscription.deleted", "customer.subscription.updated"] },
].map((route) =>
  compileRoute({ ...route, name: route.source, agent: `${route.source}-agent`, mode: "auto", enabled: true }),
);

let clock: ManualClock;
let github: GithubSandbox;
let stripe: StripeSandbox;
let folder: string;

beforeEach(async () => {
  clock = manualClock();
  folder = mkdtempSync(join(tmpdir(), "signalbox-healing-"));
  github = await startGithub({ now: () => clock.now(), file: null });
  stripe = await startStripe({ now: () => clock.now(), file: null });
});
afterEach(async () => {
  await Promise.all([github.close(), stripe.close()]);
  rmSync(folder, { recursive: true, force: true });
});

interface Options {
  /** Stands between the healer and the inbox. */
  readonly inbox?: (inner: Inbox) => Pick<Inbox, "acceptHealed" | "acceptExpansion">;
  readonly sources?: readonly Source[];
  readonly githubHealing?: object;
  /** What routes ask of Stripe, in place of their own types. */
  readonly stripeTypes?: readonly string[];
}

/** The receiving half of the service on `folder`, as it is from a start to a stop. */
async function service({
  inbox: between = (inner) => inner,
  sources: more = [],
  githubHealing,
  stripeTypes,
}: Options = {}) {
  const store = openSqliteJournal({ folder, clock });
  const queue = createEmbeddedQueue(store.journal, clock, silentLog);
  const metrics = createMetrics();
  const ids = createIds(clock);
  const inbox = createInbox({
    journal: store.journal,
    queue,
    table: () => ({ routes, configHash: "c", promptHash: () => null }),
    clock,
    ids,
    log: silentLog,
  });
  const paused: string[] = [];
  const guard = createGuard({
    state: store.state,
    clock,
    settings: () => defaultBreaker,
    onChange: ({ service: name, state }) => paused.push(`${name} ${state}`),
  });
  const sources = createSources(
    [
      {
        type: "github",
        name: "github",
        secrets: [secret],
        healing: { appId: "1", privateKey, ...githubHealing, baseUrl: github.url },
      },
      { type: "stripe", name: "stripe", secrets: [secret], healing: { apiKey: "rk", baseUrl: stripe.url } },
    ],
    { clock, log: silentLog },
  );
  for (const source of more) sources.set(source.name, source);
  const trouble: string[] = [];
  const healing = createHealing({
    ...store,
    inbox: between(inbox),
    guard,
    clock,
    log: silentLog,
    metrics,
    sources: () => sources,
    settings: () => ({ every: 15 * minute, reach: 72 * hour }),
    wanted: (name) => {
      const own = routes.filter(({ source }) => source === name).flatMap(({ events }) => events);
      const types = (name === "stripe" ? stripeTypes : null) ?? own;
      return { types, wants: (type) => types.some((glob) => fitsGlob(glob, type)) };
    },
    onTrouble: (source, message) => trouble.push(`${source}: ${message}`),
    aliveBefore: await lastAlive(store.state),
    owner: ids("run"),
  });
  const rounds = healing.begin();
  const sweeper = startSweeper({
    ...store,
    queue,
    clock,
    log: silentLog,
  });
  const events = async () => (await store.reads.events({ limit: 100_000 })).items;
  return {
    ...store,
    healing,
    paused,
    trouble,
    metrics,
    events,
    ids: async (name: string) =>
      (await events())
        .filter(({ source }) => source === name)
        .map(({ providerId }) => providerId)
        .toSorted(),
    /** A request as the provider would send it. */
    async push(
      name: "github" | "stripe",
      signed: { headers: Readonly<Record<string, string>>; body: string },
    ) {
      const source = sources.get(name);
      if (!source) throw new Error(name);
      const request = rawRequest(signed.headers, signed.body, clock.now());
      return inbox.accept(source, request, await source.verify(request), source.identify(request));
    },
    /** The first round after the start. */
    async healed(...names: string[]) {
      await clock.advance(0);
      await vi.waitFor(async () => {
        for (const name of names) expect(await healing.healedUntil(name)).not.toBeNull();
      });
      return Promise.all(names.map((name) => again(name)));
      async function again(name: string) {
        return vi.waitFor(() => healing.heal(name), { timeout: 20_000 });
      }
    },
    async stop() {
      healing.stop();
      await rounds.stop();
      await sweeper.stop();
      await store.journal.close();
    },
  };
}

type Service = Awaited<ReturnType<typeof service>>;

/** Up once, so that there is a time at which it was up, and down again. */
async function ranBefore(work: (up: Service) => Promise<void> = async () => {}): Promise<void> {
  const up = await service();
  await up.healed("github", "stripe");
  await vi.waitFor(async () => expect(await lastAlive(up.state)).not.toBeNull());
  await work(up);
  await up.stop();
}

const pull = (number: number) => ({
  action: "opened",
  number,
  pull_request: { updated_at: "2026-11-24T12:00:00Z" },
});
const deliver = (number: number, statusCode: number) =>
  github.addDelivery({
    guid: `guid-${number}`,
    event: "pull_request",
    action: "opened",
    statusCode,
    payload: pull(number),
  });
const cancelled = (id: string, type = "customer.subscription.deleted") =>
  stripe.addEvent({ id, type, object: { id: "sub_1", customer: "cus_1" } });

describe("after a downtime", () => {
  it("what was pushed, lost and failed is there once, and nothing twice", async () => {
    await ranBefore(async (up) => {
      const event = cancelled("evt_pushed");
      await up.push(
        "stripe",
        signStripe({ secret, payload: event, timestamp: Math.floor(clock.now() / 1_000) }),
      );
      deliver(1, 200);
      await up.push(
        "github",
        signGithub({ secret, event: "pull_request", payload: pull(1), delivery: "guid-1" }),
      );
    });
    for (let number = 2; number <= 60; number += 1) {
      await clock.advance(minute);
      deliver(number, [502, 0, 302][number % 3] ?? 500);
      cancelled(
        `evt_${number}`,
        number % 2 ? "customer.subscription.updated" : "customer.subscription.deleted",
      );
    }
    cancelled("evt_other", "invoice.paid");
    // A person has sent this one again, and it got through elsewhere.
    deliver(7, 200);
    const up = await service();
    await up.healed("github", "stripe");
    const numbers = Array.from({ length: 59 }, (_, index) => index + 2);
    expect(await up.ids("stripe")).toEqual(
      ["evt_pushed", ...numbers.map((number) => `evt_${number}`)].toSorted(),
    );
    expect(await up.ids("github")).toEqual(
      ["guid-1", ...numbers.filter((number) => number !== 7).map((number) => `guid-${number}`)].toSorted(),
    );
    expect((await up.reads.runs({ limit: 1_000 })).items).toHaveLength(60 + 59);
    expect(await up.healing.heal("github", clock.now() - 3 * hour)).toMatchObject({
      healed: 0,
      restarted: 0,
      more: false,
    });
    await up.stop();
  });

  it("an event that was fetched and is then delivered is a duplicate, and says that it was fetched", async () => {
    await ranBefore();
    const payload = cancelled("evt_late");
    deliver(1, 502);
    const up = await service();
    await up.healed("github", "stripe");
    const timestamp = Math.floor(clock.now() / 1_000);
    expect(await up.push("stripe", signStripe({ secret, payload, timestamp }))).toMatchObject([
      { duplicate: true, runs: [] },
    ]);
    const redelivery = signGithub({ secret, event: "pull_request", payload: pull(1), delivery: "guid-1" });
    expect(await up.push("github", redelivery)).toMatchObject([{ duplicate: true, runs: [] }]);
    for (const { id } of await up.events()) {
      const event = await up.reads.event(id);
      expect(event?.headers["signalbox-healed"]).toBe("1");
      expect(event?.deliveries.map(({ remoteAddress, result }) => [remoteAddress, result])).toEqual([
        ["healed", "accepted"],
        ["192.0.2.1", "duplicate"],
      ]);
    }
    expect((await up.metrics.render()).text).toContain(
      'signalbox_events_received_total{source="stripe",result="healed"} 1',
    );
    await up.stop();
  });

  it("a record is listed no further back than to where it was read before", async () => {
    for (let number = 0; number < 350; number += 1) deliver(number, 200);
    await clock.advance(hour);
    await ranBefore();
    deliver(400, 500);
    const before = github.requests.length;
    const up = await service();
    await up.healed("github");
    expect(await up.ids("github")).toEqual(["guid-400"]);
    const lists = github.requests.slice(before).filter(({ path }) => path === "/app/hook/deliveries");
    expect(lists.length).toBeGreaterThan(0);
    expect(lists.filter(({ query }) => "cursor" in query)).toEqual([]);
    await up.stop();
  });

  it("a record that can't be asked for globs is narrowed to what routes name", async () => {
    await ranBefore();
    cancelled("evt_1");
    cancelled("evt_other", "invoice.paid");
    const up = await service({ stripeTypes: ["customer.*"] });
    await up.healed("stripe");
    expect(await up.ids("stripe")).toEqual(["evt_1"]);
    await up.stop();
  });

  it("more than a page, in more than one second and within one, comes whole and the oldest first", async () => {
    await ranBefore();
    for (let number = 0; number < 250; number += 1) {
      if (number % 2) await clock.advance(2_000);
      cancelled(`evt_${String(number).padStart(3, "0")}`);
    }
    for (let number = 250; number < 500; number += 1) cancelled(`evt_${number}`);
    for (let number = 0; number < 230; number += 1) deliver(number, 500);
    const up = await service();
    await up.healed("github", "stripe");
    const order = (await up.events())
      .filter(({ source }) => source === "stripe")
      .map(({ providerId }) => providerId);
    expect(order).toHaveLength(500);
    expect(order.toReversed()).toEqual(order.toSorted());
    expect(await up.ids("github")).toHaveLength(230);
    await up.stop();
  });

  it("a process that is killed before or after any part loses nothing and stores nothing twice", async () => {
    await ranBefore();
    for (let number = 0; number < 260; number += 1) {
      if (number % 50 === 0) await clock.advance(minute);
      deliver(number, 500);
      cancelled(`evt_${number}`);
    }
    for (let kills = 0; kills < 12; kills += 1) {
      // Each life ends after one part, every other one before that part is stored.
      let parts = 0;
      const up = await service({
        inbox: (inner) => ({
          ...inner,
          async acceptHealed(...part) {
            if (part[1].length === 0) return inner.acceptHealed(...part);
            parts += 1;
            if (parts > 1 || kills % 2) throw new Error("killed");
            return inner.acceptHealed(...part);
          },
        }),
      });
      await clock.advance(0);
      await vi.waitFor(() => expect(parts).toBeGreaterThan(0));
      await up.stop();
      await clock.advance(3 * minute);
    }
    const up = await service();
    await up.healed("github", "stripe");
    expect(await up.ids("github")).toEqual(
      Array.from({ length: 260 }, (_, number) => `guid-${number}`).toSorted(),
    );
    expect(await up.ids("stripe")).toEqual(
      Array.from({ length: 260 }, (_, number) => `evt_${number}`).toSorted(),
    );
    await up.stop();
  });

  it("what lies further back than can be reached is told, and the rest is fetched", async () => {
    await ranBefore();
    cancelled("evt_lost");
    await clock.advance(80 * hour);
    cancelled("evt_found");
    const up = await service();
    await up.healed("stripe");
    expect(await up.ids("stripe")).toEqual(["evt_found"]);
    expect(up.trouble.filter((line) => line.startsWith("stripe"))).toEqual([
      expect.stringContaining("out of reach"),
    ]);
    await up.stop();
  });

  it("a delivery without a body on record is asked for again", async () => {
    await ranBefore();
    const id = github.addDelivery({
      guid: "g",
      event: "pull_request",
      action: "opened",
      statusCode: 502,
      payload: null,
    });
    const up = await service();
    await up.healed("github");
    expect(github.state.redelivered).toContain(id);
    expect(await up.ids("github")).toEqual([]);
    await up.stop();
  });

  it("a webhook of a repository is healed with a token", async () => {
    const hook = { appId: "", privateKey: "", token: "ghp_1", hook: "acme/web/hooks/7" };
    await ranBefore();
    deliver(1, 500);
    const up = await service({ githubHealing: hook });
    await up.healed("github");
    expect(await up.ids("github")).toEqual(["guid-1"]);
    expect(github.requests.at(-1)?.path).toMatch(/^\/repos\/acme\/web\/hooks\/7\/deliveries/);
    await up.stop();
  });
});

describe("healing", () => {
  it("takes the App's key on one line, and refuses one that is none in words that do not show it", async () => {
    await ranBefore();
    deliver(1, 500);
    const up = await service({ githubHealing: { privateKey: privateKey.replaceAll("\n", "\\n") } });
    await up.healed("github");
    expect(await up.ids("github")).toEqual(["guid-1"]);
    await up.stop();
    const wrong = await service({ githubHealing: { privateKey: "geheim" } });
    const refusal: unknown = await vi.waitFor(async () => {
      const error = await wrong.healing.heal("github").catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ kind: "unauthorized" });
      return error;
    });
    expect(String(refusal)).toContain("no private key in PEM form");
    expect(String(refusal)).not.toContain("geheim");
    await wrong.stop();
  });

  it("fetches nothing at a first start: what was before was never ours", async () => {
    cancelled("evt_before");
    deliver(1, 500);
    await clock.advance(hour);
    const up = await service();
    await up.healed("github", "stripe");
    expect(await up.events()).toEqual([]);
    await up.stop();
  });

  it("asks again on its schedule", async () => {
    const up = await service();
    await up.healed("github", "stripe");
    cancelled("evt_1");
    await clock.advance(16 * minute);
    await vi.waitFor(async () => expect(await up.ids("stripe")).toEqual(["evt_1"]));
    await up.stop();
  });

  it("starts a dead run of a failed delivery again, and leaves one that succeeded alone", async () => {
    await ranBefore(async (up) => {
      for (const number of [1, 2]) {
        const signed = signGithub({
          secret,
          event: "pull_request",
          payload: pull(number),
          delivery: `guid-${number}`,
        });
        const [item] = await up.push("github", signed);
        const claim = await up.journal.claim(item?.runs[0] ?? "", "test", minute);
        if (!claim) throw new Error("not claimed");
        await up.journal.settle(
          { run: claim.run.id, fence: claim.fence },
          number === 1 ? { kind: "dead", reason: "x" } : { kind: "done", summary: "" },
        );
        deliver(number, 504);
      }
    });
    await clock.advance(1_000);
    const up = await service();
    await up.healed("github");
    const generations = (await up.reads.runs({ limit: 10 })).items.map(({ generation, status }) => [
      generation,
      status,
    ]);
    expect(generations).toEqual([
      [1, "queued"],
      [0, "succeeded"],
      [0, "dead"],
    ]);
    await up.stop();
  });

  it("whose credentials are refused pauses and says so; what was lost meanwhile comes once they are accepted", async () => {
    await ranBefore();
    cancelled("evt_1");
    stripe.faults.fail({ status: 401, times: 1 });
    const up = await service();
    await clock.advance(0);
    await vi.waitFor(() => expect(up.paused).toContain("source:stripe paused"));
    expect(await up.ids("stripe")).toEqual([]);
    await clock.advance(16 * minute);
    await vi.waitFor(async () => expect(await up.ids("stripe")).toEqual(["evt_1"]));
    await up.stop();
  });

  it("waits as long as a provider that limits it says", async () => {
    await ranBefore();
    cancelled("evt_1");
    stripe.faults.fail({ status: 429, times: 1, retryAfter: 1_800 });
    const up = await service();
    await clock.advance(0);
    const asked = () => stripe.requests.filter(({ path }) => path === "/v1/events").length;
    const before = asked();
    await vi.waitFor(() => expect(asked()).toBeGreaterThan(before - 1));
    await vi.waitFor(() => expect(stripe.requests.at(-1)?.status).toBe(429));
    await clock.advance(29 * minute);
    expect(stripe.requests.at(-1)?.status).toBe(429);
    await clock.advance(2 * minute);
    await vi.waitFor(async () => expect(await up.ids("stripe")).toEqual(["evt_1"]));
    await up.stop();
  });

  it("is done by one process at a time", async () => {
    const up = await service();
    await up.healed("stripe");
    const lease = await up.state.get("meta", "healing:stripe");
    const until = clock.now() + minute;
    await up.state.put("meta", "healing:stripe", { owner: "another", until }, lease?.version ?? 0);
    await expect(up.healing.heal("stripe")).rejects.toMatchObject({ name: "Conflict", code: "wrong_state" });
    await clock.advance(2 * minute);
    await expect(vi.waitFor(() => up.healing.heal("stripe"))).resolves.toMatchObject({ healed: 0 });
    await up.stop();
  });

  it("reads a change feed on from its cursor, and leaves one alone that has none yet", async () => {
    const read: (string | null)[] = [];
    const feed: Source = {
      name: "inbox",
      type: "gmail",
      active: true,
      maxBodyBytes: 1,
      keptHeaders: [],
      evidence: null,
      verify: () => ({ secretIndex: null }),
      identify: () => [],
      expand: async (cursor) => {
        read.push(cursor);
        return { items: [], cursor: `${cursor ?? ""}+`, rescanned: false };
      },
    };
    const up = await service({ sources: [feed] });
    await expect(vi.waitFor(() => up.healing.heal("inbox"))).resolves.toMatchObject({ healed: 0 });
    expect(read).toEqual([]);
    await up.state.put("cursor", "inbox", "1", 0);
    await up.healing.heal("inbox");
    expect(read).toEqual(["1"]);
    expect((await up.state.get("cursor", "inbox"))?.value).toBe("1+");
    await up.stop();
  });

  it("of a source that has no credentials for it, or is not there, is refused in words", async () => {
    const up = await service({ githubHealing: { appId: "", privateKey: "" } });
    await expect(up.healing.heal("github")).rejects.toThrow("set its credentials under `healing`");
    await expect(up.healing.heal("gitlab")).rejects.toMatchObject({ code: "not_found" });
    expect(await up.healing.healedUntil("github")).toBeNull();
    await up.stop();
  });
});
