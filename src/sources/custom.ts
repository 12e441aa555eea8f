/**
 * A sender that is not in the list: your own code, n8n, Zapier. It signs with HMAC-SHA256; what exactly, and in which
 * headers it says so, is configured. docs/custom-source.md shows both sides.
 */
import { Rejection } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { Identified, RawRequest, Source } from "../domain/source.ts";
import { digestFromBase64, digestFromHex, matchingSecret, signingKeys } from "./hmac.ts";
import type { SecretEntry, SigningKey } from "./hmac.ts";
import { isId, isLine, objectAt, parseObject } from "./payload.ts";
import { isoTime, requireFresh } from "./signed-time.ts";

/** All but `name` and `secrets` may be left out; the defaults are those of the configuration. */
export interface CustomOptions {
  readonly name: string;
  /** Shared secrets, the current one first; unset ones are dropped. */
  readonly secrets: readonly SecretEntry[];
  readonly signature?:
    | {
        /** `X-Signature` */
        readonly header?: string | undefined;
        /** What stands before the digest: `sha256=`. May be empty. */
        readonly prefix?: string | undefined;
        /** `hex` (lower case) */
        readonly encoding?: "hex" | "base64" | undefined;
        /** What is signed: `{id}.{timestamp}.{body}`. Must hold `{body}`. */
        readonly construction?: string | undefined;
      }
    | undefined;
  /** `X-Event-ID` */
  readonly idHeader?: string | undefined;
  /** `X-Timestamp`: seconds, milliseconds or ISO 8601. Looked at only if it is signed. */
  readonly timestampHeader?: string | undefined;
  /** Milliseconds; 300000. */
  readonly tolerance?: number | undefined;
  /** Where in the body the event's type is, with dots between fields: `type`. */
  readonly typeField?: string | undefined;
  /** The header that has the event's type, instead of the body. */
  readonly typeHeader?: string | undefined;
}

type Placeholder = "id" | "timestamp" | "body";

/** The options with everything decided. Names of headers are for people; `headerOf` finds them. */
interface Scheme {
  readonly signatureHeader: string;
  readonly prefix: string;
  readonly encoding: "hex" | "base64";
  readonly construction: readonly { readonly text: string; readonly placeholder: Placeholder | null }[];
  readonly idHeader: string;
  readonly timestampHeader: string;
  readonly toleranceMs: number;
}

const maxBodyBytes = 1_000_000;
const untypedEvent = "webhook";

/** Throws an Error when the construction leaves out the body: anybody could then put another one in its place. */
export function custom(options: CustomOptions): Source {
  const scheme = schemeOf(options);
  const keys = signingKeys(options.secrets);
  const { typeHeader, typeField = "type" } = options;
  const kept = [scheme.idHeader, scheme.timestampHeader, ...(typeHeader === undefined ? [] : [typeHeader])]
    .map((name) => name.toLowerCase())
    .filter((name) => !/signature|authorization|cookie|token|secret|key/.test(name));
  return {
    name: options.name,
    type: "custom",
    active: keys.length > 0,
    maxBodyBytes,
    keptHeaders: ["content-type", "user-agent", ...kept],
    evidence: { headers: signedHeaders(scheme), url: false },
    verify: (request) => ({ secretIndex: matchCustomSignature(request, scheme, keys) }),
    identify(request) {
      const payload = parseObject(request.body);
      const type =
        typeHeader === undefined ? valueAt(payload, typeField) : headerOf(request.headers, typeHeader);
      return [
        {
          ...identity(request, scheme),
          type: isLine(type) ? type : untypedEvent,
          body: request.body,
          payload,
        },
      ];
    },
  };
}

function schemeOf({ name, signature = {}, idHeader, timestampHeader, tolerance }: CustomOptions): Scheme {
  const construction = (signature.construction ?? "{id}.{timestamp}.{body}")
    .split(/(\{(?:id|timestamp|body)\})/)
    .filter((text) => text !== "")
    .map(
      (text) =>
        ({
          text,
          placeholder:
            text === "{id}" ? "id" : text === "{timestamp}" ? "timestamp" : text === "{body}" ? "body" : null,
        }) as const,
    );
  if (!construction.some(({ placeholder }) => placeholder === "body")) {
    throw new Error(`the source ${name} can't be used: its signature must cover {body}`);
  }
  return {
    signatureHeader: signature.header ?? "X-Signature",
    prefix: signature.prefix ?? "sha256=",
    encoding: signature.encoding ?? "hex",
    construction,
    idHeader: idHeader ?? "X-Event-ID",
    timestampHeader: timestampHeader ?? "X-Timestamp",
    toleranceMs: tolerance ?? 300_000,
  };
}

const headerOf = (headers: RawRequest["headers"], name: string): string | undefined => {
  const value = headers[name.toLowerCase()];
  return value === "" ? undefined : value;
};

const covers = ({ construction }: Scheme, what: Placeholder): boolean =>
  construction.some(({ placeholder }) => placeholder === what);

const signedHeaders = (scheme: Scheme): string[] =>
  [
    scheme.signatureHeader,
    ...(covers(scheme, "id") ? [scheme.idHeader] : []),
    ...(covers(scheme, "timestamp") ? [scheme.timestampHeader] : []),
  ].map((name) => name.toLowerCase());

