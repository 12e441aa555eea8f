/**
 * What models cost: `prompts/prices.yaml`, the user's before the package's, model by model. An unlisted model costs null,
 * never a guess, so that a sum that can't be trusted is not shown as one.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { ModelPrice } from "../domain/ports.ts";
import { faultsOfIssues } from "./prompt-faults.ts";
import type { ParseYaml, PromptFault } from "./prompt-faults.ts";

export type Price = ModelPrice;

export const pricesFile = "prices.yaml";

const usd = z.number().min(0);
const PriceFile = z.strictObject({
  prices: z.array(
    z
      .strictObject({
        models: z.array(z.string().min(1)).min(1),
        from: z.iso.date().optional(),
        input: usd,
        output: usd,
        cacheRead: usd.optional(),
        cacheWrite: usd.optional(),
      })
      .transform(({ models, from, input, output, cacheRead, cacheWrite }) => ({
        models,
        from: from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from),
        price: { input, output, cacheRead: cacheRead ?? input, cacheWrite: cacheWrite ?? input },
      })),
  ),
});
type Entry = z.output<typeof PriceFile>["prices"][number];

export interface PriceTable {
  /** By the vendor's id; dated snapshots cost what their model costs. `at` in milliseconds since the epoch. */
  of(model: string, at: number): Price | null;
  /** By output; for sums that have to be on the safe side. */
  dearest(at: number): Price;
}

const nothing: Price = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

function createPriceTable(files: readonly (readonly Entry[])[]): PriceTable {
  /** Of the first file that lists the model, the price that began last. */
  function listed(model: string, at: number): Price | null {
    for (const entries of files) {
      const own = entries.filter(({ models }) => models.includes(model));
      if (own.length === 0) continue;
      const begun = own.filter(({ from }) => from <= at).sort((a, b) => b.from - a.from);
      return begun[0]?.price ?? null;
    }
    return null;
  }
  return {
    of: (model, at) =>
      listed(model, at) ?? listed(model.replace(/-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$/, ""), at),
    dearest: (at) =>
      files
        .flat()
        .filter(({ from }) => from <= at)
        .reduce((most, { price }) => (price.output > most.output ? price : most), nothing),
  };
}

/** `folders` in order of precedence; one without the file is skipped. */
export async function loadPrices(
  folders: readonly string[],
  parseYaml: ParseYaml,
): Promise<{ table: PriceTable; faults: readonly PromptFault[] }> {
  const files: Entry[][] = [];
  const faults: PromptFault[] = [];
  for (const folder of new Set(folders)) {
    const file = join(folder, pricesFile);
    const text = await readIfThere(file);
    if (text === null) continue;
    const yaml = parseYaml(text, file);
    faults.push(...yaml.faults);
    if (yaml.faults.length > 0) continue;
    const parsed = PriceFile.safeParse(yaml.value);
    if (parsed.success) files.push(parsed.data.prices);
    else faults.push(...faultsOfIssues(yaml, parsed.error.issues, (path) => path, ["prices"]));
  }
  return { table: createPriceTable(files), faults };
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Tokens by what they cost; `input` counts those that touched no cache. */
export interface BilledTokens {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
}

/** What a call cost in USD; null when the model's price is not known. */
export function costUsd(price: Price | null, tokens: BilledTokens): number | null {
  if (price === null) return null;
  const millionths =
    tokens.input * price.input +
    tokens.cacheRead * price.cacheRead +
    tokens.cacheWrite * price.cacheWrite +
    tokens.output * price.output;
  return millionths / 1_000_000;
}
