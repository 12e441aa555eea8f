/** `signalbox pause` and `resume`: an agent, a destination or everything is brought to a halt, and let go on. */
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { connect } from "./service.ts";
import type { List, PauseRow } from "./service.ts";
import { age, table } from "./tables.ts";

interface Where {
  readonly url?: string;
}

/** Without a name, what is paused. */
export async function pause(
  context: Context,
  name: string | undefined,
  { url, reason }: Where & { readonly reason?: string },
): Promise<void> {
  if (name === undefined) return listPauses(context, url);
  const { terminal } = context;
  const row = await connect(context, url).post<PauseRow>("/api/pauses", {
    name,
    ...(reason === undefined ? {} : { reason }),
  });
  if (terminal.json) terminal.printJson(row);
  else {
    terminal.print(`${row.name} is paused. What needs it waits, and does not age; receiving goes on.`);
    terminal.note(`Let it go on with \`signalbox resume ${name}\`.`);
  }
}

export async function resume(context: Context, name: string, { url }: Where): Promise<void> {
  const { terminal } = context;
  const path = `/api/pauses/${encodeURIComponent(name)}`;
  const answer = await connect(context, url).delete<{ name: string; runs: number }>(path);
  if (terminal.json) terminal.printJson(answer);
  else
    terminal.print(
      answer.runs === 0
        ? `${name} goes on. Nothing waited for it.`
        : `${name} goes on, and with it ${answer.runs} ${answer.runs === 1 ? "run" : "runs"}, one after another.`,
    );
}

async function listPauses(context: Context, url: string | undefined): Promise<void> {
  const { terminal } = context;
  const list = await connect(context, url).get<List<PauseRow>>("/api/pauses");
  if (terminal.json) {
    terminal.printJson(list);
    return;
  }
  if (list.items.length === 0) {
    terminal.note("Nothing is paused. `signalbox pause NAME` pauses an agent, a destination, or all.");
    return;
  }
  const now = systemClock.now();
  terminal.print(
    table(
      terminal,
      [{ title: "PAUSED", width: 20 }, { title: "WHY" }, { title: "AGE", width: 4 }],
      list.items.map(({ name, reason, since }) => [name, reason, since === null ? "" : age(since, now)]),
    ),
  );
}
