/** The patterns of `match:`: which values of a parsed body a route wants. Checked here, applied in the inbox. */
import { z } from "zod";

export type MatchScalar = string | number | boolean | null;

/** All that are given must hold. `$exists: false` is the only one that an absent field satisfies, besides `$ne`. */
export interface MatchOperators {
  readonly $gte?: number;
  readonly $gt?: number;
  readonly $lte?: number;
  readonly $lt?: number;
  readonly $ne?: MatchScalar;
  readonly $in?: readonly MatchScalar[];
  readonly $exists?: boolean;
  readonly $startsWith?: string;
  readonly $endsWith?: string;
  readonly $contains?: string;
}

/** A plain value is compared, a list means one of, an object nests or holds operators (all keys start with `$`). */
export type MatchPattern = MatchScalar | readonly MatchScalar[] | MatchOperators | MatchFields;
export interface MatchFields {
  readonly [field: string]: MatchPattern;
}

type Wanted = "number" | "string" | "boolean" | "scalar" | "list";
const operators: Readonly<Record<keyof MatchOperators, Wanted>> = {
  $gte: "number",
  $gt: "number",
  $lte: "number",
  $lt: "number",
  $ne: "scalar",
  $in: "list",
  $exists: "boolean",
  $startsWith: "string",
  $endsWith: "string",
  $contains: "string",
};
const matchOperators: readonly string[] = Object.keys(operators);

const wantedText: Readonly<Record<Wanted, string>> = {
  number: "a number",
  string: "a text",
  boolean: "true or false",
  scalar: "a plain value",
  list: "a list of plain values",
};

/** An object of patterns. Faults carry the path of the field; `params.expected` names a type that may be coerced. */
export const matchPattern = z.record(z.string(), z.unknown()).transform((fields, context): MatchFields => {
  checkFields(fields, [], context);
  return fields as MatchFields;
});

function checkFields(fields: Record<string, unknown>, path: string[], context: z.core.$RefinementCtx): void {
  const names = Object.keys(fields);
  const operatorNames = names.filter((name) => name.startsWith("$"));
  if (operatorNames.length > 0 && path.length === 0) {
    report(
      context,
      [operatorNames[0] ?? ""],
      "an operator belongs under a field, such as `amount: { $gte: 5000 }`",
      { part: "key" },
    );
    return;
  }
  const plain = names.find((name) => !name.startsWith("$"));
  if (operatorNames.length > 0 && plain !== undefined) {
    report(
      context,
      [...path, plain],
      `operators and fields can't be mixed: \`${plain}\` stands beside \`${operatorNames[0]}\``,
      { part: "key" },
    );
    return;
  }
  for (const name of names) {
    if (name.startsWith("$")) checkOperator(name, fields[name], [...path, name], context);
    else checkPattern(fields[name], [...path, name], context);
  }
}

function checkPattern(pattern: unknown, path: string[], context: z.core.$RefinementCtx): void {
  if (isScalar(pattern)) return;
  if (Array.isArray(pattern)) {
    if (pattern.length === 0 || !pattern.every(isScalar))
      report(context, path, "a list means “one of” and holds at least one plain value");
    return;
  }
  if (isRecord(pattern)) {
    if (Object.keys(pattern).length === 0)
      report(context, path, "an empty pattern says nothing; use `{ $exists: true }`");
    else checkFields(pattern, path, context);
  }
}

function checkOperator(name: string, value: unknown, path: string[], context: z.core.$RefinementCtx): void {
  const wanted = Object.hasOwn(operators, name) ? operators[name as keyof MatchOperators] : null;
  if (wanted === null) {
    context.addIssue({
      code: "custom",
      path,
      message: `unknown operator \`${name}\``,
      params: { part: "key", candidates: matchOperators, word: name },
    });
    return;
  }
  const fits =
    wanted === "scalar"
      ? isScalar(value)
      : wanted === "list"
        ? Array.isArray(value) && value.length > 0 && value.every(isScalar)
        : typeof value === wanted;
  if (fits) return;
  context.addIssue({
    code: "custom",
    path,
    message: `\`${name}\` wants ${wantedText[wanted]}`,
    params: wanted === "number" || wanted === "boolean" ? { expected: wanted } : {},
  });
}

const report = (
  context: z.core.$RefinementCtx,
  path: string[],
  message: string,
  params: { part?: "key" } = {},
): void => {
  context.addIssue({ code: "custom", path, message, params });
};

const isScalar = (value: unknown): value is MatchScalar =>
  value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";

const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
