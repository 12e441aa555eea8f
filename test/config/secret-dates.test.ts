import { describe, expect, it } from "vitest";
import { currentSecret, secretAges, secretFindings } from "../../src/config/secret-dates.ts";
import { good } from "./bench.ts";

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
