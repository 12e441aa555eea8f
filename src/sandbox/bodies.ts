/** Reading what clients send: JSON, forms with brackets, and fields whose type nobody promised. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";

/** The value as an object; an empty one when it is something else. */
export const asObject = (value: Json | undefined): JsonObject =>
  value !== undefined && isObject(value) ? value : {};
export const asList = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
export const asText = (value: Json | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;
/** A scalar as a text; nothing for what is no scalar. */
export const asWord = (value: Json | undefined): string =>
  typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : "";
/** A number, or a text that holds one, as forms and queries carry it. */
export function asNumber(value: Json | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

type Tree = { [key: string]: Json };

/** `a[b]=1&c[]=2&c[]=3` → `{a:{b:"1"},c:["2","3"]}`, as Stripe and Rails read forms; numbered keys become a list. */
export function parseForm(text: string): JsonObject {
  const root: Tree = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const path = [...key.matchAll(/^[^[]+|\[([^\]]*)\]/g)].map((part) => part[1] ?? part[0]);
    place(root, path, value);
  }
  return lists(root) as JsonObject;
}

function place(root: Tree, path: readonly string[], value: string): void {
  let node = root;
  path.forEach((part, index) => {
    // `__proto__` would reach outside the tree.
    const name = part === "" ? String(Object.keys(node).length) : part === "__proto__" ? "_" : part;
    if (index === path.length - 1) {
      // `types=a&types=b`: a repeated plain key is a list.
      const before = path.length === 1 ? node[name] : undefined;
      node[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
      return;
    }
    const next = node[name];
    const child: Tree = next !== undefined && next !== null && typeof next === "object" ? (next as Tree) : {};
    node[name] = child;
    node = child;
  });
}

function lists(node: Json): Json {
  if (!isObject(node)) return node;
  const entries = Object.entries(node).map(([key, value]) => [key, lists(value)] as const);
  const numbered = entries.length > 0 && entries.every(([key], index) => key === String(index));
  return numbered ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

export type ParsedBody =
  { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly reason: string };

/** The body by its content type; an empty one is null, an unknown type stays text. */
export function parseBody(contentType: string, raw: string): ParsedBody {
  if (raw === "") return { ok: true, value: null };
  if (contentType.includes("application/x-www-form-urlencoded")) return { ok: true, value: parseForm(raw) };
  if (!contentType.includes("json")) return { ok: true, value: raw };
  try {
    return { ok: true, value: JSON.parse(raw) as Json };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}

const secretFields = new Set(["token", "refresh_token", "assertion", "client_secret", "access_token"]);

/** The body as it may be kept and shown: secrets at its top level are named, not copied. */
export function withoutSecrets(body: Json): Json {
  if (!isObject(body)) return body;
  const fields = Object.entries(body).map(([key, value]) => [key, secretFields.has(key) ? "…" : value]);
  return Object.fromEntries(fields) as JsonObject;
}

/** Headers as they may be kept: an authorization keeps only its kind. */
export function headersWithoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  const safe: Record<string, string> = { ...headers };
  if (safe["authorization"] !== undefined) safe["authorization"] = safe["authorization"].split(" ")[0] ?? "";
  for (const name of ["x-api-key", "cookie"]) if (safe[name] !== undefined) safe[name] = "…";
  return safe;
}
