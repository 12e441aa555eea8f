import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterEach, describe, expect, test } from "vitest";
import { Conflict, JournalUnavailable, ServiceError } from "../../src/domain/errors.ts";
import type { ReplayFilter, ReplayJob } from "../../src/domain/replay.ts";
import type { Control } from "../../src/http/admin.ts";
import { openapi } from "../../src/http/openapi.ts";
import { silentLog } from "../../src/observability/log.ts";
import type { Log } from "../../src/observability/log.ts";
import {
  adminToken,
  refusingControl,
  sampleEvent,
  sampleRows,
  sampleRun,
  startAdmin,
} from "../support/admin.ts";
import type { RunningAdmin } from "../support/admin.ts";
import { manualClock } from "../support/clock.ts";
import { memoryJournal } from "../support/memory-reads.ts";

const running: RunningAdmin[] = [];
async function start(options: Parameters<typeof startAdmin>[0] = {}): Promise<RunningAdmin> {
  const admin = await startAdmin(options);
  running.push(admin);
  return admin;
}
afterEach(async () => {
  await Promise.all(running.splice(0).map((admin) => admin.close()));
});

type Body = Record<string, unknown>;
interface Operation {
  readonly operationId: string;
  readonly responses: object;
}
const bodyOf = async (answer: Response) => (await answer.json()) as Body;
const codeOf = async (answer: Response) => ((await bodyOf(answer))["error"] as Body)["code"];
const messageOf = async (answer: Response) => String(((await bodyOf(answer))["error"] as Body)["message"]);
const cookieOf = (answer: Response) => (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";

/** fetch may not set Host; a plain request may. */
function withHost(port: number, host: string, path = "/healthz"): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", path, headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function logIn(admin: RunningAdmin): Promise<string> {
  const answer = await admin.post("/login", { token: adminToken }, {});
  expect(answer.status).toBe(204);
  return cookieOf(answer);
}

const replayJob: ReplayJob = {
  id: "rpl_1",
  filter: { source: "stripe", until: Date.UTC(2026, 10, 24) },
  status: "running",
  perMinute: 300,
  expected: { events: 900, runs: 900 },
  events: 20,
  runs: 20,
  refused: 0,
  by: "api",
  createdAt: Date.UTC(2026, 10, 24),
  updatedAt: Date.UTC(2026, 10, 24),
};

