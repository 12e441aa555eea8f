/** The list of sources, by hand: one line per provider. */
import type { Source, Watch } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { custom } from "./custom.ts";
import type { CustomOptions } from "./custom.ts";
import { github } from "./github.ts";
import type { GithubOptions } from "./github.ts";
import { gmail } from "./gmail.ts";
import type { GmailOptions } from "./gmail.ts";
import { setSecrets, unexpired } from "./hmac.ts";
import type { SecretEntry } from "./hmac.ts";
import { hubspot } from "./hubspot.ts";
import type { HubspotOptions } from "./hubspot.ts";
import { linear } from "./linear.ts";
import type { LinearOptions } from "./linear.ts";
import { outlook } from "./outlook.ts";
import type { OutlookOptions } from "./outlook.ts";
import { shopify } from "./shopify.ts";
import type { ShopifyOptions } from "./shopify.ts";
import { slack } from "./slack.ts";
import type { SlackOptions } from "./slack.ts";
import { standardWebhooks } from "./standard-webhooks.ts";
import type { StandardWebhooksOptions } from "./standard-webhooks.ts";
import { stripe } from "./stripe.ts";
import type { StripeOptions } from "./stripe.ts";
import { zendesk } from "./zendesk.ts";
import type { ZendeskOptions } from "./zendesk.ts";

interface OptionsOf {
  readonly stripe: StripeOptions;
  readonly github: GithubOptions;
  readonly gmail: GmailOptions;
  readonly outlook: OutlookOptions;
  readonly hubspot: HubspotOptions;
  readonly zendesk: ZendeskOptions;
  readonly linear: LinearOptions;
  readonly shopify: ShopifyOptions;
  readonly slack: SlackOptions;
  readonly "standard-webhooks": StandardWebhooksOptions;
  readonly custom: CustomOptions;
}
type SourceType = keyof OptionsOf;
/** `publicUrl` (`server.publicUrl`) is there for all; those that have to know their own address take it. */
type Described<T extends SourceType> = { readonly type: T; readonly publicUrl?: string } & OptionsOf[T];

/** A source as configured: `type`, `name` (its key under `sources:`), and the options of its type. */
export type SourceOptions = { [T in SourceType]: Described<T> }[SourceType];

export interface SourceDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The watch that is held for a source. */
  readonly watchOf?: (source: string) => Promise<Watch | null>;
}

const factories: { readonly [T in SourceType]: (options: OptionsOf[T], deps: SourceDeps) => Source } = {
  stripe,
  github,
  gmail,
  outlook,
  hubspot,
  zendesk,
  linear,
  shopify,
  slack,
  "standard-webhooks": standardWebhooks,
  custom,
};

/** Makes every source of the list, by name. Makes no request. */
export function createSources(list: readonly SourceOptions[], deps: SourceDeps): Map<string, Source> {
  return new Map(list.map((options) => [options.name, create(options, deps)]));
}

function create<T extends SourceType>(options: Described<T>, deps: SourceDeps): Source {
  const factory: (options: OptionsOf[T], deps: SourceDeps) => Source = factories[options.type];
  const source = factory(options, deps);
  return "secrets" in options ? whileUnexpired(source, options.secrets, deps.clock) : source;
}

/** A source whose last secret has expired is as inactive as one without any: judged whenever it is asked. */
function whileUnexpired(source: Source, secrets: readonly SecretEntry[], clock: Clock): Source {
  const set = setSecrets(secrets);
  const { active } = source;
  return Object.defineProperty(source, "active", {
    get: () => active && unexpired(set, clock.now()).length > 0,
  });
}
