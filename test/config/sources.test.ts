import { describe, expect, it } from "vitest";
import { faultsOf, good } from "./bench.ts";

const env = { SECRET: "a" };
const custom = (rest: string): string =>
  `version: 1\nsources:\n  shop: { type: custom, secrets: ["\${SECRET}"], ${rest} }\n`;

describe("a custom source", () => {
  it("has every default of its scheme", async () => {
    const { config } = await good(custom(""), { env });
    expect(config.sources["shop"]).toEqual({
      type: "custom",
      secrets: ["a"],
      signature: {
        header: "X-Signature",
        prefix: "sha256=",
        encoding: "hex",
        construction: "{id}.{timestamp}.{body}",
      },
      idHeader: "X-Event-ID",
      timestampHeader: "X-Timestamp",
      tolerance: 300_000,
    });
  });

  it("may sign as it likes, as long as the body is covered", async () => {
    const rest = `signature: { header: Acme-Auth, prefix: "", encoding: base64, construction: "v1:{timestamp}{body}" }, typeHeader: X-Kind, tolerance: 60s`;
    const { config } = await good(custom(rest), { env });
    expect(config.sources["shop"]).toMatchObject({
      signature: {
        header: "Acme-Auth",
        prefix: "",
        encoding: "base64",
        construction: "v1:{timestamp}{body}",
      },
      typeHeader: "X-Kind",
      tolerance: 60_000,
    });
  });

  it.each([
    ["{id}.{timestamp}", "must hold {body} once"],
    ["", "must hold {body} once"],
    ["{body}{body}", "must hold {body} once"],
    ["{id}.{id}.{body}", "{id} and {timestamp} at most once"],
    ["{secret}.{body}", "can hold {id}, {timestamp} and {body}"],
    ["{id}{timestamp}.{body}", "must have a sign such as `.` between {id} and {timestamp}"],
    ["{timestamp}0{id}.{body}", "must have a sign such as `.` between {id} and {timestamp}"],
  ])("can't have the construction %j", async (construction, reason) => {
    const faults = await faultsOf(custom(`signature: { construction: "${construction}" }`), { env });
    expect(faults.replace(/\s+/g, " ")).toContain(reason);
  });

  it.each(["X Event", "", "id:", "Host", "content-type", "X-Forwarded-For", "Ünicode"])(
    "can't have its id in the header %j",
    async (name) => {
      expect(await faultsOf(custom(`idHeader: "${name}"`), { env })).toContain("idHeader");
    },
  );

  it("shows what two keys together can't be, at its place", async () => {
    expect(await faultsOf(custom("idHeader: x-signature"), { env })).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:59  \`idHeader\` must be a header of its own
       3 |   shop: { type: custom, secrets: ["\${SECRET}"], idHeader: x-signature }
         |                                                           ^^^^^^^^^^^
      "
    `);
    expect(await faultsOf(custom("typeField: kind, typeHeader: X-Kind"), { env })).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:78  \`typeHeader\` can't stand beside \`typeField\`: the type is in
        the one or in the other
       3 | …ET}"], typeField: kind, typeHeader: X-Kind }
         |                                      ^^^^^^
      "
    `);
  });
});

describe("a HubSpot source", () => {
  const hubspot = (rest: string, server = ""): string =>
    `version: 1\n${server}sources:\n  crm: { type: hubspot, secrets: ["\${SECRET:-}"]${rest} }\n`;

  it("has to know the address that HubSpot signs", async () => {
    expect(await faultsOf(hubspot(""), { env })).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:3  \`url\` is missing: HubSpot signs the address that it sends to
       3 |   crm: { type: hubspot, secrets: ["\${SECRET:-}"] }
         |   ^^^
          Set server.publicUrl, or this source's \`url\`, to the address as it stands in
            your app.
      "
    `);
    const { config } = await good(hubspot(', url: "https://acme.example/in/"'), { env });
    expect(config.sources["crm"]).toMatchObject({ url: "https://acme.example/in/" });
    await good(hubspot("", "server: { publicUrl: https://acme.example }\n"), { env });
  });

  it("need not know it as long as it is inactive", async () => {
    const { idle } = await good(hubspot(""));
    expect([...idle.sources]).toEqual(["crm"]);
  });
});

it.each(["zendesk", "linear"])("a %s source needs its secrets only", async (type) => {
  const text = `version: 1\nsources:\n  one: { type: ${type}, secrets: ["\${SECRET}"] }\n`;
  expect((await good(text, { env })).config.sources["one"]).toEqual({ type, secrets: ["a"] });
});

describe("a Zendesk source", () => {
  it("has its events named as Zendesk writes them, or as they are shown here", async () => {
    const { config } = await good(
      `version: 1
sources:
  desk: { type: zendesk, secrets: ["\${SECRET}"] }
routes:
  - name: tickets
    source: desk
    events: ["zen:event-type:ticket.created", ticket.comment_added, "zen:event-type:user.*", "zen:event-type:"]
    agent: pr-review
`,
      { env },
    );
    expect(config.routes[0]?.events).toEqual([
      "ticket.created",
      "ticket.comment_added",
      "user.*",
      "zen:event-type:",
    ]);
  });
});

describe("a standard-webhooks source", () => {
  const standard = (secrets: string): string =>
    `version: 1\nsources:\n  partner: { type: standard-webhooks, secrets: [${secrets}] }\n`;
  const shared = `whsec_${Buffer.from("a".repeat(24)).toString("base64")}`;
  const publicKey = `whpk_${Buffer.alloc(32, 1).toString("base64")}`;

  it("takes shared secrets and public keys, dated or not, and drops empty ones", async () => {
    const { config, idle } = await good(
      standard('"${A}", "${B}", "${C}", { value: "${D}", expires: 2026-12-31 }'),
      { env: { A: shared, B: publicKey, C: "", D: shared.replace("whsec_", "") } },
    );
    expect(config.sources["partner"]).toMatchObject({ secrets: [shared, publicKey, "", {}] });
    expect(idle.sources.size).toBe(0);
    expect((await good(standard('"${UNSET:-}"'))).idle.sources.size).toBe(1);
  });

  it.each([
    ["no base64", "whsec_hunter2!"],
    ["nothing but a prefix", "whsec_"],
    ["the sender's private key", publicKey.replace("whpk_", "whsk_")],
    ["a public key of another length", `whpk_${Buffer.alloc(33, 1).toString("base64")}`],
  ])("can't use %s, and does not show it", async (_, secret) => {
    for (const entry of ['"${KEY}"', '{ value: "${KEY}" }']) {
      const faults = await faultsOf(standard(entry), { env: { KEY: secret } });
      expect(faults.replace(/\s+/g, " ")).toContain("must be `whsec_` and base64");
      expect(faults).toContain("signalbox.yaml:3:");
      if (secret !== "whsec_") expect(faults).not.toContain(secret.slice(6));
    }
  });
});

it.each(["shopify", "slack"])("a %s source needs its secrets only", async (type) => {
  const text = `version: 1\nsources:\n  one: { type: ${type}, secrets: ["\${SECRET}"] }\n`;
  expect((await good(text, { env })).config.sources["one"]).toEqual({ type, secrets: ["a"] });
});
