import { describe, expect, it } from "vitest";
import type { ActionKind } from "../../src/domain/action-kinds.ts";
import { startZendesk } from "../../src/sandbox/zendesk.ts";
import { json, startScript } from "../support/http-script.ts";
import { freeTurns } from "../support/turns.ts";
import { zendesk } from "../../src/destinations/zendesk.ts";
import {
  anyCall,
  contractClock,
  destinationEffectContract,
  destinationFaultContract,
  executorOf,
} from "../contracts/destination.ts";
import { inputOf, inputsOf } from "./inputs.ts";

const email = "agent@acme.example";
const token = "zendesk-token-0123456789";
const deps = { clock: contractClock, turns: freeTurns };

destinationFaultContract("zendesk", {
  connect: (baseUrl) => zendesk({ baseUrl, email, token }, deps),
  incomplete: [
    zendesk({ email, token }, deps),
    zendesk({ subdomain: "acme", email }, deps),
    zendesk({ subdomain: "acme", token }, deps),
  ],
  secrets: [token, Buffer.from(`${email}/token:${token}`).toString("base64")],
  inputs: inputsOf("zendesk"),
});

destinationEffectContract("zendesk", {
  kinds: ["zendesk.ticket", "zendesk.comment"],
  connect: (baseUrl) => zendesk({ baseUrl, email, token }, deps),
  async start() {
    const sandbox = await startZendesk({ now: contractClock.now, file: null });
    const seeded = sandbox.addTicket({
      requester: { email: "ada@example.com", name: "Ada" },
      subject: "Hello",
      body: "Hello.",
    });
    const before = sandbox.state.effects.length;
    return {
      url: sandbox.url,
      effects: () => sandbox.state.effects.length - before,
      input: (kind: ActionKind) => ({
        ...inputOf(kind),
        ...(kind === "zendesk.comment" ? { ticketId: String(seeded.id) } : {}),
      }),
      loseAnswer: () => sandbox.faults.drop({ after: "effect", when: (call) => call.method !== "GET" }),
      close: () => sandbox.close(),
    };
  },
});

describe("zendesk", () => {
  const connect = (baseUrl: string) => zendesk({ baseUrl, email, token }, deps);

  it("sends a new ticket's key twice: for two hours as a header, for ever as the external id", async () => {
    const server = await startScript(json(201, { ticket: { id: 12 } }));
    const ticket = executorOf(connect(server.url), "zendesk.ticket");
    const ref = await ticket.execute(inputOf("zendesk.ticket"), "k", anyCall());
    expect(ref).toEqual({ id: "12", url: `${server.url}/agent/tickets/12` });
    expect(server.seen[0]?.headers["idempotency-key"]).toBe("k");
    expect(JSON.parse(server.seen[0]?.body ?? "")).toMatchObject({ ticket: { external_id: "k" } });
    await server.close();
  });

  it("finds its comment on a later page of the ticket's audits", async () => {
    const server = await startScript((request, response) => {
      const last = decodeURIComponent(request.url).includes("page[after]=two");
      const audits = last ? [{ id: 8, metadata: { custom: { agent_key: "k" } } }] : [{ id: 7, metadata: {} }];
      json(200, { audits, meta: { has_more: !last, after_cursor: "two" } })(request, response);
    });
    const comment = executorOf(connect(server.url), "zendesk.comment");
    const find = (key: string) => comment.lookup?.(inputOf("zendesk.comment"), key, anyCall());
    expect(await find("k")).toMatchObject({ id: "8", ticket: "12" });
    expect(await find("nobody's")).toBeNull();
    await server.close();
  });

  it("finds a requester's tickets, the newest first, and the open ticket of a tag", async () => {
    const sandbox = await startZendesk({ now: contractClock.now, file: null });
    const requester = { email: "ada@example.com", name: "Ada" };
    const at = contractClock.now();
    sandbox.addTicket({
      requester,
      subject: "First",
      body: "1",
      createdAt: at - 2_000,
      tags: ["thread-1"],
      status: "solved",
    });
    sandbox.addTicket({
      requester,
      subject: "Second",
      body: "2",
      createdAt: at - 1_000,
      tags: ["thread-2"],
      status: "open",
    });
    const reads = connect(sandbox.url).reads?.(anyCall());
    if (!reads || !("ticketsOf" in reads)) throw new Error("no readers");
    const tickets = await reads.ticketsOf("ada@example.com");
    expect(tickets.map(({ subject }) => subject)).toEqual(["Second", "First"]);
    expect(tickets[0]?.createdAt).toBe(at - 1_000);
    expect(await reads.openTicketByTag("thread-2")).toMatchObject({ subject: "Second", status: "open" });
    expect(await reads.openTicketByTag("thread-1")).toBeNull();
    await sandbox.close();
  });

  it("lets no address add operators to a search", async () => {
    const server = await startScript(json(200, { results: [] }));
    const reads = connect(server.url).reads?.(anyCall());
    if (!reads || !("ticketsOf" in reads)) throw new Error("no readers");
    await reads.ticketsOf('ada@example.com" OR status:new');
    const query = new URL(server.seen[0]?.url ?? "", server.url).searchParams.get("query");
    expect(query).toBe("type:ticket requester:ada@example.comORstatus:new");
    await server.close();
  });
});
