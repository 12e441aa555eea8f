/** Mail triggered by hand, over real sockets: the program, the service, and the stand-ins that hold the mailboxes. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/resilience/clock.ts";
import { startGoogle } from "../../src/sandbox/google.ts";
import type { GoogleSandbox } from "../../src/sandbox/google.ts";
import { startGraph } from "../../src/sandbox/graph.ts";
import type { GraphSandbox } from "../../src/sandbox/graph.ts";
import { runProgram, startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";
import { startRelay } from "../support/relay.ts";
import type { Relay } from "../support/relay.ts";

interface Answer {
  readonly status: string;
  readonly event: string;
  readonly runs: number;
}
interface Rows {
  readonly items: readonly { readonly source: string; readonly type: string; readonly id: string }[];
}

const plain = (text: string) => text.replaceAll(/\s+/g, " ");
const config = (publicUrl: string, google: GoogleSandbox, graph: GraphSandbox) => `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0, publicUrl: "${publicUrl}" }
sources:
  inbox: { type: gmail, account: support@example.com, audience: "${publicUrl}/webhooks/inbox",
           pushServiceAccount: push@p.iam.gserviceaccount.com, credentials: "\${GMAIL}", baseUrl: "${google.url}" }
  mail: { type: outlook, account: support@example.com, secrets: ["\${STATE}"], credentials: "\${GRAPH}",
          baseUrl: "${graph.baseUrl}", tokenUrl: "${graph.tokenUrl}" }
routes: []
`;

let google: GoogleSandbox;
let graph: GraphSandbox;
let relay: Relay;
let program: RunningProgram;

beforeAll(async () => {
  google = await startGoogle({ now: systemClock.now });
  graph = await startGraph({ now: systemClock.now });
  // Graph calls the service back before a subscription is made: its address is known before its port is.
  let folder = "";
  relay = await startRelay(async () => {
    const file = join(folder, ".signalbox", "server.json");
    // The subscription may be asked for before the service has written down where it listens.
    while (!existsSync(file)) await pause(10);
    const { port } = JSON.parse(readFileSync(file, "utf8")) as { port: number };
    return `http://127.0.0.1:${port}`;
  });
  const own = temporaryFolder();
  folder = own.folder;
  program = await startProgram({
    folder,
    config: config(relay.url, google, graph),
    env: { GMAIL: google.credentials(), GRAPH: graph.credentials(), STATE: "a-client-state" },
  });
});
afterAll(async () => {
  await program.stop();
  program.remove();
  await Promise.all([relay.close(), google.close(), graph.close()]);
});

const json = async <T>(...args: string[]): Promise<T> => {
  const { code, stdout, stderr } = await program.cli(...args, "--json");
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
};
const mails = async (source: string) =>
  (await json<Rows>("events", "list", "--source", source, "--type", "message.received")).items;

describe("trigger SOURCE.message.received", () => {
  test("puts a mail into Gmail's stand-in and announces it, so that the mail comes in, each time another", async () => {
    expect(await json<Answer>("trigger", "inbox.message.received")).toMatchObject({
      status: "accepted",
      runs: 1,
    });
    await expect.poll(() => mails("inbox"), { timeout: 60_000 }).toHaveLength(1);
    await json<Answer>("trigger", "inbox.message.received");
    await expect.poll(() => mails("inbox"), { timeout: 60_000 }).toHaveLength(2);
  });

  test("does so for Outlook, under the subscription that the service holds", async () => {
    await expect.poll(() => graph.state.subscriptions.length, { timeout: 60_000 }).toBe(1);
    const first = await json<Answer>("trigger", "mail.message.received");
    expect(first).toMatchObject({ status: "accepted", runs: 1 });
    await expect.poll(() => mails("mail"), { timeout: 60_000 }).toHaveLength(1);
    const { payload } = await json<{ payload: { subscriptionId: string } }>("events", "show", first.event);
    expect(payload.subscriptionId).toBe(graph.state.subscriptions[0]?.id);
  });

  test("of Outlook has a lighter form that only has the mailbox read", async () => {
    expect(await json<Answer>("trigger", "mail.created")).toMatchObject({ status: "accepted", runs: 1 });
  });

  test("has no other example, and takes no id", async () => {
    const other = await program.cli("trigger", "inbox.notification");
    expect(other.code).toBe(2);
    expect(other.stderr).toContain("inbox.message.received");
    const given = await program.cli("trigger", "inbox.message.received", "--id", "7");
    expect(given.code).toBe(2);
  });
});

describe("send to a mailbox", () => {
  const write = (name: string, body: object) => {
    writeFileSync(join(program.folder, name), JSON.stringify(body));
    return name;
  };

  test("signs a push as the stand-in for Google does", async () => {
    const data = Buffer.from('{"emailAddress":"support@example.com","historyId":77}').toString("base64");
    const file = write("push.json", { message: { data, messageId: "1" }, subscription: "projects/p/s" });
    expect(await json<Answer>("send", file, "--source", "inbox")).toMatchObject({ status: "accepted" });
    expect(await json<Answer>("send", file, "--source", "inbox")).toMatchObject({ status: "duplicate" });
  });

  test("gives Graph's items the secret and the subscription of the source", async () => {
    await expect.poll(() => graph.state.subscriptions.length, { timeout: 60_000 }).toBe(1);
    const item = { changeType: "created", resource: "Users/u/Messages/m", subscriptionId: "another" };
    const file = write("items.json", { value: [item] });
    expect(await json<Answer>("send", file, "--source", "mail")).toMatchObject({ status: "accepted" });
    const odd = await program.cli("send", write("odd.json", { items: [] }), "--source", "mail");
    expect(odd.code).toBe(2);
    expect(odd.stderr).toContain("the body lists no notifications");
  });
});

describe("where the mailbox is real", () => {
  const real = `version: 1
sources:
  inbox: { type: gmail, account: a@example.com, audience: x, pushServiceAccount: p@example.com, credentials: "\${C}" }
  box: { type: gmail, account: a@example.com, audience: x, pushServiceAccount: p@example.com, credentials: "\${C}",
         keySetUrl: "http://127.0.0.1:1/keys" }
  mail: { type: outlook, account: a@example.com, secrets: ["\${S}"], credentials: "\${C}" }
  off: { type: outlook, account: a@example.com, secrets: ["\${S}"], credentials: "\${C}", baseUrl: "http://127.0.0.1:1/v1.0" }
`;

  test.each([
    ["inbox.message.received", "only Google can sign one", "Mail a@example.com"],
    ["inbox.message.received", "a push for inbox can't be made here", "signalbox demo"],
    [
      "box.message.received",
      "no example mail can be put into box",
      "the real mailbox, at gmail.googleapis.com",
    ],
    ["mail.message.received", "no example mail can be put into mail", "signalbox trigger mail.created"],
    ["off.message.received", "at http://127.0.0.1:1, does not answer", "Signalbox's own"],
  ])("%s says: %s, and what does work", async (name, why, instead) => {
    const { folder, remove } = temporaryFolder();
    writeFileSync(join(folder, "signalbox.yaml"), real);
    const env = { C: "{}", S: "a-client-state" };
    const { code, stdout, stderr } = await runProgram(["trigger", name], { cwd: folder, env });
    remove();
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(plain(stderr)).toContain(why);
    expect(plain(stderr)).toContain(instead);
  });
});
