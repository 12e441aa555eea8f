import type { AgentDefinition } from "../domain/agent.ts";
import type { ReviewSettings } from "../domain/review-notice.ts";
import type { Mode } from "../domain/run.ts";

/** What is in force: replaced as a whole when the configuration is reloaded. */
export interface WorkTable {
  readonly agents: ReadonlyMap<string, { readonly agent: AgentDefinition; readonly policy: unknown }>;
  /** The mode of a route today; null when the route is gone. */
  modeOf(route: string): Mode | null;
  readonly parkForMs: number;
  /** How often an agent may act within an hour. */
  actionsPerHour(agent: string): number;
  /** Where people are told of what is held. */
  readonly reviews: ReviewSettings;
}
