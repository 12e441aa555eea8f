import { Connection } from "../../src/journal/sqlite-driver.ts";

/** A second connection to a journal that may be at work: it waits its turn, rather than find the file locked. */
export function openBeside(file: string): Connection {
  const db = new Connection(file);
  db.exec("PRAGMA busy_timeout = 60000");
  return db;
}
