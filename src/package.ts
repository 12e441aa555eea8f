/** Where the package itself is: its prompts, its dashboard, its version. Works from the sources and from dist. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!(existsSync(join(folder, "package.json")) && existsSync(join(folder, "prompts")))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("the installation is incomplete: its prompts folder is missing");
    folder = parent;
  }
  return folder;
}

export const packageRoot = findRoot();
export const packagePrompts = join(packageRoot, "prompts");
export const dashboardFolder = join(packageRoot, "dist", "dashboard");

const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
export const version = manifest.version;
