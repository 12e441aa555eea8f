/** Holds an answer against a schema: every selected field is there, of its type, and nothing else is. */
import type { FieldNode, GraphQLOutputType, GraphQLSchema, SelectionSetNode } from "graphql";
import {
  getNamedType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  OperationTypeNode,
  parse,
} from "graphql";

/** What is wrong with `data`, as paths; empty when nothing is. Reads documents without fragments. */
export function typeFaults(schema: GraphQLSchema, query: string, data: unknown): string[] {
  const operation = parse(query).definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION);
  const root =
    operation?.operation === OperationTypeNode.MUTATION ? schema.getMutationType() : schema.getQueryType();
  if (!operation || !root) throw new Error("The document holds no operation that the schema knows.");
  return selectionFaults(root, operation.selectionSet, data, "");
}

function selectionFaults(
  type: GraphQLOutputType,
  set: SelectionSetNode,
  value: unknown,
  path: string,
): string[] {
  const named = getNamedType(type);
  if (!isObjectType(named)) return [`${path}: ${String(type)} is not an object type`];
  const object = value as Record<string, unknown>;
  const fields = set.selections.filter((one): one is FieldNode => one.kind === Kind.FIELD);
  const keys = fields.map((field) => (field.alias ?? field.name).value);
  const extra = Object.keys(object).filter((key) => !keys.includes(key));
  return [
    ...extra.map((key) => `${path}.${key}: was not asked for`),
    ...fields.flatMap((field, index) => {
      const key = keys[index] ?? "";
      const definition = named.getFields()[field.name.value];
      if (!definition) return [`${path}.${key}: ${named.name} has no such field`];
      return valueFaults(definition.type, field, object[key], `${path}.${key}`);
    }),
  ];
}

function valueFaults(type: GraphQLOutputType, field: FieldNode, value: unknown, path: string): string[] {
  if (isNonNullType(type)) {
    return value == null
      ? [`${path}: null, but ${String(type)}`]
      : valueFaults(type.ofType, field, value, path);
  }
  if (value === null) return [];
  if (value === undefined) return [`${path}: missing`];
  if (isListType(type)) {
    if (!Array.isArray(value)) return [`${path}: not a list`];
    return value.flatMap((item, index) => valueFaults(type.ofType, field, item, `${path}[${index}]`));
  }
  if (field.selectionSet) return selectionFaults(type, field.selectionSet, value, path);
  return isLeafType(type)
    ? leafFaults(type.name, isEnumType(type), value, path)
    : [`${path}: needs a selection`];
}

function leafFaults(name: string, isEnum: boolean, value: unknown, path: string): string[] {
  const wanted: Readonly<Record<string, string>> = {
    String: "string",
    ID: "string",
    DateTime: "string",
    Float: "number",
    Int: "number",
    Boolean: "boolean",
    JSONObject: "object",
  };
  const type = isEnum ? "string" : wanted[name];
  return type !== undefined && typeof value !== type ? [`${path}: ${typeof value}, but ${name}`] : [];
}
