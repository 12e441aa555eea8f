/** What a reviewer changed, as a case: what must be done and said, and what must not. Pure. */
import type { Action, PlannedAction } from "../domain/action.ts";
import { isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";

/** A person's word on one action. */
export interface Review {
  readonly action: Action;
  readonly verdict: "approved" | "edited" | "rejected";
  /** Of a rejection. */
  readonly reason: string | null;
}

export interface Correction {
  /** For people. */
  readonly why: string;
  readonly does: readonly string[];
  readonly doesNot: readonly string[];
  readonly says: readonly string[];
  readonly saysNot: readonly string[];
}

/** A longer text is never met word for word: its beginning stands for it. */
const longest = 120;

/** `planned`: what was planned before anybody edited it. Null where nothing was corrected. */
export function correctionOf(
  reviews: readonly Review[],
  planned: readonly PlannedAction[],
): Correction | null {
  if (reviews.every(({ verdict }) => verdict === "approved")) return null;
  const kept = reviews.filter(({ verdict }) => verdict !== "rejected").map(({ action }) => action.kind);
  const rejected = reviews.filter(({ verdict }) => verdict === "rejected");
  const changes = reviews
    .filter(({ verdict }) => verdict === "edited")
    .flatMap(({ action }) => {
      const before = planned.find(({ name, kind }) => name === action.name && kind === action.kind);
      return textChanges(before?.input ?? null, action.input);
    });
  const says = changes.flatMap(({ now }) => (now === null ? [] : startOf(now)));
  return {
    why: reviews
      .filter(({ verdict }) => verdict !== "approved")
      .map(
        ({ action, verdict, reason }) =>
          `A reviewer ${verdict} ${action.kind} (${action.name})${reason === null ? "" : `: ${reason}`}.`,
      )
      .join(" "),
    does: [...new Set(kept)],
    doesNot: [...new Set(rejected.map(({ action }) => action.kind))].filter((kind) => !kept.includes(kind)),
    says: [...new Set(says)],
    saysNot: [
      ...new Set(
        changes.flatMap(({ before }) =>
          before === null || before.length > longest || says.some((text) => text.includes(before))
            ? []
            : before,
        ),
      ),
    ],
  };
}

const startOf = (text: string): string[] => (text.trim() === "" ? [] : [text.trim().slice(0, longest)]);

interface TextChange {
  readonly before: string | null;
  readonly now: string | null;
}

/** The texts that differ, place by place. */
function textChanges(before: Json, now: Json): TextChange[] {
  if (typeof before === "string" || typeof now === "string") {
    const [was, is] = [before, now].map((value) => (typeof value === "string" ? value : null));
    return was === is ? [] : [{ before: was ?? null, now: is ?? null }];
  }
  const [one, other] = [entriesOf(before), entriesOf(now)];
  return [...new Set([...one.keys(), ...other.keys()])].flatMap((key) =>
    textChanges(one.get(key) ?? null, other.get(key) ?? null),
  );
}

function entriesOf(value: Json): Map<string, Json> {
  if (Array.isArray(value)) return new Map((value as readonly Json[]).map((item, at) => [String(at), item]));
  return new Map(value !== null && isObject(value) ? Object.entries(value) : []);
}
