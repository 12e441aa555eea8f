import { describe, expect, it } from "vitest";
import type { ActionKind } from "../../src/domain/action-kinds.ts";
import { startHubspot } from "../../src/sandbox/hubspot.ts";
import { hubspot } from "../../src/destinations/hubspot.ts";
import {
  anyCall,
  contractClock,
  destinationEffectContract,
  destinationFaultContract,
  executorOf,
  faultOf,
} from "../contracts/destination.ts";
import { inputOf, inputsOf } from "./inputs.ts";
import { freeTurns } from "../support/turns.ts";

const token = "pat-eu1-00000000-1111-2222-3333-444444444444";
const deps = { clock: contractClock, turns: freeTurns };

destinationFaultContract("hubspot", {
  connect: (baseUrl) => hubspot({ baseUrl, token }, deps),
  incomplete: [hubspot({}, deps), hubspot({ token: "" }, deps)],
  secrets: [token],
  inputs: inputsOf("hubspot"),
});

async function start() {
  const sandbox = await startHubspot({ now: contractClock.now, file: null });
  const { id } = sandbox.addObject("contacts", { email: "grace@example.com", firstname: "Grace" });
  const before = sandbox.state.effects.length;
  return {
    url: sandbox.url,
    sandbox,
    contactId: id,
    effects: () => sandbox.state.effects.length - before,
    input: (kind: ActionKind) => ({
      ...inputOf(kind),
      ...(kind === "hubspot.contact" ? {} : { contactId: id }),
    }),
    loseAnswer: () => sandbox.faults.drop({ after: "effect", when: (call) => call.method !== "GET" }),
    close: () => sandbox.close(),
  };
}

destinationEffectContract("hubspot", {
  kinds: ["hubspot.contact", "hubspot.note", "hubspot.task"],
  start,
  connect: (baseUrl) => hubspot({ baseUrl, token }, deps),
});

describe("hubspot", () => {
  it("touches only the properties of a known contact that the action names", async () => {
    const stand = await start();
    const contact = executorOf(hubspot({ baseUrl: stand.url, token }, deps), "hubspot.contact");
    const properties = { lastname: "Hopper" };
    const ref = await contact.execute({ email: "Grace@example.com", properties }, "k", anyCall());
    expect(ref).toEqual({ id: stand.contactId });
    const reads = hubspot({ baseUrl: stand.url, token }, deps).reads?.(anyCall());
    if (!reads || !("contactByEmail" in reads)) throw new Error("no readers");
    expect(await reads.contactByEmail("grace@example.com")).toMatchObject({ name: "Grace Hopper" });
    expect(await reads.contactByEmail("nobody@example.com")).toBeNull();
    await stand.close();
  });

  it("lets no markup from outside into a note", async () => {
    const stand = await start();
    const note = executorOf(hubspot({ baseUrl: stand.url, token }, deps), "hubspot.note");
    await note.execute({ ...stand.input("hubspot.note"), body: "<img src=x>\n& more" }, "k", anyCall());
    const sent = stand.sandbox.requests.find((request) => request.path.endsWith("/objects/notes"));
    expect(sent?.body).toMatchObject({
      properties: { hs_note_body: "&lt;img src=x&gt;<br>&amp; more<br><br>[signalbox:k]" },
    });
    await stand.close();
  });

  it("says that a look-up proves nothing for a task that only the lagging search can find", async () => {
    const stand = await start();
    const task = executorOf(hubspot({ baseUrl: stand.url, token }, deps), "hubspot.task");
    const repeat = (contactId: string | null) =>
      typeof task.repeat === "function"
        ? task.repeat({ ...inputOf("hubspot.task"), contactId })
        : task.repeat;
    expect([repeat(null), repeat("1")]).toEqual(["weak-lookup", "lookup"]);
    const input = { ...inputOf("hubspot.task"), contactId: null };
    const ref = await task.execute(input, "k", anyCall());
    expect(await task.lookup?.(input, "k", anyCall())).toEqual(ref);
    stand.sandbox.setSearchLag(10_000);
    await task.execute(input, "k2", anyCall());
    expect(await task.lookup?.(input, "k2", anyCall())).toBeNull();
    await stand.close();
  });

  it.each([
    ["TEN_SECONDLY_ROLLING", 10_000],
    ["SECONDLY", 1_000],
    ["DAILY", 3_600_000],
  ] as const)("waits for as long as the limit %s takes to pass", async (policy, retryAfterMs) => {
    const stand = await start();
    stand.sandbox.limitRate(policy);
    const note = executorOf(hubspot({ baseUrl: stand.url, token }, deps), "hubspot.note");
    const fault = await faultOf(note.execute(stand.input("hubspot.note"), "k", anyCall()));
    expect(fault).toMatchObject({ kind: "rate-limited", effect: "none", retryAfterMs });
    await stand.close();
  });
});
