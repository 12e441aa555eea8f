/**
 * The shape of signalbox.yaml: every key, default and unit. The descriptions become the hover text of editors.
 * Durations are written `500ms`, `60s`, `5m`, `24h` or `30d` and come out as milliseconds.
 */
import { z } from "zod";
import { modes } from "../domain/run.ts";
import { matchPattern } from "./match.ts";

export type { MatchFields, MatchOperators, MatchPattern, MatchScalar } from "./match.ts";

// ── Building blocks ──────────────────────────────────────────────────────────────────────────────────────────────

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const longest = 3_650 * 86_400_000;

/** `60s` → 60000; null when it is no duration. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = units[unit ?? ""];
  if (amount === undefined || factor === undefined) return null;
  return Number(amount) * factor;
}

const duration = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, "must be a duration such as `500ms`, `60s`, `5m`, `24h` or `30d`")
  .transform((text, context) => {
    const ms = parseDuration(text) ?? 0;
    if (ms < 1 || ms > longest)
      context.addIssue({ code: "custom", message: "must be between `1ms` and `3650d`" });
    return ms;
  });

const count = (max: number) => z.int().min(1).max(max);
const port = z.int().min(0).max(65_535);

/** A value that only ever comes from the environment; see secrets.ts. */
const secret = () => z.string().meta({ "x-secret": true });

const isWebUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "";
};
const webUrl = z
  .string()
  .refine(
    (text) => text === "" || isWebUrl(text),
    "must be a URL with http:// or https://, without a user or password",
  )
  .transform((text) => text.replace(/\/+$/, ""));

/** Empty means unset, so that `"${GITHUB_API_URL:-}"` leaves the vendor's own address. */
const optionalUrl = webUrl.transform((text) => (text === "" ? undefined : text)).optional();
const optionalText = z
  .string()
  .transform((text) => (text === "" ? undefined : text))
  .optional();
const baseUrl = optionalUrl.describe(
  "Where the vendor's API is. Leave it out, or empty, for the vendor's own; set it for a proxy or a local stand-in.",
);

const name = z
  .string()
  .max(64)
  .regex(/^[a-z0-9][a-z0-9-]*$/, "must be made of a-z, 0-9 and `-`, and start with a letter or digit");

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
  publicUrl: webUrl
    .default("")
    .describe("The address that providers reach the webhook port under, such as https://hooks.acme.example."),
  requireHttps: z
    .boolean()
    .default(false)
    .describe("Refuse requests that did not come over HTTPS (as told by a trusted proxy). Default false."),
  trustProxy: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Addresses or networks (10.0.0.0/8) of the proxies whose X-Forwarded-* headers are believed. Default none.",
    ),
});

// ── Sources: one entry per type ──────────────────────────────────────────────────────────────────────────────────

/** `2026-12-31` (00:00 UTC) or a time with its zone → milliseconds since the epoch. */
const day = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/,
    "must be a date such as `2026-12-31`, or a time such as `2026-12-31T09:00:00Z`",
  )
  .transform((text, context) => {
    const at = Date.parse(text);
    // Date.parse takes the 31st of February for the 3rd of March.
    const exists = Date.parse(`${text.slice(0, 10)}T00:00:00Z`);
    if (Number.isNaN(at) || new Date(exists).toISOString().slice(0, 10) !== text.slice(0, 10))
      context.addIssue({ code: "custom", message: "must be a date that exists" });
    return at;
  });

const datedSecret = z.strictObject({
  value: secret().describe("The secret itself, as ${NAME}."),
  added: day
    .optional()
    .describe("Since when it is in use: 2026-01-31. After 180 days doctor asks for a new one."),
  expires: day
    .optional()
    .describe("From when on it is not used any more: 2026-12-31 (00:00 UTC). Default: never."),
});

/** Empty entries stay in the list, so that every secret keeps its number; whoever uses them drops them. */
const signingSecrets = z
  .array(z.union([secret(), datedSecret]))
  .min(1, "needs at least one secret")
  .describe(
    "Signing secrets, as ${NAME}, or { value, added, expires }. Several while you rotate; empty ones are dropped. None left: inactive.",
  );

