/** Holds the journal against what was sent and against the vendors' own record: pure, so that it can be tested. */
import { systemAgents } from "../domain/run.ts";
import type { Effect } from "../sandbox/index.ts";
import type { Sent } from "./demo-scenes.ts";
import type { ActionRow, EventRow, RunRow } from "./service.ts";

export interface Evidence {
  readonly sent: readonly Sent[];
  readonly events: readonly Pick<EventRow, "id" | "source" | "providerId" | "type">[];
  readonly runs: readonly Pick<RunRow, "id" | "event" | "agent" | "status" | "decidedBy">[];
  readonly actions: readonly Pick<ActionRow, "id" | "kind" | "key" | "status" | "dryRun">[];
  /** What the vendors' people would notice. */
  readonly effects: readonly Effect[];
}

export interface Verdict {
  /** Without the notifications that only announced others. */
  readonly events: number;
  readonly notifications: number;
  readonly runs: { readonly succeeded: number; readonly other: Readonly<Record<string, number>> };
  readonly byVendor: Readonly<Record<string, number>>;
  readonly decided: { readonly model: number; readonly rules: number };
  /** Sentences; empty when nothing is wrong. */
  readonly lost: readonly string[];
  readonly duplicated: readonly string[];
}

/** Actions that leave exactly one new thing at the vendor; the others set or update, and may do so again. */
const leaves: Readonly<Record<string, { vendor: string; kind: string }>> = {
  "github.review": { vendor: "github", kind: "review" },
  "linear.comment": { vendor: "linear", kind: "comment" },
  "linear.attachment": { vendor: "linear", kind: "attachment" },
  "hubspot.note": { vendor: "hubspot", kind: "note" },
  "hubspot.task": { vendor: "hubspot", kind: "task" },
  "zendesk.ticket": { vendor: "zendesk", kind: "ticket" },
  "zendesk.comment": { vendor: "zendesk", kind: "comment" },
  "stripe.coupon": { vendor: "stripe", kind: "coupon" },
  "stripe.promotion_code": { vendor: "stripe", kind: "promotion-code" },
  "slack.message": { vendor: "slack", kind: "message" },
  "slack.review": { vendor: "slack", kind: "message" },
  "email.send": { vendor: "smtp", kind: "mail" },
};

const settled = new Set(["succeeded", "cancelled", "rejected"]);

export function verify(evidence: Evidence): Verdict {
  const { events, runs, actions } = evidence;
  const done = actions.filter((action) => action.status === "done" && !action.dryRun);
  const agentRuns = runs.filter((run) => !systemAgents.includes(run.agent));
  return {
    events: events.filter((event) => event.type !== "notification").length,
    notifications: events.filter((event) => event.type === "notification").length,
    runs: {
      succeeded: runs.filter((run) => run.status === "succeeded").length,
      other: tally(runs.filter((run) => run.status !== "succeeded").map((run) => run.status)),
    },
    byVendor: tally(done.map((action) => action.kind.split(".")[0] ?? "")),
    decided: {
      model: agentRuns.filter((run) => run.decidedBy === "model").length,
      rules: agentRuns.filter((run) => run.decidedBy === "rules").length,
    },
    ...discrepancies(evidence, done),
  };
}

function discrepancies(
  { sent, events, runs, effects, actions }: Evidence,
  done: Evidence["actions"],
): Pick<Verdict, "lost" | "duplicated"> {
  const lost: string[] = [];
  const duplicated: string[] = [];
  const stored = tally(events.map((event) => `${event.source} ${event.providerId}`));
  for (const { source, providerId } of sent) {
    if (!stored[`${source} ${providerId}`])
      lost.push(`${source} event ${providerId} was answered 200 and is not there`);
  }
  for (const [event, count] of Object.entries(stored)) {
    if (count > 1) duplicated.push(`event ${event} is stored ${count} times`);
  }
  for (const run of runs)
    if (!settled.has(run.status)) lost.push(`run ${run.id} of ${run.agent} is ${run.status}`);
  for (const [kind, { vendor, kind: effect }] of Object.entries(leaves)) {
    // Alerts go to Slack around the journal: their keys are no action's. Two kinds are messages there.
    const keys = new Set(actions.filter((action) => action.kind === kind).map((action) => action.key));
    const seen = effects.filter(
      (one) =>
        one.vendor === vendor && one.kind === effect && (vendor !== "slack" || keys.has(one.key ?? "")),
    );
    const claimed = done.filter((action) => action.kind === kind).length;
    if (seen.length < claimed) lost.push(`${claimed} ${kind} were done and ${vendor} has ${seen.length}`);
    if (seen.length > claimed)
      duplicated.push(`${claimed} ${kind} were done and ${vendor} has ${seen.length}`);
  }
  return { lost, duplicated };
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
