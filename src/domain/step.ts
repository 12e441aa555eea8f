import type { Json } from "./json.ts";

/** A recorded step of a run: never repeated while its schema version is the same. */
export interface StepRecord {
  readonly run: string;
  /** `gather`, `decide`, `plan`, or a name the agent chose. */
  readonly name: string;
  readonly schemaVersion: number;
  readonly output: Json;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What model calls within the step used; null where none was made. */
  readonly usage: StepUsage | null;
}

export interface StepUsage {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Null when the model's price is not known. */
  readonly costUsd: number | null;
}

/** Of several calls, also of those that led nowhere: they are paid for. Null where none was made. */
export function totalUsage(usages: readonly StepUsage[]): StepUsage | null {
  if (usages.length === 0) return null;
  return {
    model: [...new Set(usages.map(({ model }) => model))].join(" + "),
    inputTokens: usages.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
    outputTokens: usages.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
    costUsd: usages.reduce<number | null>(
      (sum, { costUsd }) => (sum === null || costUsd === null ? null : sum + costUsd),
      0,
    ),
  };
}
