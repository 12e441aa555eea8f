import { createHash, hash as hashOf } from "node:crypto";

/** Any value that survives JSON unchanged. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export const isObject = (value: Json): value is JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** JSON with sorted keys: the same value always gives the same text, so that its hash can be compared. */
function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  if (isObject(value)) {
    const fields = Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
    return `{${fields.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** SHA-256 in hex. Parts are separated by NUL, so that ("a","bc") and ("ab","c") differ. */
export function sha256(...parts: (string | Uint8Array)[]): string {
  const [only] = parts;
  // In one call, without a hash object: several times per event.
  if (only !== undefined && parts.length === 1) return hashOf("sha256", only, "hex");
  const hash = createHash("sha256");
  parts.forEach((part, index) => {
    if (index > 0) hash.update("\0");
    hash.update(part);
  });
  return hash.digest("hex");
}

/** The hash that an approval binds to: of a value as canonical JSON. */
export const hashJson = (value: Json): string => sha256(canonicalJson(value));
