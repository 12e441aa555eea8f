/** The whole service on the shipped configuration: down while events are sent, and then up again. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startApp } from "../../src/app.ts";
import type { App } from "../../src/app.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { silentLog } from "../../src/observability/log.ts";
import { startGithub } from "../../src/sandbox/github.ts";
import type { GithubSandbox } from "../../src/sandbox/github.ts";
import { deliver, signStripe } from "../../src/sandbox/senders.ts";
import { startStripe } from "../../src/sandbox/stripe.ts";
import type { StripeSandbox } from "../../src/sandbox/stripe.ts";
import { systemClock } from "../../src/resilience/clock.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const secret = "whsec_story";
const now = () => systemClock.now();

let folder: string;
let github: GithubSandbox;
let stripe: StripeSandbox;
let privateKey: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-healing-story-"));
  github = await startGithub({ now, file: null });
  stripe = await startStripe({ now, file: null });
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  privateKey = pair.privateKey.export({ type: "pkcs1", format: "pem" }).toString();
});
afterEach(async () => {
  await Promise.all([github.close(), stripe.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const start = (): Promise<App> =>
  startApp({
    cwd: root,
    file: join(root, "signalbox.yaml"),
    log: silentLog,
    environment: readEnvironment({
      SIGNALBOX_DATA_DIR: folder,
      SIGNALBOX_HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_PORT: "0",
      STRIPE_WEBHOOK_SECRET: secret,
      GITHUB_WEBHOOK_SECRET: secret,
      GITHUB_APP_ID: "1",
      GITHUB_PRIVATE_KEY: privateKey,
      GITHUB_API_URL: github.url,
      STRIPE_API_KEY: "rk_test",
      STRIPE_API_URL: stripe.url,
    }),
  });

interface SourceRow {
  readonly name: string;
  readonly healedUntil: string | null;
}

const api = async (app: App, path: string, init: RequestInit = {}): Promise<unknown> => {
  const headers = { authorization: `Bearer ${app.adminToken}`, "content-type": "application/json" };
  const answer = await fetch(`http://127.0.0.1:${app.admin.port}/api${path}`, { ...init, headers });
  return answer.json();
};
const items = async <T>(app: App, path: string) => ((await api(app, path)) as { items: T[] }).items;
const stored = async (app: App) =>
  (await items<{ providerId: string }>(app, "/events?limit=200"))
    .map(({ providerId }) => providerId)
    .toSorted();
const healedOnce = (app: App) =>
  vi.waitFor(
    async () => {
      const rows = (await items<SourceRow>(app, "/sources")).filter(({ name }) => name !== "inbox");
      expect(rows.every(({ healedUntil }) => healedUntil !== null)).toBe(true);
    },
    { timeout: 60_000 },
  );

describe("a service that was down", () => {
  it("has after its start what was sent to it meanwhile, and takes nothing of it a second time", async () => {
    const before = await start();
    await healedOnce(before);
    await before.stop();

    const object = { id: "sub_1", customer: "cus_1", status: "canceled" };
    const event = stripe.addEvent({ id: "evt_down", type: "customer.subscription.deleted", object });
    stripe.addEvent({ id: "evt_not_ours", type: "invoice.paid", object: {} });
    const payload = { action: "opened", number: 1, pull_request: { draft: true } };
    github.addDelivery({
      guid: "guid-down",
      event: "pull_request",
      action: "opened",
      statusCode: 502,
      payload,
    });
    github.addDelivery({
      guid: "guid-fine",
      event: "pull_request",
      action: "opened",
      statusCode: 200,
      payload,
    });

    // As one leaves it that is killed in the middle of healing.
    const { journal, state } = openSqliteJournal({ folder, clock: systemClock });
    for (const name of ["github", "stripe"]) {
      const lease = await state.get("meta", `healing:${name}`);
      const until = now() + 86_400_000;
      await state.put("meta", `healing:${name}`, { owner: "killed", until }, lease?.version ?? 0);
    }
    await journal.close();

    const after = await start();
    await vi.waitFor(async () => expect(await stored(after)).toEqual(["evt_down", "guid-down"]), {
      timeout: 60_000,
    });
    const signed = signStripe({ secret, payload: event, timestamp: Math.floor(now() / 1_000) });
    const late = await deliver(`http://127.0.0.1:${after.ingest?.port}/webhooks/stripe`, signed);
    expect(late).toMatchObject({ status: 200, json: { status: "duplicate" } });
    const again = await vi.waitFor(async () => {
      const body = JSON.stringify({ since: "1h" });
      const answer = await api(after, "/sources/github/heal", { method: "POST", body });
      expect(answer).not.toHaveProperty("error");
      return answer;
    });
    expect(again).toEqual({ read: 1, healed: 0, known: 1, restarted: 0, more: false });
    expect(await stored(after)).toEqual(["evt_down", "guid-down"]);
    await after.stop();
  });
});
