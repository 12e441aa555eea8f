/** `healing:` of the file, and of a source whose provider keeps a record of what it sent. */
import { z } from "zod";
import { baseUrl, duration, optionalText, secret } from "./scalars.ts";

export const healing = z
  .strictObject({
    every: duration
      .prefault("15m")
      .describe("How often providers are asked for what they could not deliver. Default 15m."),
    reach: duration
      .prefault("72h")
      .describe("How far back that goes. GitHub keeps 3 days, Stripe 30. Default 72h."),
  })
  .prefault({})
  .describe("Fetching what was sent while Signalbox could not be reached.");

export const stripeHealing = z
  .strictObject({
    apiKey: secret().describe(
      "A restricted key that may read events, as ${NAME}. Unset: what Stripe gives up on is not fetched.",
    ),
    baseUrl,
  })
  .optional()
  .describe("Credentials to fetch events with that did not arrive.");

export const githubHealing = z
  .strictObject({
    appId: z
      .union([z.string(), z.int()])
      .transform(String)
      .optional()
      .describe("Id of the GitHub App whose webhook this is; with privateKey."),
    privateKey: secret()
      .optional()
      .describe("Private key of the App (PEM; `\\n` may stand for line ends), as ${NAME}."),
    token: secret()
      .optional()
      .describe(
        "For a webhook of a repository or an organisation: a token that may administer it; with hook.",
      ),
    hook: optionalText.describe("That webhook: OWNER/REPOSITORY/hooks/ID, or ORGANISATION/hooks/ID."),
    baseUrl,
  })
  .optional()
  .describe("Credentials to fetch deliveries with that failed: GitHub never repeats one by itself.");

/** Per type of source, the alternatives of fields that must be set for its gaps to be healed. */
export const healingCredentials: Readonly<Record<string, readonly (readonly string[])[]>> = {
  stripe: [["apiKey"]],
  github: [
    ["appId", "privateKey"],
    ["token", "hook"],
  ],
};
