import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownToken, readServerFile, writeServerFile } from "../src/data-folder.ts";
import { manualClock } from "./support/clock.ts";

const local = (port: number) => ({ host: "127.0.0.1", port });
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-folder-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Of a process that runs: the one that runs these tests. */
const another = (port: number | null) =>
  JSON.stringify({ pid: process.ppid, host: "127.0.0.1", port, adminHost: "127.0.0.1", adminPort: 1 });

describe("the admin token", () => {
  it("is made once, for its owner alone, and then read", () => {
    const token = ownToken(folder);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(ownToken(folder)).toBe(token);
    expect(statSync(join(folder, "admin-token")).mode & 0o077).toBe(0);
    expect(readdirSync(folder)).toEqual(["admin-token"]);
  });
});

it("where the service listens is never found half written", () => {
  const inode = () => statSync(join(folder, "server.json")).ino;
  const write = (port: number) =>
    writeServerFile(folder, { ingest: local(port), admin: local(2), shared: false }, manualClock());
  write(1);
  const first = inode();
  write(2);
  // Another file took its place: nobody writes into one that is being read.
  expect(inode()).not.toBe(first);
  expect(readdirSync(folder)).toEqual(["server.json"]);
});

it.runIf(existsSync("/dev/full"))(
  "where the service listens is told as soon as the disk has room for it, and the service is up meanwhile",
  async () => {
    const clock = manualClock();
    symlinkSync("/dev/full", join(folder, "server.json.new"));
    const remove = writeServerFile(folder, { ingest: local(1), admin: local(2), shared: false }, clock);
    expect(readdirSync(folder)).toEqual([]);
    await clock.advance(5_000);
    expect(readServerFile(folder)).toMatchObject({ port: 1, pid: process.pid });
    remove();
    expect(readdirSync(folder)).toEqual([]);
    symlinkSync("/dev/full", join(folder, "server.json.new"));
    writeServerFile(folder, { ingest: local(1), admin: local(2), shared: false }, clock)();
    await clock.advance(60_000);
    expect(readdirSync(folder)).toEqual([]);
  },
);

describe("a folder of several processes", () => {
  const write = (port: number | null) =>
    writeServerFile(
      folder,
      { ingest: port === null ? null : local(port), admin: local(2), shared: true },
      manualClock(),
    );

  it("names the first as long as it runs, and leaves its file to it", () => {
    writeFileSync(join(folder, "server.json"), another(7));
    const remove = write(8);
    expect(JSON.parse(readFileSync(join(folder, "server.json"), "utf8"))).toMatchObject({ port: 7 });
    expect(readServerFile(folder)).toMatchObject({ port: 8, pid: process.pid });
    remove();
    expect(readdirSync(folder)).toEqual(["server.json"]);
  });

  it("takes the place of one that is gone", () => {
    writeFileSync(join(folder, "server.json"), another(7).replace(String(process.ppid), "4194304"));
    const remove = write(8);
    expect(JSON.parse(readFileSync(join(folder, "server.json"), "utf8"))).toMatchObject({ port: 8 });
    remove();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("sends webhooks to one that receives", () => {
    write(null);
    expect(readServerFile(folder)).toMatchObject({ port: null, adminPort: 2 });
    writeFileSync(join(folder, `server.${hostname()}.${process.ppid}.json`), another(7));
    expect(readServerFile(folder)).toMatchObject({ port: 7 });
  });
});
