/** HMAC-SHA256 over raw bytes, under any of several secrets, compared in constant time. */
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A secret as key material, with its place in the configured list. */
export interface SigningKey {
  readonly index: number;
  readonly key: KeyObject;
}

/**
 * One key per secret, the secret's text taken as bytes. An unset secret is dropped, never used: HMAC under an empty
 * key is one that anyone can compute.
 */
export const signingKeys = (secrets: readonly string[]): SigningKey[] =>
  secrets.flatMap((secret, index) =>
    secret.trim() === "" ? [] : [{ index, key: createSecretKey(Buffer.from(secret, "utf8")) }],
  );

const hexDigest = /^[0-9a-f]{64}$/;

/** The 32 bytes of a SHA-256 digest in lower-case hex; null for any other text, so that no digest has two spellings. */
export const digestFromHex = (text: string): Buffer | null =>
  hexDigest.test(text) ? Buffer.from(text, "hex") : null;

/** The place of the first secret under which `content` has one of the `presented` digests; null when none has. */
export function matchingSecret(
  keys: readonly SigningKey[],
  content: readonly (string | Buffer)[],
  presented: readonly Buffer[],
): number | null {
  for (const { index, key } of keys) {
    const hmac = createHmac("sha256", key);
    for (const part of content) hmac.update(part);
    const expected = hmac.digest();
    let matched = false;
    for (const digest of presented) {
      if (digest.length === expected.length && timingSafeEqual(digest, expected)) matched = true;
    }
    if (matched) return index;
  }
  return null;
}
