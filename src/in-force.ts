/**
 * Everything that the configuration and the prompts decide, made as one whole, so that a reload replaces all of it
 * or nothing. The parts that outlive a reload (journal, breakers, servers) are in app.ts.
 */
import { agents } from "../agents/index.ts";
import { loadConfig, shownName } from "./config/load.ts";
import type { LoadResult } from "./config/load.ts";
import type { Fault } from "./config/faults.ts";
import type { ModelConfig, SourceConfig } from "./config/schema.ts";
import type { Environment } from "./config/environment.ts";
import { parseYaml } from "./config/yaml.ts";
import { createDestinations } from "./destinations/index.ts";
import type { DestinationName } from "./domain/action-kinds.ts";
import type { Decider, Destination, Model, ServiceGuard } from "./domain/ports.ts";
import { noticePlaces } from "./domain/review-notice.ts";
import type { ReviewSettings } from "./domain/review-notice.ts";
import type { Source, Watch } from "./domain/source.ts";
import type { RoutingTable } from "./inbox/accept.ts";
import { shippedAddressLists } from "./domain/network.ts";
import { createAddressBook } from "./http/doors.ts";
import type { AddressBook, Door } from "./http/doors.ts";
import { compileCondition, compileExpression } from "./inbox/expressions.ts";
import { compileRoute } from "./inbox/routing.ts";
import { createAnthropicModel } from "./llm/anthropic.ts";
import { createDecider } from "./llm/decide.ts";
import type { Budget, Caps } from "./llm/budget.ts";
import { createOpenaiModel } from "./llm/openai.ts";
import { loadPrices } from "./llm/prices.ts";
import type { PriceTable } from "./llm/prices.ts";
import { loadPrompts } from "./llm/prompts.ts";
import { modelService } from "./llm/provider-call.ts";
import type { Prompt } from "./llm/prompts.ts";
import type { Log } from "./observability/log.ts";
import type { Metrics } from "./observability/metrics.ts";
import { packagePrompts } from "./package.ts";
import type { Clock } from "./resilience/clock.ts";
import type { Turns } from "./resilience/turns.ts";
import { createSources } from "./sources/index.ts";
import type { SourceOptions } from "./sources/index.ts";
import type { WorkTable } from "./worker/table.ts";

type Loaded = Extract<LoadResult, { ok: true }>;

export interface Settings {
  readonly ok: true;
  readonly loaded: Loaded;
  readonly prompts: ReadonlyMap<string, Prompt>;
  readonly prices: PriceTable;
}

export interface SettingsOptions {
  readonly file?: string | undefined;
  readonly cwd: string;
  readonly environment: Environment;
}

/** Reads the configuration and the prompts, and finds every fault in both. Starts nothing, makes no request. */
export async function loadSettings(
  options: SettingsOptions,
  now: number,
): Promise<Settings | { readonly ok: false; readonly faults: readonly Fault[] }> {
  const loaded = await loadConfig({
    file: options.file,
    cwd: options.cwd,
    env: options.environment.variables,
    agents: agents.map((agent) => agent.name),
    now,
    checkExpression: (text) => {
      const result = compileExpression(text);
      return "fault" in result
        ? { message: result.fault.message, column: result.fault.column ?? undefined }
        : null;
    },
  });
  const readable = loaded.ok
    ? { promptsFolder: loaded.promptsFolder, models: Object.keys(loaded.config.models) }
    : loaded.readable;
  if (readable === null) return { ok: false, faults: loaded.ok ? [] : loaded.faults };
  const folders = [readable.promptsFolder, packagePrompts];
  const prices = await loadPrices(folders, parseYaml);
  const { prompts, faults: promptFaults } = await loadPrompts({
    folders,
    agents,
    models: readable.models,
    parseYaml,
    compileCondition,
  });
  const faults = [
    ...(loaded.ok ? [] : loaded.faults),
    ...[...promptFaults, ...prices.faults].map((fault) => ({
      ...fault,
      file: shownName(fault.file, options.cwd),
    })),
  ];
  return !loaded.ok || faults.length > 0
    ? { ok: false, faults }
    : { ok: true, loaded, prompts, prices: prices.table };
}

export interface InForce {
  readonly settings: Settings;
  readonly sources: Map<string, Source>;
  readonly doors: ReadonlyMap<string, Door>;
  readonly addresses: AddressBook;
  readonly destinations: Record<DestinationName, Destination>;
  readonly decider: Decider;
  readonly routing: RoutingTable;
  readonly work: WorkTable;
  /** Agents for which a model decides again what rules decided in an outage, with the services of their models. */
  readonly redeciding: ReadonlyMap<string, readonly string[]>;
}

export interface InForceParts {
  readonly guard: ServiceGuard;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly environment: Environment;
  readonly budget: Budget;
  /** The watch that is held for a source. */
  readonly watchOf: (source: string) => Promise<Watch | null>;
  readonly onAsked: (agent: string, fell: boolean) => void;
}

