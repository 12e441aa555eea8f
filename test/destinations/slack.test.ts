import { slack } from "../../src/destinations/slack.ts";
import { contractClock, destinationFaultContract } from "../contracts/destination.ts";
import { inputsOf } from "./inputs.ts";

const token = "xoxb-0123456789-abcdefghij";
const deps = { clock: contractClock };

destinationFaultContract("slack", {
  connect: (baseUrl) => slack({ baseUrl, token, channel: "#signalbox" }, deps),
  incomplete: [slack({ token }, deps), slack({ channel: "#signalbox" }, deps)],
  secrets: [token],
  inputs: inputsOf("slack"),
});
