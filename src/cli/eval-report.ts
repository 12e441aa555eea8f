/** Results of an evaluation, for people and for programs, and how they compare with earlier ones. */
import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { DecidedBy } from "../domain/run.ts";
import { agreement } from "../eval/evaluate.ts";
import type { Answered } from "../eval/evaluate.ts";
import {
  accuracy,
  classScores,
  confusions,
  macroF1,
  pairedBootstrap,
  quantile,
  tagScores,
} from "../eval/statistics.ts";
import type { Interval, Scored } from "../eval/statistics.ts";
import { Failure } from "./failure.ts";
import { table } from "./tables.ts";
import type { Terminal } from "./terminal.ts";
import { wrap } from "./terminal.ts";

const Kept = z.object({
  id: z.string(),
  tags: z.array(z.string()),
  holds: z.boolean(),
  expected: z.array(z.string()),
  predicted: z.array(z.string()),
  tolerated: z.array(z.string()),
  classed: z.boolean(),
});
const Baseline = z.object({
  format: z.literal("signalbox eval baseline 1"),
  results: z.array(
    z.object({
      agent: z.string(),
      by: z.enum(["rules", "model"]),
      prompt: z.string().nullable(),
      cases: z.array(Kept),
    }),
  ),
});
export type Baseline = z.infer<typeof Baseline>;

export interface Result {
  readonly agent: string;
  readonly by: DecidedBy;
  /** The content hash of the prompt file. */
  readonly prompt: string | null;
  /** What is scored by class. */
  readonly label: string;
  readonly threshold: number | null;
  readonly answers: readonly Answered[];
}

const classed = <T extends Scored & { readonly classed: boolean }>(answers: readonly T[]): readonly T[] =>
  answers.filter((each) => each.classed);

export interface Comparison {
  /** How many cases both answered. */
  readonly cases: number;
  readonly accuracy: Interval;
  readonly macroF1: Interval;
  /** Ids of cases that held before, and do not now. */
  readonly broken: readonly string[];
  readonly mended: readonly string[];
}

/** Any number does; a fixed one makes two looks at the same results give the same interval. */
const seed = 20_261_127;

/** Null where the baseline has nothing of this agent and who decides. */
function compare(result: Result, baseline: Baseline): Comparison | null {
  const before = baseline.results.find(({ agent, by }) => agent === result.agent && by === result.by);
  if (before === undefined) return null;
  const byId = new Map(before.cases.map((each) => [each.id, each]));
  const pairs = result.answers.flatMap((now) => {
    const earlier = byId.get(now.id);
    return earlier === undefined ? [] : [{ now, earlier }];
  });
  if (pairs.length === 0) return null;
  const [now, earlier] = [pairs.map((pair) => pair.now), pairs.map((pair) => pair.earlier)];
  const both = pairs.filter((pair) => pair.now.classed && pair.earlier.classed);
  return {
    cases: pairs.length,
    accuracy: pairedBootstrap<Scored>(now, earlier, accuracy, { seed }),
    macroF1: pairedBootstrap<Scored>(
      both.map((pair) => pair.now),
      both.map((pair) => pair.earlier),
      macroF1,
      { seed },
    ),
    broken: pairs.filter((pair) => !pair.now.holds && pair.earlier.holds).map((pair) => pair.now.id),
    mended: pairs.filter((pair) => pair.now.holds && !pair.earlier.holds).map((pair) => pair.now.id),
  };
}

export function readBaseline(file: string): Baseline {
  try {
    return Baseline.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new Failure(`${file} is no baseline that can be read`, {
      hint: "Write one with --save-baseline FILE.",
      cause: error,
    });
  }
}

export function saveBaseline(file: string, results: readonly Result[]): void {
  const baseline: Baseline = {
    format: "signalbox eval baseline 1",
    results: results.map(({ agent, by, prompt, answers }) => ({
      agent,
      by,
      prompt,
      cases: answers.map((each) => Kept.parse(each)),
    })),
  };
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
}

/** Whether any of the evaluated cases is in it: nothing can be said from another's. */
export const isOfThese = (baseline: Baseline, results: readonly Result[]): boolean =>
  results.some((result) => compare(result, baseline) !== null);

export const belowThreshold = ({ threshold, answers }: Result): boolean =>
  threshold !== null && accuracy(answers) < threshold;

/** Null where one cost is not known. */
const costOf = (answers: readonly Answered[]): number | null =>
  answers.reduce<number | null>(
    (sum, { costUsd }) => (sum === null || costUsd === null ? null : sum + costUsd),
    0,
  );
const latencyOf = (answers: readonly Answered[]): { p50: number; p95: number } => {
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted.length === 0
    ? { p50: 0, p95: 0 }
    : { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95) };
};
/** Answers that the rules gave although a model was to be asked. */
const fellBack = ({ by, answers }: Result): number =>
  by === "model" ? answers.filter(({ decidedBy }) => decidedBy === "rules").length : 0;

/** For `--json`. */
export function asJson(results: readonly Result[], baseline: Baseline | null) {
  return {
    results: results.map((result) => {
      const { agent, by, prompt, label, threshold, answers } = result;
      return {
        agent,
        by,
        prompt,
        label,
        cases: answers.length,
        accuracy: accuracy(answers),
        threshold,
        macroF1: macroF1(classed(answers)),
        classes: classScores(classed(answers)),
        confusions: confusions(classed(answers)),
        tags: tagScores(answers),
        decidedByRules: answers.filter(({ decidedBy }) => decidedBy === "rules").length,
        decidedByModel: answers.filter(({ decidedBy }) => decidedBy === "model").length,
        inputTokens: answers.reduce((sum, each) => sum + each.inputTokens, 0),
        outputTokens: answers.reduce((sum, each) => sum + each.outputTokens, 0),
        costUsd: costOf(answers),
        latencyMs: latencyOf(answers),
        comparison: baseline === null ? null : compare(result, baseline),
        answers,
      };
    }),
    agreement: agreements(results),
  };
}

