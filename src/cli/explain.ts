/** `signalbox explain ID`: what became of an event, a run or an action, one sentence per decision. */
import { noticeAgent, pressAgent } from "../domain/run.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { usage } from "./failure.ts";
import { attemptNumbers, checkEnding, endingOf, linkOf } from "./details.ts";
import type { RouteVerdict } from "./routes.ts";
import { connect } from "./service.ts";
import type { ActionRow, AttemptRow, EventDetail, RunDetail, RunRow, Service } from "./service.ts";
import { moment } from "./tables.ts";
import { wrap } from "./terminal.ts";

interface Explanation {
  readonly event: EventDetail;
  /** Null when the configuration can't be read here, as for a service elsewhere. */
  readonly routes: readonly RouteVerdict[] | null;
  readonly runs: readonly RunDetail[];
}

export async function explain(context: Context, id: string, options: { url?: string }): Promise<void> {
  const { terminal } = context;
  const service = connect(context, options.url);
  const about = await collect(context, service, id, options.url !== undefined);
  if (terminal.json) {
    const { event, routes, runs } = about;
    terminal.printJson({
      id,
      event: event.id,
      sentences: sentencesOf(about).map(({ text }) => text),
      routes,
      runs: runs.map((run) => run.id),
    });
    return;
  }
  for (const { depth, text } of sentencesOf(about)) {
    const indent = "  ".repeat(depth);
    terminal.print(wrap(indent + text, terminal.width, depth === 0 ? "" : "  "));
  }
}

async function collect(
  context: Context,
  service: Service,
  id: string,
  remote: boolean,
): Promise<Explanation> {
  const path = encodeURIComponent(id);
  const runOf = (run: string) => service.get<RunDetail>(`/api/runs/${run}`);
  switch (id.split("_")[0]) {
    case "evt": {
      const event = await service.get<EventDetail>(`/api/events/${path}`);
      const runs = await Promise.all(event.runs.map((run: RunRow) => runOf(run.id)));
      return { event, routes: remote ? null : await routesFor(context, event), runs };
    }
    case "run": {
      const run = await runOf(path);
      const event = await service.get<EventDetail>(`/api/events/${run.event}`);
      const routes = remote ? null : await routesFor(context, event);
      return { event, routes: routes?.filter((one) => one.route === run.route) ?? null, runs: [run] };
    }
    case "act": {
      const action = await service.get<ActionRow>(`/api/actions/${path}`);
      const run = await runOf(action.run);
      const event = await service.get<EventDetail>(`/api/events/${run.event}`);
      return { event, routes: null, runs: [{ ...run, actions: run.actions.filter((one) => one.id === id) }] };
    }
    default:
      throw usage(`${id} is no id`, "Ids begin with evt_, run_ or act_; the lists give them.");
  }
}

/** Judged by the configuration as it is now, and by the payload as it is shown: without personal data. */
async function routesFor(context: Context, event: EventDetail): Promise<RouteVerdict[] | null> {
  if (event.payload === null) return null;
  const { loadSettings } = await import("../in-force.ts");
  const { settingsOptions } = await import("./settings.ts");
  const settings = await loadSettings(settingsOptions(context), systemClock.now());
  if (!settings.ok) return null;
  const { judgeRoutes } = await import("./routes.ts");
  const { id, source, type } = event;
  const facts = { id, source, type, receivedAt: new Date(event.receivedAt) };
  return judgeRoutes(settings.loaded.config.routes, facts, event.payload);
}

/** Reasons come with and without a full stop. */
const ended = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);

interface Sentence {
  readonly depth: 0 | 1 | 2;
  readonly text: string;
}

function sentencesOf({ event, routes, runs }: Explanation): Sentence[] {
  const copies = event.deliveries.filter((one) => one.result === "duplicate").length;
  // A copy of what never completed starts it again.
  const effect = event.runs.some(({ generation }) => generation > 0) ? "" : " and changed nothing";
  const arrival =
    `${event.source} sent ${event.type} (${event.id}), received and stored at ${moment(event.receivedAt)}` +
    (copies === 0 ? "." : `; ${copies === 1 ? "1 more copy" : `${copies} more copies`} of it came${effect}.`);
  return [
    { depth: 0, text: arrival },
    ...event.faults.map((fault): Sentence => ({
      depth: 1,
      text: `The route ${fault.route} failed on it in \`${fault.part}\`: ${ended(fault.message)}`,
    })),
    ...(event.status === "unrouted"
      ? [{ depth: 1, text: "No route matched, so no agent works on it." } as const]
      : []),
    ...(event.status === "inactive"
      ? [{ depth: 1, text: "Only routes that are switched off matched, so no agent works on it." } as const]
      : []),
    // Only a notification is routed without a run of its own.
    ...(event.status === "routed" && event.runs.length === 0
      ? [
          {
            depth: 1,
            text: "It came in one request with others; the run of the first of them reads what they all announce.",
          } as const,
        ]
      : []),
    ...routeSentences(routes, runs),
    ...runs.flatMap(runSentences),
  ];
}

