import { zendesk } from "../../src/destinations/zendesk.ts";
import { contractClock, destinationFaultContract } from "../contracts/destination.ts";
import { inputsOf } from "./inputs.ts";

const email = "agent@acme.example";
const token = "zendesk-token-0123456789";
const deps = { clock: contractClock };

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