describe("who may use the admin port", () => {
  test("health and readiness are open, everything else needs the token", async () => {
    const { url } = await start();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    for (const path of [
      "/metrics",
      "/api/overview",
      "/api/openapi.json",
      "/",
      "/assets/index.js",
      "/nothing",
    ])
      expect([path, (await fetch(url + path)).status]).toEqual([path, 401]);
  });

  test("readiness says which check failed, with 503", async () => {
    const { url } = await start({
      ready: async () => ({ ok: false, checks: { journal: { ok: false, detail: "the disk is full" } } }),
    });
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      ok: false,
      checks: { journal: { ok: false, detail: "the disk is full" } },
    });
  });

  test("the bearer token opens the API and the metrics, a wrong one does not", async () => {
    const admin = await start();
    expect((await admin.get("/api/overview")).status).toBe(200);
    expect(await (await admin.get("/metrics")).text()).toBe("signalbox_dead_letters 1\n");
    const wrong = await fetch(`${admin.url}/api/overview`, { headers: { Authorization: "Bearer wrong" } });
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get("www-authenticate")).toContain("Bearer");
  });

  test("a login sets a cookie that scripts and other sites cannot use and that does not hold the token", async () => {
    const admin = await start();
    const answer = await admin.post("/login", { token: adminToken }, {});
    const cookie = answer.headers.get("set-cookie") ?? "";
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Lax");
    expect(cookie).not.toContain(adminToken);
    const seen = await fetch(`${admin.url}/api/overview`, { headers: { Cookie: cookieOf(answer) } });
    expect(seen.status).toBe(200);
  });

  test("a session ends after a week, and a changed cookie is none", async () => {
    const clock = manualClock();
    const admin = await start({ clock });
    const cookie = await logIn(admin);
    const status = async (value: string) =>
      (await fetch(`${admin.url}/api/overview`, { headers: { Cookie: value } })).status;
    const later = cookie.replace(/=(\d+)\./, (_, until: string) => `=${Number(until) + 1}.`);
    expect(later).not.toBe(cookie);
    expect(await status(later)).toBe(401);
    await clock.advance(7 * 24 * 3_600_000 - 1);
    expect(await status(cookie)).toBe(200);
    await clock.advance(1);
    expect(await status(cookie)).toBe(401);
  });

  test("the printed link logs in once and leads to the dashboard; the token itself is no link", async () => {
    const { admin, url } = await start();
    const path = admin.loginPath();
    const first = await fetch(url + path, { redirect: "manual" });
    expect([first.status, first.headers.get("location")]).toEqual([303, "/"]);
    const seen = await fetch(`${url}/api/overview`, { headers: { Cookie: cookieOf(first) } });
    expect(seen.status).toBe(200);
    expect((await fetch(url + path, { redirect: "manual" })).status).toBe(401);
    expect((await fetch(`${url}/login?token=${adminToken}`, { redirect: "manual" })).status).toBe(401);
  });

  test("the form logs in too, and says so when the token is wrong", async () => {
    const { url } = await start();
    const send = (token: string) =>
      fetch(`${url}/login`, { method: "POST", body: new URLSearchParams({ token }), redirect: "manual" });
    const wrong = await send("guess");
    expect(wrong.status).toBe(401);
    expect(await wrong.text()).toContain("That is not the admin token.");
    const right = await send(adminToken);
    expect([right.status, right.headers.get("location")]).toEqual([303, "/"]);
  });

  test("ten failed logins lock the login for the rest of the minute, and leave the bearer token alone", async () => {
    const clock = manualClock();
    const admin = await start({ clock });
    for (let attempt = 0; attempt < 10; attempt += 1)
      expect((await admin.post("/login", { token: "guess" }, {})).status).toBe(401);
    const locked = await admin.post("/login", { token: adminToken }, {});
    expect(locked.status).toBe(429);
    expect(locked.headers.get("retry-after")).toBe("60");
    expect((await admin.get("/api/overview")).status).toBe(200);
    await clock.advance(60_000);
    expect((await admin.post("/login", { token: adminToken }, {})).status).toBe(204);
  });

  test("without a session the dashboard's address shows the login page", async () => {
    const { url } = await start();
    const answer = await fetch(`${url}/`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("content-type")).toContain("text/html");
    expect(await answer.text()).toContain('<form method="post" action="/login">');
  });

  test("logging out ends the cookie", async () => {
    const admin = await start();
    const cookie = await logIn(admin);
    const answer = await fetch(`${admin.url}/logout`, {
      method: "POST",
      redirect: "manual",
      headers: { Cookie: cookie, "Sec-Fetch-Site": "same-origin" },
    });
    expect(answer.status).toBe(303);
    expect(answer.headers.get("set-cookie")).toContain("Max-Age=0");
  });

  test("an empty token is refused at once", async () => {
    await expect(startAdmin({ token: " " })).rejects.toThrow("SIGNALBOX_ADMIN_TOKEN");
  });
});

describe("what other sites can do through a browser", () => {
  test("a foreign Host is answered 421, so that a rebound name reads nothing", async () => {
    const { port } = await start();
    for (const host of ["localhost", `localhost:${port}`, "127.0.0.1:1", "[::1]:8090"])
      expect([host, await withHost(port, host)]).toEqual([host, 200]);
    for (const host of ["evil.example", "localhost.evil.example", "10.0.0.7", "127.0.0.1.evil.example"])
      expect([host, await withHost(port, host)]).toEqual([host, 421]);
  });

  test("the configured names and the published one are answered", async () => {
    const { port } = await start({
      reached: () => ({ hosts: ["signalbox"], urls: ["", "https://hooks.acme.example/box"] }),
    });
    expect(await withHost(port, "signalbox:8090")).toBe(200);
    expect(await withHost(port, "hooks.acme.example")).toBe(200);
    expect(await withHost(port, "acme.example")).toBe(421);
  });

  test("where all interfaces are opened, any address is answered but still no foreign name", async () => {
    const { port } = await start({ reached: () => ({ hosts: ["0.0.0.0"] }) });
    expect(await withHost(port, "10.0.0.7:8090")).toBe(200);
    expect(await withHost(port, "evil.example")).toBe(421);
  });

  test("a change by cookie needs our own page; by bearer it does not", async () => {
    const done: string[] = [];
    const control: Control = {
      ...refusingControl,
      reject: async (action, { by }) => void done.push(`${action} by ${by}`),
    };
    const admin = await start({ control });
    const cookie = await logIn(admin);
    const post = (headers: Record<string, string>) =>
      admin.post("/api/actions/act_2/reject", { reason: "no" }, { Cookie: cookie, ...headers });
    expect((await post({})).status).toBe(403);
    expect((await post({ "Sec-Fetch-Site": "cross-site" })).status).toBe(403);
    expect((await post({ "Sec-Fetch-Site": "same-site" })).status).toBe(403);
    expect((await post({ Origin: "http://evil.example" })).status).toBe(403);
    expect(done).toEqual([]);
    expect((await post({ Origin: admin.url })).status).toBe(200);
    expect((await post({ "Sec-Fetch-Site": "same-origin" })).status).toBe(200);
    expect((await admin.post("/api/actions/act_2/reject", { reason: "no" })).status).toBe(200);
    expect(done).toEqual(["act_2 by dashboard", "act_2 by dashboard", "act_2 by api"]);
  });

  test("a body in chunks is refused in words: it has no length that could be too large", async () => {
    const admin = await start();
    const body = new Response('{"reason":"no"}').body;
    const answer = await admin.get("/api/runs/run_3/cancel", {
      method: "POST",
      body,
      duplex: "half",
    } as RequestInit);
    expect([answer.status, await bodyOf(answer)]).toEqual([
      411,
      { error: { code: "length_required", message: "Send the body with its Content-Length." } },
    ]);
  });

  test("another site cannot log a person in", async () => {
    const admin = await start();
    const answer = await admin.post("/login", { token: adminToken }, { "Sec-Fetch-Site": "cross-site" });
    expect(answer.status).toBe(403);
    expect(answer.headers.get("set-cookie")).toBeNull();
  });

  test("every answer forbids framing, sniffing, foreign scripts and, in the API, storing", async () => {
    const admin = await start();
    for (const path of ["/healthz", "/", "/api/overview", "/api/events/none"]) {
      const { headers } = await admin.get(path);
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("content-security-policy")).not.toContain("unsafe");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });
});

