/** The list of sources, by hand: one line per provider. */
import type { Source } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { custom } from "./custom.ts";
import type { CustomOptions } from "./custom.ts";
import { github } from "./github.ts";
import type { GithubOptions } from "./github.ts";
import { gmail } from "./gmail.ts";
import type { GmailOptions } from "./gmail.ts";
import { hubspot } from "./hubspot.ts";
import type { HubspotOptions } from "./hubspot.ts";
import { linear } from "./linear.ts";
import type { LinearOptions } from "./linear.ts";
import { stripe } from "./stripe.ts";
import type { StripeOptions } from "./stripe.ts";
import { zendesk } from "./zendesk.ts";
import type { ZendeskOptions } from "./zendesk.ts";

interface OptionsOf {
  readonly stripe: StripeOptions;
  readonly github: GithubOptions;
  readonly gmail: GmailOptions;
  readonly hubspot: HubspotOptions;
  readonly zendesk: ZendeskOptions;
  readonly linear: LinearOptions;
  readonly custom: CustomOptions;
}
type SourceType = keyof OptionsOf;
type Described<T extends SourceType> = { readonly type: T } & OptionsOf[T];

/** A source as configured: `type`, `name` (its key under `sources:`), and the options of its type. */
export type SourceOptions = { [T in SourceType]: Described<T> }[SourceType];

export interface SourceDeps {
  readonly clock: Clock;
  readonly log: Log;
}

const factories: { readonly [T in SourceType]: (options: OptionsOf[T], deps: SourceDeps) => Source } = {
  stripe,
  github,
  gmail,
  hubspot,
  zendesk,
  linear,
  custom,
};

/** Makes every source of the list, by name. Makes no request. */
export function createSources(list: readonly SourceOptions[], deps: SourceDeps): Map<string, Source> {
  return new Map(list.map((options) => [options.name, create(options, deps)]));
}

function create<T extends SourceType>(options: Described<T>, deps: SourceDeps): Source {
  const factory: (options: OptionsOf[T], deps: SourceDeps) => Source = factories[options.type];
  return factory(options, deps);
}
