/** Sorts incoming mail: leads to the CRM, requests to the help desk, noise nowhere, doubt to a person. */
import { defineAgent, EventFault } from "../../src/agent-kit.ts";
import type { AgentKit, Outcome } from "../../src/agent-kit.ts";
import { gather } from "./context.ts";
import type { Facts } from "./context.ts";
import { Decision } from "./decision.ts";
import { checksOf, isAutomatic } from "./guards.ts";
import { plan } from "./plan.ts";
import { Policy } from "./policy.ts";
import { decideByRules } from "./rules.ts";

const unwanted = ["SENT", "DRAFT", "SPAM", "TRASH", "CHAT"];

const known = (facts: Facts): string =>
  [
    facts.contact ? "known in the CRM" : "not known in the CRM",
    facts.threadTicket ? "answers an open ticket" : `${facts.openTickets} open tickets`,
    ...(facts.automation.kind === "list" ? [`bulk signals: ${facts.automation.signals.join(", ")}`] : []),
  ].join("; ");

async function flow(kit: AgentKit<Policy>): Promise<Outcome> {
  const facts = await kit.step("gather", 1, () => gather(kit));
  const { message } = facts;
  const label = unwanted.find((each) => message.labels.includes(each));
  if (label) return { actions: [], summary: `Nothing to do: the message is labelled ${label}.` };

  const decided = await kit.decide({
    schemaVersion: 1,
    schema: Decision,
    variables: {
      sender: message.from.name || "(no name)",
      domain: message.from.address.split("@")[1] ?? "",
      known: known(facts),
      subject: message.subject,
      text: message.text.slice(0, kit.policy.maxTextChars),
      attachments: message.attachments.map(({ name, type }) => `${name} (${type})`).join("; ") || "none",
    },
    facts,
    rules: () => decideByRules(facts, kit.policy),
    guard: (decision) => checksOf(decision, facts, kit.policy),
    ...(isAutomatic(facts) ? { rulesOnly: `it is an automatic mail (${facts.automation.kind})` } : {}),
  });
  const { actions, summary } = plan(decided.decision, {
    facts,
    policy: kit.policy,
    now: kit.now,
    decidedBy: decided.decidedBy,
  });
  return { actions, summary };
}

/**
 * A comment on a ticket that was closed while it waited would be lost, and so would the mail if its run just ended:
 * the run dies instead, which is alerted, and its replay opens a new ticket.
 */
async function stillApplies(kit: AgentKit<Policy>): Promise<null> {
  const facts = await kit.step("gather", 1, () => gather(kit));
  if (!facts.threadTicket || !kit.read.zendesk) return null;
  const tickets = await kit.read.zendesk.ticketsOf(facts.message.from.address);
  const ticket = tickets.find((each) => each.id === facts.threadTicket?.id);
  if (ticket?.status === "closed") {
    throw new EventFault(
      `ticket ${ticket.id} was closed while this waited; replay the event to open a new one`,
    );
  }
  return null;
}

export const emailTriage = defineAgent<Policy>({
  name: "email-triage",
  accepts: ["message.received"],
  policy: Policy,
  decision: Decision,
  variables: ["sender", "domain", "known", "subject", "text", "attachments"],
  allows: [
    "hubspot.contact",
    "hubspot.note",
    "hubspot.task",
    "zendesk.ticket",
    "zendesk.comment",
    "slack.message",
  ],
  flow,
  stillApplies,
});