/** Gives the place of the secret that matched. Throws Rejection 401. */
function matchCustomSignature(request: RawRequest, scheme: Scheme, keys: readonly SigningKey[]): number {
  const { signatureHeader: header, prefix, encoding, timestampHeader } = scheme;
  const signature = headerOf(request.headers, header);
  if (signature === undefined) {
    throw new Rejection(401, "signature_missing", `the ${header} header is missing`);
  }
  const text = signature.startsWith(prefix) ? signature.slice(prefix.length) : "";
  const digest = encoding === "hex" ? digestFromHex(text) : digestFromBase64(text);
  if (!digest) {
    const form = encoding === "hex" ? "64 lower-case hex digits" : "32 bytes in base64";
    throw new Rejection(401, "signature_malformed", `${header} must read ${prefix}<${form}>`);
  }
  const signedAt = covers(scheme, "timestamp") ? signedTime(request, timestampHeader) : null;
  const secretIndex = matchingSecret(keys, signedParts(request, scheme), [digest], request.receivedAt);
  if (secretIndex === null) {
    throw new Rejection(
      401,
      "signature_mismatch",
      `${header} does not fit the request under a configured secret; it must be the HMAC-SHA256 of ` +
        `${scheme.construction.map((part) => part.text).join("")}, and nothing on the way may change the body`,
    );
  }
  if (signedAt !== null) requireFresh(signedAt, request.receivedAt, scheme.toleranceMs);
  return secretIndex;
}

function signedParts({ headers, body }: RawRequest, scheme: Scheme): (string | Buffer)[] {
  return scheme.construction.map(({ text, placeholder }) => {
    switch (placeholder) {
      case "id":
        return signedId(headers, scheme.idHeader);
      case "timestamp":
        return headerOf(headers, scheme.timestampHeader) ?? "";
      case "body":
        return body;
      case null:
        return text;
    }
  });
}

/**
 * Neither brackets nor quotes: where an id and a body are signed without anything between them, no part of the one can
 * then be taken for the other.
 */
const usableId = (text: string): boolean => isId(text) && !/["'{}[\]\\]/.test(text);

function signedId(headers: RawRequest["headers"], name: string): string {
  const id = headerOf(headers, name);
  if (id !== undefined && usableId(id)) return id;
  throw new Rejection(
    401,
    id === undefined ? "id_missing" : "id_malformed",
    `the signature covers the ${name} header, which is missing or unusable; ${idForm}`,
  );
}
const idForm = "it must be 1 to 200 visible ASCII characters without brackets, quotes and backslashes";

function signedTime({ headers }: RawRequest, name: string): number {
  const text = headerOf(headers, name);
  const at = text === undefined ? null : (isoTime(text) ?? epochTime(text));
  if (at !== null) return at;
  throw new Rejection(
    401,
    text === undefined ? "timestamp_missing" : "timestamp_malformed",
    `the signature covers the ${name} header, which is missing or unusable; ` +
      "it must be seconds or milliseconds since 1970, or a time like 2026-01-02T03:04:05Z",
  );
}

/** Seconds until the year 5138; as milliseconds, such a small number would be in the first months of 1973 or earlier. */
const firstMilliseconds = 100_000_000_000;

function epochTime(text: string): number | null {
  if (!/^\d{1,14}$/.test(text)) return null;
  const value = Number(text);
  return value < firstMilliseconds ? value * 1_000 : value;
}

/**
 * Who the event is. An id that is not signed can be replaced in a captured request, which is then known by what was
 * signed; a sender that names no id is known by that alone.
 */
function identity(
  request: RawRequest,
  scheme: Scheme,
): Pick<Identified, "providerId" | "occurredAt" | "dedupeKeys"> {
  const { headers, body } = request;
  const timestamp = covers(scheme, "timestamp") ? headerOf(headers, scheme.timestampHeader) : undefined;
  const occurredAt = timestamp === undefined ? null : (isoTime(timestamp) ?? epochTime(timestamp));
  const id = headerOf(headers, scheme.idHeader);
  if (id !== undefined && !usableId(id)) {
    throw new Rejection(400, "malformed_event", `the ${scheme.idHeader} header is unusable; ${idForm}`);
  }
  if (id !== undefined && covers(scheme, "id")) {
    return { providerId: id, occurredAt, dedupeKeys: [`id:${id}`] };
  }
  const hash = timestamp === undefined ? sha256(body) : sha256(timestamp, body);
  const signedKey = `${timestamp === undefined ? "body" : "signed"}:${hash}`;
  return {
    providerId: id ?? hash,
    occurredAt,
    dedupeKeys: id === undefined ? [signedKey] : [`id:${id}`, signedKey],
  };
}

/** The value at `data.kind`; undefined when there is none. */
function valueAt(payload: JsonObject, path: string): Json | undefined {
  const fields = path.split(".");
  const last = fields.pop() ?? "";
  const parent = objectAt(payload, ...fields);
  return parent !== null && Object.hasOwn(parent, last) ? parent[last] : undefined;
}
