/**
 * The lives of the service, one after another: how each is going to end. A life ends at a fail point, by `kill -9` at
 * some moment, or by a signal to stop; on the way its disk may be full, or fail at a commit. What a life did not come by
 * in its time is tried again in a later one.
 */
import { failPoints } from "../../../src/resilience/fail-points.ts";
import type { FailPoint } from "../../../src/resilience/fail-points.ts";
import type { Random } from "./random.ts";
import type { Death } from "./program.ts";
import type { ServiceUnderTest } from "./service.ts";

export interface LifePlan {
  /** null: `kill -9` when its time is over. */
  readonly point: FailPoint | null;
  readonly hit: number;
  readonly disk: "good" | "full" | "failing";
  /** From when it is up; longer on a machine that is slow to start it. */
  readonly lastsMs: number;
  /** SIGTERM when its time is over, instead of SIGKILL. */
  readonly drains: boolean;
  readonly quiet: boolean;
}

export interface LivesOptions {
  readonly kills: number;
  /** How long a life is, from and to, in milliseconds. */
  readonly lastsMs: readonly [number, number];
  /** Every so many lives one is left alone for 40 s, so that what times out can do so; 0: never. */
  readonly quietEvery: number;
}

/** Points that are come by many times a second; the others once or twice in a life. */
const busy = /^(http|accept|journal|queue|claim|settle|plan)[.]/;
const often = /^(step|decision|action)[.](begin|made|recorded|planned|intended|requested|ended)$/;

const hitOf = (point: FailPoint, random: Random): number =>
  busy.test(point) ? random.int(1, 40) : often.test(point) ? random.int(1, 6) : 1;

/** The plan: the same for the same seed. Each point once before any comes again. `disks`: they may fail. */
export function planLives(
  { kills, lastsMs, quietEvery, disks }: LivesOptions & { readonly disks: boolean },
  random: Random,
): LifePlan[] {
  const lives: LifePlan[] = [];
  let waiting: FailPoint[] = [];
  for (let number = 1; lives.length < kills; number += 1) {
    if (waiting.length === 0) waiting = random.shuffled(failPoints);
    const byChance = number % 4 === 0;
    const point = byChance ? null : (waiting.pop() ?? null);
    const atStop = point?.startsWith("stop.") === true;
    lives.push({
      point,
      hit: point === null ? 0 : hitOf(point, random),
      disk: !disks ? "good" : number % 12 === 0 ? "full" : number % 7 === 0 ? "failing" : "good",
      lastsMs: random.int(...lastsMs),
      drains: atStop || (point === null && random.chance(0.25)),
      quiet: quietEvery > 0 && number % quietEvery === 0,
    });
  }
  return lives;
}

export interface LivesParts {
  readonly service: ServiceUnderTest;
  readonly random: Random;
  /** How often those that did not come by their point are tried again. */
  readonly patience: number;
  /** Told when one is up. */
  readonly onUp: () => void;
  /** Told of the end of each, and how many there will be as far as is known. */
  readonly onDeath: (
    plan: LifePlan,
    death: Death,
    of: { readonly number: number; readonly total: number },
  ) => void;
}

export interface LivesReport {
  readonly kills: number;
  readonly drains: number;
  readonly fullDisks: number;
  readonly failedCommits: number;
  /** Points that the service killed itself at, with how often. */
  readonly killedAt: ReadonlyMap<string, number>;
  /** Points that were come by in some life. */
  readonly passed: ReadonlySet<string>;
  /** Ends that nobody ordered. */
  readonly unexpected: readonly string[];
}

const quietMs = 40_000;
/** What starting takes on a machine with nothing else to do. */
const usualStartMs = 1_000;
const after = (ms: number) => new Promise<null>((resolve) => setTimeout(() => resolve(null), ms).unref());

export async function live(plans: readonly LifePlan[], parts: LivesParts): Promise<LivesReport> {
  const report = {
    kills: 0,
    drains: 0,
    fullDisks: 0,
    failedCommits: 0,
    killedAt: new Map<string, number>(),
    passed: new Set<string>(),
    unexpected: [] as string[],
  };
  /** Points that a life passed by, with the chances that they are still given. */
  const missed = new Map<FailPoint, number>();
  const again = () =>
    [...missed].flatMap(([point, chances]) =>
      chances === 0 || report.killedAt.has(point) ? [] : [secondChance(point)],
    );
  let number = 0;
  const one = async (plan: LifePlan, left: number): Promise<void> => {
    const death = await liveOnce(plan, parts);
    death.passed.forEach((point) => report.passed.add(point));
    if (death.unexpected !== null) report.unexpected.push(death.unexpected);
    if (death.point !== null) report.killedAt.set(death.point, (report.killedAt.get(death.point) ?? 0) + 1);
    if (plan.drains && death.point === null) report.drains += 1;
    else report.kills += 1;
    if (plan.disk === "full") report.fullDisks += 1;
    if (plan.disk === "failing") report.failedCommits += 1;
    if (plan.point !== null && death.point !== plan.point && !missed.has(plan.point))
      missed.set(plan.point, parts.patience);
    number += 1;
    parts.onDeath(plan, death, { number, total: number + left + again().length });
  };
  for (const [index, plan] of plans.entries()) await one(plan, plans.length - index - 1);
  for (let next = again()[0]; next?.point != null; next = again()[0]) {
    missed.set(next.point, (missed.get(next.point) ?? 1) - 1);
    await one(next, 0);
  }
  return report;
}

/** For a point that was not come by in its time: at the first time that it is. */
const secondChance = (point: FailPoint): LifePlan => ({
  point,
  hit: 1,
  disk: "good",
  lastsMs: 15_000,
  drains: point.startsWith("stop."),
  quiet: false,
});

async function liveOnce(plan: LifePlan, { service, random, onUp }: LivesParts): Promise<Death> {
  const orders = ["*=note"];
  if (plan.point !== null) orders.push(`${plan.point}=kill@${plan.hit}`);
  if (plan.disk === "failing")
    orders.push(
      `${random.pick(["journal.commit", "journal.committed", "journal.write"])}=ioerror@${random.int(3, 40)}`,
    );
  if (plan.disk === "full") orders.push(`journal.pages=${(service.pages() ?? 0) + random.int(5, 60)}`);
  const began = performance.now();
  await service.start(orders.join(";"));
  onUp();
  const slowness = Math.min(2.5, Math.max(1, (performance.now() - began) / usualStartMs));
  const ended = service.ended();
  const inTime = await Promise.race([ended, after(plan.quiet ? quietMs : plan.lastsMs * slowness)]);
  if (inTime !== null) return inTime;
  if (plan.drains) service.terminate();
  else service.kill();
  return ended;
}
