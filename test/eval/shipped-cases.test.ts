import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { agents } from "../../agents/index.ts";
import { readCases } from "../../src/cli/eval-cases.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { renderFaults } from "../../src/config/faults.ts";
import type { CaseSet } from "../../src/eval/case.ts";
import { answer } from "../../src/eval/evaluate.ts";
import type { Answered } from "../../src/eval/evaluate.ts";
import { accuracy } from "../../src/eval/statistics.ts";
import { compileCondition } from "../../src/inbox/expressions.ts";
import { createDecider } from "../../src/llm/decide.ts";
import { loadPrompts } from "../../src/llm/prompts.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { packagePrompts } from "../../src/package.ts";
import { systemClock } from "../../src/resilience/clock.ts";

describe.each(agents.map((agent) => [agent.name, agent] as const))("the cases of %s", (name, agent) => {
  let set: CaseSet;
  let answers: Answered[];

  beforeAll(async () => {
    const read = readCases(join(packagePrompts, "evals", name), agent, process.cwd());
    if (read === null || !read.ok) throw new Error(read === null ? "none" : renderFaults(read.faults));
    set = read.set;
    const { prompts } = await loadPrompts({
      folders: [packagePrompts],
      agents,
      models: [],
      parseYaml,
      compileCondition,
    });
    const decider = createDecider({
      models: new Map(),
      prompts,
      budget: null,
      guard: { call: (_service, fn) => fn(), closed: () => Promise.resolve(null) },
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics(),
    });
    const policy = prompts.get(name)?.policy;
    const { signal } = new AbortController();
    answers = await Promise.all(
      set.cases.map((which) =>
        answer({ agent, policy, set, decider, clock: systemClock, signal }, which, "rules"),
      ),
    );
  });

  test("are at least 60, a good part of them hard, and some of them attacks", () => {
    expect(set.cases.length).toBeGreaterThanOrEqual(60);
    const tagged = (tag: string) => set.cases.filter(({ tags }) => tags.includes(tag)).length;
    expect(tagged("hard")).toBeGreaterThanOrEqual(15);
    expect(tagged("injection")).toBeGreaterThanOrEqual(5);
  });

  test("are answered by the rules at least as well as the committed threshold says, and none makes the agent fail", () => {
    expect(
      answers.flatMap(({ faults }) => faults.filter((fault) => fault.startsWith("the agent failed"))),
    ).toEqual([]);
    expect(accuracy(answers)).toBeGreaterThanOrEqual(set.thresholds.rules ?? 1);
  });

  test("give patches whose numbers are those of their lines", () => {
    for (const { id, facts } of set.cases) {
      const files = (facts?.["files"] ?? []) as {
        patch: string | null;
        additions: number;
        deletions: number;
      }[];
      for (const { patch, additions, deletions } of files) {
        const of = (sign: string) => patch?.split("\n").filter((line) => line.startsWith(sign)).length ?? 0;
        // A patch may be cut, never longer than it says.
        expect(of("+"), id).toBeLessThanOrEqual(additions);
        expect(of("-"), id).toBeLessThanOrEqual(deletions);
      }
    }
  });
});
