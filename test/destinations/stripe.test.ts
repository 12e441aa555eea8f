import { stripe } from "../../src/destinations/stripe.ts";
import { contractClock, destinationFaultContract } from "../contracts/destination.ts";
import { inputsOf } from "./inputs.ts";

const apiKey = "rk_test_0123456789abcdefghij";
const deps = { clock: contractClock };

destinationFaultContract("stripe", {
  connect: (baseUrl) => stripe({ baseUrl, apiKey }, deps),
  incomplete: [stripe({}, deps), stripe({ apiKey: "" }, deps)],
  secrets: [apiKey],
  inputs: inputsOf("stripe"),
});
