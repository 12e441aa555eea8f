/** Reading an authentic body: once, strictly, and only as far as it is used. All faults are Rejection 400. */
import { Rejection } from "../domain/errors.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";

/** Vendors nest a dozen levels. Code that walks a payload recurses; a body of a million brackets must not reach it. */
const maxDepth = 64;
/**
 * From this many bytes on, brackets are counted before anything is built from them. In less than that no nesting can
 * keep the parser busy for more than a twentieth of a second, and looking at what it built costs a twentieth of counting.
 */
const countedFrom = 65_536;
const utf8 = new TextDecoder("utf-8", { fatal: true });

const malformed = (message: string): Rejection => new Rejection(400, "malformed_json", message);
const tooDeep = (): Rejection => malformed(`the body is nested deeper than ${maxDepth} levels`);

/** The object in a JSON body. Valid UTF-8, an object at the root, at most 64 levels deep. */
export function parseObject(body: Uint8Array): JsonObject {
  const value = parseJson(body);
  if (!isObject(value)) throw malformed("the body is valid JSON but no object; send one JSON object");
  return value;
}

/** One object of a list, and its bytes as they were sent. */
export interface ListItem {
  readonly value: JsonObject;
  readonly bytes: Buffer;
}

/** The objects in a body that is a JSON list of objects; may be none. Otherwise as `parseObject`. */
export function parseObjects(body: Buffer): ListItem[] {
  const list = parseJson(body);
  if (!Array.isArray(list) || !list.every((item: Json) => isObject(item))) {
    throw malformed("the body is valid JSON but no list of objects; send a JSON list of them");
  }
  const items: ListItem[] = [];
  let start = 0;
  walkBrackets(body, (at, depth, opens) => {
    if (opens && depth === 2) start = at;
    const value = list[items.length];
    if (!opens && depth === 1 && value !== undefined)
      items.push({ value, bytes: body.subarray(start, at + 1) });
    return true;
  });
  return items;
}

function parseJson(body: Uint8Array): Json {
  if (body.length >= countedFrom && !isShallow(body)) throw tooDeep();
  let value: Json;
  try {
    value = JSON.parse(utf8.decode(body)) as Json;
  } catch {
    // The parser's own message quotes the body, which may hold personal data.
    throw malformed("the body is not valid JSON in UTF-8; send JSON as the provider does");
  }
  if (!isWithin(value, maxDepth)) throw tooDeep();
  return value;
}

/** Whether the value nests at most `levels` deep; looks no deeper than that. */
function isWithin(value: Json, levels: number): boolean {
  if (value === null || typeof value !== "object") return true;
  if (levels === 0) return false;
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    if (part !== null && typeof part === "object" && !isWithin(part as Json, levels - 1)) return false;
  }
  return true;
}

/** Counts brackets outside strings, before anything is built from them. */
const isShallow = (body: Uint8Array): boolean => walkBrackets(body, (_, depth) => depth <= maxDepth);

/** Tells each bracket outside strings, with the depth after it, until `visit` gives false; then gives false itself. */
function walkBrackets(
  body: Uint8Array,
  visit: (at: number, depth: number, opens: boolean) => boolean,
): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (inString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (!visit(at, depth, true)) return false;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
      if (!visit(at, depth, false)) return false;
    }
  }
  return true;
}

const maxIdLength = 200;
const visible = /^[\x21-\x7e]+$/;
/** Control characters: NUL can't be stored as text by every database, the others only confuse a log. */
// eslint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f]/;

/** An id that can be stored and compared: visible ASCII, at most 200 characters. */
export const isId = (value: unknown): value is string =>
  typeof value === "string" && value.length <= maxIdLength && visible.test(value);

/** One line of text, at most 200 characters. */
export const isLine = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= maxIdLength && !controls.test(value);

/** The id at `field`; `what` names it for people. */
export function requiredId(value: unknown, what: string): string {
  if (isId(value)) return value;
  throw new Rejection(
    400,
    "malformed_event",
    `${what} is missing or unusable; it must be 1 to ${maxIdLength} visible ASCII characters`,
  );
}

/** The object at `path`, or null when anything on the way is not an object. */
export function objectAt(root: JsonObject, ...path: string[]): JsonObject | null {
  let at: JsonObject = root;
  for (const field of path) {
    const next = Object.hasOwn(at, field) ? at[field] : undefined;
    if (next === undefined || !isObject(next)) return null;
    at = next;
  }
  return at;
}

/** Milliseconds since the epoch of an ISO 8601 text or of a number of seconds; null for anything else. */
export function timeOf(value: unknown): number | null {
  const at =
    typeof value === "number" ? value * 1000 : typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isSafeInteger(at) && at > 0 ? at : null;
}
