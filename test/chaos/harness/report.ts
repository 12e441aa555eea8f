/** What a run of chaos prints. */
import { failPoints } from "../../../src/resilience/fail-points.ts";
import type { ChaosReport } from "./chaos.ts";

const mostListed = 50;

function listed(what: string, faults: readonly string[]): string[] {
  const more = faults.length - mostListed;
  return [
    ...faults.slice(0, mostListed).map((text) => `${what}: ${text}`),
    ...(more > 0 ? [`… and ${more} more`] : []),
  ];
}

export function reportOf(
  { audit, lives, unseen, spared, weather, refusals, person, deaths }: ChaosReport,
  { profile, seed, seconds }: { profile: string; seed: string; seconds: number },
): { lines: string[]; ok: boolean } {
  const ok = audit.ok && unseen.length === 0 && spared.length === 0 && lives.unexpected.length === 0;
  const counted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name}: ${count}`)
      .join(", ");
  const lines = [
    `in ${seconds} s: ${lives.kills} kills at ${lives.killedAt.size} of ${failPoints.length} fail points and at random moments, ${lives.drains} drains, ${lives.fullDisks} full disks, ${lives.failedCommits} failed commits`,
    ...(Object.keys(deaths).length === 0 ? [] : [`what ended: ${counted(deaths)}`]),
    `vendors: ${counted(weather)}`,
    `senders were refused: ${counted(refusals)}`,
    `a person approved ${person.approved}, rejected ${person.rejected}, replayed ${person.replayed}`,
    ...listed("twice", audit.duplicated),
    ...listed("lost", audit.lost),
    ...unseen.map((point) => `never come by: ${point}`),
    ...spared.map((point) => `never killed at: ${point}`),
    ...lives.unexpected.map((text) => `the service ended by itself: ${text}`),
    ...(ok ? [] : [`to see it again: npm run chaos -- --profile ${profile} --seed ${seed}`]),
    audit.line,
  ];
  return { lines, ok };
}
