/**
 * The comparison of three records: what senders were told, what the journal says, what the vendors received. Pure, so
 * that it can itself be tested: given records that were doctored, it has to say so.
 */
import { uuidOf } from "../../../src/destinations/linear.ts";
import { promotionCodeOf } from "../../../src/destinations/stripe.ts";
import { sha256 } from "../../../src/domain/json.ts";
import type { Effect } from "../../../src/sandbox/index.ts";
import type { Acknowledged } from "./ledger.ts";

export interface EventRow {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly providerId: string;
}
export interface RunRow {
  readonly id: string;
  readonly event: string;
  readonly agent: string;
  readonly status: string;
  readonly reason: string | null;
  readonly generation: number;
  readonly waitingFor: { readonly kind: string; readonly reason: string } | null;
}
export interface ActionRow {
  readonly id: string;
  readonly run: string;
  readonly kind: string;
  readonly key: string;
  readonly status: string;
  readonly dryRun: boolean;
}

export interface Records {
  readonly ledger: readonly Acknowledged[];
  readonly events: readonly EventRow[];
  readonly runs: readonly RunRow[];
  readonly actions: readonly ActionRow[];
  readonly effects: readonly Effect[];
  /** How many of the messages in Slack are alerts, which no action ordered. */
  readonly alerts: number;
  /** The causes that a run may be dead of. */
  readonly planned: RegExp;
}

export interface Audit {
  /** The one line that says it all. */
  readonly line: string;
  readonly ok: boolean;
  /** A sentence each, with the ids to look for. */
  readonly lost: readonly string[];
  readonly duplicated: readonly string[];
}

/** Kinds that leave exactly one thing at a vendor under a key of ours; the others set or update, and may do so again. */
const leaves: Readonly<Record<string, { vendor: string; kind: string; keyOf: (key: string) => string }>> = {
  "github.review": { vendor: "github", kind: "review", keyOf: (key) => `signalbox:${key}` },
  "linear.comment": { vendor: "linear", kind: "comment", keyOf: uuidOf },
  "hubspot.note": { vendor: "hubspot", kind: "note", keyOf: (key) => key },
  "hubspot.task": { vendor: "hubspot", kind: "task", keyOf: (key) => key },
  "zendesk.ticket": { vendor: "zendesk", kind: "ticket", keyOf: (key) => key },
  "zendesk.comment": { vendor: "zendesk", kind: "comment", keyOf: (key) => key },
  "stripe.coupon": { vendor: "stripe", kind: "coupon", keyOf: couponOf },
  "stripe.promotion_code": { vendor: "stripe", kind: "promotion-code", keyOf: promotionCodeOf },
  "slack.message": { vendor: "slack", kind: "message", keyOf: (key) => key },
  "slack.review": { vendor: "slack", kind: "message", keyOf: (key) => key },
  "email.send": { vendor: "smtp", kind: "mail", keyOf: (key) => `<${key}@acme.example>` },
};

function couponOf(key: string): string {
  return `sb_${sha256("stripe-coupon", key).slice(0, 24)}`;
}

/** Each of these is sent once for all that the scenario holds, whatever keys were used. */
const oncePerTarget = new Set([
  "github review",
  "zendesk ticket",
  "smtp mail",
  "stripe promotion-code",
  "hubspot contact",
]);

/** Over with, or with a person. */
const atRest = new Set(["succeeded", "cancelled", "rejected", "dead", "awaiting_review"]);

export function audit(records: Records): Audit {
  const lost: string[] = [];
  const duplicated: string[] = [];
  compareEvents(records, lost, duplicated);
  compareRuns(records, lost, duplicated);
  compareActions(records, lost, duplicated);
  const unknown = records.actions.filter(({ status }) => status === "uncertain");
  const waiting = new Set(
    records.runs.filter(({ status }) => status === "awaiting_review").map(({ id }) => id),
  );
  for (const action of unknown) {
    if (!waiting.has(action.run))
      lost.push(`${action.kind} ${action.id} is uncertain, and its run ${action.run} waits for nobody`);
  }
  const { runs } = records;
  const count = (...statuses: string[]) => runs.filter(({ status }) => statuses.includes(status)).length;
  const ok = lost.length === 0 && duplicated.length === 0;
  const acknowledged = new Set(records.ledger.map(({ item }) => item)).size;
  return {
    ok,
    lost,
    duplicated,
    line:
      `acknowledged ${acknowledged}, lost ${lost.length}, ` +
      `runs ${runs.length} (succeeded ${count("succeeded")} / dead ${count("dead")} / waiting ${count("awaiting_review", "waiting", "queued", "running")}` +
      ` / ended otherwise ${count("cancelled", "rejected")}), ` +
      `actions ${records.actions.length}, duplicated ${duplicated.length}, ` +
      `unknown-outcome ${unknown.length} (${unknown.every(({ run }) => waiting.has(run)) ? "all" : "not all"} waiting for a person)`,
  };
}

