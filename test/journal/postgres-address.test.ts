import { describe, expect, it } from "vitest";
import { addressFor, unreachable, unreadable } from "../../src/journal/postgres-address.ts";

const base = "postgresql://me:sesame@db:5432/signalbox";

describe("the address of PostgreSQL", () => {
  it.each(["prefer", "require", "verify-ca"])(
    "has the certificate checked where it asks for sslmode=%s, which hosts hand out",
    (mode) => {
      expect(addressFor(`${base}?sslmode=${mode}`)).toBe(`${base}?sslmode=verify-full`);
      expect(addressFor(`${base}?a=b&sslmode=${mode}&c=d`)).toBe(`${base}?a=b&sslmode=verify-full&c=d`);
    },
  );

  it("is otherwise taken at its word", () => {
    const others = ["", "?sslmode=disable", "?sslmode=no-verify", "?sslmode=require&uselibpqcompat=true"];
    for (const rest of [...others, "?sslmode=verify-full&sslrootcert=/ca.pem"])
      expect(addressFor(base + rest)).toBe(base + rest);
  });

  it("is said to be unreadable, or to name a file that is", () => {
    expect(unreadable(new TypeError(`Invalid URL ${base}`)).message).toMatch(
      /^DATABASE_URL can't be read as an address: [^m]*user:password@host/,
    );
    const missing = Object.assign(new Error(base), { code: "ENOENT", path: "/ca.pem" });
    expect(unreadable(missing).message).toBe(
      "a file that DATABASE_URL names can't be read (ENOENT): /ca.pem",
    );
  });

  it.each(["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "ERR_TLS_CERT_ALTNAME_INVALID"])(
    "that leads to a certificate nobody trusts (%s) is told from one that leads nowhere",
    (code) => {
      const { message } = unreachable(Object.assign(new Error("unable to verify"), { code }));
      expect(message).toMatch(
        /certificate of PostgreSQL is not trusted \(unable to verify\).*sslrootcert=FILE/,
      );
      expect(unreachable(new Error("ECONNREFUSED")).message).toMatch(
        /can't be reached \(ECONNREFUSED\): is it running/,
      );
    },
  );
});
