/**
 * CEL expressions. Of routes: `payload` is the parsed body, `event` has id, source, type and receivedAt. Of the rules in
 * a prompt file: `facts` is what the agent gathered.
 */
import { Environment } from "@marcbachmann/cel-js";
import type { ASTNode } from "@marcbachmann/cel-js";
import { RE2JS } from "re2js";

export interface EventFacts {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** A CEL timestamp. */
  readonly receivedAt: Date;
}

export type Expression = (payload: unknown, event: EventFacts) => unknown;
export type Condition = (facts: unknown) => unknown;

export interface ExpressionFault {
  readonly message: string;
  /** Where in the expression, 1 = its first character; null when the engine does not say. */
  readonly column: number | null;
}

const createEnvironment = (variables: readonly string[]): Environment =>
  variables.reduce(
    (environment, name) => environment.registerVariable(name, "dyn"),
    new Environment({
      homogeneousAggregateLiterals: false,
      limits: {
        maxAstNodes: 500,
        maxDepth: 50,
        maxListElements: 200,
        maxMapEntries: 200,
        maxCallArguments: 20,
      },
    })
      // RE2: linear time, whatever the pattern and the text. The engine's own matches() backtracks for seconds.
      .registerFunction("re(dyn, string): bool", (subject: unknown, pattern: string) =>
        RE2JS.compile(pattern).matcher(String(subject)).find(),
      ),
  );
const ofRoutes = createEnvironment(["payload", "event"]);
const ofRules = createEnvironment(["facts"]);

/** Checks and compiles; faults are for the author of the configuration. */
export function compileExpression(
  text: string,
): { readonly expression: Expression } | { readonly fault: ExpressionFault } {
  const compiled = compile(ofRoutes, text);
  if ("fault" in compiled) return compiled;
  return { expression: (payload, event) => compiled.evaluate({ payload, event }) };
}

/** The same for a condition over `facts`. */
export function compileCondition(
  text: string,
): { readonly condition: Condition } | { readonly fault: ExpressionFault } {
  const compiled = compile(ofRules, text);
  return "fault" in compiled ? compiled : { condition: (facts) => compiled.evaluate({ facts }) };
}

function compile(
  environment: Environment,
  text: string,
):
  { readonly evaluate: (context: Record<string, unknown>) => unknown } | { readonly fault: ExpressionFault } {
  try {
    const parsed = environment.parse(text);
    const backtracking = callOf(parsed.ast, "matches");
    if (backtracking !== null) {
      return {
        fault: {
          message: "matches() may take very long: write re(text, pattern) instead",
          column: backtracking + 1,
        },
      };
    }
    const checked = parsed.check();
    if (!checked.valid) return { fault: faultFrom(checked.error) };
    return { evaluate: (context) => parsed(context) as unknown };
  } catch (error) {
    return { fault: faultFrom(error) };
  }
}

/** The engine's message is a sentence, then the expression with a caret; the caret's column is what we need of it. */
function faultFrom(error: unknown): ExpressionFault {
  const lines = (error instanceof Error ? error.message : String(error)).split("\n");
  const shown = lines.find((line) => line.startsWith(">"));
  const caret = lines.find((line) => line.trim() === "^");
  const margin = shown?.indexOf("| ") ?? -1;
  return {
    message: lines[0] ?? "not a valid expression",
    column: caret !== undefined && margin >= 0 ? caret.indexOf("^") - margin - 1 : null,
  };
}

/** The position of the first call of `name`, or null. */
function callOf(node: unknown, name: string): number | null {
  if (Array.isArray(node)) {
    for (const item of node) {
      const found = callOf(item, name);
      if (found !== null) return found;
    }
    return null;
  }
  if (node === null || typeof node !== "object" || !("op" in node)) return null;
  const { op, args, pos } = node as ASTNode & { readonly args: unknown; readonly pos: number };
  if ((op === "rcall" || op === "call") && Array.isArray(args) && args[0] === name) return pos;
  return callOf(args, name);
}
