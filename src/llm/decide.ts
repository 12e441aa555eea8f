/**
 * Decides with a model behind its breaker, else with the rules; always ends with a value of the schema.
 * Whom to ask, and when to give up, is in ladder.ts; here the asking is done, counted and told.
 */
import type { ZodType } from "zod";
import type {
  Decider,
  DeciderAnswer,
  DeciderRequest,
  Model,
  ModelAnswer,
  ServiceGuard,
} from "../domain/ports.ts";
import type { Json } from "../domain/json.ts";
import type { StepUsage } from "../domain/step.ts";
import { JournalUnavailable, LeaseLost, ServiceClosed, ServiceError } from "../domain/errors.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { redactText } from "../observability/redact.ts";
import { explain, nextMove } from "./ladder.ts";
import type { Attempt, AttemptOutcome, Labels, Repair } from "./ladder.ts";
import type { Prompt, RenderedPrompt } from "./prompts.ts";
import { firstThatHolds } from "./prompt-rules.ts";
import { modelService, untilAborted } from "./provider-call.ts";

export interface DeciderParts {
  /** By their names under `models:`. */
  readonly models: ReadonlyMap<string, Model>;
  /** By agent. */
  readonly prompts: ReadonlyMap<string, Prompt>;
  readonly guard: ServiceGuard;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "modelTokens" | "modelCostUsd">;
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
      const { chain, left } = chainOf(prompt, parts.models);
      if (chain.length === 0)
        return byRules(request, prompt, `no model is configured for ${request.agent} (${left.join("; ")})`);
      const filled = fill(prompt, request, parts.log);
      if ("fault" in filled) return byRules(request, prompt, filled.fault);
      return askChain(parts, request, prompt, filled, chain, left);
    },
  };
}

