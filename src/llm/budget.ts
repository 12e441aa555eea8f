/**
 * What models may cost: caps per run, per agent and day, and per day, in USD. The day is UTC's, and its sums are one record
 * of the journal, so that all processes of a fleet share them.
 *
 *   free     less than 80% of each cap is spent: the models are asked in the order of the prompt.
 *   sparing  from there on: only the prompt's `cheaper` model; without one, the cheapest first. Told once a day.
 *   spent    a call would pass a cap: that model is not asked, the next one may still fit, then the rules decide. Told.
 *
 * What a call may cost at most is reserved before it, and settled after it. So calls that run at once can't pass a cap
 * together, and what a process that died had reserved stays spent until the day is over.
 */
import { tokensOf } from "../domain/untrusted-text.ts";
import type { Model, ModelRequest, State } from "../domain/ports.ts";
import type { StepUsage } from "../domain/step.ts";
import type { Clock } from "../resilience/clock.ts";
import { costUsd } from "./prices.ts";
import type { Price } from "./prices.ts";

/** In USD. */
export interface Caps {
  readonly perRun: number;
  /** Of the agent; null where only the common one holds. */
  readonly agentPerDay: number | null;
  readonly perDay: number;
}
type CapName = keyof Caps;

export interface BudgetParts {
  readonly state: State;
  readonly clock: Clock;
  readonly caps: (agent: string) => Caps;
  /** Stands in where a model's price is not known. */
  readonly dearest: () => Price;
  /** Told once per day, agent, cap and level. */
  readonly onCap: (agent: string, cap: CapName, level: "sparing" | "spent", message: string) => void;
}

/** The spending of one decision. */
export interface Spending {
  /** Whether to go easy: most of a cap is spent. */
  sparing(): Promise<boolean>;
  /** Throws JournalUnavailable. */
  reserve(
    model: Model,
    request: Pick<ModelRequest, "system" | "messages" | "maxOutputTokens">,
  ): Promise<
    | { readonly refused: string }
    /** With what the call used, or null when it certainly cost nothing. */
    | { readonly settle: (usage: StepUsage | null) => Promise<void> }
  >;
}

export interface Budget {
  /** `spentUsd`: by the run before this decision. */
  of(agent: string, spentUsd: number): Spending;
}

type Day = {
  readonly day: string;
  readonly all: number;
  readonly agents: { readonly [agent: string]: number };
};

const key = "day";
const sparingFrom = 0.8;
/** A schema, and what vendors put around a request. */
const overheadTokens = 1_500;

const labels: Readonly<Record<CapName, (agent: string) => string>> = {
  perRun: () => "per run",
  agentPerDay: (agent) => `per day for ${agent}`,
  perDay: () => "per day",
};
const dollars = (usd: number): string => `$${usd.toFixed(usd < 1 ? 4 : 2)}`;

/** What a call costs when its answer is as long as it may be. */
function worstCost(
  price: Price,
  { system, messages, maxOutputTokens }: Pick<ModelRequest, "system" | "messages" | "maxOutputTokens">,
): number {
  const input = messages.reduce((sum, { text }) => sum + tokensOf(text), tokensOf(system) + overheadTokens);
  const dearest = { ...price, input: Math.max(price.input, price.cacheWrite) };
  return costUsd(dearest, { input, cacheRead: 0, cacheWrite: 0, output: maxOutputTokens }) ?? 0;
}

export function createBudget({ state, clock, caps, dearest, onCap }: BudgetParts): Budget {
  const told = new Set<string>();
  const today = () => new Date(clock.now()).toISOString().slice(0, 10);

  async function stored(): Promise<{ day: Day; version: number }> {
    const record = await state.get("budget", key);
    const day = record?.value as unknown as Day | undefined;
    const current = day?.day === today() ? day : { day: today(), all: 0, agents: {} };
    return { day: current, version: record?.version ?? 0 };
  }

  /** Changes the day's sums until nobody else was faster; `next` gives null to leave them. */
  async function change(next: (day: Day) => Day | null): Promise<void> {
    for (;;) {
      const { day, version } = await stored();
      const after = next(day);
      if (after === null || (await state.put("budget", key, after, version))) return;
    }
  }

  const add = (day: Day, agent: string, usd: number): Day => ({
    ...day,
    all: Math.max(0, day.all + usd),
    agents: { ...day.agents, [agent]: Math.max(0, (day.agents[agent] ?? 0) + usd) },
  });

  /** What is spent of each cap that holds. */
  const standing = (
    agent: string,
    day: Day,
    run: number,
  ): { cap: CapName; spent: number; limit: number }[] => {
    const { perRun, agentPerDay, perDay } = caps(agent);
    return [
      { cap: "perRun", spent: run, limit: perRun },
      ...(agentPerDay === null
        ? []
        : [{ cap: "agentPerDay" as const, spent: day.agents[agent] ?? 0, limit: agentPerDay }]),
      { cap: "perDay", spent: day.all, limit: perDay },
    ];
  };

  function tell(agent: string, cap: CapName, level: "sparing" | "spent", message: string): void {
    const once = `${today()} ${agent} ${cap} ${level}`;
    if (told.has(once)) return;
    for (const other of told) if (!other.startsWith(today())) told.delete(other);
    told.add(once);
    onCap(agent, cap, level, message);
  }

  return {
    of(agent, spentUsd) {
      let run = spentUsd;
      return {
        async sparing() {
          const { day } = await stored();
          const near = standing(agent, day, run).find(({ spent, limit }) => spent >= limit * sparingFrom);
          if (near === undefined) return false;
          const { cap, spent, limit } = near;
          const of = `${dollars(spent)} of ${dollars(limit)} ${labels[cap](agent)}`;
          tell(agent, cap, "sparing", `${of} are spent on models: a cheaper one is asked where there is one`);
          return true;
        },
        async reserve(model, request) {
          const price = model.price?.() ?? null;
          const usd = worstCost(price ?? dearest(), request);
          let refused: string | null = null;
          const day = today();
          await change((before) => {
            const full = standing(agent, before, run).find(({ spent, limit }) => spent + usd > limit);
            refused = null;
            if (full === undefined) return usd === 0 ? null : add(before, agent, usd);
            const { cap, spent, limit } = full;
            refused = `${model.provider}/${model.model} (${model.name}) could cost ${dollars(usd)}, and ${dollars(spent)} of ${dollars(limit)} ${labels[cap](agent)} are spent`;
            tell(agent, cap, "spent", `${refused}: another model or the rules decide`);
            return null;
          });
          if (refused !== null) return { refused };
          run += usd;
          return {
            async settle(usage) {
              const cost = usage === null ? 0 : (usage.costUsd ?? costOf(usage, price ?? dearest()));
              run += cost - usd;
              if (cost === usd) return;
              // What was reserved yesterday is no part of today's sums.
              await change((now) => (now.day === day ? add(now, agent, cost - usd) : null));
            },
          };
        },
      };
    },
  };
}

const costOf = ({ inputTokens, outputTokens }: StepUsage, price: Price): number =>
  costUsd(price, { input: inputTokens, cacheRead: 0, cacheWrite: 0, output: outputTokens }) ?? 0;
