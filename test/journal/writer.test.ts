import { afterEach, expect, it } from "vitest";
import { Connection } from "../../src/journal/sqlite-driver.ts";
import { sql } from "../../src/journal/sql.ts";
import { Writer } from "../../src/journal/writer.ts";
import { manualClock } from "../support/clock.ts";

let writer: Writer | undefined;
afterEach(() => writer?.close());

/** A table of numbers, and how many of them each flush brought. */
function open() {
  const flushes: number[] = [];
  const connect = (): Connection => {
    const db = new Connection(":memory:");
    db.exec("CREATE TABLE numbers (n INTEGER)");
    const exec = db.exec.bind(db);
    let before = 0;
    db.exec = (text) => {
      exec(text);
      if (text !== "COMMIT") return;
      const { n } = db.get("SELECT count(*) AS n FROM numbers") as { n: number };
      flushes.push(n - before);
      before = n;
    };
    return db;
  };
  const opened = new Writer(connect, manualClock());
  writer = opened;
  const put = (n: number) =>
    opened.write(function* () {
      yield* sql.run("INSERT INTO numbers VALUES (?)", n);
    });
  return { flushes, put };
}
const many = (count: number, put: (n: number) => Promise<void>) =>
  Promise.all(Array.from({ length: count }, (_, n) => put(n)));
const turn = () => new Promise((resolve) => setImmediate(resolve));

it("flushes together what is written in one turn of the event loop", async () => {
  const { flushes, put } = open();
  await many(5, put);
  await put(1);
  expect(flushes).toEqual([5, 1]);
});

it("when writes come thick, waits for those of the next turns, and for no time to pass", async () => {
  const { flushes, put } = open();
  await many(20, put);
  const written: Promise<void>[] = [];
  for (let n = 0; n < 12; n += 1) {
    written.push(put(n));
    await turn();
  }
  await Promise.all(written);
  expect(flushes).toEqual([20, 12]);
});

it("flushes all the same when writes never cease", async () => {
  const { flushes, put } = open();
  await many(20, put);
  const written: Promise<void>[] = [];
  while (flushes.length < 2) {
    written.push(put(1));
    await turn();
  }
  expect(flushes[1]).toBeLessThanOrEqual(60);
  for (let n = 0; n < 10 && flushes.length < 3; n += 1) {
    written.push(...Array.from({ length: 150 }, () => put(n)));
    await turn();
  }
  expect(flushes[2]).toBeLessThanOrEqual(400);
  await Promise.all(written);
});
