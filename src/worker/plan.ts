/** Turns what an agent wants done into actions of its run, and refuses what it is not allowed. */
import type { AgentDefinition, Outcome } from "../domain/agent.ts";
import { isActionKind } from "../domain/action-kinds.ts";
import { actionKey, referencesIn } from "../domain/action.ts";
import type { Action, PlannedAction } from "../domain/action.ts";
import { hashJson } from "../domain/json.ts";
import type { Run } from "../domain/run.ts";
import type { Mode } from "../domain/run.ts";
import type { Ids } from "../resilience/ids.ts";

/**
 * Throws when the plan is wrong: an agent's bug, never the model's doing, since a model only fills the decision.
 * `event` is the default subject: one effect per event and action name, however often the event is worked on.
 * `held` says why a person has to look first, even where the mode is to act at once.
 */
export function actionsFrom(
  agent: AgentDefinition,
  outcome: Outcome,
  run: Pick<Run, "id" | "event">,
  mode: Mode,
  now: number,
  ids: Ids,
  held: string | null = null,
): Action[] {
  const names = new Set<string>();
  return outcome.actions.map((planned) => {
    const needs = [...new Set([...(planned.needs ?? []), ...referencesIn(planned.input)])];
    assertAllowed(agent, planned, names, needs);
    names.add(planned.name);
    const subject = planned.subject ?? run.event;
    return {
      id: ids("act"),
      run: run.id,
      agent: agent.name,
      name: planned.name,
      kind: planned.kind,
      subject,
      key: actionKey(agent.name, planned.name, subject),
      status: mode === "review" || (mode === "auto" && held !== null) ? "awaiting_review" : "planned",
      input: planned.input,
      hash: hashJson({ kind: planned.kind, input: planned.input }),
      needs,
      ref: null,
      dryRun: false,
      reason: mode === "dry-run" ? null : held,
      reviewedBy: null,
      attempts: 0,
      intentAt: null,
      createdAt: now,
      updatedAt: now,
    };
  });
}

function assertAllowed(
  agent: AgentDefinition,
  { name, kind }: PlannedAction,
  earlier: ReadonlySet<string>,
  needs: readonly string[],
): void {
  if (!isActionKind(kind) || !agent.allows.includes(kind)) {
    throw new Error(
      `agent ${agent.name} planned ${kind}, which it is not allowed: ${agent.allows.join(", ")}`,
    );
  }
  if (earlier.has(name)) throw new Error(`agent ${agent.name} planned two actions called ${name}`);
  const unknown = needs.find((need) => !earlier.has(need));
  if (unknown !== undefined) {
    throw new Error(`agent ${agent.name}: action ${name} needs ${unknown}, which is not planned before it`);
  }
}
