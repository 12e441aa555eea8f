/**
 * `signalbox backtest`: what stored events would come to under today's files, or an edited prompt. Facts are those that
 * the original run recorded. Nothing is written anywhere, and no vendor but a model's is called.
 */
import { resolve } from "node:path";
import { agents } from "../../agents/index.ts";
import { parseYaml } from "../config/yaml.ts";
import type { Json } from "../domain/json.ts";
import type { RunRecord } from "../domain/ports.ts";
import type { DecidedBy } from "../domain/run.ts";
import { totalUsage } from "../domain/step.ts";
import { actionChanges, decisionChanges } from "../eval/compare.ts";
import { inParallel } from "../eval/evaluate.ts";
import { NotRecorded, play } from "../eval/play.ts";
import { compileCondition } from "../inbox/expressions.ts";
import type { Settings } from "../in-force.ts";
import { loadPromptFile } from "../llm/prompts.ts";
import type { Prompt } from "../llm/prompts.ts";
import { systemClock } from "../resilience/clock.ts";
import { printBacktest } from "./backtest-report.ts";
import type { Again, Backtest, NotPlayed, RouteChange } from "./backtest-report.ts";
import type { Context } from "./context.ts";
import { costNote, estimateOf } from "./eval-estimate.ts";
import { createDeciding, notRecorded } from "./eval-models.ts";
import type { Deciding, ModelOptions } from "./eval-models.ts";
import { createProgress } from "./eval-progress.ts";
import { Failure, usage } from "./failure.ts";
import { judgeRoutes } from "./routes.ts";
import { invalidConfiguration, readSettings } from "./settings.ts";
import { openStored, pastEvents, timeOf } from "./stored.ts";
import type { Past } from "./stored.ts";
import { counted } from "./tables.ts";

export interface BacktestOptions extends ModelOptions {
  readonly since: string;
  readonly until?: string;
  readonly source?: string;
  readonly type?: string;
  readonly agent?: string;
  readonly prompt?: string;
  readonly with?: DecidedBy;
  readonly limit: string;
  readonly yes?: boolean;
}

const width = 4;

export async function backtest(context: Context, options: BacktestOptions): Promise<void> {
  const { terminal } = context;
  if (!/^[1-9]\d{0,4}$/.test(options.limit))
    throw usage(`--limit ${options.limit} is no count`, "It is 1 to 99999.");
  const since = timeOf("--since", options.since);
  const until = options.until === undefined ? undefined : timeOf("--until", options.until);
  const settings = await readSettings(context);
  const edited = options.prompt === undefined ? null : await editedPrompt(context, settings, options.prompt);
  const agent = agentOf(options.agent, edited);
  const prompts = new Map([
    ...settings.prompts,
    ...(edited === null ? [] : [[edited.agent, edited] as const]),
  ]);

  const stored = await openStored(context);
  let found: { past: Past[]; more: boolean };
  try {
    const { source, type } = options;
    found = await pastEvents(
      stored.reads,
      {
        since,
        ...(until === undefined ? {} : { until }),
        ...(source === undefined ? {} : { source }),
        ...(type === undefined ? {} : { type }),
      },
      Number(options.limit),
    );
  } finally {
    await stored.close();
  }
  const runs = runsOf(found.past, agent);
  const deciding = createDeciding(context, settings, prompts, options);
  const by = whoDecides(options.with, runs, prompts, deciding);
  if (by === "model") await ask(context, { runs, prompts, deciding, options });

  const progress = createProgress(context, runs.length);
  const again = await inParallel(runs, width, async (one) => {
    const result = await playAgain(one, { prompts, deciding, by });
    progress.step(one.record.run.agent);
    return result;
  });
  progress.end();
  if (deciding.missing.size > 0) throw notRecorded(deciding.missing.size, options.replay ?? "");
  const played = again.filter((one): one is Again => "decision" in one);
  const result: Backtest = {
    events: found.past.length,
    more: found.more,
    by,
    played,
    notPlayed: again.filter((one): one is NotPlayed => "why" in one),
    routes: found.past.flatMap((past) => routeChanges(settings, past, agent)),
    usage: totalUsage(played.flatMap((one) => one.usage ?? [])),
  };
  if (terminal.json) terminal.printJson(result);
  else printBacktest(terminal, result);
}

/** Throws a Failure with all faults. */
async function editedPrompt(context: Context, settings: Settings, file: string): Promise<Prompt> {
  const options = {
    agents,
    models: Object.keys(settings.loaded.config.models),
    parseYaml,
    compileCondition,
  };
  const read = await loadPromptFile(resolve(context.cwd, file), options).catch((error: unknown) => {
    throw usage(
      `the prompt ${file} can't be read (${error instanceof Error ? error.message : String(error)})`,
    );
  });
  if (read.prompt === null) throw invalidConfiguration(read.faults, context.terminal.notePaint);
  return read.prompt;
}

function agentOf(name: string | undefined, edited: Prompt | null): string | null {
  const names = agents.map((each) => each.name);
  if (name !== undefined && !names.includes(name))
    throw usage(`there is no agent "${name}"`, `There are: ${names.join(", ")}.`);
  if (name !== undefined && edited !== null && name !== edited.agent)
    throw usage(`the prompt is of ${edited.agent}, and --agent says ${name}`);
  return name ?? edited?.agent ?? null;
}

