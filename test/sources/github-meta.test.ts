import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { createGithubAddresses, wantsGithubAddresses } from "../../src/github-addresses.ts";
import type { State } from "../../src/domain/ports.ts";
import { silentLog } from "../../src/observability/log.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { readGithubHookNetworks } from "../../src/sources/github-meta.ts";
import { good } from "../config/bench.ts";
import { manualClock } from "../support/clock.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function meta(answer: () => { status: number; body: string }) {
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    const { status, body } = answer();
    response.writeHead(status, { "Content-Type": "application/json" }).end(body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/meta`, asked: () => asked };
}

const hooks = (networks: unknown) => ({ status: 200, body: JSON.stringify({ hooks: networks, web: ["x"] }) });

describe("GitHub's /meta", () => {
  const signal = new AbortController().signal;

  it("gives the networks that its webhooks come from", async () => {
    const { url } = await meta(() => hooks(["192.0.2.0/24", "2001:db8::/32"]));
    expect(await readGithubHookNetworks({ url, clock: systemClock, signal })).toEqual([
      "192.0.2.0/24",
      "2001:db8::/32",
    ]);
  });

  it.each([
    ["an error", { status: 500, body: "{}" }],
    ["no JSON", { status: 200, body: "<html>" }],
    ["no list", { status: 200, body: "{}" }],
    ["an empty list", hooks([])],
    ["something else than text", hooks(["192.0.2.0/24", 7])],
    ["something else than networks", hooks(["192.0.2.0/24", "everyone"])],
    ["a text", hooks("192.0.2.0/24")],
  ])("is not believed when it answers with %s", async (_, answer) => {
    const { url } = await meta(() => answer);
    await expect(readGithubHookNetworks({ url, clock: systemClock, signal })).rejects.toMatchObject({
      name: "ServiceError",
      kind: "unavailable",
    });
  });
});

function memoryState(): State {
  const rows = new Map<string, { value: never; version: number }>();
  return {
    get: async (_, key) => rows.get(key) ?? null,
    list: async () => [],
    put: async (_, key, value, expected) => {
      if ((rows.get(key)?.version ?? 0) !== expected) return false;
      rows.set(key, { value: value as never, version: expected + 1 });
      return true;
    },
  };
}

describe("the list of GitHub's addresses", () => {
  const signal = new AbortController().signal;
  const open = (state: State, url: string, wanted = true) => {
    const clock = manualClock();
    const seen: (readonly string[])[] = [];
    const addresses = createGithubAddresses({
      state,
      clock,
      log: silentLog,
      wanted: () => wanted,
      metaUrl: () => url,
      onNetworks: (networks) => seen.push(networks),
    });
    return { clock, seen, addresses };
  };

  it("is asked for once a day, kept over a restart, and outlives an outage of GitHub", async () => {
    let answer = hooks(["192.0.2.0/24"]);
    const { url, asked } = await meta(() => answer);
    const state = memoryState();
    const first = open(state, url);
    await first.addresses.apply();
    expect(first.seen).toEqual([]);
    await first.addresses.refresh(signal);
    await first.addresses.refresh(signal);
    expect([asked(), first.seen.at(-1)]).toEqual([1, ["192.0.2.0/24"]]);
    answer = { status: 503, body: "" };
    await first.clock.advance(86_400_000);
    await first.addresses.refresh(signal);
    expect([asked(), first.seen.at(-1)]).toEqual([2, ["192.0.2.0/24"]]);
    answer = hooks(["198.51.100.0/24"]);
    await first.addresses.refresh(signal);
    expect([asked(), first.seen.at(-1)]).toEqual([3, ["198.51.100.0/24"]]);
    const second = open(state, url);
    await second.addresses.apply();
    expect([asked(), second.seen]).toEqual([3, [["198.51.100.0/24"]]]);
  });

  it("is asked for by a source that names it, unless the configuration has a list of that name", async () => {
    const config = async (lists: string, allowFrom: string) =>
      (
        await good(`version: 1
server: { addressLists: { ${lists} } }
sources: { code: { type: github, secrets: ["\${A:-}"], allowFrom: [${allowFrom}] } }
`)
      ).config;
    expect(wantsGithubAddresses(await config("", "github"))).toBe(true);
    expect(wantsGithubAddresses(await config("", "stripe"))).toBe(false);
    expect(wantsGithubAddresses(await config("github: [192.0.2.0/24]", "github"))).toBe(false);
  });

  it("is left alone while nothing asks for it", async () => {
    const { url, asked } = await meta(() => hooks(["192.0.2.0/24"]));
    const { addresses, seen } = open(memoryState(), url, false);
    await addresses.refresh(signal);
    await addresses.apply();
    expect([asked(), seen]).toEqual([0, []]);
  });
});
