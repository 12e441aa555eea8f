/**
 * Content at rest: bodies, kept headers, signatures, step outputs and action inputs, sealed with AES-256-GCM when keys are given.
 *
 * A sealed value says so at its beginning and names its key, so that plain and sealed rows stand side by side, and rows
 * of an older key are still read. It is bound to its place (table, column, id): moved to another row it does not open.
 * Bytes:  "\0SBX" 1  key id (4)  nonce (12)  tag (16)  ciphertext;  text: "\0SBX" in base64 with all of that.
 * The first key seals, all of them open.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

/** Seals and opens. `place` is where the value stands, such as `events.body:evt_1`. */
export interface Vault {
  /** Of the key that seals; null without keys. */
  readonly keyId: string | null;
  /** Ids of all keys. */
  readonly keyIds: readonly string[];
  sealBytes(value: Uint8Array, place: string): Uint8Array;
  openBytes(value: Uint8Array, place: string): Uint8Array;
  sealText(value: string, place: string): string;
  openText(value: string, place: string): string;
}

const magic = Buffer.from("\0SBX", "latin1");
const sealedMark = 1;
/** Stands before plain bytes that begin as sealed ones do: what a sender writes is never taken for ours. */
const plainMark = 0;
const header = magic.length + 1;
const idBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;
/** Base64 of the magic's first three bytes: no JSON text begins so. */
const textMark = magic.toString("base64").slice(0, 5);

const idOf = (key: Buffer): Buffer =>
  createHash("sha256").update("signalbox key id\0").update(key).digest().subarray(0, idBytes);

/** The key id of sealed bytes; null for plain ones. */
export function sealedBy(value: Uint8Array | string): string | null {
  const bytes =
    typeof value === "string" ? bytesOfText(value.slice(0, 64)) : Buffer.from(value.subarray(0, 16));
  if (bytes === null || !isMarked(bytes) || bytes[magic.length] !== sealedMark) return null;
  return bytes.subarray(header, header + idBytes).toString("hex");
}

const isMarked = (bytes: Buffer): boolean =>
  bytes.length >= header && bytes.subarray(0, magic.length).equals(magic);

const bytesOfText = (value: string): Buffer | null =>
  value.startsWith(textMark) ? Buffer.from(value, "base64") : null;

/** `keys`: 32 bytes each, the one that seals first; none leaves everything plain. */
export function createVault(keys: readonly Buffer[]): Vault {
  const byId = new Map(keys.map((key) => [idOf(key).toString("hex"), key]));
  const [first] = keys;

  function sealed(value: Uint8Array, place: string): Buffer {
    if (first === undefined) {
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      return isMarked(bytes) ? Buffer.concat([magic, Buffer.from([plainMark]), bytes]) : bytes;
    }
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv("aes-256-gcm", first, nonce).setAAD(Buffer.from(place, "utf8"));
    const content = Buffer.concat([cipher.update(value), cipher.final()]);
    return Buffer.concat([
      magic,
      Buffer.from([sealedMark]),
      idOf(first),
      nonce,
      cipher.getAuthTag(),
      content,
    ]);
  }

  function opened(bytes: Buffer, place: string): Buffer {
    if (!isMarked(bytes)) return bytes;
    if (bytes[magic.length] === plainMark) return bytes.subarray(header);
    const id = bytes.subarray(header, header + idBytes).toString("hex");
    const key = byId.get(id);
    if (key === undefined)
      throw new Error(`${place} is sealed with the key ${id}, which ${envName} does not hold`);
    const nonceAt = header + idBytes;
    const tagAt = nonceAt + nonceBytes;
    const contentAt = tagAt + tagBytes;
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(nonceAt, tagAt))
        .setAAD(Buffer.from(place, "utf8"))
        .setAuthTag(bytes.subarray(tagAt, contentAt));
      return Buffer.concat([decipher.update(bytes.subarray(contentAt)), decipher.final()]);
    } catch (error) {
      throw new Error(`${place} can't be opened: its row was changed or moved`, { cause: error });
    }
  }

  return {
    keyId: first === undefined ? null : idOf(first).toString("hex"),
    keyIds: [...byId.keys()],
    sealBytes: sealed,
    openBytes: (value, place) => opened(Buffer.from(value.buffer, value.byteOffset, value.byteLength), place),
    // Our own texts are JSON, which never begins like a sealed one.
    sealText: (value, place) =>
      first === undefined ? value : sealed(Buffer.from(value, "utf8"), place).toString("base64"),
    openText(value, place) {
      const bytes = bytesOfText(value);
      return bytes === null ? value : opened(bytes, place).toString("utf8");
    },
  };
}

export const envName = "SIGNALBOX_ENCRYPTION_KEY";

/** Where a value stands: what its seal is bound to. */
export const place = {
  eventBody: (id: string) => `events.body:${id}`,
  eventHeaders: (id: string) => `events.headers:${id}`,
  eventEvidence: (id: string) => `events.evidence:${id}`,
  requestEvidence: (id: string) => `signed_requests.evidence:${id}`,
  requestBody: (id: string) => `signed_requests.body:${id}`,
  deliveryBody: (id: string) => `deliveries.body:${id}`,
  stepOutput: (run: string, name: string) => `steps.output:${run}/${name}`,
  actionInput: (id: string) => `actions.input:${id}`,
} as const;
