/** `signalbox replay` and `dead-letters replay`: counted first, asked for, then run again under today's configuration. */
import type { Context } from "./context.ts";
import { Failure, usage } from "./failure.ts";
import { idOf } from "./lists.ts";
import { paceText, timeLeft } from "./replay-jobs.ts";
import { connect } from "./service.ts";
import type { ReplayRow, Service } from "./service.ts";
import { counted } from "./tables.ts";
import { wrap } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

export interface ReplayOptions {
  readonly url?: string;
  readonly event?: string;
  readonly run?: string;
  readonly source?: string;
  readonly type?: string;
  readonly agent?: string;
  readonly status?: string;
  readonly since?: string;
  readonly until?: string;
  readonly cause?: string;
  readonly rate?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** What the API answers; `runs` holds the ids of new runs, none for a dry run and while a paced replay starts them. */
interface Replayed {
  readonly events: number;
  readonly count: number;
  readonly runs: readonly string[];
  readonly dryRun: boolean;
  readonly cost: { readonly usd: number | null; readonly actions: Readonly<Record<string, number>> };
  readonly replay: ReplayRow | null;
  readonly verified: number;
  readonly unverified: readonly { readonly reason: string; readonly events: number }[];
  readonly refused: readonly { readonly event: string; readonly reason: string }[];
}

type Selection = { event: string } | { run: string } | { filter: Record<string, string | boolean> };

export async function replay(context: Context, options: ReplayOptions): Promise<void> {
  const { event, run } = options;
  const filter = filterOf(options);
  const ways = [event !== undefined, run !== undefined, Object.keys(filter).length > 0].filter(Boolean);
  if (ways.length === 0) {
    throw usage(
      "nothing says what to replay",
      "Give --event ID, --run ID, or a filter such as --source stripe --since 24h.",
    );
  }
  if (ways.length > 1) throw usage("--event, --run and filters exclude each other", "Give one of them.");
  const selection: Selection =
    event !== undefined
      ? { event: known(event, "evt") }
      : run !== undefined
        ? { run: known(run, "run") }
        : { filter };
  await countAskReplay(context, connect(context, options.url), [selection], options);
}

export async function replayDeadLetters(
  context: Context,
  ids: readonly string[],
  options: ReplayOptions & { all?: boolean },
): Promise<void> {
  const filter = filterOf(options);
  const filtered = Object.keys(filter).length > 0;
  if ([ids.length > 0, options.all === true, filtered].filter(Boolean).length !== 1) {
    throw usage(
      "say which dead letters: ids, --all, or a filter",
      "For example: signalbox dead-letters replay --agent pr-review --since 24h",
    );
  }
  const selections: Selection[] =
    ids.length > 0
      ? ids.map((id) => (id.startsWith("evt_") ? { event: id } : { run: known(id, "run") }))
      : [{ filter: { ...filter, deadLetters: true } }];
  await countAskReplay(context, connect(context, options.url), selections, options);
}

/** Throws a usage Failure for an id of another kind. */
function known(id: string, prefix: string): string {
  idOf(id, prefix);
  return id;
}

function filterOf(options: ReplayOptions): Record<string, string> {
  const { source, type, agent, status, cause, since, until } = options;
  const fields = Object.entries({ source, type, agent, status, cause, since, until });
  return Object.fromEntries(fields.filter((field): field is [string, string] => field[1] !== undefined));
}

async function countAskReplay(
  { terminal }: Context,
  service: Service,
  selections: readonly Selection[],
  options: ReplayOptions,
): Promise<void> {
  const expected = await replayAll(service, selections, { dryRun: true });
  sayUnverified(terminal, expected);
  const text = `${counted(expected.events, "event")}, ${counted(expected.count, "new run")}`;
  if (options.dryRun || expected.count === 0) {
    if (terminal.json) terminal.printJson({ ...expected, dryRun: true });
    else
      terminal.print(expected.count === 0 ? `${text}: nothing to run again` : `${text}: nothing was started`);
    if (expected.count > 0) sayCost(terminal, expected);
    return;
  }
  terminal.note(`${text}.`);
  sayCost(terminal, expected);
  if (terminal.interactive && !options.yes && !(await terminal.confirm("Run again?")))
    throw new Failure("nothing was started");
  const rate = options.rate === undefined ? {} : { rate: options.rate };
  const started = await replayAll(service, selections, { dryRun: false, ...rate });
  if (terminal.json) terminal.printJson(started);
  else for (const run of started.runs) terminal.print(run);
  const { replay: job } = started;
  if (job === null) terminal.note(`${counted(started.count, "run")} started. Watch: signalbox runs tail`);
  else sayJob(terminal, job);
}

function sayJob(terminal: Terminal, job: ReplayRow): void {
  if (!terminal.json) terminal.print(job.id);
  const runs = counted(job.expected.runs, "run");
  terminal.note(`${runs}, started at ${paceText(job.perMinute)}: about ${timeLeft(job)}.`);
  terminal.note(`Watch: signalbox replay show ${job.id}`);
}

/** By what the latest runs of the same events came to. */
function sayCost(terminal: Terminal, { cost }: Replayed): void {
  const price =
    cost.usd === null
      ? "No earlier run of them says what it may cost."
      : `About $${cost.usd < 0.1 ? cost.usd.toFixed(4) : cost.usd.toFixed(2)} of model calls, by what they cost before.`;
  terminal.note(price);
  const kinds = Object.entries(cost.actions).map(([kind, n]) => `${n} ${kind}`);
  const actions = kinds.length === 0 ? "" : `Actions, by what they planned before: ${kinds.join(", ")}. `;
  terminal.note(wrap(`${actions}An action that took effect before is not repeated.`, terminal.width, ""));
}

/** Before anyone is asked: what is left out, and what can only be taken as it is stored. */
function sayUnverified(terminal: Terminal, { refused, unverified }: Replayed): void {
  for (const { event, reason } of refused) terminal.note(`${event} is not run again: ${reason}.`);
  for (const { reason, events } of unverified)
    terminal.note(`${counted(events, "event")} can't be verified again: ${reason}.`);
}

async function replayAll(
  service: Service,
  selections: readonly Selection[],
  how: { readonly dryRun: boolean; readonly rate?: string },
): Promise<Replayed> {
  let total: Replayed = {
    events: 0,
    count: 0,
    runs: [],
    dryRun: how.dryRun,
    cost: { usd: null, actions: {} },
    verified: 0,
    unverified: [],
    refused: [],
    replay: null,
  };
  for (const selection of selections) {
    const one = await service.post<Replayed>("/api/replays", { ...selection, ...how });
    total = {
      events: total.events + one.events,
      count: total.count + one.count,
      runs: [...total.runs, ...one.runs],
      dryRun: how.dryRun,
      cost: costs(total.cost, one.cost),
      replay: one.replay ?? total.replay,
      verified: total.verified + one.verified,
      unverified: merged([...total.unverified, ...one.unverified]),
      refused: [...total.refused, ...one.refused],
    };
  }
  return total;
}

const costs = (a: Replayed["cost"], b: Replayed["cost"]): Replayed["cost"] => ({
  usd: a.usd === null && b.usd === null ? null : (a.usd ?? 0) + (b.usd ?? 0),
  actions: Object.fromEntries(
    [...new Set([...Object.keys(a.actions), ...Object.keys(b.actions)])].map((kind) => [
      kind,
      (a.actions[kind] ?? 0) + (b.actions[kind] ?? 0),
    ]),
  ),
});

function merged(parts: Replayed["unverified"]): Replayed["unverified"] {
  const byReason = new Map<string, number>();
  for (const { reason, events } of parts) byReason.set(reason, (byReason.get(reason) ?? 0) + events);
  return [...byReason].map(([reason, events]) => ({ reason, events }));
}
