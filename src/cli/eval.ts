/** `signalbox eval [AGENT]`: how well rules and models decide the cases of prompts/evals. Nothing is done, nobody is told. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { agents } from "../../agents/index.ts";
import { renderFaults } from "../config/faults.ts";
import type { Fault } from "../config/faults.ts";
import type { AgentDefinition } from "../domain/agent.ts";
import { closest } from "../domain/closest.ts";
import type { DecidedBy } from "../domain/run.ts";
import type { CaseSet } from "../eval/case.ts";
import { answer, inParallel } from "../eval/evaluate.ts";
import type { Answered } from "../eval/evaluate.ts";
import { junit } from "../eval/junit.ts";
import type { Settings } from "../in-force.ts";
import { packagePrompts } from "../package.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { readCases } from "./eval-cases.ts";
import { costNote, estimateOf } from "./eval-estimate.ts";
import type { Estimate } from "./eval-estimate.ts";
import { createDeciding, notRecorded } from "./eval-models.ts";
import type { Deciding, ModelOptions } from "./eval-models.ts";
import { answerKey, createProgress, openKept } from "./eval-progress.ts";
import type { Kept, Progress } from "./eval-progress.ts";
import { asJson, belowThreshold, isOfThese, print, readBaseline, saveBaseline } from "./eval-report.ts";
import type { Result } from "./eval-report.ts";
import { Failure, exitCodes, usage } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import { readSettings } from "./settings.ts";
import { counted } from "./tables.ts";

export interface EvalOptions extends ModelOptions {
  readonly with?: "rules" | "model" | "both";
  readonly cases?: string;
  readonly tag?: string;
  readonly threshold?: string;
  readonly baseline?: string;
  readonly saveBaseline?: string;
  readonly junit?: string;
  readonly failures: string;
  readonly resume?: boolean;
  readonly fromReviews?: string;
  readonly since?: string;
}

/** Calls of a vendor at a time: enough to be quick, few enough for the smallest rate limit. */
const width = 4;

export async function evaluate(
  context: Context,
  name: string | undefined,
  options: EvalOptions,
): Promise<ExitCode> {
  const { terminal, cwd } = context;
  const { fromReviews, since = "30d" } = options;
  if (fromReviews !== undefined) {
    const { casesFromReviews } = await import("./eval-reviews.ts");
    await casesFromReviews(context, name, { fromReviews, since });
    return exitCodes.ok;
  }
  const threshold = shareOf(options.threshold);
  const shown = options.failures === "all" ? Infinity : wholeNumber(options.failures, "--failures");
  if (options.record !== undefined && options.replay !== undefined)
    throw usage("--record and --replay can't be used together: one asks the models, the other does not");
  const baseline = options.baseline === undefined ? null : readBaseline(resolve(cwd, options.baseline));
  const settings = await readSettings(context);
  const sets = setsFor(context, settings, name, options);
  const deciding = createDeciding(context, settings, settings.prompts, options);
  const who = whoDecides(options, settings, sets, deciding);
  if (who.includes("model") && options.replay === undefined)
    terminal.note(costNote(await estimateFor(settings, sets, deciding)));
  const results = await answers(context, settings, sets, who, { deciding, options, threshold });
  if (deciding.missing.size > 0) throw notRecorded(deciding.missing.size, options.replay ?? "");

  if (options.junit !== undefined)
    write(resolve(cwd, options.junit), junit(results.flatMap((result) => [...result.answers])));
  if (options.saveBaseline !== undefined) {
    mkdirSync(dirname(resolve(cwd, options.saveBaseline)), { recursive: true });
    saveBaseline(resolve(cwd, options.saveBaseline), results);
  }
  if (terminal.json) terminal.printJson(asJson(results, baseline));
  else print(terminal, results, { baseline, replayed: options.replay !== undefined, shown });
  if (baseline !== null && !isOfThese(baseline, results))
    throw new Failure(`${options.baseline} has none of these cases`, {
      hint: "Compare with results of the same agent and cases.",
    });
  return results.some(belowThreshold) ? exitCodes.evaluation : exitCodes.ok;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,6}$/.test(text)) throw usage(`${option} ${text} is no whole number`);
  return Number(text);
}

function shareOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw usage(`--threshold ${text} is no share`, "It is a number from 0 to 1, such as 0.8.");
  return value;
}

interface AgentCases {
  readonly agent: AgentDefinition;
  readonly set: CaseSet;
}

