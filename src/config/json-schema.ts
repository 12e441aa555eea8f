/** The configuration's shape as JSON Schema (draft-7): for editors, and for explaining faults. */
import { z } from "zod";
import { Config } from "./schema.ts";

/** The part of JSON Schema that zod writes for our shapes. */
export interface SchemaNode {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly description?: string;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly "x-secret"?: boolean;
  readonly "x-url"?: boolean;
}

let cached: SchemaNode | null = null;

/** With our own `x-` marks and without the variables that a file may use in place of values. */
function annotatedSchema(): SchemaNode {
  cached ??= z.toJSONSchema(Config, { target: "draft-7", io: "input" }) as SchemaNode;
  return cached;
}

/** Draft-7; what the loader accepts, it accepts: `${NAME}` may stand wherever a plain value may. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    ...withVariables(annotatedSchema()),
    title: "Signalbox configuration",
  };
}

const variable = { type: "string", pattern: "\\$\\{[^}]*\\}" };
const narrowing = ["const", "enum", "pattern", "format", "minLength", "maxLength"] as const;

function withVariables(node: SchemaNode): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (key.startsWith("x-")) continue;
    if (key === "oneOf") out["anyOf"] = node.oneOf?.map(withVariables);
    else if (key === "anyOf") out[key] = node.anyOf?.map(withVariables);
    else if (key === "items" && node.items) out[key] = withVariables(node.items);
    else if (key === "additionalProperties" && typeof node.additionalProperties === "object")
      out[key] = withVariables(node.additionalProperties);
    else if (key === "properties" && node.properties)
      out[key] = Object.fromEntries(
        Object.entries(node.properties).map(([name, child]) => [name, withVariables(child)]),
      );
    else out[key] = value;
  }
  const scalar =
    ["number", "integer", "boolean"].includes(node.type ?? "") ||
    ((node.type === undefined || node.type === "string") &&
      narrowing.some((word) => node[word] !== undefined));
  if (!scalar) return out;
  const { description, default: preset, ...rest } = out;
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [rest, variable],
  };
}

/** The shape of what stands at `path`; `value` is the whole file, to tell the variants of a source apart. */
export function schemaAt(path: readonly PropertyKey[], value: unknown): SchemaNode | null {
  let node: SchemaNode | null = annotatedSchema();
  let here = value;
  for (const key of path) {
    if (node === null) return null;
    node = childSchema(node, key, here);
    here = child(here, key);
  }
  return node;
}

type Scalar = string | number | boolean | null;
const scalarOf = (value: unknown): Scalar =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;

/** Calls `visit` for every plain value of the file that has a place in the shape. */
export function visitScalars(
  value: unknown,
  visit: (path: readonly (string | number)[], value: Scalar, node: SchemaNode | null) => void,
  node: SchemaNode | null = annotatedSchema(),
  path: readonly (string | number)[] = [],
): void {
  if (value === null || typeof value !== "object") {
    visit(path, scalarOf(value), node === null ? null : variantOf(node, value));
    return;
  }
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((item: unknown, index) => [index, item])
    : Object.entries(value);
  for (const [key, item] of entries) {
    visitScalars(item, visit, node === null ? null : childSchema(node, key, value), [...path, key]);
  }
}

/** The allowed keys of the object at this place, or null when any are. */
export const allowedKeys = (node: SchemaNode | null, value: unknown): readonly string[] | null => {
  const properties = node === null ? undefined : variantOf(node, value)?.properties;
  return properties === undefined ? null : Object.keys(properties);
};

function childSchema(node: SchemaNode, key: PropertyKey, value: unknown): SchemaNode | null {
  const variant = variantOf(node, value);
  if (variant === null) return null;
  if (typeof key === "number") return variant.items ?? null;
  const name = String(key);
  if (variant.properties && Object.hasOwn(variant.properties, name)) return variant.properties[name] ?? null;
  return typeof variant.additionalProperties === "object" ? variant.additionalProperties : null;
}

/**
 * For a source: the shape of its type. For what may be a text or a section: the one that it is. A union of plain
 * values has no children, so any of them will do.
 */
function variantOf(node: SchemaNode, value: unknown): SchemaNode | null {
  const variants = node.oneOf ?? node.anyOf;
  if (variants === undefined) return node;
  const type = child(value, "type");
  const ofType = variants.filter((variant) => variant.properties?.["type"]?.const === type);
  const isSection = value !== null && typeof value === "object" && !Array.isArray(value);
  return ofType.find((variant) => (variant.properties !== undefined) === isSection) ?? ofType[0] ?? null;
}

export function child(value: unknown, key: PropertyKey): unknown {
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<PropertyKey, unknown>)[key];
}
