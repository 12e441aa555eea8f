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
