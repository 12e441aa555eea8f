/**
 * The shape of signalbox.yaml: every key, default and unit. The descriptions become the hover text of editors.
 * Durations are written `500ms`, `60s`, `5m`, `24h` or `30d` and come out as milliseconds.
 */
import { z } from "zod";
import { modes } from "../domain/run.ts";
import { healing } from "./healing.ts";
import { matchPattern } from "./match.ts";
import {
  baseUrl,
  count,
  duration,
  name,
  network,
  optionalUrl,
  port,
  rates,
  secret,
  webUrl,
} from "./scalars.ts";
import { reviews } from "./reviews.ts";
import { source } from "./source-schema.ts";

export { parseDuration } from "./scalars.ts";
export { sourceCredentials } from "./source-schema.ts";
export type { SourceConfig } from "./source-schema.ts";

// ── Server ───────────────────────────────────────────────────────────────────────────────────────────────────────

const server = z.strictObject({
  host: z
    .string()
    .min(1)
    .default("0.0.0.0")
    .describe("Address that webhooks are received on. Default 0.0.0.0: all."),
  port: port.default(8080).describe("Port that webhooks are received on. 0 picks a free one. Default 8080."),
  adminHost: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .describe("Address of the dashboard, API and metrics. Default 127.0.0.1: this computer only."),
  adminPort: port
    .default(8090)
    .describe("Port of the dashboard, API and metrics. 0 picks a free one. Default 8090."),
  adminHosts: z
    .array(z.string().min(1, "must not be empty"))
    .default([])
    .describe(
      "Names, besides localhost, adminHost and the host of publicUrl, under which the dashboard and API are reached: of a proxy in front, or of this container for Prometheus. Requests under another name are refused. Default none.",
    ),
  publicUrl: webUrl
    .default("")
    .describe("The address that providers reach the webhook port under, such as https://hooks.acme.example."),
  adminUrl: webUrl
    .default("")
    .describe(
      "The address that people reach the dashboard under, such as https://signalbox.acme.example: for the links in review notices. Empty: they name the command instead.",
    ),
  requireHttps: z
    .boolean()
    .default(false)
    .describe("Refuse requests that did not come over HTTPS (as told by a trusted proxy). Default false."),
  trustProxy: z
    .array(network)
    .default([])
    .describe(
      "Addresses or networks (10.0.0.0/8) of the proxies whose X-Forwarded-For and -Proto are believed; they must replace or extend what clients send. Default none.",
    ),
  addressLists: z
    .record(name, z.array(network).min(1, "needs at least one address or network"))
    .default({})
    .describe(
      "Lists of addresses and networks by name, for `allowFrom` of a source. `github`, `stripe` and `linear` are known already; naming one here replaces it.",
    ),
  githubMetaUrl: optionalUrl.describe(
    "Where GitHub publishes its addresses, read daily while a source has `allowFrom: [github]`. Default https://api.github.com/meta.",
  ),
});

/** Where a process listens; it stays there until it ends. */
export const listening = ["host", "port", "adminHost", "adminPort"] as const;

// ── Models ───────────────────────────────────────────────────────────────────────────────────────────────────────

const model = z.strictObject({
  provider: z
    .enum(["anthropic", "openai"])
    .describe(
      "Who serves the model: anthropic, openai, or a server that speaks OpenAI's protocol (set baseUrl).",
    ),
  model: z.string().min(1).describe("The model's name at its provider."),
  timeout: duration.prefault("60s").describe("Longest time that one answer may take. Default 60s."),
  baseUrl: optionalUrl.describe("Default: ANTHROPIC_BASE_URL or OPENAI_BASE_URL, else the provider's own."),
  apiKey: secret()
    .optional()
    .describe("As ${NAME}. Default: ANTHROPIC_API_KEY or OPENAI_API_KEY. Unset: rules decide."),
});

// ── Routes ───────────────────────────────────────────────────────────────────────────────────────────────────────

const expression = z.string().min(1, "must not be empty").max(4_000);
/** Zendesk writes its types at length, and its events are known by the short form: both name the same. */
const eventType = z
  .string()
  .min(1, "must not be empty")
  .transform((text) => text.replace(/^zen:event-type:(?=.)/, ""));
