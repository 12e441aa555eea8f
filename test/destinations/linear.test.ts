import { linear } from "../../src/destinations/linear.ts";
import { contractClock, destinationFaultContract } from "../contracts/destination.ts";
import { inputsOf } from "./inputs.ts";

const apiKey = "a-key-in-no-known-format-0123";
const deps = { clock: contractClock };

destinationFaultContract("linear", {
  connect: (baseUrl) => linear({ baseUrl, apiKey }, deps),
  incomplete: [linear({}, deps), linear({ apiKey: " " }, deps)],
  secrets: [apiKey],
  inputs: inputsOf("linear"),
});
