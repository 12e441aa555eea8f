/** `signalbox dead-letters list|show|discard`: work that was given up, why, and that nobody will do it any more. */
import type { Context } from "./context.ts";
import { describeEvent, describeRun } from "./details.ts";
import { Failure, usage } from "./failure.ts";
import { idOf, queryOf, runTable, show } from "./lists.ts";
import type { ListOptions } from "./lists.ts";
import { connect } from "./service.ts";
import type { EventDetail, List, RunDetail, RunRow } from "./service.ts";

export async function listDeadLetters(
  context: Context,
  options: ListOptions & { readonly cause?: string },
): Promise<void> {
  const service = connect(context, options.url);
  const list = await service.get<List<RunRow>>(`/api/dead-letters?${queryOf(options)}`);
  show(context, list, "dead letters", runTable);
  if (!context.terminal.json && list.items.length > 0)
    context.terminal.note(
      "\nLook at one: signalbox dead-letters show ID\nThen: signalbox dead-letters replay ID… | --all, or discard ID… --reason TEXT",
    );
}

export async function showDeadLetter(context: Context, id: string, options: { url?: string }): Promise<void> {
  const { terminal } = context;
  const service = connect(context, options.url);
  const run = await service.get<RunDetail>(`/api/runs/${idOf(id, "run")}`);
  if (run.status !== "dead")
    throw new Failure(`${run.id} is ${run.status}, no dead letter`, {
      hint: `Look at it with \`signalbox runs show ${run.id}\`.`,
    });
  const event = await service.get<EventDetail>(`/api/events/${run.event}`);
  if (terminal.json) {
    terminal.printJson({ ...run, event });
    return;
  }
  terminal.print(describeRun(terminal, run));
  terminal.print("");
  terminal.print(describeEvent(terminal, event));
  if (run.cleared === null)
    terminal.note(
      `\nRun it again: signalbox dead-letters replay ${run.id}\nOr give it up: signalbox dead-letters discard ${run.id} --reason TEXT`,
    );
}

export interface DiscardOptions extends Pick<
  ListOptions,
  "url" | "source" | "type" | "agent" | "since" | "until"
> {
  readonly cause?: string;
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export async function discardDeadLetters(
  context: Context,
  ids: readonly string[],
  options: DiscardOptions,
): Promise<void> {
  const { terminal } = context;
  const { reason, source, type, agent, cause, since, until } = options;
  const filter = Object.fromEntries(
    Object.entries({ source, type, agent, cause, since, until }).filter(([, value]) => value !== undefined),
  );
  const filtered = Object.keys(filter).length > 0;
  if (ids.length > 0 === filtered)
    throw usage(
      "say which dead letters: ids, or a filter",
      'For example: signalbox dead-letters discard --cause "422" --since 24h --reason "test data"',
    );
  const service = connect(context, options.url);
  const paths = ids.map((id) => `/api/dead-letters/${idOf(id, "run")}/discard`);
  const counted = filtered
    ? (await service.post<{ count: number }>("/api/dead-letters/discard", { filter, reason, dryRun: true }))
        .count
    : ids.length;
  const what = `${counted} dead letter${counted === 1 ? "" : "s"}`;
  if (options.dryRun || counted === 0) {
    if (terminal.json) terminal.printJson({ count: counted, dryRun: true });
    else terminal.print(`${what}: nothing was discarded`);
    return;
  }
  const question = `Discard ${what} for good?`;
  if (filtered && terminal.interactive && !options.yes && !(await terminal.confirm(question)))
    throw new Failure("nothing was discarded");
  let count = 0;
  if (filtered)
    count = (await service.post<{ count: number }>("/api/dead-letters/discard", { filter, reason })).count;
  for (const path of paths) {
    await service.post<RunRow>(path, { reason });
    count += 1;
  }
  if (terminal.json) terminal.printJson({ count, dryRun: false });
  else terminal.print(`${count} discarded; the runs stay dead, with this reason`);
}
