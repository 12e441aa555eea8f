/** `signalbox replay list|show|cancel|resume`: replays that start their runs one after another. */
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { usage } from "./failure.ts";
import { connect } from "./service.ts";
import type { List, ReplayRow } from "./service.ts";
import { age, moment, painted, table } from "./tables.ts";
import type { Terminal } from "./terminal.ts";

interface Where {
  readonly url?: string;
}

export async function listReplays(context: Context, options: Where): Promise<void> {
  const { terminal } = context;
  const list = await connect(context, options.url).get<List<ReplayRow>>("/api/replays");
  if (terminal.json) {
    terminal.printJson(list);
    return;
  }
  if (list.items.length === 0) {
    terminal.note("No paced replays. One begins when more than 200 runs are replayed, or with --rate.");
    return;
  }
  const now = systemClock.now();
  terminal.print(
    table(
      terminal,
      [{ title: "REPLAY", width: 40 }, { title: "PROGRESS" }, { title: "AGE", width: 4 }],
      list.items.map((job) => [
        `${job.id}\n  ${painted(terminal, job.status)}`,
        `${progressOf(job)}\n${filterText(job)}`,
        age(job.createdAt, now),
      ]),
    ),
  );
}

export async function showReplay(context: Context, id: string, options: Where): Promise<void> {
  const job = await connect(context, options.url).get<ReplayRow>(`/api/replays/${jobId(id)}`);
  if (context.terminal.json) context.terminal.printJson(job);
  else context.terminal.print(describeReplay(context.terminal, job));
}

export async function changeReplay(
  context: Context,
  deed: "cancel" | "resume",
  id: string,
  options: Where,
): Promise<void> {
  const { terminal } = context;
  const job = await connect(context, options.url).post<ReplayRow>(`/api/replays/${jobId(id)}/${deed}`, {});
  if (terminal.json) terminal.printJson(job);
  else terminal.print(`${job.id} is ${job.status}: ${progressOf(job)}`);
}

function jobId(id: string): string {
  if (!id.startsWith("rpl_"))
    throw usage(
      `${id} is no replay; this command takes the id of one (rpl_…)`,
      "`signalbox replay list` gives them.",
    );
  return encodeURIComponent(id);
}

const progressOf = ({ runs, expected, refused }: ReplayRow): string =>
  `${runs} of ${expected.runs} runs started${refused === 0 ? "" : `, ${refused} events refused`}`;

const filterText = ({ filter }: ReplayRow): string =>
  Object.entries(filter)
    .map(([name, value]) => {
      if (name === "deadLetters") return "dead letters";
      return `${name} ${name === "since" || name === "until" ? moment(String(value)) : String(value)}`;
    })
    .join(", ");

/** `5/s`, `30/min`, `20/h`: the largest unit that leaves no part of a run. */
export const paceText = (perMinute: number): string =>
  perMinute % 60 === 0
    ? `${perMinute / 60}/s`
    : perMinute >= 1
      ? `${perMinute}/min`
      : `${Math.round(perMinute * 60)}/h`;

/** How long what is left takes at the pace. */
export function timeLeft({ expected, runs, perMinute }: ReplayRow): string {
  const minutes = Math.max(0, expected.runs - runs) / perMinute;
  if (minutes < 1) return `${Math.ceil(minutes * 60)} s`;
  return minutes < 120 ? `${Math.ceil(minutes)} min` : `${Math.ceil(minutes / 60)} h`;
}

function describeReplay(terminal: Terminal, job: ReplayRow): string {
  const rows: [string, string][] = [
    ["status", painted(terminal, job.status)],
    ["runs again", filterText(job)],
    ["progress", `${progressOf(job)}, ${job.events} of ${job.expected.events} events dealt with`],
    ["pace", paceText(job.perMinute)],
    ...(job.status === "running" ? ([["left", `about ${timeLeft(job)}`]] as [string, string][]) : []),
    ["asked by", job.by],
    ["created", moment(job.createdAt)],
    ["updated", moment(job.updatedAt)],
  ];
  return [
    terminal.paint.bold(job.id),
    ...rows.map(([name, value]) => `  ${terminal.paint.dim(name.padEnd(12))}${value}`),
  ].join("\n");
}
