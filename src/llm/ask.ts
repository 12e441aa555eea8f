/** One call to one model: reserved, made, counted, judged by the schema, and told. */
import type { ZodType } from "zod";
import type { DeciderRequest, Model, ModelAnswer, ServiceGuard } from "../domain/ports.ts";
import type { Json } from "../domain/json.ts";
import type { StepUsage } from "../domain/step.ts";
import { JournalUnavailable, LeaseLost, ServiceClosed, ServiceError } from "../domain/errors.ts";
import { sleep } from "../resilience/clock.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Spending } from "./budget.ts";
import type { AttemptOutcome, Repair } from "./ladder.ts";
import type { Prompt, RenderedPrompt } from "./prompts.ts";
import { modelService, untilAborted } from "./provider-call.ts";

export interface AskParts {
  readonly guard: ServiceGuard;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "modelTokens" | "modelCostUsd">;
}

/** What is asked, of whichever model. */
export interface Question {
  readonly request: DeciderRequest;
  readonly prompt: Prompt;
  readonly filled: RenderedPrompt;
  readonly spending: Spending | null;
}

export type Asked =
  | { readonly outcome: AttemptOutcome; readonly usage: StepUsage | null }
  | { readonly outcome: { kind: "decided" }; readonly usage: StepUsage; readonly decision: Json };

export async function ask(
  parts: AskParts,
  question: Question,
  model: Model,
  waitMs: number,
  repair: Repair | null,
): Promise<Asked> {
  const startedAt = parts.clock.now();
  const result = await attempt(parts, question, model, waitMs, repair);
  tell(parts, question, model, result, { startedAt, repair: repair !== null });
  return result;
}

async function attempt(
  parts: AskParts,
  { request, prompt, filled, spending }: Question,
  model: Model,
  waitMs: number,
  repair: Repair | null,
): Promise<Asked> {
  const { signal } = request;
  if (signal.aborted) return { outcome: { kind: "aborted" }, usage: null };
  const messages = repair === null ? filled.messages : [...filled.messages, ...repairTurns(repair)];
  const call = {
    system: filled.system,
    messages,
    schemaName: `${request.agent}_${request.name}`,
    schema: request.schema,
    maxOutputTokens: prompt.maxOutputTokens,
    signal,
  };
  let reserved: Awaited<ReturnType<Spending["reserve"]>> | null = null;
  try {
    if (waitMs > 0) await sleep(parts.clock, waitMs, signal);
    reserved = (await spending?.reserve(model, call)) ?? null;
    if (reserved !== null && "refused" in reserved)
      return { outcome: { kind: "capped", why: reserved.refused }, usage: null };
    const answer = await untilAborted(
      signal,
      parts.guard.call(modelService(model), () => model.complete(call), signal),
    );
    count(parts.metrics, answer.usage);
    await reserved?.settle(answer.usage);
    return judge(answer, request.schema);
  } catch (error) {
    const outcome = blameOf(error, signal, parts.log);
    // What was asked and not answered may be billed all the same: then what was reserved stays spent.
    const unbilled =
      error instanceof ServiceClosed || (error instanceof ServiceError && error.effect === "none");
    if (unbilled && reserved !== null && "settle" in reserved) await reserved.settle(null);
    return { outcome, usage: null };
  }
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

function judge({ text, stop, usage, requestId = null }: ModelAnswer, schema: ZodType): Asked {
  if (stop !== "end") return { outcome: { kind: stop, requestId }, usage };
  let value: unknown;
  try {
    value = JSON.parse(unfenced(text));
  } catch {
    const issues = ["the answer is no valid JSON"];
    return { outcome: { kind: "mismatch", text, issues, requestId }, usage };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { outcome: { kind: "decided" }, usage, decision: parsed.data as Json };
  return { outcome: { kind: "mismatch", text, issues: issuesOf(parsed.error), requestId }, usage };
}

/** Servers without grammar put their JSON into a Markdown fence. */
const unfenced = (text: string): string => {
  const trimmed = text.trim();
  if (!trimmed.startsWith("```") || !trimmed.endsWith("```")) return trimmed;
  return trimmed.slice(3, -3).replace(/^json\b/i, "");
};

export const issuesOf = (error: {
  issues: readonly { path: readonly PropertyKey[]; message: string }[];
}): string[] =>
  error.issues
    .slice(0, 10)
    .map(({ path, message }) => `${path.length === 0 ? "(root)" : path.map(String).join(".")}: ${message}`);

function blameOf(error: unknown, signal: AbortSignal, log: Log): AttemptOutcome {
  if (error instanceof JournalUnavailable || error instanceof LeaseLost) throw error;
  if (signal.aborted) return { kind: "aborted" };
  if (error instanceof ServiceClosed)
    return {
      kind: "closed",
      until: error.until,
      why: error.message.replaceAll(`${error.service}: `, ""),
    };
  if (error instanceof ServiceError)
    return {
      kind: "failed",
      fault: error.kind,
      status: error.status,
      retryAfterMs: error.retryAfterMs,
      hint: error.hint,
    };
  log.error({ err: error }, "model could not be asked");
  return { kind: "broken" };
}

function count(metrics: AskParts["metrics"], usage: StepUsage): void {
  metrics.modelTokens.inc({ model: usage.model, direction: "input" }, usage.inputTokens);
  metrics.modelTokens.inc({ model: usage.model, direction: "output" }, usage.outputTokens);
  if (usage.costUsd !== null) metrics.modelCostUsd.inc({ model: usage.model }, usage.costUsd);
}

/** One wide line per attempt. A key or a request that is refused is for the operator; all else is failover at work. */
function tell(
  parts: AskParts,
  { request, prompt }: Question,
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
    ...(outcome.kind === "failed"
      ? { fault: outcome.fault, status: outcome.status, hint: outcome.hint }
      : {}),
    ...("requestId" in outcome ? { requestId: outcome.requestId } : {}),
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
