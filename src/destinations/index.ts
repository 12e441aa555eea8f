/** Every destination, by hand: one import and one entry each. */
import type { DestinationName } from "../domain/action-kinds.ts";
import type { Destination } from "../domain/ports.ts";
import type { EmailOptions } from "./email.ts";
import { email } from "./email.ts";
import type { GithubOptions } from "./github.ts";
import { github } from "./github.ts";
import type { Deps } from "./http.ts";
import type { HubspotOptions } from "./hubspot.ts";
import { hubspot } from "./hubspot.ts";
import type { LinearOptions } from "./linear.ts";
import { linear } from "./linear.ts";
import type { SlackOptions } from "./slack.ts";
import { slack } from "./slack.ts";
import type { StripeOptions } from "./stripe.ts";
import { stripe } from "./stripe.ts";
import type { ZendeskOptions } from "./zendesk.ts";
import { zendesk } from "./zendesk.ts";

/** A destination that is left out, or that lacks a value it needs, is not configured: its actions are dry runs. */
export interface DestinationOptions {
  readonly hubspot?: HubspotOptions | undefined;
  readonly zendesk?: ZendeskOptions | undefined;
  readonly linear?: LinearOptions | undefined;
  readonly github?: GithubOptions | undefined;
  readonly stripe?: StripeOptions | undefined;
  readonly slack?: SlackOptions | undefined;
  readonly email?: EmailOptions | undefined;
}

export const createDestinations = (
  options: DestinationOptions,
  deps: Deps,
): Record<DestinationName, Destination> => ({
  hubspot: hubspot(options.hubspot ?? {}, deps),
  zendesk: zendesk(options.zendesk ?? {}, deps),
  linear: linear(options.linear ?? {}, deps),
  github: github(options.github ?? {}, deps),
  stripe: stripe(options.stripe ?? {}, deps),
  slack: slack(options.slack ?? {}, deps),
  email: email(options.email ?? {}, deps),
});
