/** Who decides in an evaluation: the rules, or the configured models, whose answers may be recorded or replayed. */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Decider, Model, ModelPrice, ServiceGuard } from "../domain/ports.ts";
import { recording, replaying } from "../eval/recording.ts";
import { createModel } from "../in-force.ts";
import type { Settings } from "../in-force.ts";
import { createDecider } from "../llm/decide.ts";
import type { Prompt } from "../llm/prompts.ts";
import { createLog, silentLog } from "../observability/log.ts";
import { createMetrics } from "../observability/metrics.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { counted } from "./tables.ts";

export interface ModelOptions {
  readonly record?: string;
  readonly replay?: string;
}

export interface Deciding {
  readonly decider: Decider;
  /** The names under `models:` that can be asked. */
  readonly usable: ReadonlySet<string>;
  /** Of a name under `models:`, today; null when it is not known. */
  readonly priceOf: (name: string) => ModelPrice | null;
  /** Keys of requests that were to be replayed and are not recorded. */
  readonly missing: Set<string>;
}

/** A breaker would answer for the vendor after some failures; an evaluation is to show each of them. */
const unguarded: ServiceGuard = {
  call: (_service, fn) => fn(),
  closed: () => Promise.resolve(null),
};

export function createDeciding(
  context: Context,
  settings: Pick<Settings, "loaded" | "prices">,
  prompts: ReadonlyMap<string, Prompt>,
  options: ModelOptions,
): Deciding {
  const { environment, cwd, terminal } = context;
  const missing = new Set<string>();
  const replayed = options.replay === undefined ? null : existing(resolve(cwd, options.replay));
  const wrap = (model: Model): Model => {
    if (replayed !== null) return replaying(model, replayed, (key) => void missing.add(key));
    return options.record === undefined ? model : recording(model, resolve(cwd, options.record));
  };
  const models = new Map(
    Object.entries(settings.loaded.config.models).map(([name, model]) => [
      name,
      wrap(createModel(name, model, settings.prices, { environment, clock: systemClock })),
    ]),
  );
  return {
    decider: createDecider({
      models,
      prompts,
      budget: null,
      guard: unguarded,
      clock: systemClock,
      log: terminal.verbose ? createLog("info") : silentLog,
      metrics: createMetrics(),
    }),
    usable: new Set([...models].filter(([, { configured }]) => configured).map(([name]) => name)),
    priceOf: (name) => models.get(name)?.price?.() ?? null,
    missing,
  };
}

export const notRecorded = (count: number, folder: string): Failure =>
  new Failure(
    `${counted(count, "request")} to a model ${count === 1 ? "is" : "are"} not recorded in ${folder}`,
    {
      hint: "A changed prompt, case, schema or model asks something new. Record again with --record DIR.",
    },
  );

function existing(folder: string): string {
  try {
    readdirSync(folder);
    return folder;
  } catch (error) {
    throw new Failure(`there are no recorded answers in ${folder}`, {
      hint: "Record them with --record DIR, with a model's key in the environment.",
      cause: error,
    });
  }
}