describe("the API's answers", () => {
  const document = openapi("0.1.0");
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "contract");
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...(operation as Operation) })),
  );

  /** Of a documented status, and of its documented shape. */
  async function keepsContract(answer: Response, operationId: string, status: number): Promise<void> {
    expect([operationId, answer.status]).toEqual([operationId, status]);
    const operation = operations.find((one) => one.operationId === operationId);
    expect(Object.keys(operation?.responses ?? {})).toContain(String(status));
    const path = `${operation?.path.replaceAll("/", "~1")}/${operation?.method}/responses/${status}`;
    const validate = ajv.getSchema(`contract#/paths/${path}/content/application~1json/schema`);
    if (!validate) throw new Error(`${path} has no schema`);
    const valid = await validate(await answer.json());
    expect([operationId, valid, validate.errors]).toEqual([operationId, true, null]);
  }

  test("each list, each detail and each fault has the documented shape", async () => {
    const admin = await start();
    const reads: [string, string, number][] = [
      ["/healthz", "health", 200],
      ["/readyz", "readiness", 200],
      ["/api/openapi.json", "document", 200],
      ["/api/overview", "overview", 200],
      ["/api/events", "listEvents", 200],
      ["/api/events?limit=0", "listEvents", 400],
      ["/api/events/evt_1", "event", 200],
      ["/api/events/evt_2", "event", 200],
      ["/api/events/none", "event", 404],
      ["/api/runs", "listRuns", 200],
      ["/api/runs/run_1", "run", 200],
      ["/api/runs/run_3", "run", 200],
      ["/api/runs/none", "run", 404],
      ["/api/runs/run_4", "run", 200],
      ["/api/dead-letters", "listDeadLetters", 200],
      ["/api/dead-letters?cause=suspended", "listDeadLetters", 200],
      ["/api/audit", "audit", 200],
      ["/api/audit?deed=dance", "audit", 400],
      ["/api/actions", "listActions", 200],
      ["/api/breakers", "breakers", 200],
      ["/api/processes", "processes", 200],
      ["/api/sources", "sources", 200],
    ];
    for (const [path, operation, status] of reads)
      await keepsContract(await admin.get(path), operation, status);
    await keepsContract(await fetch(`${admin.url}/api/runs`), "listRuns", 401);
    await keepsContract(await fetch(`${admin.url}/metrics`), "metrics", 401);
    const limited = async (n = 0): Promise<Response> => {
      const answer = await fetch(`${admin.url}/api/runs`, { headers: { Authorization: "Bearer wrong" } });
      return answer.status === 429 || n > 20 ? answer : limited(n + 1);
    };
    await keepsContract(await limited(), "listRuns", 429);
    const busy = await start({
      ready: async () => ({ ok: false, checks: { journal: { ok: false, detail: "the disk is full" } } }),
    });
    await keepsContract(await busy.get("/readyz"), "readiness", 503);
  });

  test("each change answers with the documented shape, and with what the row now is", async () => {
    const rows = sampleRows(Date.UTC(2026, 10, 24));
    const journal = memoryJournal(rows);
    const control: Control = {
      ...refusingControl,
      approve: async (id) => {
        const action = rows.actions.find((row) => row.id === id);
        if (action) journal.putAction({ ...action, status: "planned" });
      },
      cancelRun: async (id) => {
        const run = rows.runs.find((row) => row.id === id);
        if (run) journal.putRun({ ...run, status: "cancelled" });
      },
      replays: async () => [replayJob],
      cancelReplay: async () => ({ ...replayJob, status: "cancelled" }),
      resumeReplay: async () => replayJob,
      discard: async (id, reason, by) => {
        const run = rows.runs.find((row) => row.id === id);
        if (run) journal.putRun({ ...run, cleared: { at: 1, by, reason } });
      },
      discardAll: async () => 12,
      replay: async (_filter, { dryRun, perMinute }) => ({
        cost: { usd: 0.04, actions: { "hubspot.note": 2 } },
        replay: perMinute === undefined ? null : replayJob,
        events: 3,
        count: 2,
        runs: dryRun ? [] : ["run_8", "run_9"],
        verified: 1,
        unverified: [{ reason: "the provider's token isn't kept", events: 1 }],
        refused: [{ event: "evt_3", reason: "its bytes changed" }],
      }),
      verify: async (event) =>
        event === "evt_1"
          ? { result: "verified", secretIndex: 1 }
          : event === "evt_2"
            ? { result: "failed", reason: "its bytes changed" }
            : null,
      heal: async (source, since) => {
        if (source === "none") throw new Conflict("not_found", "there is no source none");
        if (since === undefined) throw new ServiceError("source:stripe", "unavailable", "answered HTTP 500");
        return { read: 5, healed: 3, known: 2, restarted: 1, more: false };
      },
    };
    const admin = await start({ rows, control });
    const heal = (name: string, body: object) => admin.post(`/api/sources/${name}/heal`, body);
    await keepsContract(await heal("stripe", { since: "24h" }), "heal", 200);
    await keepsContract(await heal("none", {}), "heal", 404);
    await keepsContract(await heal("stripe", {}), "heal", 503);
    await keepsContract(await heal("stripe", { since: "soon" }), "heal", 400);
    const approved = await admin.post("/api/actions/act_2/approve", { hash: "hash-of-act_2" });
    expect((await bodyOf(approved.clone()))["status"]).toBe("planned");
    await keepsContract(approved, "approve", 200);
    const cancelled = await admin.post("/api/runs/run_3/cancel", {});
    expect((await bodyOf(cancelled.clone()))["status"]).toBe("cancelled");
    await keepsContract(cancelled, "cancel", 200);
    const verify = (event: string, body = {}) => admin.post(`/api/events/${event}/verify`, body);
    expect(await bodyOf(await verify("evt_1"))).toEqual({
      event: "evt_1",
      result: "verified",
      secretIndex: 1,
      reason: null,
    });
    for (const event of ["evt_1", "evt_2"]) await keepsContract(await verify(event), "verify", 200);
    await keepsContract(await verify("none"), "verify", 404);
    await keepsContract(await verify("evt_1", { secret: "mine" }), "verify", 400);
    await keepsContract(await admin.post("/api/replays", { event: "evt_1", dryRun: true }), "replay", 200);
    await keepsContract(await admin.post("/api/replays", { event: "none" }), "replay", 404);
    await keepsContract(await admin.post("/api/replays", {}), "replay", 400);
    const paced = await admin.post("/api/replays", { filter: { source: "stripe" }, rate: "5/s" });
    expect((await bodyOf(paced.clone()))["replay"]).toMatchObject({ id: "rpl_1", perMinute: 300 });
    await keepsContract(paced, "replay", 200);
    await keepsContract(await admin.get("/api/replays"), "replays", 200);
    await keepsContract(await admin.get("/api/replays/rpl_1"), "replayJob", 200);
    await keepsContract(await admin.get("/api/replays/none"), "replayJob", 404);
    await keepsContract(await admin.post("/api/replays/rpl_1/cancel", {}), "cancelReplay", 200);
    await keepsContract(await admin.post("/api/replays/rpl_1/resume", {}), "resumeReplay", 200);
    const discard = (body: object, id = "/run_4") => admin.post(`/api/dead-letters${id}/discard`, body);
    await keepsContract(await discard({}), "discard", 400);
    const discarded = await discard({ reason: "spam" });
    expect((await bodyOf(discarded.clone()))["cleared"]).toMatchObject({ by: "api", reason: "spam" });
    await keepsContract(discarded, "discard", 200);
    await keepsContract(await discard({ filter: {}, reason: "spam" }, ""), "discardAll", 400);
    await keepsContract(await discard({ filter: { agent: "pr-review" } }, ""), "discardAll", 400);
    await keepsContract(
      await discard({ filter: { agent: "pr-review" }, reason: "spam" }, ""),
      "discardAll",
      200,
    );
    await keepsContract(await admin.get("/api/audit"), "audit", 200);
  });

  test("every deed is recorded with who did it, to what, and why; what failed or only counted is not", async () => {
    const admin = await start({
      control: {
        ...refusingControl,
        reject: async () => undefined,
        discard: async () => undefined,
        cancelRun: () => Promise.reject(new Conflict("wrong_state", "it is done")),
        replay: async (_filter, { dryRun }) => ({
          events: 2,
          count: 2,
          runs: dryRun ? [] : ["run_8", "run_9"],
          cost: { usd: null, actions: {} },
          verified: 2,
          unverified: [],
          refused: [],
          replay: null,
        }),
      },
    });
    const login = await admin.post("/login", { token: adminToken }, {});
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
    await admin.post("/api/actions/act_2/reject", { reason: "too generous" });
    await admin.post(
      "/api/dead-letters/run_4/discard",
      { reason: "spam" },
      { Cookie: cookie, "Sec-Fetch-Site": "same-origin" },
    );
    await admin.post("/api/runs/run_3/cancel", { reason: "no" });
    await admin.post("/api/replays", { filter: { agent: "pr-review" }, dryRun: true });
    await admin.post(
      "/api/replays",
      { filter: { agent: "pr-review" } },
      { Authorization: `Bearer ${adminToken}`, "User-Agent": "signalbox-cli/1.0.0" },
    );
    const { items } = (await bodyOf(await admin.get("/api/audit"))) as { items: Body[] };
    expect(items.map(({ by, deed, object, reason }) => [by, deed, object, reason])).toEqual([
      ["cli", "replay.start", null, null],
      ["dashboard", "dead-letter.discard", "run_4", "spam"],
      ["api", "action.reject", "act_2", "too generous"],
      ["dashboard", "login", null, null],
    ]);
    expect(items[0]).toMatchObject({
      address: "127.0.0.1",
      details: { filter: { agent: "pr-review" }, runs: 2 },
    });
    const page = await bodyOf(await admin.get("/api/audit?deed=login&limit=1"));
    expect(page).toMatchObject({ items: [{ deed: "login" }], next: null });
  });

  test("pauses are set, listed and ended, each recorded, and not from another site", async () => {
    const paused = { by: "person", reason: "paused by hand: moving", since: 0, until: null } as const;
    const missing = () => Promise.reject(new Conflict("not_found", "there is no slakc"));
    const admin = await start({
      control: {
        ...refusingControl,
        pauses: async () => [{ name: "slack", paused }],
        pause: async (name) => (name === "slakc" ? missing() : { name, paused }),
        resume: async (name) =>
          name === "slack" ? 7 : Promise.reject(new Conflict("wrong_state", "it is not paused")),
      },
    });
    const end = (name: string, headers = {}) =>
      admin.get(`/api/pauses/${name}`, { method: "DELETE", ...headers });
    await keepsContract(await admin.post("/api/pauses", { name: "slack", reason: "moving" }), "pause", 200);
    await keepsContract(await admin.post("/api/pauses", { name: "slakc" }), "pause", 404);
    await keepsContract(await admin.post("/api/pauses", { reason: "moving" }), "pause", 400);
    await keepsContract(await admin.get("/api/pauses"), "pauses", 200);
    const resumed = await end("slack");
    expect(await bodyOf(resumed.clone())).toEqual({ name: "slack", runs: 7 });
    await keepsContract(resumed, "resume", 200);
    await keepsContract(await end("hubspot"), "resume", 409);
    const { items } = (await bodyOf(await admin.get("/api/audit"))) as { items: Body[] };
    expect(items.map(({ deed, object, reason, details }) => [deed, object, reason, details])).toEqual([
      ["resume", "slack", null, { runs: 7 }],
      ["pause", "slack", "moving", null],
    ]);
    const cookie = await logIn(admin);
    const foreign = await fetch(`${admin.url}/api/pauses/slack`, {
      method: "DELETE",
      headers: { Cookie: cookie, "Sec-Fetch-Site": "cross-site" },
    });
    await keepsContract(foreign, "resume", 403);
  });

  test("a person is forgotten by address, and the audit keeps that it was done and not who it was", async () => {
    const admin = await start({
      control: {
        ...refusingControl,
        forget: async (_, dryRun) => ({ erased: 3, open: dryRun ? [] : ["evt_1"] }),
      },
    });
    const dana = { email: "dana@northwind.example" };
    const counted = await admin.post("/api/forget", { ...dana, dryRun: true });
    expect(await bodyOf(counted.clone())).toEqual({ dryRun: true, erased: 3, open: [] });
    await keepsContract(counted, "forget", 200);
    await keepsContract(await admin.post("/api/forget", { email: "dana" }), "forget", 400);
    await keepsContract(await admin.post("/api/forget", dana), "forget", 200);
    const { items } = (await bodyOf(await admin.get("/api/audit"))) as { items: Body[] };
    expect(items).toMatchObject([{ deed: "forget", object: null, details: { erased: 3, open: 1 } }]);
    expect(JSON.stringify(items)).not.toContain("dana");
  });

  test("a login succeeds also when it can't be recorded: a full disk is when people come to look", async () => {
    const admin = await start({
      audit: { record: () => Promise.reject(new JournalUnavailable("the disk is full")) },
    });
    expect((await admin.post("/login", { token: adminToken }, {})).status).toBe(204);
  });

  test("the document is served, and lists every path that is", async () => {
    const admin = await start();
    const served = (await bodyOf(await admin.get("/api/openapi.json")))["paths"] as Body;
    expect(served).toEqual(JSON.parse(JSON.stringify(document.paths)));
  });

  test("a stale hash is 409, an unknown action 404, a wrong state 409, a bad edit 422", async () => {
    let thrown = new Conflict("stale_hash", "the action was edited since");
    const admin = await start({ control: { ...refusingControl, approve: () => Promise.reject(thrown) } });
    const approve = () => admin.post("/api/actions/act_2/approve", { hash: "old", edited: { to: "x" } });
    for (const [code, status] of [
      ["stale_hash", 409],
      ["not_found", 404],
      ["wrong_state", 409],
      ["invalid_edit", 422],
    ] as const) {
      thrown = new Conflict(code, "the reason");
      const answer = await approve();
      expect([answer.status, await codeOf(answer)]).toEqual([status, code]);
    }
  });

  test("a journal that cannot be used is 503 with Retry-After, a bug is 500 without its message", async () => {
    const { reads } = memoryJournal();
    const admin = await start({
      reads: {
        ...reads,
        overview: () => Promise.reject(new JournalUnavailable("disk")),
        runs: () => Promise.reject(new Error("at /secret/path")),
      },
    });
    const unavailable = await admin.get("/api/overview");
    expect([unavailable.status, unavailable.headers.get("retry-after")]).toEqual([503, "5"]);
    const bug = await admin.get("/api/runs");
    expect(bug.status).toBe(500);
    expect(await bug.text()).not.toContain("secret");
  });

  test("a list is paged without a gap or a repetition", async () => {
    const admin = await start();
    const first = await bodyOf(await admin.get("/api/events?limit=3"));
    const second = await bodyOf(await admin.get(`/api/events?limit=3&cursor=${String(first["next"])}`));
    const ids = [...(first["items"] as Body[]), ...(second["items"] as Body[])].map((item) => item["id"]);
    expect(ids).toEqual(["evt_5", "evt_4", "evt_3", "evt_2", "evt_1"]);
    expect(second["next"]).toBeNull();
  });

  test("filters and spans select, and dead letters are the dead runs", async () => {
    const admin = await start();
    const ids = async (path: string) =>
      ((await bodyOf(await admin.get(path)))["items"] as Body[]).map((item) => item["id"]);
    expect(await ids("/api/events?source=stripe&status=unrouted")).toEqual(["evt_5"]);
    expect(await ids("/api/events?since=10m")).toEqual(["evt_5", "evt_4"]);
    expect(await ids(`/api/events?until=${new Date(Date.now() - 20 * 60_000).toISOString()}`)).toEqual([
      "evt_2",
      "evt_1",
    ]);
    expect(await ids("/api/runs?agent=email-triage&status=waiting")).toEqual(["run_3"]);
    expect(await ids("/api/dead-letters")).toEqual(["run_4"]);
    expect(await ids("/api/actions?run=run_1")).toEqual(["act_3", "act_1"]);
  });

  test.each([
    ["/api/events?limit=1001", "limit"],
    ["/api/events?limit=ten", "1 to 1000"],
    ["/api/events?status=dead", "routed, unrouted, inactive"],
    ["/api/runs?status=done", "awaiting_review"],
    ["/api/dead-letters?status=queued", "always dead"],
    ["/api/runs?since=yesterday", "24h"],
    ["/api/runs?since=2026-11-24T08:00:00", "zone"],
    ["/api/runs?since=1h&until=2h", "later than since"],
    ["/api/runs?cursor=%27%20OR%201", "cursor"],
    ["/api/runs?cursor=2", "cursor"],
    ["/api/events?cursor=run_1", "cursor"],
    ["/api/runs?stauts=dead", "stauts: is no parameter here"],
    ["/api/runs?agent=a&agent=b", "once"],
  ])("%s is 400 and names what is allowed: %s", async (path, named) => {
    const admin = await start();
    const answer = await admin.get(path);
    expect(answer.status).toBe(400);
    expect(await messageOf(answer)).toContain(named);
  });

  test("a zone whose plus sign was not encoded is read as it was meant", async () => {
    const admin = await start();
    const at = new Date(Date.now() - 10 * 60_000 + 3_600_000).toISOString().replace("Z", "+01:00");
    const { items } = await bodyOf(await admin.get(`/api/events?since=${at}`));
    expect((items as Body[]).map((item) => item["id"])).toEqual(["evt_5", "evt_4"]);
  });

  test("a rejection needs neither a reason nor a hash, and a wrong field is named in words", async () => {
    const asked: unknown[] = [];
    const admin = await start({
      control: { ...refusingControl, reject: async (_, how) => void asked.push(how) },
    });
    const reject = (body: unknown) => admin.post("/api/actions/act_2/reject", body);
    expect((await reject({})).status).toBe(200);
    expect((await reject({ reason: "too much", hash: "abc" })).status).toBe(200);
    expect(asked).toEqual([
      { reason: "rejected by a person", by: "api" },
      { reason: "too much", hash: "abc", by: "api" },
    ]);
    expect(await messageOf(await reject({ reason: 3, why: "x" }))).toBe(
      "reason: must be of type string; body: has no field why",
    );
    expect(await messageOf(await admin.post("/api/actions/act_2/approve", {}))).toBe("hash: is missing");
  });

  test("a replay names one event or a filter that is not empty, and its times are read", async () => {
    const clock = manualClock(Date.UTC(2026, 10, 24, 12));
    const asked: [ReplayFilter, boolean, number?][] = [];
    const admin = await start({
      clock,
      control: {
        ...refusingControl,
        replay: async (filter, { dryRun, perMinute }) => {
          asked.push(perMinute === undefined ? [filter, dryRun] : [filter, dryRun, perMinute]);
          return {
            events: 0,
            count: 0,
            runs: [],
            cost: { usd: null, actions: {} },
            verified: 0,
            unverified: [],
            refused: [],
            replay: null,
          };
        },
      },
    });
    const refused = [
      {},
      { filter: {} },
      { event: "evt_1", filter: { source: "x" } },
      { filter: { status: "queued", deadLetters: true } },
      { filter: { since: "soon" } },
      { event: "evt_1", dryrun: true },
      { event: "evt_1", rate: "fast" },
      { event: "evt_1", rate: "0/s" },
    ];
    for (const body of refused)
      expect([body, (await admin.post("/api/replays", body)).status]).toEqual([body, 400]);
    await admin.post("/api/replays", { filter: { deadLetters: true, since: "1h" }, dryRun: true });
    await admin.post("/api/replays", { event: "evt_1" });
    await admin.post("/api/replays", { filter: { cause: "503" }, rate: "2/s" });
    expect(asked).toEqual([
      [{ deadLetters: true, since: Date.UTC(2026, 10, 24, 11) }, true],
      [{ event: "evt_1" }, false],
      [{ cause: "503" }, false, 120],
    ]);
  });

  test("a body that is no JSON, not declared as JSON, or too large is refused", async () => {
    const admin = await start();
    const headers = { Authorization: `Bearer ${adminToken}` };
    const post = (body: string, type: string) =>
      fetch(`${admin.url}/api/replays`, {
        method: "POST",
        headers: { ...headers, "Content-Type": type },
        body,
      });
    expect((await post("{", "application/json")).status).toBe(400);
    expect((await post('{"event":"evt_1"}', "text/plain")).status).toBe(400);
    expect((await post(`"${"x".repeat(1024 * 1024)}"`, "application/json")).status).toBe(413);
  });
});

