import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseYaml } from "../../src/config/yaml.ts";
import { costUsd, loadPrices } from "../../src/llm/prices.ts";

const shipped = fileURLToPath(new URL("../../prompts", import.meta.url));
const now = Date.UTC(2026, 10, 24);

describe("the price of a model", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "signalbox-prices-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const load = async (text?: string) => {
    if (text !== undefined) await writeFile(join(folder, "prices.yaml"), text);
    const { table, faults } = await loadPrices(text === undefined ? [shipped] : [folder, shipped], parseYaml);
    expect(faults).toEqual([]);
    return table;
  };

  it("is the list price, also for a dated snapshot, unless that has its own", async () => {
    const table = await load();
    expect(table.of("claude-sonnet-5-5", now)).toEqual({
      input: 2,
      output: 10,
      cacheRead: 0.1,
      cacheWrite: 2.5,
    });
    expect(table.of("claude-haiku-4-5-20251001", now)?.input).toBe(1);
    expect(table.of("gpt-4o-2024-08-06", now)).toEqual({
      input: 2.5,
      output: 10,
      cacheRead: 1.25,
      cacheWrite: 2.5,
    });
    expect(table.of("gpt-4o-2024-05-13", now)?.input).toBe(5);
  });

  it("is not known for a model that is not listed; sums on the safe side take the dearest", async () => {
    const table = await load();
    expect(table.of("llama3.3:70b", now)).toBeNull();
    expect(table.of("constructor", now)).toBeNull();
    expect(table.dearest(now).output).toBe(30);
  });

  it("is the user's where the user lists the model, from the day on which it begins", async () => {
    const table = await load(
      [
        "prices:",
        "  - { models: [house-model, gpt-4o], input: 1, output: 2 }",
        "  - { models: [house-model], from: 2026-11-25, input: 3, output: 4, cacheRead: 0.3 }",
      ].join("\n"),
    );
    expect(table.of("gpt-4o", now)?.input).toBe(1);
    expect(table.of("house-model", now)).toEqual({ input: 1, output: 2, cacheRead: 1, cacheWrite: 1 });
    expect(table.of("house-model", now + 86_400_000)).toMatchObject({ input: 3, cacheRead: 0.3 });
    expect(table.of("gpt-4o-mini", now)?.input).toBe(0.15);
  });

  it("is refused with its place where it is none", async () => {
    await writeFile(join(folder, "prices.yaml"), "prices:\n  - { models: [a], input: -1, ouput: 2 }\n");
    const { faults } = await loadPrices([folder], parseYaml);
    expect(
      faults.map(({ file, line, message }) => `${file === join(folder, "prices.yaml")} ${line} ${message}`),
    ).toEqual([
      expect.stringContaining("true 2") as string,
      expect.stringContaining("true 2") as string,
      expect.stringContaining("true 2") as string,
    ]);
  });

  it("makes a call's cost of its tokens, those of the cache at their own prices", () => {
    const price = { input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 };
    const tokens = { input: 1_000, cacheWrite: 2_000, cacheRead: 10_000, output: 100 };
    expect(costUsd(price, tokens)).toBeCloseTo(0.005, 10);
    expect(costUsd(null, tokens)).toBeNull();
  });
});