function routeSentences(routes: readonly RouteVerdict[] | null, runs: readonly RunDetail[]): Sentence[] {
  return (routes ?? []).map(({ route, agent, matched, why }) => {
    const ran = runs.some((run) => run.route === route);
    // What happened outweighs what the configuration of today would do.
    const text =
      ran === matched
        ? `The route ${route} ${why}${matched ? `; ${agent} works on it` : ""}.`
        : ran
          ? `The route ${route} matched when it came; by today's configuration it ${why}.`
          : `The route ${route} ${why} by today's configuration, but started no run when it came.`;
    return { depth: 1, text };
  });
}

function runSentences(run: RunDetail): Sentence[] {
  const mode = {
    auto: "acts at once",
    review: "holds its actions for a person",
    "dry-run": "only records its actions",
  };
  return [
    {
      depth: 0,
      text:
        `${run.agent} (${run.id}) ${mode[run.mode]}` +
        `${run.generation === 0 || run.about !== null ? "" : `; this is restart ${run.generation} of the event`}. ${statusOf(run)}`,
    },
    ...(run.decidedBy === null
      ? []
      : [
          {
            depth: 1,
            text: ended(
              `${run.decidedBy === "model" ? "A model" : "The rules"} decided${run.decidedWhy === null ? "" : `: ${run.decidedWhy}`}`,
            ),
          } as const,
        ]),
    ...run.checks
      .filter(({ passed }) => !passed)
      .map((check): Sentence => ({
        depth: 1,
        text: ended(`The check of ${check.name} ${checkEnding(check)}`),
      })),
    ...run.history.map((attempt): Sentence => ({ depth: 1, text: attemptSentence(attempt) })),
    ...run.actions.map((action): Sentence => ({ depth: 1, text: actionSentence(action) })),
  ];
}

function statusOf(run: RunDetail): string {
  const reason = run.reason === null ? "" : `: ${run.reason}`;
  const until = run.waitingFor?.until == null ? "" : `, until ${moment(run.waitingFor.until)}`;
  const attempts = run.attempts > 1 ? ` after ${run.attempts} attempts` : "";
  switch (run.status) {
    case "queued":
      return ended(`It waits: ${run.waitingFor?.reason ?? "for its turn"}`);
    case "running":
      return "It is at work.";
    case "waiting":
    case "awaiting_review":
      return `It waits: ${run.waitingFor?.reason ?? "for its turn"}${until}.`;
    case "succeeded":
      return ended(`It succeeded${attempts}${reason}`);
    case "rejected":
      return ended(`A person rejected it${reason}`);
    case "cancelled":
      return ended(`It was cancelled${reason}`);
    case "dead":
      return run.cleared === null
        ? `${ended(`It is dead${attempts}${reason}`)} ${wayOut(run)}`
        : `${ended(`It is dead${attempts}${reason}`)} ${ended(clearedText(run.cleared))}`;
  }
}

/** What was to be told or was pressed is decided on the run itself instead. */
const wayOut = ({ id, agent }: RunDetail): string =>
  agent === noticeAgent || agent === pressAgent
    ? `Give it up: signalbox dead-letters discard ${id}`
    : `Replay it: signalbox dead-letters replay ${id}`;

const clearedText = ({ at, by, reason }: NonNullable<RunDetail["cleared"]>): string =>
  by === "replay"
    ? `It was ${reason} at ${moment(at)}`
    : `It was discarded by ${by} at ${moment(at)}: ${reason}`;

function attemptSentence(attempt: AttemptRow): string {
  const numbers = attemptNumbers(attempt);
  const at = attempt.at === null ? "" : ` at ${attempt.at}`;
  const counted = attempt.counted ? "" : " (not counted)";
  return ended(
    `${numbers.charAt(0).toUpperCase()}${numbers.slice(1)} ${endingOf(attempt)}${at}${counted}: ${attempt.error}`,
  );
}

function actionSentence(action: ActionRow): string {
  const what = `${action.kind} for ${action.subject}`;
  const by = action.reviewedBy === null ? "" : ` by ${action.reviewedBy}`;
  const reason = `${action.status === "rejected" ? by : ""}${action.reason === null ? "" : `: ${action.reason}`}`;
  const link = linkOf(action);
  switch (action.status) {
    case "planned":
      return `${what} is planned.`;
    case "awaiting_review":
      return `${what} waits for a person: signalbox review approve ${action.id}`;
    case "executing":
      return `${what} is being done.`;
    case "done":
      return action.dryRun
        ? ended(`${what} was recorded only (dry run)${reason}`)
        : `${what} was done${by === "" ? "" : `, approved${by}`}${link === null ? "." : `: ${link}`}`;
    case "failed":
      return ended(`${what} failed${reason}`);
    case "skipped":
      return ended(`${what} was skipped${reason}`);
    case "rejected":
      return ended(`${what} was rejected${reason}`);
    case "uncertain":
      return `${ended(`${what} may have been done, nobody knows${reason}`)} Look, then: signalbox review approve|reject ${action.id}`;
  }
}
