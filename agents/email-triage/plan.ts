/**
 * From a decision to actions as data. Pure. The only address is the one in the From header; the only ticket is the
 * one that carries the thread's tag; a mail is ignored only when it is surely noise from somebody unknown.
 */
import { action, plainText, resultOf, z } from "../../src/agent-kit.ts";
import type { PlannedAction } from "../../src/agent-kit.ts";
import { threadTag } from "./context.ts";
import type { Facts } from "./context.ts";
import { isAutomatic, isUnsure, standsIn } from "./guards.ts";
import { redactPersonal } from "./redaction.ts";
import type { Decision } from "./decision.ts";
import type { Policy } from "./policy.ts";

export interface Context {
  readonly facts: Facts;
  readonly policy: Policy;
  readonly now: number;
  readonly decidedBy: "model" | "rules";
}
export interface Planned {
  readonly actions: readonly PlannedAction[];
  readonly summary: string;
}

const hour = 3_600_000;
const usable = z.email().max(320);

const bounded = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
/** What a model wrote, as one plain line: no links, no addresses, no markup, no personal numbers. */
function line(text: string | null, max: number): string {
  const plain = redactPersonal(plainText(text ?? ""))
    .replace(/\s+/g, " ")
    .trim();
  return Array.from(plain).slice(0, max).join("");
}

/** Ignoring needs more certainty than sorting, and a stranger: a lost request costs more than a read newsletter. */
function ignorable({ facts, policy }: Context, decision: Decision): string | null {
  if (isAutomatic(facts)) return `an automatic mail (${facts.automation.kind})`;
  if (decision.category !== "noise" || facts.contact || facts.threadTicket || facts.openTickets > 0)
    return null;
  return isUnsure(decision, policy) ? null : "noise";
}

const urgencyOf = (decision: Decision, unsure: boolean): Decision["urgency"] =>
  unsure && decision.urgency === "low" ? "normal" : decision.urgency;

function report(decision: Decision, context: Context): string {
  const { message } = context.facts;
  const attachments = message.attachments.map(({ name, type, bytes }) => `${name} (${type}, ${bytes} bytes)`);
  return [
    line(decision.summary, 400) || "No summary.",
    `Category ${decision.category}, priority ${Math.round(bounded(decision.priority, 0, 100))} of 100 (${decision.urgency}), ${decision.sentiment}, decided by ${context.decidedBy}: ${line(decision.reason, 400)}`,
    ...(attachments.length > 0 ? [`Attachments (not opened): ${attachments.join("; ")}`] : []),
    `--- ${message.subject || "(no subject)"} ---`,
    message.text || "(no text)",
  ]
    .join("\n\n")
    .slice(0, 30_000);
}

function leadActions(decision: Decision, context: Context): PlannedAction[] {
  const { facts, policy, now } = context;
  const { message, contact } = facts;
  const named = standsIn(facts, decision.personName) ? line(decision.personName, 120) : "";
  const name = (message.from.name || named).split(/\s+/).filter((part) => part !== "");
  const company = standsIn(facts, decision.company) ? line(decision.company, 120) : "";
  const subject = `mail:${message.key}`;
  const urgent = decision.urgency === "urgent" || decision.urgency === "high";
  return [
    action("hubspot.contact", {
      name: "contact",
      subject,
      input: {
        email: message.from.address,
        // What people already keep in the CRM is never overwritten by what a mail says.
        properties: {
          ...(contact?.name || name.length === 0 ? {} : { firstname: line(name[0] ?? "", 80) }),
          ...(contact?.name || name.length < 2 ? {} : { lastname: line(name.slice(1).join(" "), 120) }),
          ...(contact?.company || company === "" ? {} : { company }),
          ...(contact ? {} : { lifecyclestage: "lead" }),
        },
      },
    }),
    action("hubspot.note", {
      name: "note",
      subject,
      input: { contactId: resultOf("contact", "id"), body: report(decision, context), at: now },
    }),
    action("hubspot.task", {
      name: "task",
      subject,
      input: {
        contactId: resultOf("contact", "id"),
        subject: `Answer the enquiry: ${line(message.subject, 150) || "(no subject)"}`,
        body: line(decision.summary, 400),
        dueAt: now + policy.taskDueHours * hour,
        priority: urgent ? "HIGH" : "MEDIUM",
      },
    }),
  ];
}

function ticketActions(decision: Decision, context: Context, unsure: boolean): PlannedAction[] {
  const { message, threadTicket } = context.facts;
  const subject = `mail:${message.key}`;
  const body = report(decision, context);
  if (threadTicket) {
    return [
      action("zendesk.comment", {
        name: "comment",
        subject,
        input: { ticketId: threadTicket.id, body, public: false },
      }),
    ];
  }
  const language = /^[a-z]{2}$/.test(decision.language) ? [`lang-${decision.language}`] : [];
  return [
    action("zendesk.ticket", {
      name: "ticket",
      subject,
      input: {
        requester: {
          email: message.from.address,
          name: message.from.name || message.from.address.slice(0, 200),
        },
        subject: message.subject || "(no subject)",
        body,
        priority: urgencyOf(decision, unsure),
        tags: [
          "signalbox",
          `category-${decision.category}`,
          `priority-${Math.round(bounded(decision.priority, 0, 100))}`,
          `sentiment-${decision.sentiment}`,
          ...language,
          threadTag(message.threadKey),
          ...(unsure ? ["needs-triage"] : []),
        ],
      },
    }),
  ];
}

export function plan(decision: Decision, context: Context): Planned {
  const { facts, policy } = context;
  const ignored = ignorable(context, decision);
  if (ignored) return { actions: [], summary: `Ignored as ${ignored}: ${line(decision.reason, 300)}` };
  if (!usable.safeParse(facts.message.from.address).success) {
    const text =
      "A mail without a usable sender address needs a person: it is in the mailbox, and no ticket can be opened for it.";
    return {
      actions: [
        action("slack.message", { name: "notice", subject: `mail:${facts.message.key}`, input: { text } }),
      ],
      summary: "A person is told: the sender's address cannot be used.",
    };
  }
  const unsure = isUnsure(decision, policy) || decision.category === "noise";
  if (decision.category === "lead" && !unsure && !facts.threadTicket) {
    return {
      actions: leadActions(decision, context),
      summary: `A lead (${decision.urgency}): ${line(decision.summary, 300)}`,
    };
  }
  const how = facts.threadTicket
    ? `added to ticket ${facts.threadTicket.id}`
    : unsure
      ? "a ticket for a person to sort"
      : "a ticket";
  return {
    actions: ticketActions(decision, context, unsure),
    summary: `${decision.category} (${urgencyOf(decision, unsure)}), ${how}: ${line(decision.summary, 300)}`,
  };
}
