/** A backtest for people: how much would change, and where. */
import { isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { DecidedBy } from "../domain/run.ts";
import type { StepUsage } from "../domain/step.ts";
import type { ActionChange, FieldChange } from "../eval/compare.ts";
import { counted } from "./tables.ts";
import type { Terminal } from "./terminal.ts";
import { wrap } from "./terminal.ts";

/** One run that was played again. */
export interface Again {
  readonly event: string;
  readonly run: string;
  readonly agent: string;
  readonly decidedBy: { readonly before: DecidedBy | null; readonly now: DecidedBy | null };
  readonly decision: readonly FieldChange[];
  readonly actions: readonly ActionChange[];
  /** Whether the policy's checks would hold the actions for a person. */
  readonly held: boolean;
  readonly summary: string;
  readonly usage: StepUsage | null;
}
/** Why a run could not be played again. */
export interface NotPlayed {
  readonly run: string;
  readonly agent: string;
  readonly why: string;
}
/** By the routes as they are now. */
export interface RouteChange {
  readonly event: string;
  readonly type: string;
  readonly agent: string;
  readonly change: "would start" | "would not start";
}
export interface Backtest {
  readonly events: number;
  /** Whether there are more than --limit. */
  readonly more: boolean;
  readonly by: DecidedBy;
  readonly played: readonly Again[];
  readonly notPlayed: readonly NotPlayed[];
  readonly routes: readonly RouteChange[];
  readonly usage: StepUsage | null;
}

const shown = 20;

export function printBacktest(terminal: Terminal, result: Backtest): void {
  const { played, notPlayed, routes, usage } = result;
  const say = (text: string, indent = "  ") => terminal.print(wrap(text, terminal.width, indent));
  const changed = played.filter(matters);
  const acts = played.filter(({ actions }) => actions.some(({ change }) => change !== "reworded"));
  const others = played.filter((one) => !matters(one) && one.actions.length > 0);
  const would =
    changed.length === 0
      ? "nothing would change"
      : `${counted(played.filter(({ decision }) => decision.length > 0).length, "decision")} and the actions of ${counted(acts.length, "run")} would change`;
  const by = result.by === "model" ? "a model" : "the rules";
  const wording = others.length > 0 ? `; ${others.length} only in their wording` : "";
  say(
    `${counted(result.events, "event")}, ${counted(played.length, "run")} played again by ${by}: ${would}${wording}.`,
  );
  if (result.more) say("There are more events than --limit; the newest were taken.");
  if (usage !== null)
    say(
      `${usage.model}: ${usage.inputTokens} tokens in, ${usage.outputTokens} out, ${usage.costUsd === null ? "cost not known" : `$${usage.costUsd.toFixed(4)}`}.`,
    );
  for (const one of changed.slice(0, shown)) {
    terminal.print("");
    say(`${terminal.paint.bold(one.agent)} ${one.run}${madeBy(one)}${one.held ? "; held for a person" : ""}`);
    for (const { field, before, now } of one.decision)
      say(`  ${field}: ${brief(before)} → ${brief(now)}`, "    ");
    for (const { kind, name, change } of one.actions.filter((each) => each.change !== "reworded"))
      say(`  ${mark(terminal, change)} ${kind} (${name})`);
  }
  if (changed.length > shown) say(`\n… and ${changed.length - shown} more; --json has all of them`);
  if (routes.length > 0) {
    terminal.print("");
    for (const [text, count] of tally(
      routes.map(({ agent, change, type }) => `${agent} ${change} on ${type}`),
    ))
      say(`routes: ${text}, ${counted(count, "event")}`);
  }
  if (notPlayed.length > 0) {
    terminal.print("");
    for (const [why, count] of tally(notPlayed.map((one) => one.why)))
      say(`not played: ${counted(count, "run")}, ${why}`);
  }
}

const matters = ({ decision, actions }: Again): boolean =>
  decision.length > 0 || actions.some(({ change }) => change !== "reworded");

const madeBy = ({ decidedBy: { before, now } }: Again): string =>
  before === now ? "" : `, decided by ${now ?? "nobody"} (before: ${before ?? "nobody"})`;

const mark = ({ paint }: Terminal, change: string): string =>
  change === "added" ? paint.green("+") : change === "removed" ? paint.red("−") : paint.yellow("~");

/** A list of findings is told by what they are of. */
function brief(value: Json): string {
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((each) =>
      each !== null && isObject(each) && typeof each["title"] === "string"
        ? each["title"]
        : JSON.stringify(each).slice(0, 60),
    );
    return items.length === 0 ? "none" : items.join(", ").slice(0, 200);
  }
  return typeof value === "string" ? value.slice(0, 120) : JSON.stringify(value).slice(0, 120);
}

function tally(texts: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
