/**
 * How good answers are. Pure. A case has the classes that are right (one, or several where a decision names several
 * things), and the classes that were answered. Definitions as in
 * https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics.
 */
import type { JsonObject } from "../domain/json.ts";

/** What a case says of one answer to it. */
export interface Scored {
  readonly id: string;
  readonly tags: readonly string[];
  /** Whether everything that the case expects is so. */
  readonly holds: boolean;
  readonly expected: readonly string[];
  readonly predicted: readonly string[];
  /** Classes that may be answered, and need not be. */
  readonly tolerated: readonly string[];
}

export interface ClassScore {
  readonly name: string;
  /** In [0, 1]; 0 where nothing was answered so. */
  readonly precision: number;
  /** In [0, 1]; 0 where nothing is so. */
  readonly recall: number;
  readonly f1: number;
  /** How many cases are of this class. */
  readonly support: number;
}

/** The class of a decision that names nothing. */
export const noClass = "(none)";

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** By name; of every class that is expected or was answered. */
export function classScores(cases: readonly Scored[]): ClassScore[] {
  const counts = new Map<string, { right: number; wrong: number; missed: number }>();
  const of = (name: string) => {
    const count = counts.get(name) ?? { right: 0, wrong: 0, missed: 0 };
    counts.set(name, count);
    return count;
  };
  for (const { expected, predicted, tolerated } of cases) {
    for (const name of new Set(predicted)) {
      if (expected.includes(name)) of(name).right += 1;
      else if (!tolerated.includes(name)) of(name).wrong += 1;
    }
    for (const name of new Set(expected)) if (!predicted.includes(name)) of(name).missed += 1;
  }
  return [...counts]
    .map(([name, { right, wrong, missed }]) => ({
      name,
      precision: ratio(right, right + wrong),
      recall: ratio(right, right + missed),
      f1: ratio(2 * right, 2 * right + wrong + missed),
      support: right + missed,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The mean of the classes' F1, in [0, 1]: rare classes count as much as frequent ones. 0 without cases. */
export function macroF1(cases: readonly Scored[]): number {
  const scores = classScores(cases);
  return ratio(
    scores.reduce((sum, { f1 }) => sum + f1, 0),
    scores.length,
  );
}

/** The share of cases of which everything holds, in [0, 1]. 0 without cases. */
export const accuracy = (cases: readonly Pick<Scored, "holds">[]): number =>
  ratio(cases.filter(({ holds }) => holds).length, cases.length);

export interface Confusion {
  readonly expected: string;
  readonly predicted: string;
  readonly count: number;
}

/** What was answered for what, the most frequent mistake first. Of cases with one right class and one answer. */
export function confusions(cases: readonly Scored[]): Confusion[] {
  const counts = new Map<string, Confusion>();
  for (const { expected, predicted, tolerated } of cases) {
    const [right, answered] = [expected[0], predicted[0]];
    if (right === undefined || answered === undefined || right === answered) continue;
    if (expected.length > 1 || predicted.length > 1 || tolerated.includes(answered)) continue;
    const key = JSON.stringify([right, answered]);
    counts.set(key, { expected: right, predicted: answered, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.expected < b.expected ? -1 : 1));
}

export interface TagScore {
  readonly tag: string;
  readonly accuracy: number;
  readonly cases: number;
}

export function tagScores(cases: readonly Scored[]): TagScore[] {
  const tags = [...new Set(cases.flatMap((each) => each.tags))].sort();
  return tags.map((tag) => {
    const own = cases.filter((each) => each.tags.includes(tag));
    return { tag, accuracy: accuracy(own), cases: own.length };
  });
}

/** mulberry32: the same seed always gives the same numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Interval extends JsonObject {
  readonly difference: number;
  /** The middle 95 % of what resampling gives. */
  readonly low: number;
  readonly high: number;
}

/**
 * How much `statistic` differs between two answers to the same cases, with the 95 % percentile interval of a paired
 * bootstrap: cases are drawn with replacement, both answers to a case together. An interval that holds 0 says that the
 * difference may be chance. Throws RangeError when the lists are not of one length.
 */
export function pairedBootstrap<T>(
  now: readonly T[],
  before: readonly T[],
  statistic: (cases: readonly T[]) => number,
  options: { readonly seed: number; readonly resamples?: number },
): Interval {
  if (now.length !== before.length) throw new RangeError("both answers are to the same cases");
  const difference = statistic(now) - statistic(before);
  if (now.length === 0) return { difference: 0, low: 0, high: 0 };
  const random = seeded(options.seed);
  const resamples = options.resamples ?? 2_000;
  const found: number[] = [];
  for (let round = 0; round < resamples; round += 1) {
    const drawn = now.map(() => Math.floor(random() * now.length));
    const pick = (from: readonly T[]) => drawn.map((index) => from[index] as T);
    found.push(statistic(pick(now)) - statistic(pick(before)));
  }
  found.sort((a, b) => a - b);
  return { difference, low: quantile(found, 0.025), high: quantile(found, 0.975) };
}

/** Between neighbours, linearly. `sorted` rises and is not empty. */
export function quantile(sorted: readonly number[], at: number): number {
  const place = (sorted.length - 1) * at;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}
