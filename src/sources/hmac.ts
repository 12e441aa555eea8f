/** HMAC-SHA256 over raw bytes, under any of several secrets, compared in constant time. */
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A secret as configured: a text, or a text with its dates in milliseconds since the epoch. */
export type SecretEntry =
  | string
  | {
      readonly value: string;
      /** Since when it is in use; says how old it is, changes nothing here. */
      readonly added?: number | undefined;
      /** From this moment on it is not used. */
      readonly expires?: number | undefined;
    };

/** A secret that is set, with its place in the configured list (empty entries count). */
export interface Secret {
  readonly index: number;
  readonly value: string;
  /** Infinity when it never does. */
  readonly expiresAt: number;
}

/** A secret as key material. */
export interface SigningKey extends Omit<Secret, "value"> {
  readonly key: KeyObject;
}

/**
 * The secrets that are set. An empty one is dropped, never used: HMAC under an empty key is one that anyone can
 * compute, and an empty token is one that anyone can send.
 */
export const setSecrets = (entries: readonly SecretEntry[]): Secret[] =>
  entries.flatMap((entry, index) => {
    const { value, expires } = typeof entry === "string" ? { value: entry } : entry;
    return value.trim() === "" ? [] : [{ index, value, expiresAt: expires ?? Number.POSITIVE_INFINITY }];
  });

/** Those that may be used for a request that arrived `at` (its `receivedAt`, milliseconds since the epoch). */
export const unexpired = <T extends { readonly expiresAt: number }>(all: readonly T[], at: number): T[] =>
  all.filter(({ expiresAt }) => at < expiresAt);

/**
 * One key per secret that is set. `bytesOf` reads a secret's text, as UTF-8 unless the provider says otherwise; an
 * empty result drops the secret as an empty text does.
 */
export const signingKeys = (
  entries: readonly SecretEntry[],
  bytesOf: (text: string) => Buffer = (text) => Buffer.from(text, "utf8"),
): SigningKey[] =>
  setSecrets(entries).flatMap(({ value, ...rest }) => {
    const bytes = bytesOf(value);
    return bytes.length === 0 ? [] : [{ ...rest, key: createSecretKey(bytes) }];
  });

const hexDigest = /^[0-9a-f]{64}$/;

/** The 32 bytes of a SHA-256 digest in lower-case hex; null for any other text, so that no digest has two spellings. */
export const digestFromHex = (text: string): Buffer | null =>
  hexDigest.test(text) ? Buffer.from(text, "hex") : null;

/** The 32 bytes of a SHA-256 digest in base64 with its padding; null for any other text, other spellings included. */
export function digestFromBase64(text: string): Buffer | null {
  const bytes = text.length === 44 ? Buffer.from(text, "base64") : null;
  return bytes?.length === 32 && bytes.toString("base64") === text ? bytes : null;
}

/**
 * The place of the first secret under which `content` has one of the `presented` digests; null when none has.
 * Secrets that had expired when the request arrived (`at`, its `receivedAt`) are not tried.
 */
export function matchingSecret(
  keys: readonly SigningKey[],
  content: readonly (string | Buffer)[],
  presented: readonly Buffer[],
  at: number,
): number | null {
  for (const { index, key } of unexpired(keys, at)) {
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