/** The folder beside the configuration goes before the package's own cases. Throws a Failure with all faults. */
function setsFor(
  context: Context,
  settings: Settings,
  name: string | undefined,
  { cases, tag }: EvalOptions,
): AgentCases[] {
  const names = agents.map((each) => each.name);
  if (name !== undefined && !names.includes(name)) {
    const near = closest(name, names);
    throw usage(
      `there is no agent "${name}"`,
      near === undefined ? `There are: ${names.join(", ")}.` : `Did you mean ${near}?`,
    );
  }
  const folders =
    cases === undefined
      ? [join(settings.loaded.promptsFolder, "evals"), join(packagePrompts, "evals")]
      : [resolve(context.cwd, cases)];
  const faults: Fault[] = [];
  const sets: AgentCases[] = [];
  for (const agent of agents.filter((each) => name === undefined || each.name === name)) {
    const read = folders
      .map((folder) => readCases(join(folder, agent.name), agent, context.cwd))
      .find((found) => found !== null);
    if (read === undefined) continue;
    if (!read.ok) faults.push(...read.faults);
    else {
      const own = read.set.cases.filter((each) => tag === undefined || each.tags.includes(tag));
      if (own.length > 0) sets.push({ agent, set: { ...read.set, cases: own } });
    }
  }
  if (faults.length > 0)
    throw new Failure(
      `${renderFaults(faults, { color: context.terminal.notePaint.isColorSupported })}\n\nThe cases have ${counted(faults.length, "fault")}; nothing was evaluated.`,
      { exitCode: exitCodes.configuration },
    );
  if (sets.length === 0)
    throw usage(
      `there are no cases${name === undefined ? "" : ` of ${name}`}${tag === undefined ? "" : ` with the tag ${tag}`}`,
      `They are looked for in ${folders.join(" and ")}.`,
    );
  return sets;
}

/** Without --with: the rules, and the models too where one can be asked for every agent. */
function whoDecides(
  options: EvalOptions,
  { prompts }: Settings,
  sets: readonly AgentCases[],
  { usable }: Deciding,
): DecidedBy[] {
  const without = sets
    .map(({ agent }) => agent.name)
    .filter((agent) => !(prompts.get(agent)?.models ?? []).some((model) => usable.has(model)));
  const wanted = options.with ?? (without.length === 0 ? "both" : "rules");
  if (wanted !== "rules" && without.length > 0)
    throw new Failure(`no model can be asked for ${without.join(", ")}`, {
      hint: "Set a model's key (`signalbox check` says which is missing), replay recorded answers with --replay DIR, or take --with rules.",
    });
  return wanted === "both" ? ["rules", "model"] : [wanted];
}

/** Said, not asked: whoever wants no cost says --with rules. */
const estimateFor = (
  settings: Settings,
  sets: readonly AgentCases[],
  deciding: Deciding,
): Promise<Estimate> =>
  estimateOf(deciding, settings.prompts, async ({ decider }) => {
    const { signal } = new AbortController();
    for (const { agent, set } of sets) {
      const policy = settings.prompts.get(agent.name)?.policy ?? agent.policy.parse({});
      await inParallel(set.cases, width, (which) =>
        answer({ agent, policy, set, decider, clock: systemClock, signal }, which, "model"),
      );
    }
  });

interface Asking {
  readonly deciding: Deciding;
  readonly options: EvalOptions;
  readonly threshold: number | null;
}

async function answers(
  context: Context,
  settings: Settings,
  sets: readonly AgentCases[],
  who: readonly DecidedBy[],
  asking: Asking,
): Promise<Result[]> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal);
  const total = who.length * sets.reduce((sum, { set }) => sum + set.cases.length, 0);
  const progress = createProgress(context, total);
  const kept = who.includes("model") ? openKept(context, asking.options.resume ?? false) : null;
  if (asking.options.resume && kept !== null)
    context.terminal.note(
      `${counted(kept.found, "answer")} of an earlier evaluation ${kept.found === 1 ? "is" : "are"} taken up`,
    );
  const results: Result[] = [];
  try {
    for (const each of sets)
      for (const by of who)
        results.push(await resultOf(settings, each, by, { ...asking, progress, kept, signal: stop.signal }));
    return results;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    throw new Failure("the evaluation was broken off", {
      exitCode: exitCodes.interrupted,
      hint: "What was answered is kept: go on with --resume.",
    });
  } finally {
    progress.end();
    process.removeListener("SIGINT", onSignal);
  }
}

async function resultOf(
  { prompts }: Settings,
  { agent, set }: AgentCases,
  by: DecidedBy,
  on: Asking & { readonly progress: Progress; readonly kept: Kept | null; readonly signal: AbortSignal },
): Promise<Result> {
  const prompt = prompts.get(agent.name);
  const policy = prompt?.policy ?? agent.policy.parse({});
  const models = (prompt?.models ?? []).filter((name) => on.deciding.usable.has(name));
  const kept = by === "model" ? on.kept : null;
  const found = await inParallel(set.cases, width, async (which): Promise<Answered> => {
    const key = answerKey(which, { prompt: prompt?.hash ?? null, models, label: set.label });
    const known = kept?.get(key);
    const given =
      known ??
      (await answer(
        { agent, policy, set, decider: on.deciding.decider, clock: systemClock, signal: on.signal },
        which,
        by,
      ));
    // What the rules decided because no model answered is to be asked again.
    if (known === undefined && given.decidedBy === "model") kept?.add(key, given);
    on.progress.step(`${agent.name}, ${by}`);
    return given;
  });
  return {
    agent: agent.name,
    by,
    prompt: prompt?.hash ?? null,
    label: set.label,
    threshold: on.threshold ?? set.thresholds[by],
    answers: found,
  };
}