describe("personal data and secrets", () => {
  test("never leave in an event, a run, a step or a settled action", async () => {
    const admin = await start();
    for (const path of ["/api/events/evt_2", "/api/runs/run_1", "/api/runs/run_4", "/api/dead-letters"]) {
      const text = await (await admin.get(path)).text();
      expect(text).toContain(
        "j…@example.com".slice(0, path.includes("run_1") || path.includes("evt") ? 14 : 3),
      );
      expect(text).not.toContain("jane.doe");
      expect(text).not.toContain("seti_secret");
    }
  });

  test("the payload of a held action is shown exactly, for whoever approves it", async () => {
    const admin = await start();
    const { items } = (await bodyOf(await admin.get("/api/actions?status=awaiting_review"))) as {
      items: { input: unknown }[];
    };
    expect(items.map(({ input }) => input)).toEqual([
      { to: "jane.doe@example.com", subject: "Before you go", text: "Hello Jane,\n\nwe are sorry…" },
    ]);
  });

  test("encoded bytes, named secrets and card numbers are taken out of payloads", async () => {
    const admin = await start();
    admin.journal.putEvent(
      sampleEvent("evt_7", Date.now(), {
        payload: {
          raw: Buffer.from("From: jane.doe@example.com\n".repeat(20)).toString("base64url"),
          accessToken: "plain",
          card: 4242424242424242,
          at: 1764000000000,
          "jane.doe@example.com": true,
          total: 12,
        },
      }),
    );
    const { payload } = await bodyOf(await admin.get("/api/events/evt_7"));
    expect(payload).toEqual({
      raw: expect.stringContaining("not shown") as string,
      accessToken: "[redacted]",
      card: "[redacted card]",
      at: 1764000000000,
      "j…@example.com": true,
      total: 12,
    });
  });

  test("a body that is no JSON is shown as redacted text", async () => {
    const admin = await start();
    admin.journal.putEvent({ ...sampleEvent("evt_8", 0, {}), body: Buffer.from("to jane.doe@example.com") });
    const { payload, text } = await bodyOf(await admin.get("/api/events/evt_8"));
    expect([payload, text]).toEqual([null, "to j…@example.com"]);
  });
});

