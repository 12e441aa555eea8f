/** The agents, by hand: one import and one entry each. */
import type { AgentDefinition } from "../src/agent-kit.ts";
import { churnIntervention } from "./churn-intervention/agent.ts";
import { emailTriage } from "./email-triage/agent.ts";
import { prReview } from "./pr-review/agent.ts";

export const agents: readonly AgentDefinition[] = [emailTriage, churnIntervention, prReview];
