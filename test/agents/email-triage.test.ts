import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emailTriage } from "../../agents/email-triage/agent.ts";
import { categories, Decision, urgencies } from "../../agents/email-triage/decision.ts";
import { automationOf } from "../../agents/email-triage/headers.ts";
import { htmlToText } from "../../agents/email-triage/html.ts";
import { newText, parseMessage } from "../../agents/email-triage/message.ts";
import { redactPersonal } from "../../agents/email-triage/redaction.ts";
import type { HubspotContact, Readers, ZendeskTicket } from "../../src/domain/readers.ts";
import { carriedOut, noon, play } from "../support/agent-kit.ts";
import { sharedFile, sharedNote, sharedPresent } from "../support/shared.ts";

interface Mail {
  readonly from?: string;
  readonly subject?: string;
  readonly text?: string;
  readonly html?: string;
  readonly headers?: readonly string[];
}
const rawOf = (mail: Mail): string =>
  [
    `From: ${mail.from ?? "Dana Whitfield <dana@northwind.example>"}`,
    "To: support@acme.example",
    `Subject: ${mail.subject ?? "Pricing for 40 seats"}`,
    "Message-ID: <m1@northwind.example>",
    ...(mail.headers ?? []),
    `Content-Type: ${mail.html === undefined ? "text/plain" : "text/html"}; charset=utf-8`,
    "",
    mail.html ?? mail.text ?? "Hello, could you send me your prices and a trial? Dana",
  ].join("\r\n");
const message = (mail: Mail = {}) => ({
  id: "18c1",
  threadId: "18c1",
  raw: Buffer.from(rawOf(mail)).toString("base64url"),
});

const lead: Decision = {
  reason: "Asks for prices.",
  category: "lead",
  urgency: "high",
  priority: 80,
  sentiment: "positive",
  language: "en",
  personName: "Dana Whitfield",
  company: "Northwind",
  summary: "Wants prices for 40 seats.",
  confidence: 0.95,
};
const contact: HubspotContact = {
  id: "501",
  email: "dana@northwind.example",
  name: "Dana Whitfield",
  company: "Northwind Ltd",
  lifecycleStage: "customer",
};
const ticket: ZendeskTicket = {
  id: "77",
  subject: "Import stuck",
  description: "It is stuck.",
  status: "open",
  priority: "normal",
  satisfaction: null,
  createdAt: noon,
  updatedAt: noon,
};
interface Known {
  readonly contact?: HubspotContact;
  readonly threadTicket?: ZendeskTicket;
  readonly tickets?: readonly ZendeskTicket[];
}
const readers = ({ contact: known, threadTicket, tickets = [] }: Known = {}): Pick<
  Readers,
  "hubspot" | "zendesk"
> => ({
  hubspot: { contactByEmail: () => Promise.resolve(known ?? null) },
  zendesk: {
    ticketsOf: () => Promise.resolve([...tickets]),
    openTicketByTag: () => Promise.resolve(threadTicket ?? null),
  },
});
const triage = (mail: Mail, decision?: unknown, known: Known = {}, policy: object = {}) =>
  play(emailTriage, {
    payload: message(mail),
    policy,
    read: readers(known),
    ...(decision === undefined ? {} : { decision }),
  });

