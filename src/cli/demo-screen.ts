/** What the demo shows: a line per event, decision, action and breaker as it happens, and the table at the end. */
import { systemAgents } from "../domain/run.ts";
import type { Verdict } from "./demo-verify.ts";
import type { ActionRow, BreakerRow, Change, EventRow, RunRow } from "./service.ts";
import { wrap } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

export interface Screen {
  /** Shows a change, unless the same was shown before. */
  change(change: Change): void;
  headline(text: string): void;
  remark(text: string): void;
  summary(verdict: Verdict, sent: { events: number; deliveries: number }): void;
}

const finals: Readonly<Record<string, string>> = {
  succeeded: "done",
  cancelled: "cancelled",
  rejected: "rejected",
  dead: "dead",
  awaiting_review: "waits for a person",
};

export function createScreen(terminal: Terminal, adminUrl: string): Screen {
  const shown = new Set<string>();
  const { paint, width } = terminal;
  const link = (list: "events" | "runs", id: string) => paint.dim(`${adminUrl}/#/${list}/${id}`);
  const line = (mark: string, what: string, text: string, under?: string) => {
    terminal.print(`${mark} ${what.padEnd(9)} ${cut(text, width - 12)}`);
    if (under !== undefined) terminal.print(`            ${under}`);
  };

  function event(row: EventRow): void {
    line(paint.cyan("●"), "event", `${row.source}  ${row.type}`, link("events", row.id));
  }

  function run(row: RunRow): void {
    if (row.decidedBy !== null && once(`decided ${row.id}`)) {
      const by = row.decidedBy === "model" ? paint.green("model") : paint.yellow("rules");
      line(paint.magenta("◆"), "decision", `${row.agent}  by the ${by}: ${row.decidedWhy ?? ""}`);
    }
    const end = finals[row.status];
    if (end !== undefined && !systemAgents.includes(row.agent)) {
      line(
        row.status === "dead" ? paint.red("✗") : paint.dim("○"),
        "run",
        `${row.agent}  ${end}: ${words(row)}`,
        link("runs", row.id),
      );
    } else if (row.status === "waiting") {
      line(paint.yellow("…"), "waits", `${row.agent}  ${row.waitingFor?.reason ?? ""}`);
    }
  }

  function action(row: ActionRow): void {
    if (row.status !== "done") return;
    line(paint.green("✓"), "action", `${row.kind}${row.dryRun ? "  (dry run)" : ""}  ${refText(row.ref)}`);
  }

  function breaker(row: BreakerRow): void {
    const state =
      row.state === "closed"
        ? paint.green("closed")
        : row.state === "open"
          ? paint.red("OPEN")
          : paint.yellow(row.state);
    line(paint.yellow("⚡"), "breaker", `${row.service}  ${state}`);
  }

  function once(key: string): boolean {
    if (shown.has(key)) return false;
    shown.add(key);
    return true;
  }

  return {
    change({ kind, row }) {
      const { id = "", status = "", service = "", state = "" } = row as Record<string, string | undefined>;
      if (
        kind === "breaker"
          ? !changed(shown, service, state)
          : !once(`${kind} ${id} ${kind === "event" ? "" : status}`)
      )
        return;
      if (kind === "event") event(row as EventRow);
      else if (kind === "run") run(row as RunRow);
      else if (kind === "action") action(row as ActionRow);
      else if (kind === "breaker") breaker(row as BreakerRow);
    },
    headline: (text) => terminal.print(`\n${paint.bold(wrap(text, width, "   "))}\n`),
    remark: (text) => terminal.print(paint.dim(text)),
    summary: (verdict, sent) => printSummary(terminal, verdict, sent),
  };
}

/** Breakers go back and forth: what is shown is each change, not each state once. */
function changed(shown: Set<string>, service: string, state: string): boolean {
  const key = `breaker ${service} `;
  if (shown.has(key + state)) return false;
  for (const other of ["closed", "open", "half-open"]) shown.delete(key + other);
  shown.add(key + state);
  return state !== "closed" || shown.has(`known ${service}`) || !shown.add(`known ${service}`);
}

/** The vendor's link to what was made, else its id. */
const refText = (ref: ActionRow["ref"]): string => ref?.["url"] ?? ref?.["id"] ?? "";

const words = (row: RunRow): string => row.reason ?? row.waitingFor?.reason ?? "";

const cut = (text: string, width: number): string => {
  const flat = text.replaceAll(/\s+/g, " ");
  return flat.length <= width ? flat : `${flat.slice(0, Math.max(0, width - 1))}…`;
};

function printSummary(
  terminal: Terminal,
  verdict: Verdict,
  sent: { events: number; deliveries: number },
): void {
  const { paint } = terminal;
  const other = Object.entries(verdict.runs.other).map(([status, count]) => `${count} ${status}`);
  const rows: [string, string][] = [
    ["events", `${verdict.events} stored, of ${sent.events} announced in ${sent.deliveries} deliveries`],
    ["", `and ${verdict.notifications} notifications, which are read and then left`],
    ["runs", [`${verdict.runs.succeeded} succeeded`, ...other].join(", ")],
    ["decided by", `model ${verdict.decided.model}, rules ${verdict.decided.rules}`],
    ...Object.entries(verdict.byVendor)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([vendor, count], index): [string, string] => [
        index === 0 ? "actions" : "",
        `${vendor.padEnd(9)} ${count}`,
      ]),
    ["lost", verdict.lost.length === 0 ? paint.green("0") : paint.red(String(verdict.lost.length))],
    [
      "duplicated",
      verdict.duplicated.length === 0 ? paint.green("0") : paint.red(String(verdict.duplicated.length)),
    ],
  ];
  terminal.print("");
  for (const [name, text] of rows) terminal.print(`  ${paint.dim(name.padEnd(12))} ${text}`);
  for (const problem of [...verdict.lost, ...verdict.duplicated])
    terminal.print(`  ${paint.red("✗")} ${problem}`);
  terminal.print("");
}
