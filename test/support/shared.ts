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

/** A signed request, as a provider's documentation or library has it. */
export interface SignatureVector {
  readonly provider: string;
  readonly secret: string;
  /** HubSpot's, which signs it. */
  readonly url: string;
  readonly body: string;
  /** Seconds. */
  readonly now: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Those of a provider, or of all. Throws when it has none, so that a test of them can't pass by testing nothing. */
export function signatureVectors(provider?: string): SignatureVector[] {
  const all = JSON.parse(sharedFile("specs/vectors/signatures.json")) as SignatureVector[];
  const theirs = all.filter((vector) => provider === undefined || vector.provider === provider);
  if (theirs.length === 0) throw new Error(`there is no vector of ${provider}`);
  return theirs;
}
