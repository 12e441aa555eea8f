/** One event or one run, for reading. */
import type { ActionRow, AttemptRow, EventDetail, RunDetail } from "./service.ts";
import { moment, painted } from "./tables.ts";
import { wrap } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

const shownLines = 40;

export function describeEvent(terminal: Terminal, event: EventDetail): string {
  const { paint } = terminal;
  const parts = [
    paint.bold(event.id),
    fields(terminal, [
      ["source", event.source],
      ["type", event.type],
      ["status", painted(terminal, event.status)],
      ["provider id", event.providerId],
      ["received", moment(event.receivedAt)],
      ["occurred", event.occurredAt === null ? null : moment(event.occurredAt)],
      ["body", `${event.bodyBytes} bytes`],
    ]),
    section(
      terminal,
      "deliveries",
      event.deliveries.map(
        (one) =>
          `${moment(one.receivedAt)}  ${one.result}  from ${one.remoteAddress}` +
          (one.secretIndex === null ? "" : `, secret ${one.secretIndex + 1}`),
      ),
    ),
    section(
      terminal,
      "faults",
      event.faults.map((fault) => `route ${fault.route}, ${fault.part}: ${fault.message}`),
    ),
    section(
      terminal,
      "runs",
      event.runs.map(
        (run) => `${run.id}  ${painted(terminal, run.status)}\n    ${run.agent}${by(run.route)}`,
      ),
    ),
    verbatim(terminal, "payload", event.text ?? event.payload),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

const by = (route: string | null): string => (route === null ? "" : `, by the route ${route}`);

export function describeRun(terminal: Terminal, run: RunDetail): string {
  const { paint } = terminal;
  const waits = run.waitingFor;
  const parts = [
    paint.bold(run.id),
    fields(terminal, [
      ["agent", run.agent],
      ["event", run.event],
      ["route", run.route],
      ["mode", run.mode],
      ["status", painted(terminal, run.status)],
      [
        "waits for",
        waits === null ? null : waits.reason + (waits.until === null ? "" : `, until ${moment(waits.until)}`),
      ],
      ["reason", run.reason],
      [
        "cleared",
        run.cleared === null ? null : `${moment(run.cleared.at)} by ${run.cleared.by}: ${run.cleared.reason}`,
      ],
      [
        "decided by",
        run.decidedBy === null
          ? null
          : `${run.decidedBy}${run.decidedWhy === null ? "" : `: ${run.decidedWhy}`}`,
      ],
      ["attempts", String(run.attempts)],
      ["restart", run.generation === 0 ? null : `number ${run.generation}`],
      ["created", moment(run.createdAt)],
      ["updated", moment(run.updatedAt)],
    ]),
    section(
      terminal,
      "how attempts ended",
      run.history.map((attempt) => describeAttempt(terminal, attempt)),
    ),
    section(
      terminal,
      "steps",
      run.steps.map((step) => {
        const cost =
          step.usage === null
            ? ""
            : `  ${step.usage.model}, ${step.usage.inputTokens} + ${step.usage.outputTokens} tokens, ${step.usage.costUsd === null ? "cost not known" : `$${step.usage.costUsd.toFixed(4)}`}`;
        return `${step.name.padEnd(10)} ${String(step.durationMs).padStart(6)} ms${cost}`;
      }),
    ),
    verbatim(terminal, "decision", run.decision),
    section(
      terminal,
      "checks",
      run.checks.map((check) => `${check.name}: ${checkEnding(check)}`),
    ),
    section(
      terminal,
      "actions",
      run.actions.map((action) => describeAction(terminal, action)),
    ),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

const endings: Readonly<Record<string, string>> = {
  retryAt: "failed",
  parkUntil: "parked",
  awaitReview: "held for a person",
  lost: "cut off",
};

export const endingOf = ({ end }: AttemptRow): string => endings[end] ?? end;

/** `attempts 2 to 41` stands for as many that ended alike. */
export const attemptNumbers = ({ number, times }: AttemptRow): string =>
  times === 1 ? `attempt ${number}` : `attempts ${number} to ${number + times - 1}`;

export const checkEnding = ({ passed, detail, effect }: RunDetail["checks"][number]): string =>
  `${passed ? "passed" : "failed"} (${detail})${passed || effect === null ? "" : `, ${effect === "held" ? "held for a person" : "kept within the limit"}`}`;

function describeAttempt(terminal: Terminal, attempt: AttemptRow): string {
  const when =
    attempt.times === 1
      ? moment(attempt.endedAt)
      : `${moment(attempt.startedAt)} to ${moment(attempt.endedAt)}`;
  const at = attempt.at === null ? "" : ` at ${attempt.at}`;
  return [
    `${attemptNumbers(attempt)}  ${painted(terminal, endingOf(attempt))}${at}${attempt.counted ? "" : ", not counted"}`,
    `    ${when}`,
    `    ${attempt.error}`,
  ].join("\n");
}

function describeAction(terminal: Terminal, action: ActionRow): string {
  const link = linkOf(action);
  const lines = [
    `${action.id}  ${painted(terminal, action.status)}${action.dryRun ? ", dry run" : ""}`,
    `    ${action.kind}  ${action.name}  ${action.subject}`,
    ...(action.reason === null ? [] : [`    ${action.reason}`]),
    ...(link === null ? [] : [`    ${link}`]),
  ];
  return lines.join("\n");
}

/** Where a person finds what an action did: a link if the vendor gave one, else its id. */
export function linkOf(action: ActionRow): string | null {
  if (action.ref === null || typeof action.ref !== "object" || Array.isArray(action.ref)) return null;
  const values = Object.entries(action.ref).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const link = values.find(([, value]) => value.startsWith("http"));
  const first = link ?? values[0];
  return first === undefined ? null : link ? first[1] : `${first[0]} ${first[1]}`;
}

const labelWidth = 13;

function fields(terminal: Terminal, rows: readonly (readonly [string, string | null])[]): string {
  return rows
    .flatMap(([name, value]) =>
      value === null
        ? []
        : [
            wrap(
              `  ${terminal.paint.dim(name.padEnd(labelWidth))}${value}`,
              terminal.width,
              " ".repeat(labelWidth + 2),
            ),
          ],
    )
    .join("\n");
}

const section = (terminal: Terminal, title: string, rows: readonly string[]): string =>
  rows.length === 0
    ? ""
    : [`\n${terminal.paint.dim(title)}`, ...rows.map((row) => wrap(`  ${row}`, terminal.width, "    "))].join(
        "\n",
      );

/** A value as it is: broken into lines elsewhere, it would be another one. */
const verbatim = (terminal: Terminal, title: string, value: unknown): string =>
  value === null ? "" : `\n${terminal.paint.dim(title)}\n  ${excerpt(value)}`;

/** The beginning of a value; `--json` has all of it. */
function excerpt(value: unknown): string {
  const lines = (typeof value === "string" ? value : JSON.stringify(value, null, 2)).split("\n");
  const left = lines.length - shownLines;
  if (left <= 1) return lines.join("\n  ");
  return [...lines.slice(0, shownLines), `… ${left} more lines; --json has everything`].join("\n  ");
}
