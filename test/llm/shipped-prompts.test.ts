import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { zodResponseFormat } from "openai/helpers/zod";
import { agents } from "../../agents/index.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { compileCondition } from "../../src/inbox/expressions.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { loadPrompts } from "../../src/llm/prompts.ts";

const folder = fileURLToPath(new URL("../../prompts", import.meta.url));

describe("the prompts of the package", () => {
  it("load without a fault, one for each agent", async () => {
    const { prompts, faults } = await loadPrompts({
      folders: [folder],
      agents: agents as readonly AgentDefinition[],
      models: ["main", "fallback"],
      parseYaml,
      compileCondition,
    });
    expect(faults).toEqual([]);
    expect([...prompts.keys()].sort()).toEqual(agents.map(({ name }) => name).sort());
  });

  it("have an example of a rule that would load, were it no comment", async () => {
    const own = await mkdtemp(join(tmpdir(), "signalbox-prompts-"));
    try {
      for (const { name } of agents) {
        const text = await readFile(join(folder, `${name}.yaml`), "utf8");
        const shown = text.replace(
          /^rules: \[\]\n((?:# .*\n)+)/m,
          (_all, lines: string) => `rules:\n${lines.replace(/^#/gm, " ")}`,
        );
        await writeFile(join(own, `${name}.yaml`), shown);
      }
      const { prompts, faults } = await loadPrompts({
        folders: [own],
        agents,
        models: [],
        parseYaml,
        compileCondition,
      });
      expect(faults).toEqual([]);
      expect([...prompts.values()].map(({ rules }) => rules.map(({ always }) => always))).toEqual([
        [true],
        [true],
        [true],
      ]);
    } finally {
      await rm(own, { recursive: true });
    }
  });

  it.each(agents.map((agent) => [agent.name, agent.decision] as const))(
    "have a decision that both vendors can be held to: %s",
    (name, decision) => {
      expect(zodOutputFormat(decision).schema).toMatchObject({ type: "object", additionalProperties: false });
      expect(zodResponseFormat(decision, name).json_schema).toMatchObject({
        strict: true,
        schema: { type: "object" },
      });
    },
  );
});
