/** The whole service: dated secrets, an allow-list that is refreshed, and content that is sealed on disk. */
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startApp } from "../../src/app.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { createLog, silentLog } from "../../src/observability/log.ts";
import type { Log } from "../../src/observability/log.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import type { Clock } from "../../src/resilience/clock.ts";
import { manualClock } from "../support/clock.ts";

const day = 86_400_000;
const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
const now = systemClock.now();
const marked = "Marked-Secret-Text-0815";

async function start(
  sourceKeys: string,
  server = "",
  variables: Record<string, string> = {},
  options: { clock?: Clock; log?: Log } = {},
) {
  const cwd = mkdtempSync(join(tmpdir(), "signalbox-secrets-"));
  writeFileSync(
    join(cwd, "signalbox.yaml"),
    `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0${server} }
sources:
  github:
    type: github
${sourceKeys}
routes: []
`,
  );
  const environment = readEnvironment({ NEW: "secret-new", OLD: "secret-old", ...variables });
  const app = await startApp({ cwd, environment, log: silentLog, ...options });
  let stopped = false;
  const stop = async () => {
    if (!stopped) await app.stop();
    stopped = true;
  };
  onTestFinished(async () => {
    await stop();
    rmSync(cwd, { recursive: true, force: true });
  });
  let count = 0;
  return {
    cwd,
    stop,
    restart: () => startApp({ cwd, environment: readEnvironment({ NEW: "secret-new" }), log: silentLog }),
    async send(secret: string) {
      const body = JSON.stringify({ text: marked, n: (count += 1) });
      const answer = await fetch(`http://127.0.0.1:${app.ingest?.port}/webhooks/github`, {
        method: "POST",
        headers: {
          "X-GitHub-Event": "ping",
          "X-GitHub-Delivery": `d-${count}`,
          "X-Hub-Signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
        },
        body,
      });
      const json = (await answer.json()) as { event?: string; error?: { code: string } };
      return { status: answer.status, event: json.event ?? "", code: json.error?.code };
    },
    async api(path: string): Promise<string> {
      const url = `http://127.0.0.1:${app.admin.port}${path}`;
      return (await fetch(url, { headers: { Authorization: `Bearer ${app.adminToken}` } })).text();
    },
  };
}

describe("secrets with dates", () => {
  it("are used until they expire; the one that matched is shown with the delivery and the source", async () => {
    const { send, api } = await start(
      `    secrets:
      - { value: "\${NEW}", added: ${dateOf(now - 200 * day)}, expires: ${dateOf(now + 2 * day)} }
      - "\${UNSET:-}"
      - "\${OLD}"
      - { value: "\${GONE:-}", added: 2020-01-01 }
      - { value: "\${LAPSED}", expires: ${dateOf(now)} }`,
      "",
      { LAPSED: "secret-lapsed" },
    );
    expect(await send("secret-lapsed")).toMatchObject({ status: 401, code: "signature_mismatch" });
    expect((await send("secret-new")).status).toBe(200);
    const { event } = await send("secret-old");
    const shown = JSON.parse(await api(`/api/events/${event}`)) as { deliveries: { secretIndex: number }[] };
    expect(shown.deliveries.map(({ secretIndex }) => secretIndex)).toEqual([2]);
    const { items } = JSON.parse(await api("/api/sources")) as { items: { lastSecret: { at: string } }[] };
    expect(items).toMatchObject([{ name: "github", lastSecret: { index: 2 } }]);
    expect(Math.abs(Date.parse(items[0]?.lastSecret.at ?? "") - now)).toBeLessThan(600_000);
    await expect
      .poll(() => api("/metrics"))
      .toMatch(/signalbox_source_secret_age_days\{source="github",secret="0"\} (199|200)/);
    expect(await api("/metrics")).not.toMatch(/secret_age_days\{[^}]*secret="[1-9]"/);
  });
});

describe("a source whose secrets have all expired", () => {
  const secrets = (expires: string) => `    secrets: [{ value: "\${OLD}", expires: ${expires} }]`;
  const row = async (api: (path: string) => Promise<string>) =>
    (JSON.parse(await api("/api/sources")) as { items: object[] }).items[0];

  it("is inactive: it says so where sources are listed, and its sender is asked to come back", async () => {
    const { send, api } = await start(secrets(dateOf(now)));
    expect(await send("secret-old")).toMatchObject({ status: 503, code: "source_inactive" });
    expect(await row(api)).toMatchObject({ active: false, inactiveReason: "expired" });
  });

  it("becomes so at the moment when the last one expires, and people are told within the hour", async () => {
    const clock = manualClock(Date.parse("2026-05-01T23:30:00Z"));
    const lines: string[] = [];
    const log = createLog("info", { write: (line) => void lines.push(line) });
    const { send, api } = await start(secrets("2026-05-02"), "", {}, { clock, log });
    expect((await send("secret-old")).status).toBe(200);
    expect(await row(api)).toMatchObject({ active: true, inactiveReason: null });
    await clock.advance(30 * 60_000);
    expect(await send("secret-old")).toMatchObject({ status: 503, code: "source_inactive" });
    expect(await row(api)).toMatchObject({ active: false, inactiveReason: "expired" });
    await clock.advance(30 * 60_000);
    await expect.poll(() => lines.join("")).toContain("its last secret has expired");
  });
});

describe("an allow-list that names GitHub", () => {
  it("follows GitHub's own list", async () => {
    const meta = createServer((_, response) => response.end('{"hooks":["127.0.0.0/8"]}')).listen(
      0,
      "127.0.0.1",
    );
    await once(meta, "listening");
    onTestFinished(() => {
      meta.closeAllConnections();
      meta.close();
    });
    const url = `http://127.0.0.1:${(meta.address() as AddressInfo).port}/meta`;
    const allowing = '    secrets: ["${NEW}"]\n    allowFrom: [github]';
    const { send } = await start(allowing, `, githubMetaUrl: "${url}"`);
    await expect.poll(async () => (await send("secret-new")).status).toBe(200);
    const listed = await start(allowing, ", addressLists: { github: [192.0.2.1] }");
    expect(await listed.send("secret-new")).toMatchObject({ status: 403, code: "address_not_allowed" });
  });
});

describe("SIGNALBOX_ENCRYPTION_KEY", () => {
  it("seals what senders write, and is asked for at the next start", async () => {
    const key = Buffer.alloc(32, 7).toString("base64");
    const { cwd, send, stop, api, restart } = await start('    secrets: ["${NEW}"]', "", {
      SIGNALBOX_ENCRYPTION_KEY: key,
    });
    const { event } = await send("secret-new");
    expect(await api(`/api/events/${event}`)).toContain(marked);
    const folder = join(cwd, ".signalbox");
    const bytes = () =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), "latin1"))
        .join("");
    expect(bytes()).toContain(event);
    expect(bytes()).not.toContain(marked);
    await stop();
    expect(bytes()).not.toContain(marked);
    await expect(restart()).rejects.toThrow(/holds encrypted content .* set SIGNALBOX_ENCRYPTION_KEY/);
  });
});