const agreements = (results: readonly Result[]): { agent: string; agreement: number }[] =>
  results
    .filter(({ by }) => by === "rules")
    .flatMap((rules) => {
      const model = results.find(({ agent, by }) => agent === rules.agent && by === "model");
      const alike = model === undefined ? null : agreement(rules.answers, model.answers);
      return alike === null ? [] : [{ agent: rules.agent, agreement: alike }];
    });

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const money = (usd: number | null): string =>
  usd === null ? "not known" : usd === 0 ? "–" : `$${usd.toFixed(4)}`;
const duration = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
const signed = (value: number): string => `${value < 0 ? "−" : "+"}${(100 * Math.abs(value)).toFixed(1)}`;

/** `shown`: how many cases that do not hold are listed for each result. */
export function print(
  terminal: Terminal,
  results: readonly Result[],
  { baseline, replayed, shown }: { baseline: Baseline | null; replayed: boolean; shown: number },
): void {
  terminal.print(overview(terminal, results, replayed));
  for (const { agent, agreement: alike } of agreements(results))
    terminal.print(`${agent}: rules and model decide alike in ${percent(alike)} of the cases`);
  for (const result of results) {
    terminal.print("");
    terminal.print(terminal.paint.bold(`${result.agent}, ${result.by}: ${result.label}`));
    printDetails(terminal, result, shown);
    if (baseline !== null) printComparison(terminal, compare(result, baseline));
  }
}

function overview(terminal: Terminal, results: readonly Result[], replayed: boolean): string {
  return table(
    terminal,
    [
      { title: "AGENT" },
      { title: "BY", width: 5 },
      { title: "CASES", width: 5 },
      { title: "ACCURACY", width: 8 },
      { title: "MACRO-F1", width: 8 },
      { title: "COST", width: 9 },
      { title: "P50, P95", width: 14 },
    ],
    results.map((result) => {
      const { p50, p95 } = latencyOf(result.answers);
      const share = percent(accuracy(result.answers));
      return [
        result.agent,
        result.by,
        String(result.answers.length),
        belowThreshold(result) ? terminal.paint.red(share) : share,
        percent(macroF1(classed(result.answers))),
        money(costOf(result.answers)),
        result.by === "rules" || replayed ? "–" : `${duration(p50)}, ${duration(p95)}`,
      ];
    }),
  );
}

function printDetails(terminal: Terminal, result: Result, shown: number): void {
  const { answers, threshold } = result;
  const scores = classScores(classed(answers));
  terminal.print(
    table(
      terminal,
      [
        { title: "CLASS" },
        { title: "PRECISION", width: 9 },
        { title: "RECALL", width: 9 },
        { title: "F1", width: 9 },
        { title: "CASES", width: 5 },
      ],
      scores.map(({ name, precision, recall, f1, support }) => [
        name,
        percent(precision),
        percent(recall),
        percent(f1),
        String(support),
      ]),
    ),
  );
  const say = (text: string) => terminal.print(wrap(text, terminal.width, "  "));
  const tags = tagScores(answers).map(
    ({ tag, accuracy: share, cases }) => `${tag} ${percent(share)} of ${cases}`,
  );
  if (tags.length > 0) say(`by tag: ${tags.join(", ")}`);
  const mistakes = confusions(classed(answers)).slice(0, 5);
  if (mistakes.length > 0)
    say(
      `taken for: ${mistakes.map(({ expected, predicted, count }) => `${expected} as ${predicted} ${count}×`).join(", ")}`,
    );
  const fallen = fellBack(result);
  if (fallen > 0)
    say(
      `decided by the rules although a model was to be asked: ${fallen} of ${answers.length}. ${reasons(answers)}`,
    );
  const failed = answers.filter(({ holds }) => !holds);
  for (const { id, faults } of failed.slice(0, shown))
    say(`${terminal.paint.red("✗")} ${id}: ${faults.join("; ")}`);
  if (failed.length > shown)
    say(`… and ${failed.length - shown} more; --failures all shows them, --json all answers`);
  if (threshold !== null && belowThreshold(result))
    say(
      terminal.paint.red(
        `below the threshold: ${percent(accuracy(answers))}, asked for is ${percent(threshold)}`,
      ),
    );
}

/** The reasons for which rules decided, the most frequent ones. */
function reasons(answers: readonly Answered[]): string {
  const counts = new Map<string, number>();
  for (const { decidedBy, why } of answers)
    if (decidedBy === "rules" && why !== null) counts.set(why, (counts.get(why) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([why, count]) => `${count}× ${why}`)
    .join("; ");
}

function printComparison(terminal: Terminal, found: Comparison | null): void {
  const say = (text: string) => terminal.print(wrap(text, terminal.width, "  "));
  if (found === null) {
    say("The baseline has none of these cases.");
    return;
  }
  const line = (name: string, { difference, low, high }: Interval) => {
    if (difference === 0 && low === 0 && high === 0) return `${name} unchanged`;
    const sure = low > 0 || high < 0;
    return `${name} ${signed(difference)} points (95 %: ${signed(low)} to ${signed(high)}${sure ? "" : "; may be chance"})`;
  };
  say(
    `against the baseline, ${found.cases} cases: ${line("accuracy", found.accuracy)}, ${line("macro-F1", found.macroF1)}`,
  );
  if (found.broken.length > 0) say(`${terminal.paint.red("held before")}: ${found.broken.join(", ")}`);
  if (found.mended.length > 0) say(`${terminal.paint.green("new")}: ${found.mended.join(", ")}`);
}