function compareEvents({ ledger, events }: Records, lost: string[], duplicated: string[]): void {
  const stored = new Map(events.map((event) => [event.id, event]));
  const named = new Map<string, string>();
  const told = new Map<string, string>();
  for (const { item, source, events: ids, mails } of ledger) {
    for (const id of ids) {
      const event = stored.get(id);
      if (event?.source !== source)
        lost.push(
          `${item} was acknowledged as event ${id}, which ${event ? "is another's" : "is not there"}`,
        );
      const other = named.get(id);
      if (other !== undefined && other !== item)
        lost.push(`${item} and ${other} were both acknowledged as event ${id}`);
      named.set(id, item);
    }
    // Notifications are many and mean the same: what they announce is what counts.
    if (mails.length > 0) continue;
    const answer = ids.join(" ");
    const before = told.get(item);
    if (before !== undefined && before !== answer)
      duplicated.push(`${item} was acknowledged as event ${before} and as event ${answer}`);
    told.set(item, answer);
  }
  const mails = group(
    events.filter(({ type }) => type === "message.received"),
    ({ source, providerId }) => `${source} ${providerId}`,
  );
  for (const { item, source, mails: ids } of ledger) {
    for (const id of ids) {
      const count = mails.get(`${source} ${id}`)?.length ?? 0;
      if (count === 0) lost.push(`${item} was acknowledged and its mail ${id} is not stored`);
    }
  }
  const keys = group(events, ({ source, type, providerId }) => `${source} ${type} ${providerId}`);
  for (const [key, copies] of keys)
    if (copies.length > 1) duplicated.push(`${key} is stored as ${copies.map(({ id }) => id).join(" and ")}`);
  for (const { id, source, type } of events) {
    const ofFeed = type === "message.received" || type === "notification";
    if (!ofFeed && !named.has(id))
      duplicated.push(`${source} event ${id} is stored and no sender was told of it`);
  }
}

function compareRuns({ ledger, events, runs, planned }: Records, lost: string[], duplicated: string[]): void {
  const byEvent = group(runs, ({ event }) => event);
  const expect = (event: string, agent: string, what: string) => {
    const own = (byEvent.get(event) ?? []).filter((run) => run.agent === agent && run.generation === 0);
    if (own.length === 0) lost.push(`${what}: event ${event} has no run of ${agent}`);
    if (own.length > 1)
      duplicated.push(`${what}: ${own.map(({ id }) => id).join(" and ")} are runs of ${agent}`);
  };
  const seen = new Set<string>();
  for (const { item, events: ids, agent } of ledger) {
    if (agent === null) continue;
    for (const id of ids) if (!seen.has(id)) expect(id, agent, item);
    ids.forEach((id) => seen.add(id));
  }
  for (const { id, type, providerId } of events) {
    if (type === "message.received") expect(id, "email-triage", `mail ${providerId}`);
    if (type === "notification") expect(id, "expansion", `notification ${providerId}`);
  }
  for (const { id, agent, event, status, reason, waitingFor } of runs) {
    const why = reason ?? waitingFor?.reason ?? "no reason given";
    if (!atRest.has(status)) lost.push(`run ${id} of ${agent} for event ${event} is still ${status}: ${why}`);
    if (status === "dead" && !planned.test(why))
      lost.push(`run ${id} of ${agent} for event ${event} is dead, and nobody refused it: ${why}`);
    if (status === "awaiting_review" && waitingFor === null)
      lost.push(`run ${id} of ${agent} waits for a person and does not say why`);
  }
}

function compareActions({ actions, effects, alerts }: Records, lost: string[], duplicated: string[]): void {
  const received = group(effects, ({ vendor, kind, key }) => `${vendor} ${kind} ${key ?? ""}`);
  const claimed = new Set<string>();
  for (const [key, own] of group(actions, (action) => action.key)) {
    const [first] = own;
    const leaving = first && leaves[first.kind];
    if (!leaving) continue;
    const mark = `${leaving.vendor} ${leaving.kind} ${leaving.keyOf(key)}`;
    claimed.add(mark);
    const count = received.get(mark)?.length ?? 0;
    const done = own.filter(({ status, dryRun }) => status === "done" && !dryRun);
    const open = own.some(({ status }) => status === "uncertain" || status === "executing");
    const ids = own.map(({ id, run, status }) => `${id} of ${run} (${status})`).join(", ");
    if (count > 1)
      duplicated.push(`${first.kind} ${key} took effect ${count} times at ${leaving.vendor}: ${ids}`);
    if (done.length > 1) duplicated.push(`${first.kind} ${key} was done ${done.length} times: ${ids}`);
    if (done.length > 0 && count === 0)
      lost.push(`${first.kind} ${key} is done, and ${leaving.vendor} has nothing of it: ${ids}`);
    if (done.length === 0 && !open && count > 0)
      duplicated.push(`${first.kind} ${key} is not done, and ${leaving.vendor} has it: ${ids}`);
  }
  const kinds = new Set(Object.values(leaves).map(({ vendor, kind }) => `${vendor} ${kind}`));
  const foreign = effects.filter(
    ({ vendor, kind, key }) =>
      kinds.has(`${vendor} ${kind}`) && !claimed.has(`${vendor} ${kind} ${key ?? ""}`),
  );
  const messages = foreign.filter(({ vendor }) => vendor === "slack").length;
  if (messages > alerts) duplicated.push(`slack has ${messages - alerts} messages that no action ordered`);
  for (const { vendor, kind, target, key } of foreign) {
    if (vendor !== "slack")
      duplicated.push(`${vendor} has a ${kind} for ${target} (${key ?? "no key"}) that no action ordered`);
  }
  for (const [name, own] of group(effects, ({ vendor, kind, target }) => `${vendor} ${kind} ${target}`)) {
    const [first] = own;
    if (first && own.length > 1 && oncePerTarget.has(`${first.vendor} ${first.kind}`))
      duplicated.push(
        `${name}: ${own.length} times, under ${own.map(({ key }) => key ?? "no key").join(" and ")}`,
      );
  }
}

function group<T>(list: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) {
    const key = keyOf(one);
    const own = groups.get(key);
    if (own) own.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}
