/**
 * The stage of the demo: stand-ins for every vendor and model, and the real service, set up with the shipped
 * signalbox.yaml to speak to nothing else. All of it lives in a folder of its own below the data folder.
 *
 * fresh      no demo was under way: the folder is emptied.
 * resumed    an earlier demo ended without finishing (kill -9): its journal and its vendors' state are taken up.
 * finished   its summary was shown; the next demo starts fresh.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startApp } from "../app.ts";
import type { App } from "../app.ts";
import { readEnvironment } from "../config/environment.ts";
import type { Environment } from "../config/environment.ts";
import { createFileLog } from "../observability/log.ts";
import { packageRoot } from "../package.ts";
import { startSandbox } from "../sandbox/index.ts";
import type { Sandbox } from "../sandbox/index.ts";
import type { Context } from "./context.ts";
import { demoConfig, demoFolder, openDoor } from "./demo-door.ts";
import { connect, urlOf } from "./service.ts";
import type { Service } from "./service.ts";

/** What a demo has to know again after a kill: nothing that could not be lost is kept in memory only. */
export interface DemoRecord {
  readonly stripeSecret: string;
  readonly githubSecret: string;
  readonly appKey: string;
  /** Rounds of the scenario that were begun: what they send follows from their numbers. */
  rounds: number;
  finished: boolean;
}

export interface Stage {
  readonly folder: string;
  readonly resumed: boolean;
  readonly record: DemoRecord;
  readonly sandbox: Sandbox;
  readonly app: App;
  readonly service: Service;
  readonly ingestUrl: () => string;
  save(): void;
  close(): Promise<void>;
}

export const pushAccount = "push@demo-project.iam.gserviceaccount.com";
const mailbox = "support@example.com";
export const publicUrl = "http://localhost:8080";

export async function openStage(context: Context): Promise<Stage> {
  const folder = demoFolder(context);
  const file = join(folder, "demo.json");
  const earlier = readRecord(file);
  const resumed = earlier !== null && !earlier.finished;
  if (!resumed) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const record = resumed ? earlier : newRecord();
  const save = () => {
    writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  save();
  const sandbox = await startSandbox({ persistTo: join(folder, "vendors") });
  try {
    const environment = demoEnvironment(folder, record, sandbox);
    const app = await startApp({
      cwd: packageRoot,
      file: demoConfig,
      environment,
      log: createFileLog("info", join(folder, "service.log")),
    });
    const door = openDoor(folder, environment);
    return {
      folder,
      resumed,
      record,
      sandbox,
      app,
      service: connect({ ...context, environment }),
      ingestUrl: () => urlOf(app.ingest?.host ?? "", app.ingest?.port ?? 0),
      save,
      close: async () => {
        door.close();
        await app.stop();
        await sandbox.close();
      },
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
}

function readRecord(file: string): DemoRecord | null {
  if (!existsSync(file)) return null;
  return JSON.parse(readFileSync(file, "utf8")) as DemoRecord;
}

function newRecord(): DemoRecord {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    stripeSecret: `whsec_${randomBytes(24).toString("hex")}`,
    githubSecret: randomBytes(24).toString("hex"),
    appKey: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    rounds: 0,
    finished: false,
  };
}

/** Made from nothing: whatever credentials the real environment holds, the demo never sees them. */
function demoEnvironment(folder: string, record: DemoRecord, sandbox: Sandbox): Environment {
  const addresses = {
    GMAIL_API_URL: sandbox.google.url,
    GOOGLE_KEY_SET_URL: sandbox.google.jwksUrl,
    HUBSPOT_API_URL: sandbox.hubspot.url,
    ZENDESK_API_URL: sandbox.zendesk.url,
    LINEAR_API_URL: sandbox.linear.url,
    GITHUB_API_URL: sandbox.github.url,
    STRIPE_API_URL: sandbox.stripe.url,
    SLACK_API_URL: sandbox.slack.url,
    ANTHROPIC_BASE_URL: sandbox.anthropic.baseUrl,
    OPENAI_BASE_URL: sandbox.openai.baseUrl,
    SMTP_URL: sandbox.smtp.url,
  };
  for (const [name, url] of Object.entries(addresses)) assertLoopback(name, url);
  return readEnvironment({
    ...addresses,
    SIGNALBOX_DATA_DIR: folder,
    SIGNALBOX_HOST: "127.0.0.1",
    PORT: "0",
    ADMIN_PORT: "0",
    PUBLIC_URL: publicUrl,
    BREAKER_OPEN_FOR: "2s",
    STRIPE_WEBHOOK_SECRET: record.stripeSecret,
    GITHUB_WEBHOOK_SECRET: record.githubSecret,
    GMAIL_ACCOUNT: mailbox,
    PUBSUB_SERVICE_ACCOUNT: pushAccount,
    GMAIL_CREDENTIALS: sandbox.google.credentials(),
    ANTHROPIC_API_KEY: "demo-anthropic",
    OPENAI_API_KEY: "demo-openai",
    HUBSPOT_TOKEN: "demo-hubspot",
    ZENDESK_EMAIL: "agent@example.com",
    ZENDESK_TOKEN: "demo-zendesk",
    LINEAR_API_KEY: "demo-linear",
    GITHUB_APP_ID: "1",
    GITHUB_PRIVATE_KEY: record.appKey,
    STRIPE_API_KEY: "rk_test_demo",
    SLACK_BOT_TOKEN: "xoxb-demo",
  });
}

function assertLoopback(name: string, url: string): void {
  const { hostname } = new URL(url);
  if (hostname === "127.0.0.1" || hostname === "localhost" || hostname === "[::1]") return;
  throw new Error(`the demo speaks to this computer only, and ${name} is at ${hostname}`);
}
