import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidEnvironment, readEnvironment } from "../../src/config/environment.ts";
import { folder } from "./bench.ts";

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    readEnvironment(env);
  } catch (error) {
    if (error instanceof InvalidEnvironment) return error.faults;
    throw error;
  }
  return [];
}

describe("the environment", () => {
  it("has a default for everything", () => {
    expect(readEnvironment({})).toEqual({
      configFile: null,
      encryptionKeys: [],
      adminToken: null,
      dataDir: ".signalbox",
      databaseUrl: null,
      redisUrl: null,
      redisPrefix: "signalbox",
      redisAllowEviction: false,
      logLevel: "info",
      anthropicApiKey: null,
      openaiApiKey: null,
      anthropicBaseUrl: null,
      openaiBaseUrl: null,
      color: "auto",
      failPlan: { orders: [], journalPages: null },
      ci: false,
      variables: {},
    });
  });

  it("says where the process is to fail on purpose, and what can be said there", () => {
    const text = "action.requested=kill@3; journal.commit=ioerror; journal.pages=900";
    expect(readEnvironment({ SIGNALBOX_FAIL_POINTS: text }).failPlan).toEqual({
      orders: [
        { point: "action.requested", what: "kill", at: 3 },
        { point: "journal.commit", what: "ioerror", at: 1 },
      ],
      journalPages: 900,
    });
    for (const wrong of ["action.requestet=kill", "action.requested=stop", "journal.pages=0", "settle.done"])
      expect(faultsOf({ SIGNALBOX_FAIL_POINTS: wrong })[0]).toMatch(
        /^SIGNALBOX_FAIL_POINTS: "[^"]+" is no fail point: write POINT=kill@N/,
      );
    expect(faultsOf({ SIGNALBOX_FAIL_POINTS: "settle.done=full@2" })[0]).toContain(
      "points of the journal only",
    );
  });

  it("takes a database and a queue together or not at all", () => {
    const database = "postgresql://u:tip-top@db/signalbox";
    expect(readEnvironment({ DATABASE_URL: database, REDIS_URL: "rediss://cache" })).toMatchObject({
      databaseUrl: database,
      redisUrl: "rediss://cache",
    });
    expect(faultsOf({ DATABASE_URL: database })).toEqual([
      "DATABASE_URL is set without REDIS_URL: set both for the server profile, or neither for the embedded one",
    ]);
    expect(faultsOf({ REDIS_URL: "redis://cache" })).toEqual([
      "REDIS_URL is set without DATABASE_URL: set both for the server profile, or neither for the embedded one",
    ]);
  });

  it("takes a database of Redis by its number", () => {
    const faultsWith = (redis: string) => faultsOf({ DATABASE_URL: "postgres://db/x", REDIS_URL: redis });
    for (const rest of ["", "/", "/3", "/3?family=0"])
      expect(
        readEnvironment({ DATABASE_URL: "postgres://db/x", REDIS_URL: `redis://cache${rest}` }).redisUrl,
      ).toBe(`redis://cache${rest}`);
    expect(faultsWith("rediss://:tip-top@cache:6380/signalbox")).toEqual([
      "REDIS_URL ends with a database that is no number; it looks like redis://host:6379/0",
    ]);
  });

  it("takes a prefix for Redis that can stand in a key", () => {
    expect(readEnvironment({ SIGNALBOX_REDIS_PREFIX: "acme-2" }).redisPrefix).toBe("acme-2");
    for (const prefix of ["a:b", "{a}", "x".repeat(65)])
      expect(faultsOf({ SIGNALBOX_REDIS_PREFIX: prefix })).toEqual([
        "SIGNALBOX_REDIS_PREFIX may hold letters, digits, - and _, at most 64 of them",
      ]);
  });

  it("reports everything at once and shows no value", () => {
    const faults = faultsOf({
      DATABASE_URL: "mysql://u:tip-top@db",
      REDIS_URL: "tip-top",
      LOG_LEVEL: "tip-top",
    });
    const inPasswords = "(in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25)";
    expect(faults).toEqual([
      `DATABASE_URL is no PostgreSQL address; it looks like postgresql://user:password@host:5432/name ${inPasswords}`,
      `REDIS_URL is no Redis address; it looks like redis://host:6379 or rediss://user:password@host:6379 ${inPasswords}`,
      "LOG_LEVEL is not one of trace, debug, info, warn, error, fatal, silent",
    ]);
  });

  it("reads secrets from files", async () => {
    const file = path.join(await folder(), "token");
    await writeFile(file, "t\n");
    expect(readEnvironment({ SIGNALBOX_ADMIN_TOKEN_FILE: file }).adminToken).toBe("t");
    expect(faultsOf({ SIGNALBOX_ADMIN_TOKEN_FILE: "/nowhere/token" })).toEqual([
      "the file that SIGNALBOX_ADMIN_TOKEN_FILE names can't be read (ENOENT)",
    ]);
  });

  it("obeys NO_COLOR before FORCE_COLOR, and a dumb terminal", () => {
    const color = (env: Record<string, string>) => readEnvironment(env).color;
    expect(color({ NO_COLOR: "1", FORCE_COLOR: "1" })).toBe("never");
    expect(color({ NO_COLOR: "", FORCE_COLOR: "1" })).toBe("always");
    expect(color({ FORCE_COLOR: "0" })).toBe("never");
    expect(color({ TERM: "dumb" })).toBe("never");
    expect([readEnvironment({ CI: "true" }).ci, readEnvironment({ CI: "false" }).ci]).toEqual([true, false]);
  });

  it("reads encryption keys in base64 and hex, several for a rotation, and shows none that is wrong", () => {
    const one = Buffer.alloc(32, 0xfb);
    const two = Buffer.alloc(32, 2);
    const keysOf = (text: string) => readEnvironment({ SIGNALBOX_ENCRYPTION_KEY: text }).encryptionKeys;
    expect(readEnvironment({}).encryptionKeys).toEqual([]);
    expect(keysOf(one.toString("base64"))).toEqual([one]);
    expect(keysOf(one.toString("base64url"))).toEqual([one]);
    expect(keysOf(` ${two.toString("hex")} , ${one.toString("base64")},`)).toEqual([two, one]);
    for (const wrong of [
      "not-a-key",
      Buffer.alloc(31, 7).toString("base64"),
      Buffer.alloc(33, 7).toString("hex"),
    ]) {
      let message = "";
      try {
        keysOf(`${two.toString("hex")},${wrong}`);
      } catch (error) {
        message = error instanceof Error ? error.message : "";
      }
      expect(message).toMatch(/SIGNALBOX_ENCRYPTION_KEY, key 2, is not 32 bytes in base64 or hex/);
      expect(message).not.toContain(wrong);
      expect(message).not.toContain("0202");
    }
  });
});
