/**
 * The sandbox: every vendor and both model vendors as local servers, each on a loopback port of its own. They keep
 * state, answer in the vendors' shapes and with their errors, and fail on demand.
 */
import { join } from "node:path";
import { startAnthropic } from "./anthropic.ts";
import type { GithubSandbox } from "./github.ts";
import { startGithub } from "./github.ts";
import type { GoogleSandbox } from "./google.ts";
import { startGoogle } from "./google.ts";
import type { GraphSandbox } from "./graph.ts";
import { startGraph } from "./graph.ts";
import type { HubspotSandbox } from "./hubspot.ts";
import { startHubspot } from "./hubspot.ts";
import type { LinearSandbox } from "./linear.ts";
import { startLinear } from "./linear.ts";
import type { ModelSandbox } from "./models.ts";
import { startOpenai } from "./openai.ts";
import type { SlackSandbox } from "./slack.ts";
import { startSlack } from "./slack.ts";
import type { SmtpSandbox } from "./smtp.ts";
import { startSmtp } from "./smtp.ts";
import type { Effect } from "./stand.ts";
import type { StripeSandbox } from "./stripe.ts";
import { startStripe } from "./stripe.ts";
import type { ZendeskSandbox } from "./zendesk.ts";
import { startZendesk } from "./zendesk.ts";
import { systemClock } from "../resilience/clock.ts";

export interface Sandbox {
  readonly github: GithubSandbox;
  readonly stripe: StripeSandbox;
  readonly hubspot: HubspotSandbox;
  readonly zendesk: ZendeskSandbox;
  readonly linear: LinearSandbox;
  readonly slack: SlackSandbox;
  readonly google: GoogleSandbox;
  readonly graph: GraphSandbox;
  readonly smtp: SmtpSandbox;
  readonly anthropic: ModelSandbox;
  readonly openai: ModelSandbox;
  /** Every outward effect that a person would notice, oldest first: what was lost or done twice shows here. */
  effects(): Effect[];
  close(): Promise<void>;
}

export interface SandboxOptions {
  readonly now?: () => number;
  /** A folder: each vendor's state is in `<folder>/<vendor>.json` before a change is answered, and read at the start. */
  readonly persistTo?: string;
}

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const now = options.now ?? (() => systemClock.now());
  const at = (vendor: string) => ({
    now,
    file: options.persistTo === undefined ? null : join(options.persistTo, `${vendor}.json`),
  });
  const [github, stripe, hubspot, zendesk, linear, slack, google, graph, smtp, anthropic, openai] =
    await Promise.all([
      startGithub(at("github")),
      startStripe(at("stripe")),
      startHubspot(at("hubspot")),
      startZendesk(at("zendesk")),
      startLinear(at("linear")),
      startSlack(at("slack")),
      startGoogle(at("google")),
      startGraph(at("graph")),
      startSmtp(at("smtp")),
      startAnthropic({ now }),
      startOpenai({ now }),
    ]);
  const vendors = { github, stripe, hubspot, zendesk, linear, slack, google, graph, smtp };
  return {
    ...vendors,
    anthropic,
    openai,
    effects: () =>
      Object.values(vendors)
        .flatMap((vendor) => vendor.state.effects)
        .toSorted((a, b) => a.at - b.at),
    async close() {
      await Promise.all([...Object.values(vendors), anthropic, openai].map((stand) => stand.close()));
    },
  };
}

export type { Effect };