export interface PastRun {
  readonly past: Past;
  readonly record: RunRecord;
}

const runsOf = (past: readonly Past[], agent: string | null): PastRun[] =>
  past.flatMap((each) =>
    each.runs
      .filter(
        ({ run }) => agents.some(({ name }) => name === run.agent) && (agent === null || run.agent === agent),
      )
      .map((record) => ({ past: each, record })),
  );

/** A model, where --with does not say, when one can be asked for every agent that has runs. */
function whoDecides(
  wanted: DecidedBy | undefined,
  runs: readonly PastRun[],
  prompts: ReadonlyMap<string, Prompt>,
  { usable }: Deciding,
): DecidedBy {
  const names = [...new Set(runs.map(({ record }) => record.run.agent))];
  const without = names.filter(
    (name) => !(prompts.get(name)?.models ?? []).some((model) => usable.has(model)),
  );
  if (wanted === "model" && without.length > 0)
    throw new Failure(`no model can be asked for ${without.join(", ")}`, {
      hint: "Set a model's key (`signalbox check` says which is missing), or take --with rules.",
    });
  return wanted ?? (without.length === 0 && names.length > 0 ? "model" : "rules");
}

/** Says how much it is and what it may cost, before the first call. Throws a Failure when a person says no. */
async function ask(
  { terminal }: Context,
  on: {
    readonly runs: readonly PastRun[];
    readonly prompts: ReadonlyMap<string, Prompt>;
    readonly deciding: Deciding;
    readonly options: BacktestOptions;
  },
): Promise<void> {
  const { options } = on;
  if (options.replay !== undefined || on.runs.length === 0) return;
  const estimate = await estimateOf(on.deciding, on.prompts, (deciding) =>
    inParallel(on.runs, width, (one) => playAgain(one, { ...on, deciding, by: "model" })),
  );
  terminal.note(`${counted(on.runs.length, "run")}, ${costNote(estimate)}`);
  if (estimate.calls === 0 || options.yes) return;
  if (!terminal.interactive)
    throw usage("nobody can be asked whether to go on", "Add --yes, or take --with rules, which is free.");
  if (!(await terminal.confirm("Ask the model?"))) throw new Failure("no model was asked");
}

const own = new Set(["decide", "plan"]);

async function playAgain(
  { past, record }: PastRun,
  on: {
    readonly prompts: ReadonlyMap<string, Prompt>;
    readonly deciding: Pick<Deciding, "decider">;
    readonly by: DecidedBy;
  },
): Promise<Again | NotPlayed> {
  const { run, steps, actions } = record;
  const agent = agents.find(({ name }) => name === run.agent);
  const whose = { run: run.id, agent: run.agent };
  if (agent === undefined || past.payload === null)
    return { ...whose, why: "its content is erased, or is no JSON" };
  if (!steps.some(({ name }) => name === "plan")) return { ...whose, why: "it had planned nothing yet" };
  const recorded = steps.filter(({ name }) => !own.has(name) && !name.includes(":"));
  const before = steps.find(({ name }) => name === "decide")?.output as
    { decision?: Json } | null | undefined;
  const { id, source, type, receivedAt } = past.event;
  try {
    const played = await play({
      agent,
      policy: on.prompts.get(agent.name)?.policy ?? agent.policy.parse({}),
      event: { id, source, type, receivedAt, payload: past.payload },
      now: run.createdAt,
      steps: Object.fromEntries(recorded.map(({ name, output }) => [name, output])),
      read: null,
      decider: on.deciding.decider,
      by: on.by,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    return {
      ...whose,
      event: id,
      decidedBy: { before: run.decidedBy, now: played.decidedBy },
      decision: decisionChanges(before?.decision ?? null, played.decision),
      actions: actionChanges(actions, played.actions),
      held: played.held,
      summary: played.summary,
      usage: played.usage,
    };
  } catch (error) {
    if (error instanceof NotRecorded) return { ...whose, why: `its facts are not recorded (${error.step})` };
    return { ...whose, why: error instanceof Error ? error.message : String(error) };
  }
}

function routeChanges(settings: Settings, past: Past, agent: string | null): RouteChange[] {
  if (past.payload === null) return [];
  const { id, source, type, receivedAt } = past.event;
  const facts = { id, source, type, receivedAt: new Date(receivedAt) };
  const wanted = new Set(
    judgeRoutes(settings.loaded.config.routes, facts, past.payload)
      .filter(({ matched }) => matched)
      .map((verdict) => verdict.agent),
  );
  const had = new Set(past.runs.flatMap(({ run }) => (run.route === null ? [] : run.agent)));
  const changes = [
    ...[...wanted].filter((name) => !had.has(name)).map((name) => [name, "would start"] as const),
    ...[...had].filter((name) => !wanted.has(name)).map((name) => [name, "would not start"] as const),
  ];
  return changes
    .filter(([name]) => agent === null || name === agent)
    .map(([name, change]) => ({ event: id, type, agent: name, change }));
}
