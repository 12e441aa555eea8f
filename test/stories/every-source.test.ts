/** The real program with every type of source at once; each gets what its vendor's own documentation says it sends. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sourceCredentials } from "../../src/config/schema.ts";
import { startGoogle } from "../support/google-stand-in.ts";
import type { GoogleStandIn } from "../support/google-stand-in.ts";
import { startProgram } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";
import { gmail, publicUrl, vendors } from "../support/vendors.ts";
import type { Vendor } from "../support/vendors.ts";

const now = (): number => Date.now();
const pushClaims = (ageSeconds: number) => ({
  iss: "https://accounts.google.com",
  aud: `${publicUrl}/webhooks/inbox`,
  email: "push@acme.iam.gserviceaccount.com",
  email_verified: true,
  iat: Math.floor(now() / 1000) - ageSeconds,
  exp: Math.floor(now() / 1000) - ageSeconds + 3_600,
  sub: "113774264463038321964",
});

let google: GoogleStandIn;
let graph: Server;
let program: RunningProgram;
let pushes: Vendor;
const gmailPlaceholder = gmail("");
const all: readonly Vendor[] = [...vendors, gmailPlaceholder];
const vendorOf = (name: string): Vendor =>
  name === gmailPlaceholder.name ? pushes : (vendors.find((one) => one.name === name) ?? pushes);

beforeAll(async () => {
  google = await startGoogle();
  pushes = gmail(await google.pushToken(pushClaims(5)));
  // Microsoft is away, which keeps no notification out.
  graph = createServer((request, response) => {
    request.resume();
    response.writeHead(503).end();
  });
  await new Promise<void>((resolve) => graph.listen(0, "127.0.0.1", resolve));
  const graphUrl = `http://127.0.0.1:${(graph.address() as AddressInfo).port}`;
  program = await startProgram({
    config: `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0, publicUrl: "${publicUrl}" }
sources:
${all.map(({ name, source }) => `  ${name}: ${source}`).join("\n")}
`,
    env: Object.assign(
      { GOOGLE_URL: google.url, GRAPH_URL: graphUrl },
      ...all.map(({ env }) => env),
    ) as Record<string, string>,
  });
});
afterAll(async () => {
  await program.stop();
  program.remove();
  await google.close();
  graph.closeAllConnections();
  await new Promise((resolve) => graph.close(resolve));
});

interface Answered {
  readonly status: number;
  readonly text: string;
  readonly json: { status?: string; events?: string[]; error?: { code: string; message: string } };
}
async function post(path: string, body: Buffer, headers: Record<string, string>): Promise<Answered> {
  const answer = await fetch(`${program.ingestUrl}/webhooks/${path}`, {
    method: "POST",
    headers,
    body: new Uint8Array(body),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    text,
    json: text.startsWith("{") ? (JSON.parse(text) as Answered["json"]) : {},
  };
}
const sent = (vendor: Vendor, n: number, at = now()): Promise<Answered> => {
  const body = Buffer.from(vendor.body(n, at));
  return post(vendor.name, body, vendor.headers(body, n, at));
};
const shown = async (event: string): Promise<unknown> => {
  const headers = { authorization: `Bearer ${program.token}` };
  return (await fetch(`${program.adminUrl}/api/events/${event}`, { headers })).json();
};
const outcome = ({ status, json }: Answered): unknown[] => [status, json.error?.code];

describe("the sources of the story", () => {
  it("are of every type that there is", () => {
    const types = new Set(all.map(({ source }) => /type: ([a-z-]+)/.exec(source)?.[1] ?? ""));
    expect([...types].toSorted()).toEqual(Object.keys(sourceCredentials).toSorted());
  });

  it("are all in force", async () => {
    const { stdout } = await program.cli("check");
    expect(stdout).toContain(`ok: ${all.length} sources`);
  });
});

describe.each(all.map(({ name }) => name))("%s, as its vendor describes it,", (name) => {
  it("is accepted, stored under its own type, and known again", async () => {
    const vendor = vendorOf(name);
    const at = now();
    const first = await sent(vendor, 1, at);
    expect([first.status, first.json.status]).toEqual([vendor.accepted, "accepted"]);
    expect(first.json.events).toHaveLength(vendor.events);
    // Whoever signs a time signs each attempt anew.
    const body = Buffer.from(vendor.body(1, at));
    const again = await post(vendor.name, body, vendor.headers(body, 1, vendor.signsTime ? now() : at));
    expect([again.status, again.json.status]).toEqual([vendor.accepted, "duplicate"]);
    expect(again.json.events).toEqual(first.json.events);
    for (const id of first.json.events ?? []) {
      expect(await shown(id)).toMatchObject({ source: name, type: vendor.type });
    }
  });

  it("is refused when it was tampered with", async () => {
    const vendor = vendorOf(name);
    const at = now();
    const body = Buffer.from(vendor.body(2, at));
    const headers = vendor.headers(body, 2, at);
    const changed = Buffer.from(body);
    changed[changed.length - 4] = (changed[changed.length - 4] ?? 0) ^ 1;
    if (vendor.signsBody) {
      expect(outcome(await post(name, changed, headers))).toEqual([401, "signature_mismatch"]);
      return;
    }
    // These prove who sends, not what: another sender is what is refused.
    if (name === "outlook") {
      const stranger = Buffer.from(body.toString().replaceAll("SecretClientState", "AnotherClientState"));
      expect(outcome(await post(name, stranger, headers))).toEqual([401, "client_state_mismatch"]);
      return;
    }
    const stranger = { ...headers, Authorization: `Bearer ${await google.strangerToken(pushClaims(5))}` };
    expect(outcome(await post(name, body, stranger))).toEqual([401, "token_invalid"]);
  });

  it("is refused when it is old, where its age is signed", async () => {
    const vendor = vendorOf(name);
    if (vendor.signsTime) {
      expect(outcome(await sent(vendor, 3, now() - 400_000))).toEqual([401, "timestamp_out_of_tolerance"]);
    } else if (name === "inbox") {
      const old = gmail(await google.pushToken(pushClaims(4_000)));
      expect(outcome(await sent(old, 3))).toEqual([401, "token_expired"]);
    } else {
      // Nothing signed tells its age: what is known already is what protects.
      expect((await sent(vendor, 1, now() - 400_000)).json.status).toBe("duplicate");
    }
  });

  it("is refused by rule when it is too large, compressed, or not readable", async () => {
    const vendor = vendorOf(name);
    const at = now();
    const sentAs = (body: Buffer, n: number, more: Record<string, string> = {}) =>
      post(name, body, { ...vendor.headers(body, n, at), ...more });
    const most = name === "github" ? 25_000_000 : 1_000_000;
    expect(outcome(await sentAs(Buffer.alloc(most + 1, " "), 4))).toEqual([413, "too_large"]);
    const packed = gzipSync(vendor.body(4, at));
    expect(outcome(await sentAs(packed, 4, { "content-encoding": "gzip" }))).toEqual([
      415,
      "content_encoding",
    ]);
    // Graph's credential is in the body: without one there is nobody to believe.
    const unreadable =
      name === "outlook" ? [401, "client_state_missing"] : [400, expect.stringMatching(/^malformed_/)];
    expect(outcome(await sentAs(Buffer.from("hello {"), 5))).toEqual(unreadable);
    const noUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    expect(outcome(await sentAs(noUtf8, 6))).toEqual(unreadable);
  });
});

describe("what else providers ask", () => {
  it("Slack, when the address is entered: the challenge", async () => {
    const chat = vendorOf("chat");
    const challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    const body = Buffer.from(
      JSON.stringify({ token: "Jhj5dZrVaK7ZwHHjRyZWjbDl", challenge, type: "url_verification" }),
    );
    expect(await post("chat", body, chat.headers(body, 7, now()))).toMatchObject({
      status: 200,
      text: challenge,
    });
    const unsigned = await post("chat", body, { "content-type": "application/json" });
    expect(outcome(unsigned)).toEqual([401, "signature_missing"]);
  });

  it("Microsoft, when the subscription is made: the token", async () => {
    const path = "outlook?validationToken=Validation%3A%20Testing%20client%20application%20reachability";
    expect(await post(path, Buffer.alloc(0), { "content-type": "text/plain" })).toMatchObject({
      status: 200,
      text: "Validation: Testing client application reachability",
    });
  });

  it("somebody, at an address that is none: nothing is here", async () => {
    expect(outcome(await post("nowhere", Buffer.from("{}"), {}))).toEqual([404, "unknown_source"]);
  });
});

describe("afterwards", () => {
  it("doctor says of each source what it signed and could not be read", async () => {
    const { findings } = JSON.parse((await program.cli("doctor", "--json")).stdout) as {
      findings: { check: string; status: string; message: string }[];
    };
    const told = findings.filter(({ check }) => check === "unreadable");
    expect(told.map(({ status, message }) => [status, message.split(" could not")[0]])).toEqual(
      all
        .filter(({ name }) => name !== "outlook")
        .map(({ name }) => ["warn", `2 signed requests of ${name}`]),
    );
    expect(told[0]?.message).toMatch(/the latest at .+: the body is not valid JSON in UTF-8/);
  });

  it("explain says of each part of a batch what became of it", async () => {
    const vendor = vendorOf("outlook");
    const { json } = await sent(vendor, 8);
    const [first = "", second = ""] = json.events ?? [];
    const explained = async (id: string) => (await program.cli("explain", id)).stdout.replace(/\s+/g, " ");
    expect(await explained(first)).toContain("expansion (run_");
    expect(await explained(second)).toContain("the run of the first of them reads what they all announce");
  });

  it("the metric has counted each request of each source by its outcome", async () => {
    const headers = { authorization: `Bearer ${program.token}` };
    const text = await (await fetch(`${program.adminUrl}/metrics`, { headers })).text();
    const counted = (source: string, result: string): number =>
      Number(
        new RegExp(
          `^signalbox_events_received_total\\{source="${source}",result="${result}"\\} (\\d+)$`,
          "m",
        ).exec(text)?.[1] ?? 0,
      );
    for (const { name, signsTime } of all) {
      const aged = signsTime || name === "inbox";
      const unreadable = name === "outlook" ? [0, 2] : [2, 0];
      expect([
        name,
        counted(name, "accepted"),
        counted(name, "duplicate"),
        counted(name, "malformed"),
        counted(name, "unauthorized"),
        counted(name, "too_large"),
        counted(name, "refused"),
      ]).toEqual([
        name,
        name === "outlook" ? 2 : 1,
        aged ? 1 : 2,
        unreadable[0],
        1 + (aged ? 1 : 0) + (unreadable[1] ?? 0) + (name === "chat" ? 1 : 0),
        1,
        1,
      ]);
    }
    expect(counted("unknown", "unknown")).toBe(1);
  });
});