const route = z.strictObject({
  name: name.describe("A name of your choice, shown wherever the route's runs are."),
  source: z.string().describe("The name of a source above."),
  events: z
    .array(eventType)
    .min(1, "needs at least one event type, such as `pull_request.*`")
    .describe("Event types in the provider's own words. `*` stands for anything: `pull_request.*`."),
  match: matchPattern
    .optional()
    .describe(
      "Patterns over the body. A value must be equal, a list means one of, objects nest; operators: $gte $gt $lte $lt $ne $in $exists $startsWith $endsWith $contains.",
    ),
  if: expression.optional().describe("A CEL expression over `payload` and `event` that must be true."),
  agent: z.string().describe("The agent that works on these events; one of those in prompts/."),
  mode: z
    .enum(modes)
    .default("dry-run")
    .describe(
      "auto: act. review: hold every action until a person approves. dry-run: record only. Default dry-run.",
    ),
  enabled: z.boolean().default(true).describe("false switches the route off. Default true."),
  concurrency: z
    .strictObject({
      key: expression.describe("A CEL expression; runs with the same result wait for each other."),
      limit: count(1_000).default(1).describe("How many runs of one key may go on at once. Default 1."),
      supersede: z
        .boolean()
        .default(false)
        .describe(
          "true: a newer event cancels the waiting run of an older one with the same key. Default false.",
        ),
    })
    .optional()
    .describe("Keeps runs about the same thing (a pull request, a customer) from running at the same time."),
});

// ── Destinations ─────────────────────────────────────────────────────────────────────────────────────────────────

const token = (what: string) =>
  secret().describe(`${what}, as \${NAME}. Unset: actions are recorded, never sent.`);

const rateLimit = (preset: string | string[], what: string) =>
  rates
    .prefault(preset)
    .describe(
      `How many ${what} are made at most, such as \`100/10s\`, or a list of such. More wait for their turn. Default ${[preset].flat().join(" and ")}.`,
    );

const destinations = z.strictObject({
  hubspot: z
    .strictObject({
      token: token("Token of a private app"),
      baseUrl,
      rateLimit: rateLimit("100/10s", "requests"),
    })
    .optional(),
  zendesk: z
    .strictObject({
      subdomain: z.string().describe("The `acme` of acme.zendesk.com."),
      email: z.string().describe("Address of the agent whom the API token belongs to."),
      token: token("API token"),
      baseUrl,
      rateLimit: rateLimit("100/1m", "requests"),
    })
    .optional(),
  linear: z
    .strictObject({ apiKey: token("API key"), baseUrl, rateLimit: rateLimit("5000/1h", "requests") })
    .optional(),
  github: z
    .strictObject({
      appId: z
        .union([z.string(), z.int()])
        .transform(String)
        .optional()
        .describe("Id of your GitHub App; with privateKey. Or use token."),
      privateKey: token("Private key of the GitHub App (PEM; `\\n` may stand for line ends)").optional(),
      token: token("Personal access token, instead of an App").optional(),
      baseUrl,
      rateLimit: rateLimit(["80/1m", "500/1h"], "writes"),
    })
    .optional(),
  stripe: z
    .strictObject({ apiKey: token("Restricted API key"), baseUrl, rateLimit: rateLimit("25/1s", "requests") })
    .optional(),
  slack: z
    .strictObject({
      token: token("Bot token (xoxb-…)"),
      channel: z.string().min(1).describe("Channel to write to: `#name` or its id."),
      baseUrl,
      rateLimit: rateLimit("1/1s", "messages"),
    })
    .optional(),
  email: z
    .strictObject({
      smtpUrl: secret()
        .meta({ "x-url": true })
        .describe("smtp://host:port or smtps://user:password@host:port; a password only as ${NAME}."),
      from: z.string().min(1).describe("Sender: `Acme <hello@acme.example>`."),
      rateLimit: rateLimit("60/1m", "mails"),
    })
    .optional(),
});

/** Alternatives; a destination is configured when all fields of one of them are set. */
export const destinationCredentials: Readonly<
  Record<keyof z.output<typeof destinations>, readonly (readonly string[])[]>
> = {
  hubspot: [["token"]],
  zendesk: [["email", "token"]],
  linear: [["apiKey"]],
  github: [["token"], ["appId", "privateKey"]],
  stripe: [["apiKey"]],
  slack: [["token"]],
  email: [["smtpUrl"]],
};

// ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────

const shortestHistory = 400 * 86_400_000;

const alertKinds = [
  "dead-letter",
  "breaker-open",
  "source-silent",
  "fallback-rate",
  "action-cap",
  "spend-cap",
  "journal",
] as const;

const usd = z.number().min(0).max(1_000_000);

export const Config = z.strictObject({
  version: z.literal(1).describe("Version of this format: 1."),
  server: server.prefault({}).describe("Where Signalbox listens."),
  sources: z.record(name, source).default({}).describe("Systems that send webhooks, at /webhooks/NAME."),
  models: z
    .record(name, model)
    .default({})
    .describe("Language models by a name of your choice; prompts refer to it."),
  routes: z
    .array(route)
    .default([])
    .describe("Which events go to which agent. One event may match several routes."),
  destinations: destinations
    .prefault({})
    .describe("Systems that agents act in. Without credentials: dry-run."),
  alerts: z
    .strictObject({
      to: z
        .array(z.enum(["slack", "email"]))
        .default([])
        .describe("Destinations that get alerts."),
      on: z
        .array(z.enum(alertKinds))
        .default([...alertKinds])
        .describe("What is alerted. Default: everything."),
    })
    .prefault({})
    .describe("Who is told when something needs a person."),
  reviews,
  healing,
  retention: z
    .strictObject({
      events: duration.prefault("30d").describe("How long bodies, facts and prompts are kept. Default 30d."),
      history: duration
        .refine(
          (ms) => ms >= shortestHistory,
          "must be at least `400d`: it is what makes things happen only once",
        )
        .prefault("400d")
        .describe(
          "How long what happened is kept without its content, and the keys that make it happen only once. At least and by default 400d.",
        ),
    })
    .prefault({})
    .describe("How long content is kept, and then the outline of what happened."),
  prompts: z
    .string()
    .min(1)
    .optional()
    .describe("Folder of the agents' files. Default: prompts/ beside this file."),
  worker: z
    .strictObject({
      concurrency: count(1_000).default(8).describe("Runs at the same time per process. Default 8."),
      perAgent: count(1_000)
        .optional()
        .describe(
          "Of one agent. Default: three quarters, so that a stuck agent leaves hands for the others.",
        ),
      drainTimeout: duration
        .prefault("30s")
        .describe(
          "How long a stop (SIGTERM) lets runs end; what does not is handed back and goes on elsewhere, or at the next start. Default 30s.",
        ),
    })
    .prefault({})
    .describe("How much work is done at once."),
  breakers: z
    .strictObject({
      failures: count(1_000)
        .default(5)
        .describe("Failures in a row that open a service's breaker. Default 5."),
      openFor: duration
        .prefault("30s")
        .describe("How long it stays open before one call tries again. Default 30s."),
    })
    .prefault({})
    .describe("When a failing service is left alone."),
  limits: z
    .strictObject({
      parkFor: duration
        .prefault("24h")
        .describe("A run that waits longer than this for a service dies. Default 24h."),
      actionsPerHour: count(1_000_000)
        .default(1_000)
        .describe(
          "Outward actions of one agent within an hour; more wait for a person. Dry runs and what a person approved do not count. Default 1000.",
        ),
      usdPerRun: usd
        .default(1)
        .describe(
          "What the model calls of one run may cost at most, in USD; then the rules decide. Default 1.",
        ),
      usdPerDay: usd
        .default(100)
        .describe(
          "What all model calls of a day (UTC) may cost at most, in USD: from 80% on a cheaper model is asked, then the rules decide. Default 100.",
        ),
      perAgent: z
        .record(
          name,
          z.strictObject({
            actionsPerHour: count(1_000_000)
              .optional()
              .describe("For this agent, instead of the general one."),
            usdPerRun: usd.optional().describe("For this agent, instead of the general one."),
            usdPerDay: usd.optional().describe("What this agent's decisions may cost within a day."),
          }),
        )
        .default({})
        .describe("Limits of single agents, by their names."),
    })
    .prefault({})
    .describe("How long work may wait, and how much of it may be done."),
});
export type Config = z.output<typeof Config>;
export type RouteConfig = z.output<typeof route>;
export type ModelConfig = z.output<typeof model>;
