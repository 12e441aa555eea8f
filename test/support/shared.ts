/** Vendor contracts and vectors, kept beside the repository and not in it: tests that need them say so when they are absent. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../../../shared/", import.meta.url);

export const sharedPresent = existsSync(folder);
/** For the titles of `describe.skipIf(!sharedPresent)`. */
export const sharedNote = sharedPresent ? "" : " [skipped: ../shared is not beside the repository]";

export const sharedFile = (path: string): string => readFileSync(new URL(path, folder), "utf8");
export const sharedFiles = (path: string): string[] =>
  sharedPresent ? readdirSync(fileURLToPath(new URL(path, folder))).toSorted() : [];
