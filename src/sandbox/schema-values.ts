/**
 * A valid value for a JSON Schema of the subset that both model vendors take. It is the same value each time: the
 * smallest one that the schema allows, and the first of several choices.
 */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asList, asNumber, asObject, asText } from "./bodies.ts";

export const valueFor = (schema: object): Json => build(schema as JsonObject, schema as JsonObject, 0);

const samples: Readonly<Record<string, string>> = {
  email: "someone@example.com",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
  "date-time": "2026-01-01T00:00:00Z",
  date: "2026-01-01",
  time: "00:00:00Z",
  ipv4: "127.0.0.1",
  hostname: "example.com",
};

function build(schema: JsonObject, root: JsonObject, depth: number): Json {
  const ref = asText(schema["$ref"]);
  if (ref !== undefined) return build(resolve(ref, root), root, depth + 1);
  if (schema["const"] !== undefined) return schema["const"];
  const choices = asList(schema["enum"]);
  if (choices[0] !== undefined) return choices[0];
  const variants = [...asList(schema["anyOf"]), ...asList(schema["oneOf"])].map(asObject);
  if (variants.length > 0) return build(variantOf(variants, depth), root, depth + 1);
  const parts = asList(schema["allOf"]).map(asObject);
  if (parts.length > 0) return build(merged([schema, ...parts]), root, depth + 1);
  const types = Array.isArray(schema["type"]) ? schema["type"] : [schema["type"]];
  switch (types.find((type) => type !== "null") ?? types[0]) {
    case "object":
      return objectFor(schema, root, depth);
    case "array": {
      const count = depth > 6 ? 0 : (asNumber(schema["minItems"]) ?? 0);
      return Array.from({ length: count }, () => build(asObject(schema["items"]), root, depth + 1));
    }
    case "string":
      return textFor(schema);
    case "integer":
    case "number":
      return numberFor(schema);
    case "boolean":
      return false;
    default:
      return null;
  }
}

/** Deep inside a recursive schema the way out is the variant that ends it. */
function variantOf(variants: readonly JsonObject[], depth: number): JsonObject {
  const ending = variants.find((variant) => variant["type"] === "null");
  return (depth > 6 ? ending : undefined) ?? variants[0] ?? {};
}

function merged(parts: readonly JsonObject[]): JsonObject {
  const { allOf: _, ...own } = Object.assign({}, ...parts) as JsonObject;
  const properties = Object.assign({}, ...parts.map((part) => asObject(part["properties"]))) as JsonObject;
  return { ...own, ...(Object.keys(properties).length > 0 ? { properties } : {}) };
}

function resolve(ref: string, root: JsonObject): JsonObject {
  const path = ref
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "");
  return path.reduce<JsonObject>(
    (node, part) => asObject(node[part.replaceAll("~1", "/").replaceAll("~0", "~")]),
    root,
  );
}

function objectFor(schema: JsonObject, root: JsonObject, depth: number): JsonObject {
  const required = asList(schema["required"]);
  const fields = Object.entries(asObject(schema["properties"])).filter(
    ([name]) => depth <= 6 || required.includes(name),
  );
  return Object.fromEntries(
    fields.map(([name, part]) => [name, build(isObject(part) ? part : {}, root, depth + 1)]),
  );
}

function textFor(schema: JsonObject): string {
  const sample = samples[asText(schema["format"]) ?? ""];
  if (sample !== undefined) return sample;
  const least = asNumber(schema["minLength"]) ?? 0;
  const most = asNumber(schema["maxLength"]) ?? Number.POSITIVE_INFINITY;
  return "text".padEnd(least, ".").slice(0, most);
}

function numberFor(schema: JsonObject): number {
  const step = asNumber(schema["multipleOf"]) ?? (schema["type"] === "integer" ? 1 : 0);
  const above = asNumber(schema["exclusiveMinimum"]);
  const below = asNumber(schema["exclusiveMaximum"]);
  const unit = step > 0 ? step : 0.5;
  const least = Math.max(
    asNumber(schema["minimum"]) ?? Number.NEGATIVE_INFINITY,
    above === undefined ? Number.NEGATIVE_INFINITY : above + unit,
  );
  const most = Math.min(
    asNumber(schema["maximum"]) ?? Number.POSITIVE_INFINITY,
    below === undefined ? Number.POSITIVE_INFINITY : below - unit,
  );
  // Zero where it is allowed, else the bound next to it.
  const value = Math.min(Math.max(0, least), most);
  if (step <= 0) return value;
  return value > 0 ? Math.ceil(value / step) * step : Math.floor(value / step) * step;
}
