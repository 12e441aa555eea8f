// Loaded into the program by `--import`: the process kills itself, as `kill -9` would, right before or right after a commit
// of its journal. KILL_AT_COMMIT names a file that holds `before 3` or `after 1`; while there is none, nothing happens.
import { existsSync, readFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";

const require = createRequire(import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const builtIn = major > 22 || (major === 22 && minor >= 13);
const name = builtIn ? "node:sqlite" : "@photostructure/sqlite";
const driver = require(name);
const file = process.env["KILL_AT_COMMIT"] ?? "";
/** Commits since the file said what it says. */
let commits = 0;
let order = "";

class DatabaseSync extends driver.DatabaseSync {
  /** @param {string} sql */
  exec(sql) {
    if (sql !== "COMMIT" || !existsSync(file)) return super.exec(sql);
    const given = readFileSync(file, "utf8");
    commits = given === order ? commits + 1 : 1;
    order = given;
    const [when, number] = given.split(" ");
    const isIt = commits === Number(number);
    if (isIt && when === "before") process.kill(process.pid, "SIGKILL");
    super.exec(sql);
    if (isIt && when === "after") process.kill(process.pid, "SIGKILL");
  }
}

if (builtIn) {
  driver.DatabaseSync = DatabaseSync;
  syncBuiltinESMExports();
} else {
  const cached = require.cache[require.resolve(name)];
  if (cached) cached.exports = { ...driver, DatabaseSync };
}
