import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { digestFromHex, matchingSecret, setSecrets, signingKeys } from "../../src/sources/hmac.ts";

const at = 1_700_000_000_000;
const body = Buffer.from("body");
const signedWith = (secret: string | Buffer) => [createHmac("sha256", secret).update(body).digest()];

describe("secrets with dates", () => {
  const keys = signingKeys([
    "",
    { value: "until-now", expires: at },
    { value: "one-more-ms", expires: at + 1 },
    "for-ever",
  ]);

  it("match under their place in the configured list, empty places counted", () => {
    expect(matchingSecret(keys, [body], signedWith("for-ever"), at)).toBe(3);
    expect(matchingSecret(keys, [body], signedWith("one-more-ms"), at)).toBe(2);
  });

  it("are not used from the moment that they expire, judged by the time of receipt", () => {
    expect(matchingSecret(keys, [body], signedWith("until-now"), at - 1)).toBe(1);
    expect(matchingSecret(keys, [body], signedWith("until-now"), at)).toBeNull();
    expect(matchingSecret(keys, [body], signedWith("one-more-ms"), at + 1)).toBeNull();
  });

  it("are never an empty key, however the emptiness is written", () => {
    const empty = ["", "  ", "\n", { value: "" }, { value: " ", added: at }];
    expect(signingKeys(empty)).toEqual([]);
    expect(setSecrets(empty)).toEqual([]);
    expect(signingKeys(["whsec_"], (text) => Buffer.from(text.replace("whsec_", ""), "base64"))).toEqual([]);
    expect(matchingSecret(signingKeys(empty), [body], signedWith(""), at)).toBeNull();
  });

  it("are read as the provider says", () => {
    const [key] = signingKeys(["whsec_AAEC"], (text) => Buffer.from(text.slice(6), "base64"));
    expect(key && matchingSecret([key], [body], signedWith(Buffer.from([0, 1, 2])), at)).toBe(0);
  });
});

describe("a digest in hex", () => {
  it("has one spelling", () => {
    expect(digestFromHex("ab".repeat(32))?.length).toBe(32);
    for (const other of ["AB".repeat(32), "ab".repeat(31), `${"ab".repeat(32)} `, `0x${"ab".repeat(31)}`])
      expect(digestFromHex(other)).toBeNull();
  });
});
