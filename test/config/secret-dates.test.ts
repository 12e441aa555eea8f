import { describe, expect, it } from "vitest";
import { schemaAt } from "../../src/config/json-schema.ts";
import { sourceCredentials } from "../../src/config/schema.ts";
import { currentSecret, secretAges, secretFindings } from "../../src/config/secret-dates.ts";
import { faultsOf, good, load } from "./bench.ts";

const now = Date.UTC(2026, 5, 30);

const config = async () =>
  (
    await good(
      `version: 1
sources:
  pay:
    type: stripe
    secrets:
      - "\${UNSET:-}"
      - { value: "\${A}", added: 2026-01-01, expires: 2026-07-13 }
      - { value: "\${A}", added: 2026-01-01 }
      - { value: "\${A}", added: 2026-01-02 }
      - { value: "\${A}", expires: 2026-06-30 }
      - { value: "\${A}", expires: 2026-07-14 }
      - "\${A}"
`,
      { env: { A: "whsec_never-shown" } },
    )
  ).config;

describe("the dates of secrets", () => {
  it("are known for every secret that is set, under its place in the list", async () => {
    const ages = secretAges(await config());
    expect(ages.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ages[0]).toEqual({
      source: "pay",
      index: 1,
      addedAt: Date.UTC(2026, 0, 1),
      expiresAt: Date.UTC(2026, 6, 13),
    });
    expect(ages.at(-1)).toMatchObject({ addedAt: null, expiresAt: null });
  });

  it("are complained of when a secret has expired, is about to, or is older than 180 days", async () => {
    const findings = secretFindings(await config(), now + 86_400_000);
    expect(findings.map(({ message }) => message)).toEqual([
      "secret 2 of source pay expires on 2026-07-13",
      "secret 3 of source pay is 181 days old",
      "secret 5 of source pay has expired (2026-06-30) and is not used",
      "secret 6 of source pay expires on 2026-07-14",
    ]);
    expect(JSON.stringify(findings)).not.toContain("never-shown");
    expect(secretFindings(await config(), now).map(({ message }) => message)).toEqual([
      "secret 2 of source pay expires on 2026-07-13",
      "secret 5 of source pay has expired (2026-06-30) and is not used",
    ]);
  });

  it("decide which secret signs what is sent for a trial", () => {
    expect(currentSecret(["", { value: "old", expires: now }, { value: "new", expires: now + 1 }], now)).toBe(
      "new",
    );
    expect(currentSecret(["", { value: "old", expires: now }], now)).toBeNull();
  });
});

describe("a date", () => {
  const dated = (text: string) => `version: 1
sources: { pay: { type: stripe, secrets: [{ value: "\${A}", expires: "${text}" }] } }
`;
  const env = { env: { A: "whsec_x" } };

  it("may be a day, or a time with its zone as any program writes it", async () => {
    for (const [text, at] of [
      ["2026-07-13", Date.UTC(2026, 6, 13)],
      ["2026-07-13T09:30Z", Date.UTC(2026, 6, 13, 9, 30)],
      ["2026-07-13T09:30:15+02:00", Date.UTC(2026, 6, 13, 7, 30, 15)],
      ["2026-07-13T09:30:15.250Z", Date.UTC(2026, 6, 13, 9, 30, 15, 250)],
    ] as const)
      expect([text, secretAges((await good(dated(text), env)).config)[0]?.expiresAt]).toEqual([text, at]);
  });

  it("is a fault when nobody can say when it is", async () => {
    for (const text of ["tomorrow", "2026-07-13T09:30:15", "13.07.2026", "2026-13-01", "2026-02-31"])
      expect([text, await faultsOf(dated(text))]).toEqual([
        text,
        expect.stringMatching(/must be a (date|time)/),
      ]);
  });
});

describe("every type of source", () => {
  it.each(Object.keys(sourceCredentials))("may ask for addresses, HTTPS and a size: %s", (type) => {
    const file = { sources: { x: { type } } };
    for (const key of ["allowFrom", "requireHttps", "maxBody"])
      expect([key, schemaAt(["sources", "x", key], file) !== null]).toEqual([key, true]);
  });

  it.each(Object.entries(sourceCredentials).filter(([, fields]) => fields.includes("secrets")))(
    "that has secrets takes them with dates: %s",
    (type) => {
      const file = { sources: { x: { type, secrets: [{ value: "${A}" }] } } };
      expect(schemaAt(["sources", "x", "secrets", 0, "expires"], file)).not.toBeNull();
    },
  );
});

describe("where a source may be called from", () => {
  it("is a known list, one of the file, or an address; anything else is a fault", async () => {
    const text = (entry: string) => `version: 1
server: { addressLists: { office: [192.0.2.0/24] } }
sources:
  pay: { type: stripe, secrets: ["\${A:-}"], allowFrom: [${entry}] }
`;
    for (const entry of [
      "stripe",
      "github",
      "linear",
      "office",
      "10.0.0.0/8",
      '"2001:db8::/32"',
      "192.0.2.7",
    ])
      expect((await load(text(entry))).ok).toBe(true);
    expect(await faultsOf(text("ofice"))).toMatch(/4:\d+ {2}this is no address[\s\S]*did you mean: office/);
    for (const entry of ["10.0.0.0/33", "everyone", '""', '"*"', "10.0.0"])
      expect(await faultsOf(text(entry))).toMatch(/no address, no network and no known list/);
    const list = 'version: 1\nserver: { addressLists: { office: [nowhere] }, trustProxy: ["10.0.0.0/40"] }\n';
    expect((await faultsOf(list)).match(/must be an address or a network/g)).toHaveLength(2);
  });

  it("is asked of a body's size as 512KB or 25MB", async () => {
    const text = (size: string) => `version: 1
sources: { pay: { type: stripe, secrets: ["\${A:-}"], maxBody: ${size} } }
`;
    expect((await good(text("512KB"))).config.sources["pay"]?.maxBody).toBe(512_000);
    expect((await good(text("25MB"))).config.sources["pay"]?.maxBody).toBe(25_000_000);
    for (const size of ["0MB", "101MB", "25", "1GB", "-1MB", '"1 MB"'])
      expect(await faultsOf(text(size))).toMatch(/`maxBody` must be/);
  });
});
