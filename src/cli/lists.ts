/** `events list|show|tail` and `runs list|show|tail`. */
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { usage } from "./failure.ts";
import { follow } from "./follow.ts";
import { connect } from "./service.ts";
import type { EventDetail, EventRow, List, RunDetail, RunRow, Service } from "./service.ts";
import { describeEvent, describeRun } from "./details.ts";
import { age, painted, table } from "./tables.ts";
import type { Terminal } from "./terminal.ts";

/** Filters as the API takes them. */
export interface ListOptions {
  readonly url?: string;
  readonly source?: string;
  readonly type?: string;
  readonly agent?: string;
  readonly status?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

export function queryOf(options: ListOptions): string {
  const { url: _, ...filters } = options;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (typeof value === "string") search.set(name, value);
  }
  search.set("limit", options.limit ?? "20");
  return search.toString();
}

export async function listEvents(context: Context, options: ListOptions): Promise<void> {
  const list = await connect(context, options.url).get<List<EventRow>>(`/api/events?${queryOf(options)}`);
  show(context, list, "events", eventTable);
}

export async function listRuns(context: Context, options: ListOptions): Promise<void> {
  const list = await connect(context, options.url).get<List<RunRow>>(`/api/runs?${queryOf(options)}`);
  show(context, list, "runs", runTable);
}

export function show<T>(
  { terminal }: Context,
  list: List<T>,
  what: string,
  render: (terminal: Terminal, items: readonly T[]) => string,
): void {
  if (terminal.json) {
    terminal.printJson(list);
    return;
  }
  if (list.items.length === 0) terminal.note(`No ${what}.`);
  else terminal.print(render(terminal, list.items));
  if (list.next !== null) terminal.note(`\nOlder ones: --cursor ${list.next}`);
}

const idWidth = 40;

function eventTable(terminal: Terminal, items: readonly EventRow[]): string {
  const now = systemClock.now();
  return table(
    terminal,
    [{ title: "EVENT", width: idWidth }, { title: "SOURCE, TYPE" }, { title: "AGE", width: 4 }],
    items.map((event) => [
      `${event.id}\n  ${outcomeOf(terminal, event)}`,
      `${event.source}\n${event.type}`,
      age(event.receivedAt, now),
    ]),
  );
}

const outcomeOf = (terminal: Terminal, event: EventRow): string =>
  event.runs.length === 0
    ? painted(terminal, event.status)
    : event.runs.map((run) => `${run.agent} ${painted(terminal, run.status)}`).join(", ");

export function runTable(terminal: Terminal, items: readonly RunRow[]): string {
  const now = systemClock.now();
  return table(
    terminal,
    [{ title: "RUN", width: idWidth }, { title: "STATUS" }, { title: "AGE", width: 4 }],
    items.map((run) => [
      `${run.id}\n  ${run.agent}${run.decidedBy === null ? "" : `, decided by ${run.decidedBy}`}`,
      `${painted(terminal, run.status)}\n${run.waitingFor?.reason ?? run.reason ?? ""}`.trimEnd(),
      age(run.createdAt, now),
    ]),
  );
}

export async function showEvent(context: Context, id: string, options: { url?: string }): Promise<void> {
  const path = `/api/events/${idOf(id, "evt")}`;
  const event = await connect(context, options.url).get<EventDetail>(path);
  if (context.terminal.json) context.terminal.printJson(event);
  else context.terminal.print(describeEvent(context.terminal, event));
}

export async function showRun(context: Context, id: string, options: { url?: string }): Promise<void> {
  const path = `/api/runs/${idOf(id, "run")}`;
  const run = await connect(context, options.url).get<RunDetail>(path);
  if (context.terminal.json) context.terminal.printJson(run);
  else context.terminal.print(describeRun(context.terminal, run));
}

const kinds: Readonly<Record<string, string>> = { evt: "an event", run: "a run", act: "an action" };

/** Throws a usage Failure for an id of something else, which would only be "not found" otherwise. */
export function idOf(id: string, prefix: string): string {
  const [given = ""] = id.split("_");
  if (given === prefix) return encodeURIComponent(id);
  const what = kinds[given];
  throw usage(
    `${id} is ${what ?? "no id"}; this command takes the id of ${kinds[prefix] ?? "something else"} (${prefix}_…)`,
    what === undefined ? "The lists give the ids." : `\`signalbox explain ${id}\` takes all three kinds.`,
  );
}

interface TailOptions extends Pick<ListOptions, "url" | "source" | "type" | "agent" | "status"> {}

export const tailEvents = (context: Context, options: TailOptions): Promise<void> =>
  follow<EventRow>(context, connect(context, options.url), {
    kind: "event",
    wanted: (event) =>
      fits(options.source, event.source) &&
      fits(options.type, event.type) &&
      fits(options.status, event.status),
    line: (event) => [
      event.receivedAt,
      `${event.source} ${event.type}`,
      painted(context.terminal, event.status),
      event.id,
    ],
  });

export async function tailRuns(context: Context, options: TailOptions): Promise<void> {
  await follow<RunRow>(context, connect(context, options.url), {
    kind: "run",
    wanted: (run) => fits(options.agent, run.agent) && fits(options.status, run.status),
    line: (run) => [run.updatedAt, run.agent, painted(context.terminal, run.status), run.id],
  });
}

const fits = (wanted: string | undefined, value: string): boolean => wanted === undefined || wanted === value;

/** All pages of a list, for commands that look for something in it. */
export async function* everyItem<T>(service: Service, path: string): AsyncGenerator<T> {
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: List<T> = await service.get(
      `${path}${path.includes("?") ? "&" : "?"}limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`,
    );
    yield* page.items;
    cursor = page.next;
  }
}