const sourceTypes = {
  stripe: z.strictObject({
    type: z.literal("stripe").describe("Stripe webhooks."),
    secrets: signingSecrets,
  }),
  github: z.strictObject({
    type: z.literal("github").describe("GitHub webhooks, of a repository, an organisation or an App."),
    secrets: signingSecrets,
  }),
  gmail: z.strictObject({
    type: z.literal("gmail").describe("A Gmail mailbox, announced by Cloud Pub/Sub push."),
    account: z.string().describe("The mailbox, such as support@acme.example."),
    audience: z
      .string()
      .describe("The audience set on the push subscription; usually this source's public URL."),
    pushServiceAccount: z
      .string()
      .describe("E-mail address of the service account that Pub/Sub signs its pushes with. Unset: inactive."),
    credentials: secret().describe(
      "Google credentials that may read the mailbox, as ${NAME}. Unset: inactive.",
    ),
    topic: optionalText.describe(
      "Pub/Sub topic to renew the mailbox's watch with: projects/NAME/topics/NAME.",
    ),
    baseUrl,
    keySetUrl: optionalUrl.describe(
      "Where the keys are that Google signs pushes with. Default: Google's own.",
    ),
    jwksUrl: optionalUrl.describe("Another name for keySetUrl."),
  }),
} as const;

/** The fields that must all be set for a source to be active. */
export const sourceCredentials: Readonly<Record<keyof typeof sourceTypes, readonly string[]>> = {
  stripe: ["secrets"],
  github: ["secrets"],
  gmail: ["pushServiceAccount", "credentials"],
};

const source = z.discriminatedUnion("type", [sourceTypes.stripe, sourceTypes.github, sourceTypes.gmail]);

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
const route = z.strictObject({
  name: name.describe("A name of your choice, shown wherever the route's runs are."),
  source: z.string().describe("The name of a source above."),
  events: z
    .array(z.string().min(1, "must not be empty"))
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

const destinations = z.strictObject({
  hubspot: z.strictObject({ token: token("Token of a private app"), baseUrl }).optional(),
  zendesk: z
    .strictObject({
      subdomain: z.string().describe("The `acme` of acme.zendesk.com."),
      email: z.string().describe("Address of the agent whom the API token belongs to."),
      token: token("API token"),
      baseUrl,
    })
    .optional(),
  linear: z.strictObject({ apiKey: token("API key"), baseUrl }).optional(),
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
    })
    .optional(),
  stripe: z.strictObject({ apiKey: token("Restricted API key"), baseUrl }).optional(),
  slack: z
    .strictObject({
      token: token("Bot token (xoxb-…)"),
      channel: z.string().min(1).describe("Channel to write to: `#name` or its id."),
      baseUrl,
    })
    .optional(),
  email: z
    .strictObject({
      smtpUrl: secret()
        .meta({ "x-url": true })
        .describe("smtp://host:port or smtps://user:password@host:port; a password only as ${NAME}."),
      from: z.string().min(1).describe("Sender: `Acme <hello@acme.example>`."),
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

const alertKinds = ["dead-letter", "breaker-open", "source-silent", "fallback-rate"] as const;

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
  retention: z
    .strictObject({
      events: duration.prefault("30d").describe("How long bodies, facts and prompts are kept. Default 30d."),
    })
    .prefault({})
    .describe("How long content is kept. What makes an action happen only once is kept longer."),
  prompts: z
    .string()
    .min(1)
    .optional()
    .describe("Folder of the agents' files. Default: prompts/ beside this file."),
  worker: z
    .strictObject({
      concurrency: count(1_000).default(8).describe("Runs at the same time per process. Default 8."),
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
    })
    .prefault({})
    .describe("How long work may wait."),
});
export type Config = z.output<typeof Config>;
export type SourceConfig = z.output<typeof source>;
export type RouteConfig = z.output<typeof route>;
export type ModelConfig = z.output<typeof model>;
export type DestinationsConfig = z.output<typeof destinations>;
