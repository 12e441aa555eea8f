/** Checks what a case expects against what its agent can decide and do, so that a misspelt word is no case that always fails. */
import { z } from "zod";
import type { Fault } from "../config/faults.ts";
import type { Path, YamlFile } from "../config/yaml.ts";
import type { AgentDefinition } from "../domain/agent.ts";
import { insteadOf } from "../llm/prompt-faults.ts";

/** What is used of JSON Schema: what zod makes of closed objects, lists, enums and nullable values. */
export interface DecisionNode {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, DecisionNode>>;
  readonly items?: DecisionNode;
  readonly anyOf?: readonly DecisionNode[];
}

export const decisionNode = (agent: AgentDefinition): DecisionNode =>
  z.toJSONSchema(agent.decision) as DecisionNode;

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `at` is where the expectations stand in the file. */
export function expectationFaults(yaml: YamlFile, root: DecisionNode, expect: unknown, at: Path): Fault[] {
  if (!isMap(expect)) return [];
  const known = root.properties ?? {};
  return Object.entries(expect).flatMap(([field, matcher]) => {
    const path = [...at, field];
    const node = known[field];
    if (node === undefined) return [unknownField(yaml, path, field, Object.keys(known))];
    return node.type === "array"
      ? listFaults(yaml, node, matcher, path)
      : fieldFaults(yaml, node, matcher, path);
  });
}

const unknownField = (yaml: YamlFile, path: Path, field: string, known: readonly string[]): Fault =>
  yaml.fault(path, `the decision has no field "${field}"`, { part: "key", ...insteadOf(field, known) });

const listKeys = ["some", "none", "also", "atMost"];

function listFaults(yaml: YamlFile, node: DecisionNode, matcher: unknown, path: Path): Fault[] {
  if (!isMap(matcher))
    return [yaml.fault(path, "this is a list: say what is in it", { allowed: listKeys.join(", ") })];
  return Object.entries(matcher).flatMap(([key, value]) => {
    const at = [...path, key];
    if (!listKeys.includes(key))
      return [yaml.fault(at, `unknown key "${key}"`, { part: "key", ...insteadOf(key, listKeys) })];
    if (key === "atMost")
      return Number.isInteger(value) ? [] : [yaml.fault(at, "how many is a whole number")];
    if (!Array.isArray(value)) return [yaml.fault(at, `"${key}" is a list`)];
    if (key === "also") return [];
    return value.flatMap((like: unknown, index) => {
      if (!isMap(like)) return [yaml.fault([...at, index], "an element is described by its fields")];
      const known = node.items?.properties ?? {};
      return Object.entries(like).flatMap(([field, inner]) => {
        const own = known[field];
        const place = [...at, index, field];
        return own === undefined
          ? [unknownField(yaml, place, field, Object.keys(known))]
          : fieldFaults(yaml, own, inner, place);
      });
    });
  });
}

const fieldKeys = ["min", "max", "has", "lacks"];
const alternatives = (node: DecisionNode): readonly DecisionNode[] => node.anyOf ?? [node];

function fieldFaults(yaml: YamlFile, node: DecisionNode, matcher: unknown, path: Path): Fault[] {
  if (Array.isArray(matcher))
    return matcher.flatMap((value: unknown, index) => scalarFaults(yaml, node, value, [...path, index]));
  if (!isMap(matcher)) return scalarFaults(yaml, node, matcher, path);
  return Object.entries(matcher).flatMap(([key, value]) => {
    const at = [...path, key];
    if (!fieldKeys.includes(key))
      return [yaml.fault(at, `unknown key "${key}"`, { part: "key", ...insteadOf(key, fieldKeys) })];
    const wanted = key === "min" || key === "max" ? "number" : "string";
    return typeof value === wanted ? [] : [yaml.fault(at, `"${key}" takes a ${wanted}`)];
  });
}

function scalarFaults(yaml: YamlFile, node: DecisionNode, value: unknown, path: Path): Fault[] {
  const allowed = alternatives(node);
  const types = allowed.flatMap((each) => each.type ?? []);
  const words = allowed.flatMap((each) => each.enum ?? []);
  const type = value === null ? "null" : typeof value;
  const typeFits = types.includes(type) || (type === "number" && types.includes("integer"));
  if (words.length > 0 && type !== "null" && !words.includes(value)) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return [yaml.fault(path, `"${text}" can't be decided`, insteadOf(text, words.map(String)))];
  }
  return typeFits ? [] : [yaml.fault(path, `this is ${types.join(" or ")}, never ${JSON.stringify(value)}`)];
}

/** `stripe.*` and `*` stand for several. */
export function kindFaults(
  yaml: YamlFile,
  { allows, name }: AgentDefinition,
  kinds: readonly string[],
  at: Path,
): Fault[] {
  return kinds.flatMap((kind, index) => {
    const fits =
      kind === "*" || allows.some((each) => each === kind || each.startsWith(kind.replace(/\*$/, "")));
    if (fits && (kind.endsWith("*") || (allows as readonly string[]).includes(kind))) return [];
    return [yaml.fault([...at, index], `${name} never plans "${kind}"`, insteadOf(kind, allows))];
  });
}
