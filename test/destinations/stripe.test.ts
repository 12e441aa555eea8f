import { describe, expect, it } from "vitest";
import type { ActionKind } from "../../src/domain/action-kinds.ts";
import { json, startScript } from "../support/http-script.ts";
import { freeTurns } from "../support/turns.ts";
import { startStripe } from "../../src/sandbox/stripe.ts";
import { promotionCodeOf, stripe } from "../../src/destinations/stripe.ts";
import {
  anyCall,
  contractClock,
  destinationEffectContract,
  destinationFaultContract,
  executorOf,
} from "../contracts/destination.ts";
import { inputOf, inputsOf } from "./inputs.ts";

const apiKey = "rk_test_0123456789abcdefghij";
const deps = { clock: contractClock, turns: freeTurns };

destinationFaultContract("stripe", {
  connect: (baseUrl) => stripe({ baseUrl, apiKey }, deps),
  incomplete: [stripe({}, deps), stripe({ apiKey: "" }, deps)],
  secrets: [apiKey],
  inputs: inputsOf("stripe"),
});

async function start() {
  const sandbox = await startStripe({ now: contractClock.now, file: null });
  sandbox.addCustomer({ id: "cus_1", email: "ada@example.com" });
  const coupon = stripe({ baseUrl: sandbox.url, apiKey }, deps).actions["stripe.coupon"];
  const made = await coupon?.execute(inputOf("stripe.coupon"), "the coupon of the code", anyCall());
  const before = sandbox.state.effects.length;
  return {
    url: sandbox.url,
    sandbox,
    effects: () => sandbox.state.effects.length - before,
    input: (kind: ActionKind) => ({
      ...inputOf(kind),
      ...(kind === "stripe.promotion_code" ? { coupon: made?.["id"] ?? "" } : {}),
    }),
    loseAnswer: () => sandbox.faults.drop({ after: "effect", when: (call) => call.method === "POST" }),
    close: () => sandbox.close(),
  };
}

destinationEffectContract("stripe", {
  kinds: ["stripe.coupon", "stripe.promotion_code"],
  start,
  connect: (baseUrl) => stripe({ baseUrl, apiKey }, deps),
});

describe("stripe", () => {
  it("makes codes that can be read aloud, the same for the same key", () => {
    expect(promotionCodeOf("a")).toMatch(/^STAY-[0-9A-HJKMNP-TV-Z]{10}$/);
    expect(promotionCodeOf("a")).toBe(promotionCodeOf("a"));
    expect(promotionCodeOf("a")).not.toBe(promotionCodeOf("b"));
  });

  it("gets out of a failure that the vendor plays back for its idempotency key", async () => {
    const server = await startScript((request, response) => {
      const replayed = { "idempotent-replayed": "true" };
      if (request.headers["idempotency-key"] === "k") {
        json(500, { error: { type: "api_error", message: "sorry" } }, replayed)(request, response);
      } else json(200, { id: "sb_1", livemode: false })(request, response);
    });
    const coupon = executorOf(stripe({ baseUrl: server.url, apiKey }, deps), "stripe.coupon");
    expect(await coupon.execute(inputOf("stripe.coupon"), "k", anyCall())).toMatchObject({ id: "sb_1" });
    expect(server.seen.map((request) => request.headers["idempotency-key"])).toEqual(["k", "k:again"]);
    await server.close();
  });

  it("reads a subscription and a customer's history in milliseconds", async () => {
    const stand = await start();
    const subscription = stand.sandbox.addSubscription({ id: "sub_1", customer: "cus_1" });
    const reads = stripe({ baseUrl: stand.url, apiKey }, deps).reads?.(anyCall());
    if (!reads || !("history" in reads)) throw new Error("no readers");
    const found = await reads.subscription("sub_1");
    expect(found).toMatchObject({ id: "sub_1", customer: "cus_1", hasDiscount: false });
    expect(found.startedAt).toBe(Number(subscription["start_date"]) * 1_000);
    const history = await reads.history("cus_1");
    expect(history).toMatchObject({ customer: { id: "cus_1", deleted: false }, disputes: 0, refunds: 0 });
    await stand.close();
  });
});
