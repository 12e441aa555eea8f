// Before the tests: the real servers that they start for themselves. What is missing is installed where that can be done
// without asking (Debian, as root), and it is said; else the tests that need it say why they are skipped. Never fails.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where Debian puts the binaries of each version, none of them on the PATH. */
const debianFolder = "/usr/lib/postgresql";

/** @param {string} program @returns {string | null} */
function onPath(program) {
  const folders = (process.env["PATH"] ?? "").split(":").filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
}

/** The folder of PostgreSQL's binaries; the newest version where there are several. @returns {string | null} */
export function postgresFolder() {
  const path = onPath("postgres");
  if (path !== null && existsSync(join(dirname(path), "initdb"))) return dirname(path);
  const versions = existsSync(debianFolder) ? readdirSync(debianFolder) : [];
  return (
    versions
      .toSorted((a, b) => Number(b) - Number(a))
      .map((version) => join(debianFolder, version, "bin"))
      .find((folder) => existsSync(join(folder, "postgres"))) ?? null
  );
}

/** @returns {string | null} */
export const redisServer = () => onPath("redis-server");

const servers = [
  { name: "PostgreSQL", package: "postgresql", present: () => postgresFolder() !== null },
  { name: "Redis", package: "redis-server", present: () => redisServer() !== null },
];

/** Debian starts a server of its own when the package comes; the tests start theirs. */
function keepDebianFromStarting() {
  const file = "/etc/postgresql-common/createcluster.conf";
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "create_main_cluster = false\n");
}

function installMissing() {
  const missing = servers.filter((server) => !server.present());
  if (missing.length === 0) return;
  const names = missing.map((server) => server.name).join(" and ");
  if (process.getuid?.() !== 0 || onPath("apt-get") === null) {
    console.log(
      `${names} not found: the tests against the real servers are skipped. Install ${missing
        .map((server) => server.package)
        .join(" and ")} to run them.`,
    );
    return;
  }
  const packages = missing.map((server) => server.package);
  console.log(`${names} not found: apt-get install -y ${packages.join(" ")}`);
  keepDebianFromStarting();
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  spawnSync("apt-get", ["update", "-q"], { stdio: "inherit", env, timeout: 300_000 });
  spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], {
    stdio: "inherit",
    env,
    timeout: 600_000,
  });
  for (const { name } of missing.filter((server) => !server.present()))
    console.log(`${name} could not be installed: the tests that need it are skipped`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) installMissing();
