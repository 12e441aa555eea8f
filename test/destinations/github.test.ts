import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ActionKind } from "../../src/domain/action-kinds.ts";
import { json, startScript } from "../support/http-script.ts";
import { freeTurns } from "../support/turns.ts";
import { startGithub } from "../../src/sandbox/github.ts";
import { github } from "../../src/destinations/github.ts";
import {
  anyCall,
  contractClock,
  destinationEffectContract,
  destinationFaultContract,
  executorOf,
  faultOf,
} from "../contracts/destination.ts";
import { inputOf, inputsOf } from "./inputs.ts";

const token = "ghp_0123456789abcdefghijABCDEFGHIJ";
const deps = { clock: contractClock, turns: freeTurns };

destinationFaultContract("github", {
  connect: (baseUrl) => github({ baseUrl, token }, deps),
  incomplete: [github({}, deps), github({ appId: "1" }, deps), github({ privateKey: "a key" }, deps)],
  secrets: [token],
  inputs: inputsOf("github"),
  readsFirst: { "github.comment": [] },
});

const patch = "@@ -1,2 +1,3 @@\n export const rate =\n+  total / seats;\n   1;";
const pull = {
  owner: "acme",
  repo: "web",
  number: 7,
  title: "Rates",
  body: null,
  branch: "ada/rates",
  baseSha: "0000000000000000000000000000000000000000",
  headSha: "1111111111111111111111111111111111111111",
  author: "ada",
  files: [{ filename: "src/pay.ts", status: "modified" as const, additions: 1, deletions: 0, patch }],
};

async function start() {
  const sandbox = await startGithub({ now: contractClock.now, file: null });
  sandbox.addPullRequest(pull);
  return {
    url: sandbox.url,
    sandbox,
    effects: () => sandbox.state.effects.length,
    input: (kind: ActionKind) => inputOf(kind),
    loseAnswer: () => sandbox.faults.drop({ after: "effect", when: (call) => call.method !== "GET" }),
    close: () => sandbox.close(),
  };
}

destinationEffectContract("github", {
  kinds: ["github.review", "github.comment", "github.labels"],
  start,
  connect: (baseUrl) => github({ baseUrl, token }, deps),
});

describe("github", () => {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });

  it("acts as an App: looks up the installation once, and keeps its token", async () => {
    const stand = await start();
    const app = github({ baseUrl: stand.url, appId: "1", privateKey }, deps);
    const input = inputOf("github.labels");
    await executorOf(app, "github.labels").execute(input, "k", anyCall());
    await executorOf(app, "github.labels").execute(input, "k", anyCall());
    const paths = stand.sandbox.requests.map((request) => request.path);
    expect(paths.filter((path) => path.endsWith("/installation"))).toHaveLength(1);
    expect(paths.filter((path) => path.endsWith("/access_tokens"))).toHaveLength(1);
    await stand.close();
  });

  it("takes a failed token for no effect: the write was never sent", async () => {
    const stand = await start();
    stand.sandbox.faults.fail({ status: 502, when: (call) => call.path.endsWith("/access_tokens") });
    const app = github({ baseUrl: stand.url, appId: "1", privateKey }, deps);
    const fault = await faultOf(
      executorOf(app, "github.review").execute(inputOf("github.review"), "k", anyCall()),
    );
    expect(fault).toMatchObject({ kind: "unavailable", effect: "none" });
    await stand.close();
  });

  it.each([
    [{ "x-ratelimit-remaining": "0", "x-ratelimit-reset": resetIn(90) }, "API rate limit exceeded", 90_000],
    [{ "retry-after": "12" }, "You have exceeded a secondary rate limit", 12_000],
    [{}, "You have exceeded a secondary rate limit", 60_000],
  ])("recognises a rate limit that comes with 403: %j", async (headers, message, retryAfterMs) => {
    const stand = await start();
    stand.sandbox.faults.fail({ status: 403, headers, body: { message } });
    const labels = executorOf(github({ baseUrl: stand.url, token }, deps), "github.labels");
    const fault = await faultOf(labels.execute(inputOf("github.labels"), "k", anyCall()));
    expect(fault).toMatchObject({ kind: "rate-limited", effect: "none", retryAfterMs });
    await stand.close();
  });

  it("edits its comment in place when the text has changed", async () => {
    const stand = await start();
    const comment = executorOf(github({ baseUrl: stand.url, token }, deps), "github.comment");
    const first = await comment.execute({ ...inputOf("github.comment"), body: "One." }, "k", anyCall());
    const second = await comment.execute({ ...inputOf("github.comment"), body: "Two." }, "k", anyCall());
    expect(second).toEqual(first);
    expect(stand.sandbox.state.issueComments.map(({ body }) => body)).toEqual([
      "Two.\n\n<!-- signalbox:k -->",
    ]);
    await stand.close();
  });

  it("neither edits nor believes a stranger's comment that carries its marker", async () => {
    const server = await startScript((request, response) => {
      const forged = {
        id: 9,
        html_url: "https://x.example",
        body: "<!-- signalbox:k -->",
        user: { id: 666, type: "User" },
      };
      if (request.method === "GET" && request.url === "/user") json(200, { id: 1 })(request, response);
      else if (request.method === "GET") json(200, [forged])(request, response);
      else json(201, { ...forged, id: 10, user: { id: 1, type: "User" } })(request, response);
    });
    const comment = executorOf(github({ baseUrl: server.url, token }, deps), "github.comment");
    expect(await comment.lookup?.(inputOf("github.comment"), "k", anyCall())).toBeNull();
    expect(await comment.execute(inputOf("github.comment"), "k", anyCall())).toMatchObject({ id: "10" });
    expect(server.seen.filter(({ method }) => method === "PATCH")).toEqual([]);
    await server.close();
  });
});

function resetIn(seconds: number): string {
  return String(contractClock.now() / 1_000 + seconds);
}
