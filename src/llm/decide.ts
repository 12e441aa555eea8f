/**
 * Decides with a model behind its breaker, else with the rules; always ends with a value of the schema.
 * Whom to ask, and when to give up, is in ladder.ts; the asking in ask.ts; what it may cost in budget.ts.
 */
import type { Decider, DeciderAnswer, DeciderRequest, Model, Unavailable } from "../domain/ports.ts";
import type { Json } from "../domain/json.ts";
import { totalUsage } from "../domain/step.ts";
import type { StepUsage } from "../domain/step.ts";
import type { Log } from "../observability/log.ts";
import { redactText } from "../observability/redact.ts";
import { ask, issuesOf } from "./ask.ts";
import type { AskParts, Question } from "./ask.ts";
import type { Budget } from "./budget.ts";
import { explain, isOutage, nextMove } from "./ladder.ts";
import type { Attempt, Labels } from "./ladder.ts";
import { firstThatHolds } from "./prompt-rules.ts";
import type { Prompt, RenderedPrompt } from "./prompts.ts";
import { modelService } from "./provider-call.ts";

export interface DeciderParts extends AskParts {
  /** By their names under `models:`. */
  readonly models: ReadonlyMap<string, Model>;
  /** By agent. */
  readonly prompts: ReadonlyMap<string, Prompt>;
  /** Null where nothing is capped. */
  readonly budget: Budget | null;
  /** Told of every decision that a model was asked for; `fell` says that the rules had to make it. */
  readonly onAsked?: (agent: string, fell: boolean) => void;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * `decide` rejects only when the rules themselves break the schema (our bug) or throw, when the journal behind the
 * breakers can't be reached (JournalUnavailable), or when the lease is gone (LeaseLost).
 */
export function createDecider(parts: DeciderParts): Decider {
  return {
    async decide(request) {
      const prompt = parts.prompts.get(request.agent) ?? null;
      if (request.rulesOnly !== null) return byRules(request, prompt, request.rulesOnly);
      if (prompt === null) return byRules(request, prompt, `no prompt is loaded for ${request.agent}`);
      if (firstThatHolds(rulesFor(prompt, request), request.facts)?.always === true)
        return byRules(request, prompt, "no model has to be asked");
      const { chain, left } = chainOf(prompt.models, parts.models);
      if (chain.length === 0)
        return byRules(request, prompt, `no model is configured for ${request.agent} (${left.join("; ")})`);
      const filled = fill(prompt, request, parts.log);
      if ("fault" in filled) return byRules(request, prompt, filled.fault);
      const spending = parts.budget?.of(request.agent, request.spentUsd) ?? null;
      const spare = (await spending?.sparing()) ?? false;
      const order = spare ? sparingly(chain, prompt, parts.models) : chain;
      const before = spare ? [...left, "most of a cap on spending is spent"] : left;
      return askChain(parts, { request, prompt, filled, spending }, order, before);
    },
  };
}

/** The models to ask, and in words why the others are none. */
function chainOf(
  names: readonly string[],
  models: ReadonlyMap<string, Model>,
): { chain: Model[]; left: string[] } {
  const chain: Model[] = [];
  const left: string[] = [];
  for (const name of names) {
    const model = models.get(name);
    if (model === undefined) left.push(`${name} is not among the models of the configuration`);
    else if (model.configured) chain.push(model);
    else left.push(`${name} has no API key`);
  }
  return { chain, left };
}

/** What is asked once most of a cap is spent: the prompt's `cheaper` model, else the cheapest first. */
function sparingly(
  chain: readonly Model[],
  { cheaper }: Prompt,
  models: ReadonlyMap<string, Model>,
): readonly Model[] {
  const own = cheaper === null ? [] : chainOf([cheaper], models).chain;
  const priceOf = (model: Model): number => model.price?.()?.output ?? Number.MAX_VALUE;
  return own.length > 0 ? own : chain.toSorted((a, b) => priceOf(a) - priceOf(b));
}

function fill(prompt: Prompt, request: DeciderRequest, log: Log): RenderedPrompt | { fault: string } {
  try {
    return prompt.render(request.variables);
  } catch (error) {
    log.error({ err: error, agent: request.agent, step: request.name }, "prompt could not be filled");
    const cause = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "unknown cause";
    return { fault: `the prompt of ${request.agent} could not be filled: ${redactText(cause)}` };
  }
}

async function askChain(
  parts: DeciderParts,
  question: Question,
  chain: readonly Model[],
  left: readonly string[],
): Promise<DeciderAnswer> {
  const { request, prompt } = question;
  const names = chain.map((model) => model.name);
  const labels: Labels = new Map(
    chain.map((model) => [
      model.name,
      { label: `${model.provider}/${model.model} (${model.name})`, timeoutMs: model.timeoutMs },
    ]),
  );
  const random = parts.random ?? Math.random;
  const attempts: Attempt[] = [];
  const usages: StepUsage[] = [];
  for (;;) {
    const move = nextMove(names, attempts, random());
    const model = move.kind === "ask" ? chain.find(({ name }) => name === move.model) : undefined;
    if (move.kind !== "ask" || model === undefined) {
      const why = [...left, explain(attempts, labels)].join("; ");
      // That a cap was reached is told as that.
      if (attempts.some(({ outcome }) => outcome.kind !== "capped")) parts.onAsked?.(request.agent, true);
      const answer = byRules(request, prompt, why, totalUsage(usages));
      return isOutage(attempts) ? { ...answer, unavailable: unavailable(prompt, chain, attempts) } : answer;
    }
    const asked = await ask(parts, question, model, move.waitMs, move.repair);
    if (asked.usage !== null) usages.push(asked.usage);
    attempts.push({ model: model.name, outcome: asked.outcome });
    if ("decision" in asked) {
      parts.onAsked?.(request.agent, false);
      return {
        decision: asked.decision,
        decidedBy: "model",
        why: [...left, explain(attempts, labels)].join("; "),
        prompt: prompt.hash,
        usage: totalUsage(usages),
      };
    }
  }
}

function unavailable(
  { onModelUnavailable: policy }: Prompt,
  chain: readonly Model[],
  attempts: readonly Attempt[],
): Unavailable | null {
  const [first] = chain;
  if (first === undefined) return null;
  const last = attempts.findLast(({ model }) => model === first.name)?.outcome;
  return { service: modelService(first), until: last?.kind === "closed" ? last.until : null, policy };
}

/** They decide what the agent's main decision is; another one of its decisions has another schema. */
const rulesFor = (prompt: Prompt | null, { name }: DeciderRequest): Prompt["rules"] =>
  name === "decide" ? (prompt?.rules ?? []) : [];

/** The first rule of the prompt file that holds, for what it says; for all else, and where none holds, rules.ts. */
function byRules(
  request: DeciderRequest,
  prompt: Prompt | null,
  reason: string,
  usage: StepUsage | null = null,
): DeciderAnswer {
  const first = firstThatHolds(rulesFor(prompt, request), request.facts);
  const own = request.rules();
  const parsed = request.schema.safeParse(
    first === undefined ? own : { ...(own as object), ...first.output },
  );
  if (!parsed.success)
    throw new Error(
      `the rules of ${request.agent} (${request.name}) decided what its own schema refuses: ` +
        `${issuesOf(parsed.error).join("; ")}; correct rules.ts or decision.ts`,
    );
  const why = first === undefined ? reason : `${reason}; ${first.label} of the prompt file holds`;
  return { decision: parsed.data as Json, decidedBy: "rules", why, prompt: prompt?.hash ?? null, usage };
}
