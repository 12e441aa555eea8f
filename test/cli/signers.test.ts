import { describe, expect, it } from "vitest";
import { exampleEvent, exampleNames } from "../../src/cli/example-events.ts";
import { hasIdHeader, headerEvent, sign } from "../../src/cli/signers.ts";
import type { SignableSource } from "../../src/cli/signers.ts";
import type { Source } from "../../src/domain/source.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createSources } from "../../src/sources/index.ts";
import type { SourceOptions } from "../../src/sources/index.ts";
import { good } from "../config/bench.ts";
import { manualClock } from "../support/clock.ts";
import { rawRequest } from "../support/raw-request.ts";

const now = 1_700_000_000_123;
const publicUrl = "https://hooks.acme.example";
const entries = {
  stripe: "type: stripe",
  github: "type: github",
  hubspot: "type: hubspot",
  "hubspot-behind-a-proxy": "type: hubspot, url: https://acme.example/in",
  zendesk: "type: zendesk",
  linear: "type: linear",
  custom: "type: custom, typeField: data.kind",
  "custom-otherwise":
    'type: custom, typeHeader: X-Kind, idHeader: X-Id, signature: { header: X-Mac, prefix: "", encoding: base64, construction: "{timestamp}|{body}" }',
};

/** The sources of a configuration, each as it is configured and as it receives. */
async function configured(): Promise<{ name: string; config: SignableSource; source: Source }[]> {
  const lines = Object.entries(entries).map(
    ([name, rest]) => `  ${name}: { ${rest}, secrets: ["\${SECRET}"] }`,
  );
  const { config } = await good(
    `version: 1\nserver: { publicUrl: ${publicUrl} }\nsources:\n${lines.join("\n")}\n`,
    {
      env: { SECRET: "secret-of-the-test" },
    },
  );
  return Object.entries(config.sources).flatMap(([name, own]) => {
    if (own.type === "gmail" || own.type === "outlook") return [];
    const options: SourceOptions = { ...own, name, publicUrl };
    const source = createSources([options], { clock: manualClock(now), log: silentLog }).get(name);
    if (!source) throw new Error(`no source ${name}`);
    return [{ name, config: own, source }];
  });
}

function sent(name: string, config: SignableSource, body: string, event: string | null, id?: string) {
  const signed = sign(config, {
    secret: "secret-of-the-test",
    body,
    event,
    id,
    now,
    publicUrl: `${publicUrl}/webhooks/${name}`,
  });
  return { ...rawRequest(signed.headers, signed.body, now), url: `/webhooks/${name}` };
}

describe("what `signalbox trigger` sends", () => {
  it("is accepted by the source that it is for, and has the type that was asked for", async () => {
    for (const { name, config, source } of await configured()) {
      const types = exampleNames(config.type);
      expect(types.length).toBeGreaterThan(0);
      for (const type of types) {
        const example = exampleEvent(config, type, now, undefined);
        const request = sent(name, config, example?.body ?? "", example?.event ?? null);
        expect(await source.verify(request), name).toEqual({ secretIndex: 0 });
        expect(
          source.identify(request).map((event) => event.type),
          name,
        ).toEqual([type]);
      }
    }
  });

  it("is another event each time, or the one that --id names", async () => {
    for (const { name, config, source } of await configured()) {
      const [type = ""] = exampleNames(config.type);
      const keys = (at: number, id?: string) => {
        const example = exampleEvent(config, type, at, id);
        return source.identify(sent(name, config, example?.body ?? "", example?.event ?? null, id))[0];
      };
      expect(keys(now + 1)?.dedupeKeys, name).not.toEqual(keys(now + 2)?.dedupeKeys);
      expect(keys(now, "evt-of-the-test")?.providerId, name).toBe("evt-of-the-test");
    }
  });

  it("may be of any type at a custom source, and of the known ones elsewhere", async () => {
    for (const { config } of await configured()) {
      const example = exampleEvent(config, "something.else", now, undefined);
      if (config.type !== "custom") expect(example).toBeNull();
      else if (config.typeHeader !== undefined) expect(example?.event).toBe("something.else");
      else expect(JSON.parse(example?.body ?? "")).toMatchObject({ data: { kind: "something.else" } });
    }
  });
});

describe("what `signalbox send` sends", () => {
  it("is the file, with Linear's time of sending put in", async () => {
    for (const { name, config, source } of await configured()) {
      const [type = ""] = exampleNames(config.type);
      const old = exampleEvent(config, type, now - 86_400_000, undefined)?.body ?? "";
      const request = sent(name, config, old, headerEvent(config, old, undefined));
      expect(await source.verify(request), name).toEqual({ secretIndex: 0 });
      if (config.type !== "linear") expect(request.body.toString()).toBe(old);
    }
  });

  it("takes the event's name from --event, or from the body, or asks for it", async () => {
    const all = new Map((await configured()).map(({ name, config }) => [name, config]));
    const [github, linear, custom] = ["github", "linear", "custom-otherwise"].map((name) => all.get(name));
    if (!github || !linear || !custom) throw new Error("the configuration lacks a source");
    expect(headerEvent(github, '{"pull_request":{}}', undefined)).toBe("pull_request");
    expect(headerEvent(github, "{}", "ping")).toBe("ping");
    expect(() => headerEvent(github, "{}", undefined)).toThrow(/which GitHub event/);
    expect(headerEvent(linear, '{"type":"Issue"}', undefined)).toBe("Issue");
    expect(() => headerEvent(linear, "[]", undefined)).toThrow(/which Linear event/);
    expect(headerEvent(custom, "{}", "order.created")).toBe("order.created");
    expect(headerEvent(custom, "{}", undefined)).toBeNull();
  });

  it("has an id of its own where the id is in a header", async () => {
    for (const { name, config, source } of await configured()) {
      if (!hasIdHeader(config)) continue;
      const [type = ""] = exampleNames(config.type);
      const example = exampleEvent(config, type, now, undefined);
      const request = sent(name, config, example?.body ?? "", example?.event ?? null, "own-id");
      expect(source.identify(request)[0]?.providerId, name).toBe("own-id");
    }
  });
});
