/**
 * The rules of a prompt file: conditions over what the agent gathered, each with what is decided when it holds. The first
 * that holds wins. What its output leaves out is as the agent's own rules decide it.
 */
import { z } from "zod";
import type { AgentDefinition } from "../domain/agent.ts";
import type { JsonObject } from "../domain/json.ts";
import { faultsOfIssues } from "./prompt-faults.ts";
import type { PromptFault, PromptYaml } from "./prompt-faults.ts";

export const RuleList = z
  .array(
    z.strictObject({
      name: z.string().min(1).max(80).optional(),
      if: z.string().min(1),
      output: z.record(z.string(), z.unknown()),
      always: z.boolean().default(false),
    }),
  )
  .nullish()
  .transform((value) => value ?? []);
export type RuleList = z.output<typeof RuleList>;

/** Compiles a condition over `facts`; src/inbox owns the language, and app.ts brings it. */
export type CompileCondition = (
  text: string,
) =>
  | { readonly condition: (facts: unknown) => unknown }
  | { readonly fault: { readonly message: string; readonly column: number | null } };

export interface PromptRule {
  /** For people: its name, or its place in the list. */
  readonly label: string;
  /** Decides before a model is asked, not only in place of one. */
  readonly always: boolean;
  readonly output: JsonObject;
  /** Whether it holds; false when it can't be worked out, such as where a fact is missing. */
  holds(facts: JsonObject): boolean;
}

export function compileRules(
  yaml: PromptYaml,
  rules: RuleList,
  agent: AgentDefinition,
  compile: CompileCondition,
): { rules: PromptRule[]; faults: PromptFault[] } {
  const faults: PromptFault[] = [];
  const compiled = rules.flatMap((rule, index): PromptRule[] => {
    const result = compile(rule.if);
    if ("fault" in result) {
      const { message, column } = result.fault;
      const where = column === null ? "" : ` (at its character ${column})`;
      faults.push(yaml.fault(["rules", index, "if"], `the condition can't be used: ${message}${where}`));
    }
    faults.push(...outputFaults(yaml, ["rules", index, "output"], rule.output, agent));
    if ("fault" in result) return [];
    return [
      {
        label: rule.name === undefined ? `rule ${index + 1}` : `rule "${rule.name}"`,
        always: rule.always,
        output: rule.output as JsonObject,
        holds: (facts) => {
          try {
            return result.condition(facts) === true;
          } catch {
            return false;
          }
        },
      },
    ];
  });
  return { rules: compiled, faults };
}

/** Each field that it gives must be one that may be decided; it need not give all. */
function outputFaults(
  yaml: PromptYaml,
  at: readonly PropertyKey[],
  output: Record<string, unknown>,
  agent: AgentDefinition,
): PromptFault[] {
  const schema = agent.decision instanceof z.ZodObject ? agent.decision.partial() : agent.decision;
  const parsed = schema.safeParse(output);
  if (parsed.success) return [];
  const keys = agent.decision instanceof z.ZodObject ? Object.keys(agent.decision.shape) : [];
  return faultsOfIssues(yaml, parsed.error.issues, (path) => [...at, ...path], keys);
}

export const firstThatHolds = (rules: readonly PromptRule[], facts: JsonObject): PromptRule | undefined =>
  rules.find((rule) => rule.holds(facts));
