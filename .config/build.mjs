// src/ and agents/ → dist/src and dist/agents; the dashboard → dist/dashboard; files that are not TypeScript are copied.
// Does nothing when nothing has changed since it last came to its end.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const copied = new Set([".sql", ".json", ".yaml", ".html", ".css", ".txt", ".liquid"]);

const stamp = join(root, "dist/.built");
// Folders too: what was taken out of one makes it newer.
const inputs = ["src", "agents", ".config", "package.json", "package-lock.json", "tsconfig.json"];

function isUpToDate() {
  if (!existsSync(stamp) || !existsSync(join(root, "dist/src/main.js"))) return false;
  const built = statSync(stamp).mtimeMs;
  return inputs
    .map((input) => join(root, input))
    .flatMap((input) => [input, ...(statSync(input).isDirectory() ? below(input) : [])])
    .every((path) => statSync(path).mtimeMs < built);
}

/** @param {string} folder */
const below = (folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));

function build() {
  rmSync(stamp, { force: true });
  removeStale();
  run("typescript/bin/tsc", "-p", ".config/tsconfig.build.json");
  copyAssets();
  if (existsSync(join(root, "src/dashboard/vite.config.ts"))) {
    run("vite/bin/vite.js", "build", "-c", "src/dashboard/vite.config.ts", "--logLevel", "warn");
  }
  if (existsSync(join(root, "dist/src/main.js"))) chmodSync(join(root, "dist/src/main.js"), 0o755);
  writeFileSync(stamp, "");
}

/** @param {string} script @param {string[]} args */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [join(root, "node_modules", script), ...args], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** @param {string} folder @returns {string[]} paths below the root, folders left out */
const filesIn = (folder) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    : [];

/** A module that is gone from the sources must not live on in a checkout that is rebuilt. */
function removeStale() {
  for (const file of [...filesIn("dist/src"), ...filesIn("dist/agents")]) {
    const source = join(root, file.slice("dist/".length));
    const typescript = `${source.slice(0, -extname(source).length)}.ts`;
    if (!existsSync(source) && !existsSync(typescript)) rmSync(join(root, file));
  }
}

function copyAssets() {
  for (const file of [...filesIn("src"), ...filesIn("agents")]) {
    if (dirname(file).startsWith(join("src", "dashboard")) || !copied.has(extname(file))) continue;
    cpSync(join(root, file), join(root, "dist", file));
  }
}

if (!isUpToDate()) build();