describe("the live feed", () => {
  /** Reads until `enough` of the text holds. */
  async function readUntil(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    enough: (text: string) => boolean,
  ) {
    const decoder = new TextDecoder();
    let text = "";
    while (!enough(text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the feed ended after: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
    return text;
  }
  async function open(admin: RunningAdmin) {
    const stop = new AbortController();
    const answer = await admin.get("/api/stream", { signal: stop.signal });
    if (!answer.body) throw new Error("the feed has no body");
    const reader = answer.body.getReader();
    await readUntil(reader, (text) => text.includes(": connected"));
    return { answer, reader, stop };
  }

  test("tells each change with the row as the lists show it", async () => {
    const admin = await start();
    const { answer, reader } = await open(admin);
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    admin.journal.putEvent(sampleEvent("evt_9", Date.now(), {}));
    admin.journal.putRun(sampleRun("run_9", "evt_9", Date.now(), { status: "running" }));
    admin.journal.tell({ kind: "breaker", id: "hubspot" });
    const text = await readUntil(reader, (seen) => seen.includes("event: breaker") && seen.endsWith("\n\n"));
    const rows = text
      .split("\n\n")
      .map((block) => /^event: (\w+)\ndata: (.*)$/.exec(block))
      .filter((match) => match !== null)
      .map(([, kind = "", data = ""]) => [kind, JSON.parse(data) as Body] as const);
    expect(rows.map(([kind, row]) => [kind, row["id"] ?? row["service"]])).toEqual([
      ["event", "evt_9"],
      ["run", "run_9"],
      ["breaker", "hubspot"],
    ]);
    const listed = (await bodyOf(await admin.get("/api/runs?limit=1")))["items"] as Body[];
    expect(rows[1]?.[1]).toEqual(listed[0]);
  });

  test("a change whose row is gone or can't be read does not end it", async () => {
    const admin = await start();
    const { reader } = await open(admin);
    admin.journal.tell({ kind: "run", id: "none" });
    admin.journal.putRun(sampleRun("run_9", "evt_1", Date.now()));
    expect(await readUntil(reader, (text) => text.includes("run_9"))).not.toContain("none");
  });

  test("a heartbeat keeps it open through quiet times", async () => {
    const clock = manualClock();
    const admin = await start({ clock });
    const { reader } = await open(admin);
    await clock.advance(15_000);
    expect(await readUntil(reader, (text) => text.includes("still here"))).toContain(": still here");
  });

  test("nothing is subscribed once the last reader has left", async () => {
    const admin = await start();
    const { stop } = await open(admin);
    expect(admin.journal.listeners()).toBe(1);
    stop.abort();
    await expect.poll(() => admin.journal.listeners()).toBe(0);
  });

  test("a reader that does not read is cut off, the others go on", async () => {
    let dropped = false;
    const log: Log = {
      ...silentLog,
      warn: () => undefined,
      info: (_fields: unknown, message?: string) => {
        dropped ||= message?.includes("too slow") ?? false;
      },
    };
    const admin = await start({ log });
    const headers = { authorization: `Bearer ${adminToken}` };
    const slow = request({ port: admin.port, host: "127.0.0.1", path: "/api/stream", headers });
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      slow.on("response", resolve).on("error", reject).end();
    });
    answer.pause();
    const { reader } = await open(admin);
    const long = "x".repeat(60_000);
    for (let n = 0; !dropped && n < 2_000; n += 1) {
      admin.journal.putRun(sampleRun(`run_${n}`, "evt_1", 0, { decidedWhy: long }));
      await readUntil(reader, (text) => text.includes(`"run_${n}"`) && text.endsWith("\n\n"));
    }
    expect(dropped).toBe(true);
    const cut = new Promise<unknown>((resolve) => answer.on("error", resolve).on("close", resolve));
    answer.resume();
    await cut;
    expect(answer.complete).toBe(false);
  });

  test("closing the admin port ends it", async () => {
    const admin = await startAdmin();
    const { reader } = await open(admin);
    await admin.close();
    expect((await reader.read()).done).toBe(true);
  });
});
