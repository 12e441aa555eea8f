import { describe, expect, it } from "vitest";
import { exampleEvent, exampleNames } from "../../src/cli/example-events.ts";
import { headerEvent, sign } from "../../src/cli/signers.ts";
import type { SignableSource } from "../../src/cli/signers.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createSources } from "../../src/sources/index.ts";
import { manualClock } from "../support/clock.ts";
import { rawRequest } from "../support/raw-request.ts";

const now = 1_700_000_000_123;
const secret = `whsec_${Buffer.from("a".repeat(24)).toString("base64")}`;
const configs: SignableSource[] = [
  { type: "shopify", secrets: [secret] },
  { type: "slack", secrets: [secret] },
  { type: "standard-webhooks", secrets: [secret] },
];

const received = (config: SignableSource, body: string, event: string | null, id?: string) => {
  const signed = sign(config, { secret, body, event, id, now, publicUrl: "https://acme.example" });
  const name = config.type;
  const source = createSources([{ ...config, name } as Parameters<typeof createSources>[0][number]], {
    clock: manualClock(now),
    log: silentLog,
  }).get(name);
  if (!source) throw new Error(`no source ${name}`);
  const request = rawRequest(signed.headers, signed.body, now);
  expect(source.verify(request), name).toEqual({ secretIndex: 0 });
  return source.identify(request)[0];
};

describe("what `signalbox trigger` sends as Shopify, Slack or a Standard Webhooks sender", () => {
  it.each(configs)("to a $type source is accepted, and has the type that was asked for", (config) => {
    const types = exampleNames(config.type);
    expect(types.length).toBeGreaterThan(2);
    for (const type of types) {
      const example = exampleEvent(config, type, now, undefined);
      expect(received(config, example?.body ?? "", example?.event ?? null)?.type).toBe(type);
    }
  });

  it.each(configs)("to a $type source is another event each time, or the one that --id names", (config) => {
    for (const type of exampleNames(config.type)) {
      const event = (id?: string) => {
        const example = exampleEvent(config, type, now, id);
        return received(config, example?.body ?? "", example?.event ?? null, id);
      };
      expect(event()?.dedupeKeys).not.toEqual(event()?.dedupeKeys);
      // A click has no id of its own.
      if (type !== "block_actions") expect(event("own-id")?.providerId).toBe("own-id");
    }
  });
});

describe("what `signalbox send` sends", () => {
  const [shopify, slack] = configs;

  it("to Shopify's source has the topic that --event says", () => {
    if (!shopify) throw new Error("no Shopify source");
    expect(() => headerEvent(shopify, "{}", undefined)).toThrow(/topic/);
    expect(received(shopify, "{}", headerEvent(shopify, "{}", "orders/create"))?.type).toBe("orders/create");
  });

  it.each([
    ["an event", '{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}', "message"],
    ["a click, which travels in a form", '{"type":"block_actions","trigger_id":"1.2"}', "block_actions"],
    ["a command as JSON, which becomes a form", '{"command":"/a","trigger_id":"1.2"}', "slash_command"],
    ["a form as it is", "command=%2Fa&trigger_id=1.2", "slash_command"],
  ])("to Slack's source is %s", (_, body, type) => {
    if (!slack) throw new Error("no Slack source");
    expect(received(slack, body, null)?.type).toBe(type);
  });
});
