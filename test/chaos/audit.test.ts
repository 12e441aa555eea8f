/** The ledger has to be able to fail: records that were doctored are told, each with the ids to look for. */
import { describe, expect, it } from "vitest";
import { audit } from "./harness/audit.ts";
import type { Records } from "./harness/audit.ts";

const run = {
  id: "run_1",
  event: "evt_1",
  agent: "email-triage",
  status: "succeeded",
  reason: "A request.",
  generation: 0,
  waitingFor: null,
};
const ticket = {
  id: "act_1",
  run: "run_1",
  kind: "zendesk.ticket",
  key: "key-1",
  status: "done",
  dryRun: false,
};
const mail = { id: "act_2", run: "run_1", kind: "email.send", key: "key-2", status: "done", dryRun: false };
const ticketAt = { vendor: "zendesk", kind: "ticket", target: "ada@example.com", key: "key-1", at: 1 };
const mailAt = {
  vendor: "smtp",
  kind: "mail",
  target: "ada@example.com",
  key: "<key-2@acme.example>",
  at: 2,
};
const told = { item: "plan 1", source: "stripe", events: ["evt_2"], agent: "churn-intervention", mails: [] };

const honest: Records = {
  ledger: [{ item: "gmail 1", source: "inbox", events: ["evt_0"], agent: null, mails: ["m1"] }, told, told],
  events: [
    { id: "evt_0", source: "inbox", type: "notification", providerId: "n1" },
    { id: "evt_1", source: "inbox", type: "message.received", providerId: "m1" },
    { id: "evt_2", source: "stripe", type: "customer.subscription.updated", providerId: "evt_stripe" },
  ],
  runs: [
    { ...run, id: "run_0", event: "evt_0", agent: "expansion" },
    run,
    { ...run, id: "run_2", event: "evt_2", agent: "churn-intervention" },
  ],
  actions: [ticket, mail],
  effects: [
    ticketAt,
    mailAt,
    { vendor: "slack", kind: "message", target: "#signalbox", key: "alert", at: 3 },
  ],
  alerts: 1,
  planned: /refused on purpose/,
};
const with_ = (part: keyof Records, more: object): Records => ({
  ...honest,
  [part]: [...(honest[part] as object[]), more],
});
const without = (part: "events" | "runs" | "effects", index: number): Records => ({
  ...honest,
  [part]: honest[part].filter((_, at) => at !== index),
});
const changed = (part: "runs" | "actions", index: number, change: object): Records => ({
  ...honest,
  [part]: honest[part].map((one, at) => (at === index ? { ...one, ...change } : one)),
});

describe("the comparison of the three records", () => {
  it("finds nothing where there is nothing, and says so in one line", () => {
    expect(audit(honest)).toEqual({
      ok: true,
      lost: [],
      duplicated: [],
      line: "acknowledged 2, lost 0, runs 3 (succeeded 3 / dead 0 / waiting 0 / ended otherwise 0), actions 2, duplicated 0, unknown-outcome 0 (all waiting for a person)",
    });
  });

  it.each<[string, Records, RegExp]>([
    [
      "an acknowledged event that is not stored",
      without("events", 2),
      /^plan 1 was acknowledged as event evt_2, which is not there/,
    ],
    [
      "an announced mail that is not stored",
      without("events", 1),
      /^gmail 1 was acknowledged and its mail m1 is not stored/,
    ],
    [
      "an event whose run was never started",
      without("runs", 2),
      /^plan 1: event evt_2 has no run of churn-intervention/,
    ],
    [
      "a mail whose run was never started",
      without("runs", 1),
      /^mail m1: event evt_1 has no run of email-triage/,
    ],
    [
      "a run that nobody works on",
      changed("runs", 1, { status: "waiting", reason: null }),
      /^run run_1 of email-triage for event evt_1 is still waiting/,
    ],
    [
      "a run that died of an outage",
      changed("runs", 1, { status: "dead", reason: "zendesk answered 503" }),
      /^run run_1 .* is dead, and nobody refused it: zendesk answered 503/,
    ],
    [
      "an action that is done and left nothing",
      without("effects", 0),
      /^zendesk.ticket key-1 is done, and zendesk has nothing of it: act_1 of run_1/,
    ],
    [
      "an unknown outcome that waits for nobody",
      changed("actions", 0, { status: "uncertain" }),
      /^zendesk.ticket act_1 is uncertain, and its run run_1 waits for nobody/,
    ],
  ])("calls %s lost", (_, records, text) => {
    const found = audit(records);
    expect(found.ok).toBe(false);
    expect(found.lost[0]).toMatch(text);
    expect(found.line).toContain(`lost ${found.lost.length},`);
  });

  it.each<[string, Records, RegExp]>([
    [
      "an effect that is there twice",
      with_("effects", ticketAt),
      /^zendesk.ticket key-1 took effect 2 times at zendesk: act_1 of run_1/,
    ],
    [
      "a second mail under another key",
      with_("effects", { ...mailAt, key: "<other@acme.example>" }),
      /^smtp has a mail for ada@example.com .* that no action ordered/,
    ],
    [
      "an effect of an action that is not done",
      changed("actions", 1, { status: "planned" }),
      /^email.send key-2 is not done, and smtp has it/,
    ],
    [
      "two actions that claim the same key",
      with_("actions", { ...ticket, id: "act_3" }),
      /^zendesk.ticket key-1 was done 2 times/,
    ],
    [
      "a sender that was told two events for one",
      with_("ledger", { ...told, events: ["evt_1x"] }),
      /^plan 1 was acknowledged as event evt_2 and as event evt_1x/,
    ],
    [
      "an event that is stored twice",
      with_("events", {
        id: "evt_3",
        source: "stripe",
        type: "customer.subscription.updated",
        providerId: "evt_stripe",
      }),
      /is stored as evt_2 and evt_3/,
    ],
    [
      "a second run of one event",
      with_("runs", { ...run, id: "run_3" }),
      /^mail m1: run_1 and run_3 are runs of email-triage/,
    ],
    [
      "a message that is no alert and no action",
      { ...honest, alerts: 0 },
      /^slack has 1 messages that no action ordered/,
    ],
  ])("calls %s duplicated", (_, records, text) => {
    const found = audit(records);
    expect(found.ok).toBe(false);
    expect(found.duplicated.join("\n")).toMatch(new RegExp(text.source, "m"));
    expect(found.line).toContain(`duplicated ${found.duplicated.length},`);
  });

  it("takes a planned refusal, a replay and an unknown outcome that a person has for what they are", () => {
    const replayed = { ...run, id: "run_4", generation: 1 };
    const skipped = { ...ticket, id: "act_4", run: "run_4", status: "skipped" };
    const records: Records = {
      ...honest,
      runs: [
        ...honest.runs,
        replayed,
        { ...run, id: "run_5", generation: 1, status: "dead", reason: "zendesk refused on purpose" },
        {
          ...run,
          id: "run_6",
          generation: 2,
          status: "awaiting_review",
          waitingFor: { kind: "person", reason: "look" },
        },
      ],
      actions: [
        ...honest.actions,
        skipped,
        { ...mail, id: "act_6", key: "key-6", run: "run_6", status: "uncertain" },
      ],
    };
    const found = audit(records);
    expect(found).toMatchObject({ ok: true });
    expect(found.line).toMatch(
      /runs 6 \(succeeded 4 \/ dead 1 \/ waiting 1 .*unknown-outcome 1 \(all waiting for a person\)$/,
    );
  });
});