/** The models to ask, and in words why the others of the prompt are none. */
function chainOf(prompt: Prompt, models: ReadonlyMap<string, Model>): { chain: Model[]; left: string[] } {
  const chain: Model[] = [];
  const left: string[] = [];
  for (const name of prompt.models) {
    const model = models.get(name);
    if (model === undefined) left.push(`${name} is not among the models of the configuration`);
    else if (model.configured) chain.push(model);
    else left.push(`${name} has no API key`);
  }
  return { chain, left };
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
  request: DeciderRequest,
  prompt: Prompt,
  filled: RenderedPrompt,
  chain: readonly Model[],
  left: readonly string[],
): Promise<DeciderAnswer> {
  const names = chain.map((model) => model.name);
  const labels: Labels = new Map(
    chain.map((model) => [
      model.name,
      { label: `${model.model} (${model.name})`, timeoutMs: model.timeoutMs },
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
      parts.onAsked?.(request.agent, true);
      return byRules(request, prompt, why, total(usages));
    }
    const asked = await askOnce(parts, request, prompt, filled, model, move.waitMs, move.repair);
    if (asked.usage !== null) usages.push(asked.usage);
    attempts.push({ model: model.name, outcome: asked.outcome });
    if ("decision" in asked) {
      const why = `${labels.get(model.name)?.label ?? model.name} answered`;
      parts.onAsked?.(request.agent, false);
      return {
        decision: asked.decision,
        decidedBy: "model",
        why,
        prompt: prompt.hash,
        usage: total(usages),
      };
    }
  }
}

type Asked =
  | { readonly outcome: AttemptOutcome; readonly usage: StepUsage | null }
  | { readonly outcome: { kind: "decided" }; readonly usage: StepUsage; readonly decision: Json };

async function askOnce(
  parts: DeciderParts,
  request: DeciderRequest,
  prompt: Prompt,
  filled: RenderedPrompt,
  model: Model,
  waitMs: number,
  repair: Repair | null,
): Promise<Asked> {
  const startedAt = parts.clock.now();
  const { signal } = request;
  const result = await (async (): Promise<Asked> => {
    if (signal.aborted) return { outcome: { kind: "aborted" }, usage: null };
    try {
      if (waitMs > 0) await sleep(parts.clock, waitMs, signal);
      const answer = await untilAborted(
        signal,
        parts.guard.call(
          modelService(model),
          () =>
            model.complete({
              system: filled.system,
              messages: repair === null ? filled.messages : [...filled.messages, ...repairTurns(repair)],
              schemaName: `${request.agent}_${request.name}`,
              schema: request.schema,
              maxOutputTokens: prompt.maxOutputTokens,
              signal,
            }),
          signal,
        ),
      );
      count(parts.metrics, answer.usage);
      return judge(answer, request.schema);
    } catch (error) {
      return { outcome: blameOf(error, signal, parts.log), usage: null };
    }
  })();
  tell(parts, request, prompt, model, result, { startedAt, repair: repair !== null });
  return result;
}

function repairTurns(repair: Repair): { role: "user" | "assistant"; text: string }[] {
  const issues = repair.issues.map((issue) => `- ${issue}`).join("\n");
  return [
    // Providers refuse an empty turn.
    { role: "assistant", text: repair.text.trim().slice(0, 20_000) || "(no answer)" },
    {
      role: "user",
      text: `That answer can't be used:\n${issues}\nAnswer again with the corrected JSON object and nothing else.`,
    },
  ];
}

function judge(answer: ModelAnswer, schema: ZodType): Asked {
  if (answer.stop !== "end") return { outcome: { kind: answer.stop }, usage: answer.usage };
  let value: unknown;
  try {
    value = JSON.parse(unfenced(answer.text));
  } catch {
    const issues = ["the answer is no valid JSON"];
    return { outcome: { kind: "mismatch", text: answer.text, issues }, usage: answer.usage };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success)
    return { outcome: { kind: "decided" }, usage: answer.usage, decision: parsed.data as Json };
  return {
    outcome: { kind: "mismatch", text: answer.text, issues: issuesOf(parsed.error) },
    usage: answer.usage,
  };
}

/** Servers without grammar put their JSON into a Markdown fence. */
const unfenced = (text: string): string => {
  const trimmed = text.trim();
  if (!trimmed.startsWith("```") || !trimmed.endsWith("```")) return trimmed;
  return trimmed.slice(3, -3).replace(/^json\b/i, "");
};

const issuesOf = (error: {
  issues: readonly { path: readonly PropertyKey[]; message: string }[];
}): string[] =>
  error.issues
    .slice(0, 10)
    .map(({ path, message }) => `${path.length === 0 ? "(root)" : path.map(String).join(".")}: ${message}`);

function blameOf(error: unknown, signal: AbortSignal, log: Log): AttemptOutcome {
  if (error instanceof JournalUnavailable || error instanceof LeaseLost) throw error;
  if (signal.aborted) return { kind: "aborted" };
  if (error instanceof ServiceClosed) return { kind: "closed", until: error.until };
  if (error instanceof ServiceError)
    return { kind: "failed", fault: error.kind, status: error.status, retryAfterMs: error.retryAfterMs };
  log.error({ err: error }, "model could not be asked");
  return { kind: "broken" };
}

function count(metrics: DeciderParts["metrics"], usage: StepUsage): void {
  metrics.modelTokens.inc({ model: usage.model, direction: "input" }, usage.inputTokens);
  metrics.modelTokens.inc({ model: usage.model, direction: "output" }, usage.outputTokens);
  if (usage.costUsd !== null) metrics.modelCostUsd.inc({ model: usage.model }, usage.costUsd);
}

/** One wide line per attempt. A key or a request that is refused is for the operator; all else is failover at work. */
function tell(
  parts: DeciderParts,
  request: DeciderRequest,
  prompt: Prompt,
  model: Model,
  { outcome, usage }: Asked,
  { startedAt, repair }: { startedAt: number; repair: boolean },
): void {
  const line = {
    agent: request.agent,
    step: request.name,
    service: modelService(model),
    prompt: prompt.hash.slice(0, 12),
    outcome: outcome.kind,
    ...(outcome.kind === "failed" ? { fault: outcome.fault, status: outcome.status } : {}),
    repair,
    ms: parts.clock.now() - startedAt,
    inputTokens: usage?.inputTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    costUsd: usage?.costUsd ?? null,
  };
  const lasting =
    outcome.kind === "failed" && (outcome.fault === "unauthorized" || outcome.fault === "invalid");
  if (lasting) parts.log.warn(line, "model attempted");
  else parts.log.info(line, "model attempted");
}

/** The sum over all attempts, also those that led nowhere: they are paid for. */
function total(usages: readonly StepUsage[]): StepUsage | null {
  if (usages.length === 0) return null;
  let costUsd: number | null = 0;
  for (const usage of usages)
    costUsd = costUsd === null || usage.costUsd === null ? null : costUsd + usage.costUsd;
  return {
    model: [...new Set(usages.map((usage) => usage.model))].join(" + "),
    inputTokens: usages.reduce((sum, usage) => sum + usage.inputTokens, 0),
    outputTokens: usages.reduce((sum, usage) => sum + usage.outputTokens, 0),
    costUsd,
  };
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
