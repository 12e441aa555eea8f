/**
 * List prices in USD per million tokens, from https://platform.claude.com/docs/en/about-claude/pricing and
 * https://developers.openai.com/api/docs/pricing, as of November 2026. Only models with one flat price are listed:
 * an unknown model costs `null`, never a guess, so that a sum that can't be trusted is not shown as one.
 */
interface Price {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  /** Writing the five-minute cache; vendors that charge nothing extra have the input price here. */
  readonly cacheWrite: number;
}

const price = (input: number, output: number, cacheRead: number, cacheWrite = input): Price => ({
  input,
  output,
  cacheRead,
  cacheWrite,
});

const prices: ReadonlyMap<string, Price> = new Map([
  ["claude-opus-5-5", price(4, 20, 0.2, 5)],
  ["claude-opus-5", price(5, 25, 0.5, 6.25)],
  ["claude-opus-4-7", price(5, 25, 0.5, 6.25)],
  ["claude-opus-4-6", price(5, 25, 0.5, 6.25)],
  ["claude-opus-4-5", price(5, 25, 0.5, 6.25)],
  ["claude-sonnet-5-5", price(2, 10, 0.1, 2.5)],
  ["claude-sonnet-5", price(2, 10, 0.2, 2.5)],
  ["claude-sonnet-4-6", price(3, 15, 0.3, 3.75)],
  ["claude-sonnet-4-5", price(3, 15, 0.3, 3.75)],
  ["claude-haiku-4-5", price(1, 5, 0.1, 1.25)],
  ["gpt-5.5", price(5, 30, 0.5)],
  ["gpt-5.4", price(2.5, 15, 0.25)],
  ["gpt-5.4-mini", price(0.75, 4.5, 0.075)],
  ["gpt-5.4-nano", price(0.2, 1.25, 0.02)],
  ["gpt-4.1", price(2, 8, 0.5)],
  ["gpt-4.1-mini", price(0.4, 1.6, 0.1)],
  ["gpt-4.1-nano", price(0.1, 0.4, 0.025)],
  ["gpt-4o", price(2.5, 10, 1.25)],
  ["gpt-4o-2024-05-13", price(5, 15, 5)],
  ["gpt-4o-mini", price(0.15, 0.6, 0.075)],
]);

/** Tokens by what they cost; `input` counts those that touched no cache. */
export interface BilledTokens {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
}

/** What a call cost in USD; null when the model's price is not known. Dated snapshots cost what their model costs. */
export function costUsd(model: string, tokens: BilledTokens): number | null {
  const found = prices.get(model) ?? prices.get(model.replace(/-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$/, ""));
  if (found === undefined) return null;
  const millionths =
    tokens.input * found.input +
    tokens.cacheRead * found.cacheRead +
    tokens.cacheWrite * found.cacheWrite +
    tokens.output * found.output;
  return millionths / 1_000_000;
}
