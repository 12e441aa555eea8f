/** What both model vendors' stand-ins share: brains, the ways a model's answer can go wrong, and counted tokens. */
import type { Brain, ModelRequest } from "./brains.ts";
import { think } from "./brains.ts";
import { brains } from "./brains/index.ts";
import type { Call } from "./call.ts";
import type { Faults } from "./faults.ts";
import type { Stand } from "./stand.ts";

interface Scope {
  /** Once by default. */
  readonly times?: number;
  readonly when?: (call: Call) => boolean;
}

interface ModelFaults extends Faults {
  /** The model declines to answer. */
  refuse(scope?: Scope): void;
  /** The answer ends in the middle, as when the token limit is reached. */
  truncate(scope?: Scope): void;
  /** This text instead of the answer: bad JSON, a fence, another schema. */
  answerWith(text: string, scope?: Scope): void;
}

export interface ModelSandbox extends Omit<Stand, "faults"> {
  readonly faults: ModelFaults;
  /** What the vendor's SDK takes as its base URL. */
  readonly baseUrl: string;
  /** Asked in this order. Tests put their own in front. */
  readonly brains: Brain[];
}

export type Reply =
  | { readonly kind: "text"; readonly text: string; readonly truncated: boolean; readonly tokens: number }
  | { readonly kind: "refusal" };

type Twist = {
  kind: "refuse" | "truncate" | "answerWith";
  text: string;
  left: number;
  when?: (call: Call) => boolean;
};

export interface ModelMind {
  readonly brains: Brain[];
  /** `maxTokens` cuts the answer, as the vendors do. */
  reply(call: Call, request: ModelRequest, maxTokens: number): Reply;
  /** The common faults with the model's own ones added. */
  faults(common: Faults): ModelFaults;
}

export const countTokens = (text: string): number => Math.ceil(text.length / 4);

export function createMind(): ModelMind {
  const own: Brain[] = [...brains];
  let twists: Twist[] = [];
  const twist = (kind: Twist["kind"], text: string, scope: Scope = {}) =>
    void twists.push({ kind, text, left: scope.times ?? 1, ...(scope.when ? { when: scope.when } : {}) });
  const take = (call: Call): Twist | undefined => {
    const met = twists.find((one) => one.when?.(call) ?? true);
    if (met && --met.left <= 0) twists = twists.filter((one) => one !== met);
    return met;
  };
  return {
    brains: own,
    reply(call, request, maxTokens) {
      const met = take(call);
      if (met?.kind === "refuse") return { kind: "refusal" };
      const text = met?.kind === "answerWith" ? met.text : think(own, request);
      const limit = met?.kind === "truncate" ? Math.floor(text.length / 2) : maxTokens * 4;
      const cut = text.slice(0, limit);
      return { kind: "text", text: cut, truncated: cut.length < text.length, tokens: countTokens(cut) };
    },
    faults: (common) => ({
      ...common,
      refuse: (scope) => twist("refuse", "", scope),
      truncate: (scope) => twist("truncate", "", scope),
      answerWith: (text, scope) => twist("answerWith", text, scope),
      clear() {
        twists = [];
        common.clear();
      },
    }),
  };
}
