import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  adminToken,
  refusingControl,
  sampleAction,
  sampleEvent,
  sampleRun,
  startAdmin,
} from "../support/admin.ts";
import type { RunningAdmin } from "../support/admin.ts";

const chromiumPath = "/usr/bin/chromium";
const assets = fileURLToPath(new URL("../../dist/dashboard", import.meta.url));
const lacking = [
  ...(existsSync(chromiumPath) ? [] : [`no browser at ${chromiumPath} (apt-get install chromium)`]),
  ...(existsSync(`${assets}/index.html`) ? [] : ["the dashboard is not built (npm run build)"]),
];
const title = `the dashboard in a browser${lacking.length > 0 ? `, SKIPPED: ${lacking.join("; ")}` : ""}`;

describe.skipIf(lacking.length > 0)(title, () => {
  let browser: Browser;
  let admin: RunningAdmin;
  const decided: object[] = [];
  beforeAll(async () => {
    const { chromium } = await import("playwright-core");
    browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
    admin = await startAdmin({
      assets,
      control: {
        ...refusingControl,
        approve: async (action, word) => void decided.push({ action, ...word }),
        reject: async (action, word) => void decided.push({ action, ...word }),
      },
    });
  });
  afterAll(async () => {
    await browser?.close();
    await admin?.close();
  });

  const appears = (page: Page, text: string) => page.getByText(text).first().waitFor();
  const overflow = (page: Page) =>
    page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");

  test("a person logs in, watches an event come in live, and follows it to what was done", async () => {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) faults.push(message.text());
    });

    await page.goto(`${admin.url}/#/runs/run_1`);
    await page.getByLabel("Admin token").fill("guess");
    await page.keyboard.press("Enter");
    await appears(page, "That is not the admin token.");
    await page.getByLabel("Admin token").fill(adminToken);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "pr-review" }).waitFor();
    expect(page.url()).toContain("#/runs/run_1");

    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByRole("status").getByText("● live").waitFor();
    await appears(page, "hubspot does not answer");
    await appears(page, "out of order");

    const now = Date.now();
    admin.journal.putEvent(sampleEvent("evt_9", now, { source: "shop", type: "orders.cancelled" }));
    admin.journal.putRun(sampleRun("run_9", "evt_9", now, { agent: "win-back", status: "running" }));
    const line = page.getByRole("listitem").filter({ hasText: "orders.cancelled" });
    await line.getByText("running").waitFor();
    admin.journal.putAction(sampleAction("act_9", "run_9", now, { kind: "hubspot.note" }));
    admin.journal.putRun(sampleRun("run_9", "evt_9", now, { agent: "win-back" }));
    await line.getByText("succeeded").waitFor();
    await line.getByText("hubspot.note").waitFor();

    await line.getByRole("link", { name: "win-back" }).click();
    await page.getByRole("heading", { name: "win-back" }).waitFor();
    await appears(page, "by a model");
    expect(await page.getByRole("link", { name: "Open in hubspot" }).getAttribute("href")).toContain(
      "https://",
    );

    // A person approves exactly what is shown, edits it, or rejects it with a reason.
    await page.goto(`${admin.url}/#/runs/run_2`);
    const held = page.getByRole("listitem").filter({ hasText: "Exactly this will be sent" }).first();
    await held.getByRole("button", { name: "Approve" }).click();
    await held.getByRole("button", { name: "Edit" }).click();
    await held.getByLabel("Payload").fill('{"text":"Softer"}');
    await held.getByRole("button", { name: "Approve as edited" }).click();
    await held.getByLabel("Why not").fill("too soon");
    await held.getByRole("button", { name: "Reject" }).click();
    const action = admin.journal.rows.actions.find(({ id }) => id === "act_2");
    const approved = { action: "act_2", hash: action?.hash, by: "dashboard" };
    await expect
      .poll(() => decided, { timeout: 60_000 })
      .toEqual([
        approved,
        { ...approved, edited: { text: "Softer" } },
        { action: "act_2", reason: "too soon", by: "dashboard" },
      ]);

    await page.goto(`${admin.url}/#/runs/run_4`);
    await appears(page, "1–3 · failed at ticket");
    await appears(page, "signalbox dead-letters discard run_4");
    const dead = admin.journal.rows.runs.find(({ id }) => id === "run_4");
    if (!dead) throw new Error("the sample has no dead run");
    admin.journal.putRun({ ...dead, cleared: { at: now, by: "cli", reason: "a test" } });
    await appears(page, "Discarded by cli");
    await page.getByRole("link", { name: "Audit" }).click();
    await appears(page, "dashboard from 127.0.0.1");
    await page.getByRole("link", { name: "Processes" }).click();
    const worker = page.getByRole("listitem").filter({ hasText: "works, leads" });
    await worker.getByText("its configuration is not the newest").waitFor();
    await worker.getByText("one.example · 101").waitFor();

    // A restart of the service: the sign says so, and the page catches up by itself.
    await page.getByRole("link", { name: "Overview" }).click();
    const { port } = admin;
    await admin.close();
    await page.getByRole("status").getByText("reconnecting…").waitFor();
    admin = await startAdmin({ assets, port });
    admin.journal.putEvent(sampleEvent("evt_8", now, { source: "shop", type: "orders.paid" }));
    await appears(page, "orders.paid");
    await page.getByRole("status").getByText("● live").waitFor();

    await page.setViewportSize({ width: 320, height: 640 });
    for (const path of [
      "",
      "runs/run_1",
      "runs/run_2",
      "events/evt_2",
      "breakers",
      "sources",
      "processes",
      "audit",
    ]) {
      await page.goto(`${admin.url}/#/${path}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      expect([path, await overflow(page)]).toEqual([path, 0]);
    }
    expect(faults).toEqual([]);
  });
});
