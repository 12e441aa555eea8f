/** Plays cases and says how the answers are. */
import type { AgentDefinition } from "../domain/agent.ts";
import type { Json } from "../domain/json.ts";
import type { Decider } from "../domain/ports.ts";
import type { Readers } from "../domain/readers.ts";
import type { DecidedBy } from "../domain/run.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Case, CaseSet } from "./case.ts";
import { classesIn, classesOf, faultsOfAnswer } from "./matching.ts";
import { play } from "./play.ts";
import type { Scored } from "./statistics.ts";

/** One answer to one case, and what came of it. Holds nothing of the case's texts but what a fault quotes. */
export interface Answered extends Scored {
  readonly agent: string;
  /** Who was to decide. */
  readonly asked: DecidedBy;
  /** Who did; null where the agent ended without a decision. */
  readonly decidedBy: DecidedBy | null;
  /** Why it was decided so: which model, or why the rules. */
  readonly why: string | null;
  /** False where the case says nothing of the class. */
  readonly classed: boolean;
  readonly faults: readonly string[];
  readonly costUsd: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly ms: number;
}

export interface EvaluateParts {
  readonly agent: AgentDefinition;
  readonly policy: unknown;
  readonly set: CaseSet;
  readonly decider: Decider;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Never rejects for what a flow throws: that is a fault of the case's answer. */
export async function answer(parts: EvaluateParts, which: Case, asked: DecidedBy): Promise<Answered> {
  const { agent, policy, set, decider, clock, signal } = parts;
  const begun = { agent: agent.name, id: which.id, tags: which.tags, asked };
  try {
    const played = await play({
      agent,
      policy,
      event: {
        id: `evt_${which.id}`,
        source: "eval",
        type: which.type,
        receivedAt: which.now,
        payload: which.payload,
      },
      now: which.now,
      steps: which.facts === null ? {} : { gather: which.facts },
      read: readersOf(which.reads),
      decider,
      by: asked,
      clock,
      signal,
    });
    signal.throwIfAborted();
    const faults = faultsOfAnswer(which, played);
    const predicted = classesIn(played.decision, set.label);
    const classes = classesOf(which, set.label, predicted);
    return {
      ...begun,
      holds: faults.length === 0,
      faults,
      predicted,
      expected: classes?.expected ?? [],
      tolerated: classes?.tolerated ?? [],
      classed: classes !== null,
      decidedBy: played.decidedBy,
      why: played.why,
      costUsd: played.usage === null ? 0 : played.usage.costUsd,
      inputTokens: played.usage?.inputTokens ?? 0,
      outputTokens: played.usage?.outputTokens ?? 0,
      ms: played.ms,
    };
  } catch (error) {
    if (signal.aborted) throw error;
    const fault = `the agent failed: ${error instanceof Error ? error.message : String(error)}`;
    const predicted = classesIn(null, set.label);
    const classes = classesOf(which, set.label, predicted);
    return {
      ...begun,
      holds: false,
      faults: [fault],
      predicted,
      expected: classes?.expected ?? [],
      tolerated: classes?.tolerated ?? [],
      classed: classes !== null,
      decidedBy: null,
      why: null,
      costUsd: 0,
      inputTokens: 0,
      outputTokens: 0,
      ms: 0,
    };
  }
}

/** Readers that answer with what a case says, and with null where it says nothing. A service it does not name is null. */
function readersOf(reads: Case["reads"]): Readers {
  const reader = (service: string): unknown => {
    const answers = reads[service];
    if (answers === undefined) return null;
    return new Proxy(
      {},
      {
        get: (_target, method) =>
          typeof method === "string" && method !== "then"
            ? (): Promise<Json> => Promise.resolve(answers[method] ?? null)
            : undefined,
      },
    );
  };
  return Object.fromEntries(
    ["github", "linear", "hubspot", "zendesk", "stripe"].map((name) => [name, reader(name)]),
  ) as unknown as Readers;
}

/** How often both decided alike, in [0, 1], of the cases that both answered; null without any. */
export function agreement(one: readonly Answered[], other: readonly Answered[]): number | null {
  const byId = new Map(other.map((each) => [each.id, each]));
  const pairs = one.flatMap((each) => {
    const match = byId.get(each.id);
    return match === undefined ? [] : [{ each, match }];
  });
  const alike = pairs.filter(
    ({ each, match }) => JSON.stringify(each.predicted) === JSON.stringify(match.predicted),
  );
  return pairs.length === 0 ? null : alike.length / pairs.length;
}

/** Calls `work` for each, `width` at a time, and gives the results in the order of `items`. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++)
      results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
