import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ActionKind } from "../../src/domain/action-kinds.ts";
import { startLinear } from "../../src/sandbox/linear.ts";
import { linear, uuidOf } from "../../src/destinations/linear.ts";
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

const apiKey = "a-key-in-no-known-format-0123";
const deps = { clock: contractClock, turns: freeTurns };

destinationFaultContract("linear", {
  connect: (baseUrl) => linear({ baseUrl, apiKey }, deps),
  incomplete: [linear({}, deps), linear({ apiKey: " " }, deps)],
  secrets: [apiKey],
  inputs: inputsOf("linear"),
});

async function start() {
  const sandbox = await startLinear({ now: contractClock.now, file: null });
  const issue = sandbox.addIssue({ identifier: "ENG-12", title: "Rates", branchName: "ada/eng-12-rates" });
  const review = sandbox.state.states.find((state) => state.name === "In Review")?.id ?? "";
  return {
    url: sandbox.url,
    sandbox,
    issue,
    effects: () => sandbox.state.effects.length,
    input: (kind: ActionKind) => ({
      ...inputOf(kind),
      issueId: issue.id,
      ...(kind === "linear.state" ? { stateId: review } : {}),
    }),
    loseAnswer: () => sandbox.faults.drop({ after: "effect" }),
    close: () => sandbox.close(),
  };
}

destinationEffectContract("linear", {
  kinds: ["linear.comment", "linear.attachment", "linear.state"],
  start,
  connect: (baseUrl) => linear({ baseUrl, apiKey }, deps),
});

describe("linear", () => {
  it("derives ids in the format of a version 4 UUID, the same for the same key", () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        expect(uuidOf(key)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(uuidOf(key)).toBe(uuidOf(key));
        expect(uuidOf(key)).not.toBe(uuidOf(`${key}.`));
      }),
    );
  });

  it("recognises a rate limit, whatever its status", async () => {
    const stand = await start();
    stand.sandbox.limitRate({ retryAfter: 30 });
    const comment = executorOf(linear({ baseUrl: stand.url, apiKey }, deps), "linear.comment");
    const fault = await faultOf(comment.execute(stand.input("linear.comment"), "k", anyCall()));
    expect(fault).toMatchObject({ kind: "rate-limited", effect: "none", retryAfterMs: 30_000 });
    await stand.close();
  });

  it("finds issues by branch and by identifier, and says when there is none", async () => {
    const stand = await start();
    const reads = linear({ baseUrl: stand.url, apiKey }, deps).reads?.(anyCall());
    if (!reads || !("issueByBranch" in reads)) throw new Error("no readers");
    expect(await reads.issueByBranch("ada/eng-12-rates")).toMatchObject({ identifier: "ENG-12" });
    expect(await reads.issueByBranch("ada/nothing")).toBeNull();
    const issue = await reads.issueByIdentifier("ENG-12");
    expect(issue).toMatchObject({ id: stand.issue.id, title: "Rates", state: { name: "Todo" } });
    expect(await reads.issueByIdentifier("ENG-999")).toBeNull();
    const names = (await reads.states(issue?.teamId ?? "")).map((state) => state.name);
    expect(names).toEqual(["Backlog", "Todo", "In Progress", "In Review", "Done", "Canceled"]);
    await stand.close();
  });
});
