/** What an evaluation would cost, before the first call: everything is played, and where a model would be asked, counted. */
import type { Decider } from "../domain/ports.ts";
import { tokensOf } from "../domain/untrusted-text.ts";
import { costUsd } from "../llm/prices.ts";
import type { Prompt } from "../llm/prompts.ts";
import type { Deciding } from "./eval-models.ts";
import { counted } from "./tables.ts";

export interface Estimate {
  readonly calls: number;
  /** With the longest answer that may be given, nothing cached, and no second turn; null where a price is not known. */
  readonly atMostUsd: number | null;
}

export async function estimateOf(
  deciding: Deciding,
  prompts: ReadonlyMap<string, Prompt>,
  playAll: (deciding: Deciding) => Promise<unknown>,
): Promise<Estimate> {
  const costs: (number | null)[] = [];
  const counting: Decider = {
    async decide(request) {
      const prompt = prompts.get(request.agent);
      const model = prompt?.models.find((name) => deciding.usable.has(name));
      if (request.rulesOnly === null && prompt !== undefined && model !== undefined) {
        const { system, messages } = prompt.render(request.variables);
        const input = [system, ...messages.map(({ text }) => text)].reduce(
          (sum, text) => sum + tokensOf(text),
          0,
        );
        const tokens = { input, cacheRead: 0, cacheWrite: 0, output: prompt.maxOutputTokens };
        costs.push(costUsd(deciding.priceOf(model), tokens));
      }
      return deciding.decider.decide({ ...request, rulesOnly: request.rulesOnly ?? "it is only counted" });
    },
  };
  await playAll({ ...deciding, decider: counting });
  return {
    calls: costs.length,
    atMostUsd: costs.reduce<number | null>(
      (sum, cost) => (sum === null || cost === null ? null : sum + cost),
      0,
    ),
  };
}

export const costNote = ({ calls, atMostUsd }: Estimate): string =>
  `${counted(calls, "call")} of a model: ${atMostUsd === null ? "what that costs is not known" : `at most $${atMostUsd.toFixed(2)}`}.`;