describe("email-triage", () => {
  it("makes a lead a contact, a note and a task, with the address of the From header", async () => {
    const { outcome } = await triage({ headers: ["Reply-To: thief@evil.example"] }, lead);
    const inputs = carriedOut(emailTriage, outcome.actions);
    expect([...inputs.keys()]).toEqual(["contact", "note", "task"]);
    expect(inputs.get("contact")).toEqual({
      email: "dana@northwind.example",
      properties: { firstname: "Dana", lastname: "Whitfield", company: "Northwind", lifecyclestage: "lead" },
    });
    expect(inputs.get("task")).toMatchObject({
      contactId: "contact-id",
      priority: "HIGH",
      dueAt: noon + 86_400_000,
    });
  });

  it("writes no name into the CRM that does not stand in the mail, and says so", async () => {
    const { outcome, checks } = await triage({}, { ...lead, company: "Evil Inc" });
    expect(carriedOut(emailTriage, outcome.actions).get("contact")).not.toHaveProperty("properties.company");
    expect(checks).toContainEqual(
      expect.objectContaining({ name: "evidence", passed: false, effect: "clamped" }),
    );
  });

  it("holds what is doubtful for a person where the policy says so", async () => {
    const doubtful = { ...lead, confidence: 0.4, priority: 900 };
    const clamped = await triage({}, doubtful);
    expect([clamped.held, clamped.checks.filter(({ passed }) => !passed).map(({ name }) => name)]).toEqual([
      false,
      ["confidence", "priority"],
    ]);
    expect((await triage({}, doubtful, {}, { onViolation: "review" })).held).toBe(true);
    expect((await triage({}, lead, {}, { onViolation: "review" })).held).toBe(false);
  });

  it("never overwrites what the CRM knows of a contact", async () => {
    const { outcome } = await triage({}, { ...lead, company: "Evil Inc" }, { contact });
    expect(carriedOut(emailTriage, outcome.actions).get("contact")).toEqual({
      email: "dana@northwind.example",
      properties: {},
    });
  });

  it("makes a bug a ticket with its priority, its tags and the tag of its thread", async () => {
    const { outcome } = await triage({}, { ...lead, category: "bug", urgency: "urgent", priority: 140 });
    const inputs = carriedOut(emailTriage, outcome.actions);
    expect(inputs.get("ticket")).toMatchObject({
      requester: { email: "dana@northwind.example", name: "Dana Whitfield" },
      priority: "urgent",
      tags: expect.arrayContaining([
        "category-bug",
        "priority-100",
        expect.stringMatching(/^thread-[0-9a-f]{24}$/),
      ]) as string[],
    });
  });

  it("adds an answer to the open ticket of its thread, as an internal comment", async () => {
    const { outcome } = await triage(
      {},
      { ...lead, category: "support" },
      { threadTicket: ticket, tickets: [ticket] },
    );
    expect(outcome.actions.map(({ kind }) => kind)).toEqual(["zendesk.comment"]);
    expect(carriedOut(emailTriage, outcome.actions).get("comment")).toMatchObject({
      ticketId: "77",
      public: false,
    });
  });

  it("finds the thread of an answer by its first reference, not by its subject", async () => {
    const first = await parseMessage(message());
    const answer = await parseMessage({
      raw: Buffer.from(
        rawOf({
          subject: "Something else",
          headers: ["References: <m1@northwind.example> <m2@acme.example>"],
        }).replace("Message-ID: <m1@", "Message-ID: <m3@"),
      ).toString("base64url"),
    });
    expect(answer.message.threadKey).toBe(first.message.threadKey);
    expect(answer.message.key).not.toBe(first.message.key);
  });

  it("ignores noise from a stranger, and says why", async () => {
    const { outcome } = await triage({}, { ...lead, category: "noise", reason: "A newsletter." });
    expect(outcome).toEqual({ actions: [], summary: "Ignored as noise: A newsletter." });
  });

  it.each([
    ["low confidence", { ...lead, category: "noise", confidence: 0.7 }, {}],
    ["a known contact", { ...lead, category: "noise" }, { contact }],
    ["an open ticket of the sender", { ...lead, category: "noise" }, { tickets: [ticket] }],
    ["an unsure lead", { ...lead, confidence: 0.4 }, {}],
  ])("gives the mail to a person, tagged needs-triage, for %s", async (_, decision, known) => {
    const { outcome } = await triage({}, decision, known);
    expect(outcome.actions.map(({ kind }) => kind)).toEqual(["zendesk.ticket"]);
    expect(carriedOut(emailTriage, outcome.actions).get("ticket")).toMatchObject({
      tags: expect.arrayContaining(["needs-triage"]) as string[],
    });
  });

  it.each([
    [
      "a bounce",
      { from: "Mail Delivery System <MAILER-DAEMON@mx.example>", subject: "Undelivered Mail" },
      "bounce",
    ],
    [
      "a vacation reply",
      { subject: "Out of office: Pricing", headers: ["Auto-Submitted: auto-replied"] },
      "auto-reply",
    ],
    ["our own mail", { headers: ["Delivered-To: dana@northwind.example"] }, "own"],
  ])("asks no model about %s and does nothing", async (_, mail, kind) => {
    const { outcome, decided } = await triage(mail, lead);
    expect(decided?.decidedBy).toBe("rules");
    expect(outcome.actions).toEqual([]);
    expect(outcome.summary).toContain(`an automatic mail (${kind})`);
  });

  it.each([
    ["a contact form's", { headers: ["Auto-Submitted: auto-generated"] }],
    ["a mailing list's", { headers: ["List-Id: <support.acme.example>", "Precedence: list"] }],
    ["a question about failed deliveries", { subject: "Delivery failure notifications do not arrive" }],
    ["a question about automatic replies", { subject: "Automatic reply settings are broken" }],
  ])("treats %s mail as a person's", async (_, mail) => {
    const { decided } = await triage(mail, lead);
    expect(decided?.decidedBy).toBe("model");
  });

  it("tells a person of a mail whose sender cannot be answered", async () => {
    const { outcome } = await triage({ from: "Nobody <not-an-address>" }, lead);
    expect(outcome.actions.map(({ kind }) => kind)).toEqual(["slack.message"]);
    carriedOut(emailTriage, outcome.actions);
  });

  it.each([
    [
      "lead",
      { subject: "Pricing and a demo", text: "We are interested in 20 seats, can we get a quote?" },
      ["hubspot.contact", "hubspot.note", "hubspot.task"],
    ],
    [
      "bug",
      { subject: "Urgent: export crashes", text: "The export fails with error 500 for all users." },
      ["zendesk.ticket"],
    ],
    [
      "billing",
      { subject: "Invoice 2211", text: "Please send the invoice with our VAT number, payment is due." },
      ["zendesk.ticket"],
    ],
    [
      "noise",
      {
        subject: "Weekly newsletter",
        text: "Join our webinar. Unsubscribe here.",
        headers: ["List-Unsubscribe: <https://news.example/u>"],
      },
      [],
    ],
  ])("sorts a %s mail by rules when no model can be had", async (category, mail, kinds) => {
    const { outcome, decided } = await triage(mail);
    expect(decided?.decision).toMatchObject({ category });
    expect(outcome.actions.map(({ kind }) => kind)).toEqual(kinds);
    carriedOut(emailTriage, outcome.actions);
  });

  it("leaves a mail that rules cannot place to a person", async () => {
    const { outcome } = await triage({ subject: "Hello", text: "It is about the thing from Tuesday." });
    expect(outcome.summary).toContain("for a person to sort");
  });

  it("dies rather than losing a mail whose ticket was closed while it waited", async () => {
    const played = await triage(
      {},
      { ...lead, category: "support" },
      { threadTicket: ticket, tickets: [ticket] },
    );
    expect(await played.stillApplies()).toBeNull();
    await expect(
      played.stillApplies(readers({ tickets: [{ ...ticket, status: "closed" }] })),
    ).rejects.toThrow("ticket 77 was closed");
  });

  it("shows the model neither cards nor account numbers, passwords or the sender's address", async () => {
    const { variables, outcome } = await triage(
      {
        text: "My card 4242 4242 4242 4242, IBAN DE89 3704 0044 0532 0130 00, password: hunter22. Order 1234567890123.",
      },
      { ...lead, category: "billing" },
    );
    const shown = JSON.stringify([variables, [...carriedOut(emailTriage, outcome.actions)]]);
    expect(shown).not.toMatch(/4242 4242|DE89|hunter22/);
    expect(shown).toContain("1234567890123");
    expect(JSON.stringify(variables)).not.toContain("dana@northwind.example");
  });

  it("accepts a message of which almost every field is missing, and refuses what is no message", async () => {
    const { outcome } = await play(emailTriage, { payload: { snippet: "hi" } });
    expect(outcome.summary).toContain("A person is told");
    await expect(play(emailTriage, { payload: "hello" })).rejects.toThrow("not a message");
  });
});

