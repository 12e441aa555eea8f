/** The brains of the sandbox's models, by hand: one import and one entry per agent; the first that matches answers. */
import type { Brain } from "../brains.ts";
import { churnBrain } from "./churn-intervention.ts";
import { emailTriageBrain } from "./email-triage.ts";
import { prReviewBrain } from "./pr-review.ts";

export const brains: readonly Brain[] = [prReviewBrain, emailTriageBrain, churnBrain];
