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
