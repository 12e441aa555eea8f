import { github } from "../../src/destinations/github.ts";
import { contractClock, destinationFaultContract } from "../contracts/destination.ts";
import { inputsOf } from "./inputs.ts";

const token = "ghp_0123456789abcdefghijABCDEFGHIJ";
const deps = { clock: contractClock };

destinationFaultContract("github", {
  connect: (baseUrl) => github({ baseUrl, token }, deps),
  incomplete: [github({}, deps), github({ appId: "1" }, deps), github({ privateKey: "a key" }, deps)],
  secrets: [token],
  inputs: inputsOf("github"),
  readsFirst: { "github.comment": [] },
});
