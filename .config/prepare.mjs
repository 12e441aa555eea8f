// Runs after `npm ci`, so that a checkout is always built. Without the development dependencies there is no compiler:
// then it says so and succeeds, because `npm ci --omit=dev` beside an already built dist/ is how an image is made.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param {string} path */
const present = (path) => existsSync(fileURLToPath(new URL(`../${path}`, import.meta.url)));

if (present("node_modules/typescript/package.json") && present("tsconfig.json")) {
  await import("./build.mjs");
} else if (present("dist/src/main.js")) {
  console.log("signalbox: TypeScript is not installed, using the dist/ that is there");
} else {
  console.log(
    "signalbox: not built, TypeScript is not installed; run `npm ci` with development dependencies",
  );
}
