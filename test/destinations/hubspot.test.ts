import { hubspot } from "../../src/destinations/hubspot.ts";
import { contractClock, destinationFaultContract } from "../contracts/destination.ts";
import { inputsOf } from "./inputs.ts";

const token = "pat-eu1-00000000-1111-2222-3333-444444444444";
const deps = { clock: contractClock };

destinationFaultContract("hubspot", {
  connect: (baseUrl) => hubspot({ baseUrl, token }, deps),
  incomplete: [hubspot({}, deps), hubspot({ token: "" }, deps)],
  secrets: [token],
  inputs: inputsOf("hubspot"),
});