export function putInForce(settings: Settings, parts: InForceParts): InForce {
  const { config, hash } = settings.loaded;
  const models = new Map(
    Object.entries(config.models).map(([name, model]) => [
      name,
      createModel(name, model, settings.prices, parts),
    ]),
  );
  const modes = new Map(config.routes.map((route) => [route.name, route.mode]));
  const policies = new Map(
    agents.map((agent) => [
      agent.name,
      { agent, policy: settings.prompts.get(agent.name)?.policy ?? agent.policy.parse({}) },
    ]),
  );
  const addresses = createAddressBook({ ...shippedAddressLists, ...config.server.addressLists });
  const destinations = createDestinations(config.destinations, parts);
  return {
    settings,
    addresses,
    doors: new Map(Object.entries(config.sources).map(([name, source]) => [name, doorOf(source, addresses)])),
    sources: createSources(
      Object.entries(config.sources).map(([name, source]) =>
        sourceOptions(name, source, config.server.publicUrl),
      ),
      parts,
    ),
    destinations,
    decider: createDecider({ ...parts, models, prompts: settings.prompts }),
    redeciding: redecidingIn(settings.prompts, models),
    routing: {
      routes: config.routes.map((route) => compileRoute(route)),
      configHash: hash,
      promptHash: (agent) => settings.prompts.get(agent)?.hash ?? null,
    },
    work: {
      agents: policies,
      modeOf: (route) => modes.get(route) ?? null,
      parkForMs: config.limits.parkFor,
      actionsPerHour: (agent) =>
        config.limits.perAgent[agent]?.actionsPerHour ?? config.limits.actionsPerHour,
      reviews: reviewsOf(config, destinations),
    },
  };
}

function redecidingIn(
  prompts: Settings["prompts"],
  models: ReadonlyMap<string, Model>,
): Map<string, string[]> {
  const wanted = [...prompts.values()].filter(
    ({ onModelUnavailable }) => onModelUnavailable.kind === "rules-then-redecide",
  );
  return new Map(
    wanted.map((prompt) => [
      prompt.agent,
      prompt.models
        .flatMap((name) => models.get(name) ?? [])
        .filter(({ configured }) => configured)
        .map(modelService),
    ]),
  );
}

/** Loads no SDK, makes no request yet. */
export function createModel(
  name: string,
  config: ModelConfig,
  prices: PriceTable,
  { environment, clock }: Pick<InForceParts, "environment" | "clock">,
): Model {
  const { model, timeout: timeoutMs, apiKey } = config;
  const price = () => prices.of(model, clock.now());
  const options = { name, model, timeoutMs, apiKey, price, clock };
  switch (config.provider) {
    case "anthropic":
      return createAnthropicModel({
        ...options,
        baseURL: config.baseUrl ?? environment.anthropicBaseUrl ?? undefined,
      });
    case "openai":
      return createOpenaiModel({
        ...options,
        baseURL: config.baseUrl ?? environment.openaiBaseUrl ?? undefined,
      });
  }
}

function doorOf({ allowFrom, requireHttps, maxBody }: SourceConfig, book: AddressBook): Door {
  return { requireHttps, maxBody, allows: allowFrom && ((address) => book.holds(allowFrom, address)) };
}

function sourceOptions(name: string, source: SourceConfig, publicUrl: string): SourceOptions {
  const place = { name, publicUrl };
  return { ...source, ...place };
}

function reviewsOf(
  { reviews, server }: Loaded["config"],
  destinations: ReturnType<typeof createDestinations>,
): ReviewSettings {
  return {
    to: (agent) => reviews.perAgent[agent]?.to ?? reviews.to,
    places: noticePlaces.filter((place) => destinations[place].configured),
    adminUrl: server.adminUrl === "" ? null : server.adminUrl,
    slack: reviews.slack ?? null,
  };
}

/** Models whose calls can't be priced, and what that means. */
export function unpricedNotes({ loaded, prices }: Settings, now: number): { message: string; fix: string }[] {
  return Object.entries(loaded.config.models)
    .filter(([, { model }]) => prices.of(model, now) === null)
    .map(([name, { model }]) => ({
      message: `no price is known for ${model} (models.${name}): caps on spending count it as the dearest model that is listed`,
      fix: "Add its price to prompts/prices.yaml (docs/decisions.md says how).",
    }));
}

/** What an agent's decisions may cost. */
export function capsOf({ limits }: Loaded["config"], agent: string): Caps {
  const own = limits.perAgent[agent];
  return {
    perRun: own?.usdPerRun ?? limits.usdPerRun,
    agentPerDay: own?.usdPerDay ?? null,
    perDay: limits.usdPerDay,
  };
}
