import { expect, it } from "vitest";
import { configurationOf, noteConfiguration } from "../src/config-noted.ts";
import type { Settings } from "../src/in-force.ts";
import { memoryState } from "./support/memory-state.ts";

const settings = (file: string, prompt = "p"): Settings =>
  ({ loaded: { hash: file }, prompts: new Map([["pr-review", { hash: prompt }]]) }) as unknown as Settings;

it("a change of the file or of a prompt is noted by one of several processes", async () => {
  const state = memoryState();
  expect(await noteConfiguration(state, settings("one"))).toBe(false);
  expect(await noteConfiguration(state, settings("one"))).toBe(false);
  for (const changed of [settings("two"), settings("two", "edited"), settings("one")]) {
    const noted = await Promise.all([1, 2, 3].map(() => noteConfiguration(state, changed)));
    expect(noted.filter(Boolean)).toHaveLength(1);
    expect(await noteConfiguration(state, changed)).toBe(false);
  }
  expect(configurationOf(settings("one"))).not.toBe(configurationOf(settings("one", "edited")));
});
