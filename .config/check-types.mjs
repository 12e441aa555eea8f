// Types of everything that runs on Node, then of the dashboard, which has the browser's library instead.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const projects = [".", "src/dashboard"].filter((project) => existsSync(`${root}${project}/tsconfig.json`));
const failed = projects.filter((project) => {
  const tsc = [`${root}node_modules/typescript/bin/tsc`, "--noEmit", "-p", project];
  return spawnSync(process.execPath, tsc, { cwd: root, stdio: "inherit" }).status !== 0;
});
process.exitCode = failed.length === 0 ? 0 : 1;
