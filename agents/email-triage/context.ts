/** Gathers what triage stands on: the mail, who wrote it, and what is already known of them. Judges nothing. */
import type { AgentKit, HubspotContact, Plain } from "../../src/agent-kit.ts";
import { automationOf } from "./headers.ts";
import type { Automation } from "./headers.ts";
import type { Message } from "./message.ts";
import type { Policy } from "./policy.ts";

export type Facts = {
  readonly message: Message;
  readonly automation: { readonly kind: Automation | null; readonly signals: readonly string[] };
  readonly contact: Plain<HubspotContact> | null;
  /** The open ticket of this mail's thread. */
  readonly threadTicket: { readonly id: string; readonly subject: string } | null;
  /** Open tickets of this sender. */
  readonly openTickets: number;
};

/** The tag that a thread's ticket carries. */
export const threadTag = (threadKey: string): string => `thread-${threadKey}`;

const open = new Set(["new", "open", "pending", "hold"]);

/** Throws EventFault for what is no mail, ServiceError when a look-up fails. */
export async function gather(kit: AgentKit<Policy>): Promise<Facts> {
  // With the readers of MIME and HTML, which a service that has no mail to read need not load.
  const { parseMessage } = await import("./message.ts");
  const { message, headers } = await parseMessage(kit.event.payload);
  const verdict = automationOf({
    headers,
    from: message.from.address,
    fromName: message.from.name,
    subject: message.subject,
    ownAddresses: kit.policy.ownAddresses,
  });
  const automation = { kind: verdict.kind, signals: [...verdict.signals] };
  const unanswered = verdict.kind !== null && verdict.kind !== "list";
  if (unanswered || message.from.address === "") {
    return { message, automation, contact: null, threadTicket: null, openTickets: 0 };
  }
  const { hubspot, zendesk } = kit.read;
  const contact = hubspot ? await hubspot.contactByEmail(message.from.address) : null;
  const ticket = zendesk ? await zendesk.openTicketByTag(threadTag(message.threadKey)) : null;
  const tickets = zendesk ? await zendesk.ticketsOf(message.from.address) : [];
  return {
    message,
    automation,
    contact: contact ? { ...contact } : null,
    threadTicket: ticket ? { id: ticket.id, subject: ticket.subject } : null,
    openTickets: tickets.filter((each) => open.has(each.status)).length,
  };
}
