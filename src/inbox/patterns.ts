/** `match:` of a route: a pattern over the parsed body. Plain values are equal, arrays are one-of, objects nest. */

type Operand = string | number | boolean | null;
const has = (object: unknown, key: string): object is Record<string, unknown> =>
  object !== null && typeof object === "object" && Object.hasOwn(object, key);

const ordered = (value: unknown, operand: unknown, holds: (order: number) => boolean): boolean => {
  if (typeof value === "number" && typeof operand === "number") return holds(value - operand);
  if (typeof value === "string" && typeof operand === "string")
    return holds(value < operand ? -1 : Number(value > operand));
  return false;
};

const inText = (value: unknown, operand: unknown, test: (text: string, part: string) => boolean): boolean =>
  typeof value === "string" && typeof operand === "string" && test(value, operand);

const operators: Readonly<Record<string, (value: unknown, operand: unknown) => boolean>> = {
  $gt: (value, operand) => ordered(value, operand, (order) => order > 0),
  $gte: (value, operand) => ordered(value, operand, (order) => order >= 0),
  $lt: (value, operand) => ordered(value, operand, (order) => order < 0),
  $lte: (value, operand) => ordered(value, operand, (order) => order <= 0),
  $ne: (value, operand) => !matches(operand, value),
  $in: (value, operand) => Array.isArray(operand) && operand.some((item) => matches(item, value)),
  $exists: (value, operand) => (value !== undefined) === operand,
  $startsWith: (value, operand) => inText(value, operand, (text, part) => text.startsWith(part)),
  $endsWith: (value, operand) => inText(value, operand, (text, part) => text.endsWith(part)),
  $contains: (value, operand) =>
    Array.isArray(value)
      ? value.some((item) => matches(operand, item))
      : inText(value, operand, (text, part) => text.includes(part)),
};

/** Whether the value fits the pattern. A field that is missing fits nothing but `$exists: false` and `$ne`. */
export function matches(pattern: unknown, value: unknown): boolean {
  if (Array.isArray(pattern)) return pattern.some((item) => matches(item, value));
  if (pattern !== null && typeof pattern === "object") {
    return Object.entries(pattern).every(([key, part]) => {
      const operator = Object.hasOwn(operators, key) ? operators[key] : undefined;
      if (operator) return operator(value, part);
      return matches(part, has(value, key) ? value[key] : undefined);
    });
  }
  return value === (pattern as Operand);
}

/** Whether an event type fits a glob; `*` stands for any run of characters. */
export function fitsGlob(glob: string, type: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  if (rest.length === 0) return glob === type;
  if (!type.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let from = first.length;
  for (const part of rest) {
    const at = type.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return type.length - last.length >= from && type.endsWith(last);
}