const hostile = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.constantFrom(
    "thief@evil.example",
    "https://evil.example/x",
    "<script>",
    "",
    "\r\nBcc: a@evil.example",
    "4242424242424242",
  ),
);
const anyDecision: fc.Arbitrary<Decision> = fc.record({
  reason: hostile,
  category: fc.constantFrom(...categories),
  urgency: fc.constantFrom(...urgencies),
  priority: fc.double({ noNaN: true, noDefaultInfinity: true }),
  sentiment: fc.constantFrom("positive" as const, "neutral" as const, "negative" as const),
  language: hostile,
  personName: fc.option(hostile),
  company: fc.option(hostile),
  summary: hostile,
  confidence: fc.double({ noNaN: true, noDefaultInfinity: true }),
});

describe("whatever a model decides about a mail", () => {
  it("the plan goes to the sender and to the thread's ticket only, and every input can be carried out", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyDecision,
        fc.constantFrom<Known>({}, { contact }, { threadTicket: ticket }, { tickets: [ticket] }),
        async (decision, known) => {
          expect(Decision.safeParse(decision).success).toBe(true);
          const { outcome } = await triage({}, decision, known);
          const inputs = carriedOut(emailTriage, outcome.actions);
          const said = JSON.stringify([...inputs]);
          expect(said).not.toContain("4242424242424242");
          expect(said).not.toContain("https://evil.example");
          for (const input of inputs.values()) {
            const targets = input as { email?: string; requester?: { email: string }; ticketId?: string };
            expect([undefined, "dana@northwind.example"]).toContain(
              targets.email ?? targets.requester?.email,
            );
            expect([undefined, known.threadTicket?.id]).toContain(targets.ticketId);
          }
          if (outcome.actions.length === 0) {
            expect(decision.category).toBe("noise");
            expect(decision.confidence).toBeGreaterThanOrEqual(0.8);
            expect(known).toEqual({});
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the text of a mail", () => {
  it("is what people see of HTML: hidden, tiny, white and off-screen text is left out", () => {
    const text = htmlToText(
      `<style>.x{display:none}</style><p>Visible</p><div style="DISPLAY : none">a1</div><span style='font-size:0px'>a2</span>
       <p style="color:#FFFFFF">a3</p><p class="x">a4</p><p hidden>a5</p><div style="position:absolute; left:-9999px">a6</div>
       <p style="opacity:0">a7</p><p style="color:#fff;background:#000">Button</p><p style="font-size:0.8em">Small</p>`,
    );
    expect(text.match(/a\d/g)).toBeNull();
    expect(text).toMatch(/Visible[^]*Button[^]*Small/);
  });

  it("holds no tag characters, zero-width or bidirectional controls", async () => {
    const { message: read } = await parseMessage(
      message({ text: "Pay\u200Bment \u{E0041}\u{E0042}\u202Eok" }),
    );
    expect(read.text).toBe("Payment ok");
  });

  it("keeps numbers that are no cards", () => {
    expect(redactPersonal("Order 1234567890123, card 4000056655665556")).toBe(
      "Order 1234567890123, card [redacted card]",
    );
  });
});

describe.skipIf(!sharedPresent)(`on collected mails${sharedNote}`, () => {
  interface Sample {
    readonly id: string;
    readonly label: string;
    readonly raw: string;
  }
  const samples = (): Sample[] =>
    sharedPresent
      ? (JSON.parse(sharedFile("eval/email-bounces-and-auto-replies.json")) as { items: Sample[] }).items
      : [];

  it("recognises all 31 bounces, the auto-reply and both abuse reports, and not the ordinary mail", async () => {
    const wrong: string[] = [];
    for (const sample of samples()) {
      const { message: read, headers } = await parseMessage({
        raw: Buffer.from(sample.raw).toString("base64url"),
      });
      const { kind } = automationOf({
        headers,
        from: read.from.address,
        fromName: read.from.name,
        subject: read.subject,
        ownAddresses: [],
      });
      const expected = sample.label === "not_bounce" ? null : sample.label.replace("_", "-");
      if (kind !== expected) wrong.push(`${sample.id}: ${kind}, expected ${expected}`);
    }
    expect(wrong).toEqual([]);
    expect(samples()).toHaveLength(35);
  });

  it("trims quotes and signatures: every expected first fragment begins the text that is kept", () => {
    const { items } = JSON.parse(sharedFile("eval/email-quoted-replies.json")) as {
      items: { id: string; raw: string; expected_first_fragment?: string | null }[];
    };
    const flat = (text: string) => text.replace(/\s+/g, " ").trim();
    const wrong = items.filter(
      ({ raw, expected_first_fragment: expected }) =>
        expected && !flat(newText(raw)).startsWith(flat(expected)),
    );
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });

  it("a planted instruction changes neither who is written to nor what rules decide", async () => {
    const set = JSON.parse(sharedFile("eval/email-injection.json")) as {
      contexts: string[];
      attacks: Record<string, string[]>;
    };
    for (const context of set.contexts) {
      const text = context.slice(0, 600);
      const plain = await triage({ subject: "A question", text });
      for (const attack of Object.values(set.attacks).flat().slice(0, 6)) {
        const { outcome } = await triage({ subject: "A question", text: `${text}\n\n${attack}` });
        const emails = [...carriedOut(emailTriage, outcome.actions).values()].map(
          (input) => (input as { email?: string; requester?: { email: string } }).email ?? "",
        );
        expect(emails.filter((email) => email !== "" && email !== "dana@northwind.example")).toEqual([]);
        expect(plain.outcome.actions.length > 0).toBe(outcome.actions.length > 0);
      }
    }
  });
});
